//! What a server sends: pages, ends of requests, and little else.

use std::{fmt::Write, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    client_frame::to_text,
    event::{ConfirmedEvent, Page, Remaining},
    exit::{Exit, text_of},
    hello::{Hello, WireHello},
    limits::FRAMES,
    request_id::{Generation, RequestId},
};

/// One frame from a server.
#[derive(Clone, PartialEq, Debug)]
pub enum ServerFrame {
    /// "I am here."
    Pong,
    /// Pages for a pull.
    Chunk {
        /// Which pull.
        id: RequestId,
        /// The pages; sync-cf sends one at a time.
        pages: Vec<Page>,
    },
    /// A request has ended.
    Exit {
        /// Which request.
        id: RequestId,
        /// How.
        exit: Exit,
    },
    /// The server did not understand something, and can't say of which request.
    Defect(Arc<str>),
    /// Our server's first word, to clients that asked for extensions.
    Hello(Hello),
}

/// An answer that can't be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server's frame is not understood: {0}")]
pub struct BadAnswer(String);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "_tag")]
    tag: String,
    #[serde(rename = "requestId")]
    request_id: Option<RequestId>,
    #[serde(borrow)]
    values: Option<Vec<&'a RawValue>>,
    exit: Option<Value>,
    defect: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage {
    batch: Vec<Item>,
    page_info: PageInfo,
    backend_id: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    event_encoded: ConfirmedEvent,
}

#[derive(Deserialize)]
#[serde(tag = "_tag")]
enum PageInfo {
    NoMore,
    MoreKnown { remaining: u64 },
    MoreUnknown,
}

impl ServerFrame {
    /// Reads a text frame, or the array of frames that answers an HTTP request.
    ///
    /// # Errors
    /// [`BadAnswer`] when any of it is not what a server says.
    pub fn decode(text: &str) -> Result<Vec<Self>, BadAnswer> {
        let bad = |error: serde_json::Error| BadAnswer(error.to_string());
        if !text.trim_start().starts_with('[') {
            return Self::open(text).map(|frame| vec![frame]);
        }
        let frames: Vec<&RawValue> = serde_json::from_str(text).map_err(bad)?;
        frames.into_iter().map(|frame| Self::open(frame.get())).collect()
    }

    fn open(text: &str) -> Result<Self, BadAnswer> {
        let bad = |error: serde_json::Error| BadAnswer(error.to_string());
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(bad)?;
        let id = || envelope.request_id.clone().ok_or_else(|| BadAnswer("no requestId".to_owned()));
        match envelope.tag.as_str() {
            "Pong" => Ok(Self::Pong),
            "Defect" => Ok(Self::Defect(text_of(envelope.defect.as_ref().unwrap_or(&Value::Null)))),
            "Chunk" => {
                let values = envelope.values.as_deref().unwrap_or_default();
                if values.len() > FRAMES {
                    return Err(BadAnswer(format!("{} pages in one", values.len())));
                }
                let page = |value: &&RawValue| serde_json::from_str::<WirePage>(value.get());
                let pages: Result<Vec<_>, _> =
                    values.iter().map(|value| page(value).map(Page::from)).collect();
                Ok(Self::Chunk { id: id()?, pages: pages.map_err(bad)? })
            }
            "Exit" => {
                let exit = envelope.exit.as_ref().and_then(Exit::from_json);
                let exit = exit.ok_or_else(|| BadAnswer("an exit that is none".to_owned()))?;
                Ok(Self::Exit { id: id()?, exit })
            }
            WireHello::GRANTED | WireHello::REFUSED => serde_json::from_str::<WireHello>(text)
                .map(|hello| Self::Hello(hello.into()))
                .map_err(bad),
            other => Err(BadAnswer(format!(
                "unknown frame: {}",
                other.chars().take(100).collect::<String>()
            ))),
        }
    }

    /// Writes the frame. Times of arrival are absent: a server that knows them writes its pages with [`encode_chunk`].
    pub fn encode(&self) -> String {
        match self {
            Self::Pong => json!({"_tag": "Pong"}).to_string(),
            Self::Defect(reason) => json!({"_tag": "Defect", "defect": reason}).to_string(),
            Self::Hello(hello) => to_text(&WireHello::from(hello)),
            Self::Exit { id, exit } => {
                let exit = exit.to_json(id.generation());
                json!({"_tag": "Exit", "requestId": id, "exit": exit}).to_string()
            }
            Self::Chunk { id, pages } => {
                let mut values = Vec::new();
                for page in pages {
                    let items: Vec<_> =
                        page.events.iter().map(|event| encode_item(event, None)).collect();
                    let items = items.iter().map(String::as_str);
                    values.push(encode_page(id.generation(), items, page.remaining, &page.backend));
                }
                chunk(id, &values.join(","))
            }
        }
    }
}

/// Writes a [`ServerFrame::Chunk`] of one page, out of events that [`encode_item`] wrote: once for all who read them.
pub fn encode_chunk<'a>(
    id: &RequestId,
    items: impl IntoIterator<Item = &'a str>,
    remaining: Remaining,
    backend: &str,
) -> String {
    chunk(id, &encode_page(id.generation(), items, remaining, backend))
}

fn chunk(id: &RequestId, pages: &str) -> String {
    format!(r#"{{"_tag":"Chunk","requestId":{},"values":[{pages}]}}"#, to_text(id))
}

const ITEM_START: &str = r#"{"eventEncoded":{"#;
const ARGS_KEY: &str = r#""args":"#;

/// Writes an event as it stands in a page, with the time of its arrival (ISO 8601) if that is known.
pub fn encode_item(event: &ConfirmedEvent, created_at: Option<&str>) -> String {
    let mut item = ITEM_START.to_owned();
    if let Some(args) = &event.args.0 {
        item.push_str(ARGS_KEY);
        item.push_str(args);
        item.push(',');
    }
    let metadata = match created_at {
        None => json!({"_tag": "None"}),
        Some(at) => {
            json!({"_tag": "Some", "value": {"_tag": "SyncMessage.SyncMetadata", "createdAt": at}})
        }
    };
    let author = &event.author;
    write!(
        item,
        r#""name":{},"seqNum":{},"parentSeqNum":{},"clientId":{},"sessionId":{}}},"metadata":{metadata}}}"#,
        to_text(&event.name),
        event.number,
        event.parent,
        to_text(&author.client),
        to_text(&author.session),
    )
    .expect("BUG: writing to a string does not fail");
    item
}

fn encode_page<'a>(
    generation: Generation,
    items: impl IntoIterator<Item = &'a str>,
    remaining: Remaining,
    backend: &str,
) -> String {
    let mut page = r#"{"batch":["#.to_owned();
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            page.push(',');
        }
        match item.strip_prefix(ITEM_START) {
            // One generation leaves absent arguments out and compares them so; the other insists on the key.
            Some(rest) if generation == Generation::V4 && !rest.starts_with(ARGS_KEY) => {
                page.push_str(ITEM_START);
                page.push_str(ARGS_KEY);
                page.push_str("null,");
                page.push_str(rest);
            }
            _ => page.push_str(item),
        }
    }
    let info = match remaining {
        Remaining::Known(0) => json!({"_tag": "NoMore"}),
        Remaining::Known(remaining) => json!({"_tag": "MoreKnown", "remaining": remaining}),
        Remaining::Unknown => json!({"_tag": "MoreUnknown"}),
    };
    write!(page, r#"],"pageInfo":{info},"backendId":{}}}"#, to_text(&backend))
        .expect("BUG: writing to a string does not fail");
    page
}

impl From<WirePage> for Page {
    fn from(page: WirePage) -> Self {
        Self {
            events: page.batch.into_iter().map(|item| item.event_encoded).collect(),
            remaining: match page.page_info {
                PageInfo::NoMore => Remaining::Known(0),
                PageInfo::MoreKnown { remaining } => Remaining::Known(remaining),
                PageInfo::MoreUnknown => Remaining::Unknown,
            },
            backend: page.backend_id,
        }
    }
}
