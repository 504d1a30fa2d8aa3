//! Requests: the upgrade to a WebSocket, the wire over HTTP, and what operators ask.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{
        RawQuery, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use livestore_sync::{
    StoreId,
    wire::{
        BadFrame, ClientFrame, ConnectQuery, Exit, Extensions, FRAME_BYTES, Failure, Hello,
        Request, RequestId, ServerFrame, Transport,
    },
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    admission::{Pusher, admit},
    hooks::Refusal,
    log::PageSize,
    pulling::{Pulling, Step},
    server::{Barred, Shared},
    socket,
};

/// Bytes that a socket's buffers hold while nothing happens.
const IDLE_BUFFER: usize = 4 << 10;

/// Bytes of pages in one answer to a client that asks again: it takes none of them before it has all.
const ANSWER_BYTES: usize = 512 << 10;

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = match ConnectQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) if query.transport == Transport::WebSocket => query,
        Ok(_) => return turn_away(None, StatusCode::BAD_REQUEST, "transport=http wants a POST"),
        Err(bad) => return turn_away(None, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let away = |status, reason: &str| turn_away(Some(&query.store), status, reason);
    let Ok(upgrade) = upgrade else {
        return away(StatusCode::UPGRADE_REQUIRED, "this is for WebSockets");
    };
    if !shared.allows_origin(&headers) {
        return away(StatusCode::FORBIDDEN, "not from this origin");
    }
    let Ok(permit) = Arc::clone(&shared.sockets).try_acquire_owned() else {
        return away(StatusCode::SERVICE_UNAVAILABLE, "too many sockets");
    };
    let headers = Arc::new(headers);
    let refusal = match shared.validate(&query.store, query.payload.clone(), &headers).await {
        Ok(_) => None,
        // A browser can't see the status of a failed upgrade: whoever understands our first frame is told by it.
        Err(Barred::Refused(refusal)) if query.extensions != Extensions::NONE => Some(refusal),
        Err(barred) => return not_let_in(&query.store, &barred),
    };
    upgrade
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .read_buffer_size(IDLE_BUFFER)
        .write_buffer_size(0)
        .on_upgrade(move |ws| async move {
            let _permit = permit;
            match refusal {
                Some(refusal) => socket::refuse(ws, refusal).await,
                None => socket::serve(&shared, ws, query, headers).await,
            }
        })
}

pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let query = match ConnectQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) if query.transport == Transport::Http => query,
        Ok(_) => return turn_away(None, StatusCode::BAD_REQUEST, "transport=ws wants a WebSocket"),
        Err(bad) => return turn_away(None, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let away = |status, reason: &str| turn_away(Some(&query.store), status, reason);
    if !shared.allows_origin(&headers) {
        return away(StatusCode::FORBIDDEN, "not from this origin");
    }
    let Ok(permit) = Arc::clone(&shared.sockets).try_acquire_owned() else {
        return away(StatusCode::SERVICE_UNAVAILABLE, "too many requests");
    };
    let headers = Arc::new(headers);
    if let Err(barred) = shared.validate(&query.store, query.payload.clone(), &headers).await {
        return not_let_in(&query.store, &barred);
    }
    let body = match tokio::time::timeout(shared.limits.body, to_bytes(body, FRAME_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let reason = "a request has at most 900000 bytes";
            return away(StatusCode::PAYLOAD_TOO_LARGE, reason);
        }
        Err(_) => {
            return away(StatusCode::REQUEST_TIMEOUT, "the request does not arrive");
        }
    };
    let exchange = Exchange { shared, query, headers, permit };
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, exchange.answer(&body).await).into_response()
}

/// The answer to a request that is not taken any further.
fn turn_away(store: Option<&StoreId>, status: StatusCode, reason: &str) -> Response {
    let store = store.map(tracing::field::display);
    tracing::info!(store, status = status.as_u16(), reason, "a request was turned away");
    (status, reason.to_owned()).into_response()
}

/// The answer to whom the app does not let in, or says nothing about.
fn not_let_in(store: &StoreId, barred: &Barred) -> Response {
    match barred {
        Barred::Refused(Refusal(reason)) => {
            turn_away(Some(store), StatusCode::UNAUTHORIZED, reason)
        }
        Barred::Undecided(failed) => {
            turn_away(Some(store), StatusCode::SERVICE_UNAVAILABLE, &failed.to_string())
        }
    }
}

pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    // Any store's log tells whether the database can be read.
    let Ok(store) = "health".parse() else { return StatusCode::OK.into_response() };
    match shared.log.head(&store).await {
        Ok(_) => "ok".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text()).into_response()
}

/// One request over HTTP and its answer: an array of frames.
struct Exchange {
    shared: Arc<Shared>,
    query: ConnectQuery,
    headers: Arc<HeaderMap>,
    permit: OwnedSemaphorePermit,
}

impl Exchange {
    async fn answer(self, body: &Bytes) -> Body {
        let decoded = std::str::from_utf8(body)
            .map_err(|error| BadFrame { id: None, reason: error.to_string() })
            .and_then(ClientFrame::decode);
        let mut frames = Vec::new();
        let mut pulls = Vec::new();
        if self.query.extensions != Extensions::NONE {
            let granted = self.query.extensions.both(Extensions::ALL);
            let limits = self.shared.wire_limits(granted);
            frames
                .push(ServerFrame::Hello(Hello::Granted { extensions: granted, limits }).encode());
        }
        for frame in decoded.unwrap_or_else(|bad| vec![Err(bad)]) {
            match frame {
                Ok(ClientFrame::Request { id, request }) => {
                    match self.perform(&id, request).await {
                        Ok(Answer::Exit(exit)) => {
                            frames.push(ServerFrame::Exit { id, exit }.encode());
                        }
                        Ok(Answer::Pull(pulling)) => pulls.push(pulling),
                        Err(failure) => {
                            let exit = Exit::Failed(failure);
                            frames.push(ServerFrame::Exit { id, exit }.encode());
                        }
                    }
                }
                Ok(_) => {}
                Err(BadFrame { id, reason }) => {
                    self.shared.note_bad_frame(&self.query.store, &reason);
                    frames.push(not_understood(id, &reason).encode());
                }
            }
        }
        self.stream(frames, pulls)
    }

    async fn perform(&self, id: &RequestId, request: Request) -> Result<Answer, Failure> {
        let store = &self.query.store;
        let is_ours = |asked: &str| match asked == store.as_str() {
            true => Ok(()),
            false => {
                Err(Failure::Unknown("the request is for another store than its address".into()))
            }
        };
        match request {
            Request::Ping { store } => is_ours(&store).map(|()| Answer::Exit(Exit::Pong)),
            Request::Pull(pull) => {
                is_ours(&pull.store)?;
                self.validate(pull.payload).await?;
                let pulling =
                    Pulling::start(&self.shared, id.clone(), store.clone(), false, pull.cursor);
                pulling.await.map(Answer::Pull)
            }
            Request::Push(mut push) => {
                is_ours(&push.store)?;
                let identity = self.validate(push.payload.take()).await?;
                let extensions = self.query.extensions;
                let limits = self.shared.wire_limits(extensions);
                let pusher = Pusher { store: store.clone(), identity, extensions, limits };
                admit(&self.shared, &pusher, push).await.map(|()| Answer::Exit(Exit::Pushed))
            }
        }
    }

    async fn validate(
        &self,
        payload: Option<serde_json::Value>,
    ) -> Result<crate::Identity, Failure> {
        let payload = payload.or_else(|| self.query.payload.clone());
        Ok(self.shared.validate(&self.query.store, payload, &self.headers).await?)
    }

    /// Writes page after page, each when the client has taken the one before.
    fn stream(self, frames: Vec<String>, pulls: Vec<Pulling>) -> Body {
        let page_size = self.shared.page_size(self.query.extensions);
        // A plain peer takes the end of an answer for the end of the log; ours asks again.
        let most =
            if self.query.extensions == Extensions::NONE { usize::MAX } else { ANSWER_BYTES };
        let writing = Writing {
            shared: self.shared,
            page_size,
            frames: frames.into(),
            pulls: pulls.into(),
            most,
            _permit: self.permit,
        };
        let parts = stream::unfold((writing, Some("[")), async |(mut writing, separator)| {
            let separator = separator?;
            match writing.next().await {
                Some(frame) => Some((format!("{separator}{frame}"), (writing, Some(",")))),
                // The end is written once: `None` tells that it was.
                None if separator == "[" => Some(("[]".to_owned(), (writing, None))),
                None => Some(("]".to_owned(), (writing, None))),
            }
        });
        Body::from_stream(futures_util::StreamExt::map(parts, Ok::<_, Infallible>))
    }
}

/// The rest of an answer.
struct Writing {
    shared: Arc<Shared>,
    page_size: PageSize,
    frames: VecDeque<String>,
    pulls: VecDeque<Pulling>,
    /// Bytes of pages that may still be written.
    most: usize,
    /// Held until the answer is written, or given up.
    _permit: OwnedSemaphorePermit,
}

impl Writing {
    async fn next(&mut self) -> Option<String> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        let pulling = self.pulls.front_mut()?;
        let step = match self.most {
            0 => Step::Last(pulling.end()),
            _ => pulling.next(&self.shared, self.page_size).await,
        };
        let frame = match step {
            Step::Frame(frame) => {
                self.most = self.most.saturating_sub(frame.len());
                return Some(frame);
            }
            Step::Last(frame) => Some(frame),
            Step::Wait => None,
        };
        self.pulls.pop_front();
        frame
    }
}

enum Answer {
    Exit(Exit),
    Pull(Pulling),
}

/// The answer to a frame that can't be understood.
pub(crate) fn not_understood(id: Option<RequestId>, reason: &str) -> ServerFrame {
    match id {
        Some(id) => ServerFrame::Exit { id, exit: Exit::Failed(Failure::Defect(reason.into())) },
        None => ServerFrame::Defect(reason.into()),
    }
}
