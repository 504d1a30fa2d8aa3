//! What a client sends: requests, and little else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    event::{ConfirmedEvent, Cursor},
    limits::{FRAMES, MAX_NUMBER},
    request_id::RequestId,
};

/// How a client reaches its server; the requests' names tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Transport {
    /// Frames in both directions, for as long as they like.
    WebSocket,
    /// One request, one array of frames.
    Http,
}

/// One frame from a client.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientFrame {
    /// "Are you there?"
    Ping,
    /// A request.
    Request {
        /// What the client calls it.
        id: RequestId,
        /// What it wants.
        request: Request,
    },
    /// "I have that page."
    Ack(RequestId),
    /// "No more of this."
    Interrupt(RequestId),
    /// Nothing that a server need act upon.
    Eof,
}

/// What a client wants.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Events.
    Pull(Pull),
    /// Events for the log.
    Push(Push),
    /// An answer, over HTTP.
    Ping {
        /// The store.
        store: String,
    },
}

/// "What follows here?"
#[derive(Clone, PartialEq, Debug)]
pub struct Pull {
    /// The store.
    pub store: String,
    /// Who asks, in the app's own words.
    pub payload: Option<Value>,
    /// Whether to go on for ever.
    pub live: bool,
    /// After which event to start; `None` for the first.
    pub cursor: Option<Cursor>,
}

/// "Append this."
#[derive(Clone, PartialEq, Debug)]
pub struct Push {
    /// The store.
    pub store: String,
    /// Who asks, in the app's own words.
    pub payload: Option<Value>,
    /// The events.
    pub batch: Vec<ConfirmedEvent>,
    /// The backend that the client knows.
    pub backend: Option<Arc<str>>,
    /// How many events each commit of the batch has, to be kept together ([`super::Extensions::commits`]).
    pub commits: Option<Vec<usize>>,
}

/// A frame that can't be understood; with the id of its request if it had one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct BadFrame {
    /// Which request to answer.
    pub id: Option<RequestId>,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "_tag")]
    tag: String,
    id: Option<RequestId>,
    #[serde(rename = "requestId")]
    request_id: Option<RequestId>,
    #[serde(rename = "tag")]
    name: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullBody {
    store_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    cursor: Maybe<WireCursor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushBody {
    store_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    batch: Vec<ConfirmedEvent>,
    backend_id: Maybe<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commits: Option<Vec<usize>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PingBody {
    store_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCursor {
    backend_id: Arc<str>,
    event_sequence_number: u64,
}

/// Effect's `Option`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "_tag", content = "value")]
enum Maybe<T> {
    None,
    Some(T),
}

impl<T> From<Option<T>> for Maybe<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Self::Some)
    }
}

impl<T> From<Maybe<T>> for Option<T> {
    fn from(value: Maybe<T>) -> Self {
        match value {
            Maybe::None => None,
            Maybe::Some(value) => Some(value),
        }
    }
}

impl ClientFrame {
    /// Reads a text frame or the body of an HTTP request: one frame, or an array of some.
    ///
    /// # Errors
    /// [`BadFrame`] when the text is no JSON or holds too many frames; each frame has a result of its own.
    pub fn decode(text: &str) -> Result<Vec<Result<Self, BadFrame>>, BadFrame> {
        let nameless = |error: serde_json::Error| BadFrame { id: None, reason: error.to_string() };
        if !text.trim_start().starts_with('[') {
            let envelope: Envelope<'_> = serde_json::from_str(text).map_err(nameless)?;
            return Ok(vec![Self::open(&envelope)]);
        }
        let frames: Vec<&RawValue> = serde_json::from_str(text).map_err(nameless)?;
        if frames.len() > FRAMES {
            return Err(BadFrame { id: None, reason: format!("{} frames in one", frames.len()) });
        }
        let open = |frame: &RawValue| {
            let envelope = serde_json::from_str(frame.get()).map_err(nameless)?;
            Self::open(&envelope)
        };
        Ok(frames.into_iter().map(open).collect())
    }

    fn open(envelope: &Envelope<'_>) -> Result<Self, BadFrame> {
        let bad = |reason: String| BadFrame { id: envelope.id.clone(), reason };
        let about = || envelope.request_id.clone().ok_or_else(|| bad("no requestId".to_owned()));
        match envelope.tag.as_str() {
            "Ping" => Ok(Self::Ping),
            "Eof" => Ok(Self::Eof),
            "Ack" => about().map(Self::Ack),
            "Interrupt" => about().map(Self::Interrupt),
            "Request" => {
                let id = envelope.id.clone().ok_or_else(|| bad("no id".to_owned()))?;
                let name = envelope.name.as_deref().unwrap_or_default();
                let payload = envelope.payload.map_or("null", RawValue::get);
                Ok(Self::Request { id, request: Request::open(name, payload).map_err(bad)? })
            }
            other => Err(bad(format!("unknown frame: {}", shortened(other)))),
        }
    }

    /// Writes the frame.
    pub fn encode(&self, transport: Transport) -> String {
        let frame = match self {
            Self::Ping => json!({"_tag": "Ping"}),
            Self::Eof => json!({"_tag": "Eof"}),
            Self::Ack(id) => json!({"_tag": "Ack", "requestId": id}),
            Self::Interrupt(id) => json!({"_tag": "Interrupt", "requestId": id}),
            Self::Request { id, request } => return request.encode(id, transport),
        };
        frame.to_string()
    }
}

impl Request {
    fn open(name: &str, payload: &str) -> Result<Self, String> {
        fn body<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, String> {
            serde_json::from_str(payload).map_err(|error| error.to_string())
        }
        let method = name.strip_prefix("SyncWsRpc.").or_else(|| name.strip_prefix("SyncHttpRpc."));
        match method {
            Some("Pull") => {
                let PullBody { store_id, payload, live, cursor } = body(payload)?;
                let cursor: Option<WireCursor> = cursor.into();
                let cursor = cursor.map(Cursor::try_from).transpose()?;
                let live = live.unwrap_or(false);
                Ok(Self::Pull(Pull { store: store_id, payload, live, cursor }))
            }
            Some("Push") => {
                let PushBody { store_id: store, payload, batch, backend_id, commits } =
                    body(payload)?;
                let backend = backend_id.into();
                Ok(Self::Push(Push { store, payload, batch, backend, commits }))
            }
            Some("Ping") => {
                let PingBody { store_id } = body(payload)?;
                Ok(Self::Ping { store: store_id })
            }
            _ => Err(format!("Unknown request tag: {}", shortened(name))),
        }
    }

    fn encode(&self, id: &RequestId, transport: Transport) -> String {
        let family = match transport {
            Transport::WebSocket => "SyncWsRpc",
            Transport::Http => "SyncHttpRpc",
        };
        let (method, payload) = match self {
            Self::Pull(pull) => ("Pull", to_text(&pull.to_body(transport))),
            Self::Push(push) => ("Push", to_text(&push.to_body())),
            Self::Ping { store } => ("Ping", json!({ "storeId": store }).to_string()),
        };
        // The payload is written as the text it is, so that arguments stay byte for byte.
        format!(
            r#"{{"_tag":"Request","id":{},"tag":"{family}.{method}","payload":{payload},"headers":[]}}"#,
            to_text(id),
        )
    }
}

impl Pull {
    fn to_body(&self, transport: Transport) -> PullBody {
        PullBody {
            store_id: self.store.clone(),
            payload: self.payload.clone(),
            live: (transport == Transport::WebSocket).then_some(self.live),
            cursor: self
                .cursor
                .as_ref()
                .map(|cursor| WireCursor {
                    backend_id: Arc::clone(&cursor.backend),
                    event_sequence_number: cursor.number,
                })
                .into(),
        }
    }
}

impl Push {
    fn to_body(&self) -> PushBody {
        PushBody {
            store_id: self.store.clone(),
            payload: self.payload.clone(),
            batch: self.batch.clone(),
            backend_id: self.backend.clone().into(),
            commits: self.commits.clone(),
        }
    }
}

impl TryFrom<WireCursor> for Cursor {
    type Error = String;

    fn try_from(cursor: WireCursor) -> Result<Self, String> {
        if cursor.event_sequence_number > MAX_NUMBER {
            return Err(format!("the cursor {} is beyond 2^53-1", cursor.event_sequence_number));
        }
        Ok(Self { backend: cursor.backend_id, number: cursor.event_sequence_number })
    }
}

/// JSON of one of our own types, all of which have text for keys.
pub(super) fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("BUG: a wire message always has a JSON form")
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
