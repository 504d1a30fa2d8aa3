//! One WebSocket: a loop that takes a frame, hands out what its pulls lack, and watches the time.
//!
//! Everything of a socket happens in this one task, one thing after the other: an own push shows in the own live pull
//! before it is acknowledged, unless the client has yet to acknowledge the pages before. The task holds no queue: a client that does not read stops its own loop, and is cut off.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    http::HeaderMap,
};
use livestore_sync::wire::{
    BadFrame, ClientFrame, ConnectQuery, Exit, Extensions, Failure, Hello, Pull, Push, Request,
    RequestId, ServerFrame, WireLimits,
};
use tokio::sync::watch;

use crate::{
    admission::{Pusher, admit},
    hooks::{Identity, Refusal},
    http::not_understood,
    log::PageSize,
    metrics::Counted,
    pulling::{Pulling, Step},
    server::{Barred, Shared, closed},
};

/// "You may not come in", among the codes that are free to apps.
const REFUSED: u16 = 4401;

/// How long a client may take to hear why it is over.
const PARTING: Duration = Duration::from_secs(2);

/// Tells a client that knows our extensions why it may not come in.
pub(crate) async fn refuse(mut ws: WebSocket, refusal: Refusal) {
    let hello = ServerFrame::Hello(Hello::Refused { reason: refusal.0 }).encode();
    // Whoever has gone need not be told.
    let _ = ws.send(Message::text(hello)).await;
    part(&mut ws, REFUSED, "refused").await;
}

/// Says why it is over, and waits a little until the client has heard it: a connection that is closed over bytes that
/// nobody has read is reset, and the reason is lost with it. What the client still says is read and dropped.
async fn part(ws: &mut WebSocket, code: u16, reason: &str) {
    let parting = async {
        if ws.send(close(code, reason)).await.is_ok() {
            while let Some(Ok(_)) = ws.recv().await {}
        }
    };
    // A client that does not take it has had its time.
    let _ = tokio::time::timeout(PARTING, parting).await;
}

/// Serves a socket until either side ends it.
pub(crate) async fn serve(
    shared: &Shared,
    ws: WebSocket,
    query: ConnectQuery,
    headers: Arc<HeaderMap>,
) {
    let _counted = Counted::new(&shared.metrics.sockets);
    let extensions = query.extensions.both(Extensions::ALL);
    let mut socket = Socket {
        shared,
        ws,
        limits: shared.wire_limits(extensions),
        page_size: shared.page_size(extensions),
        extensions,
        tail: shared.log.tail(&query.store),
        query,
        headers,
        pulls: Vec::new(),
        heard: Instant::now(),
        is_barred: false,
    };
    let End(code, reason) = socket.run().await.err().unwrap_or(End::GONE);
    let store = &socket.query.store;
    match code {
        close_code::NORMAL | close_code::AWAY => {
            tracing::debug!(%store, code, %reason, "a socket ends");
        }
        _ => tracing::info!(%store, code, %reason, "a socket is cut off"),
    }
    part(&mut socket.ws, code, &reason).await;
}

fn close(code: u16, reason: &str) -> Message {
    // The protocol has room for 123 bytes.
    let reason: String = reason.chars().take(100).filter(char::is_ascii).collect();
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
}

/// Why a socket ends.
#[derive(Debug)]
struct End(u16, Cow<'static, str>);

impl End {
    const GONE: Self = Self(close_code::NORMAL, Cow::Borrowed("bye"));
    const CLOSING: Self = Self(close_code::AWAY, Cow::Borrowed("the server is shutting down"));
    const SILENT: Self = Self(close_code::POLICY, Cow::Borrowed("silent for too long"));
    const SLOW: Self = Self(close_code::POLICY, Cow::Borrowed("reads too slowly"));
    const REFUSED: Self = Self(REFUSED, Cow::Borrowed("refused"));
    const BINARY: Self = Self(close_code::UNSUPPORTED, Cow::Borrowed("only text is understood"));
}

struct Socket<'a> {
    shared: &'a Shared,
    ws: WebSocket,
    query: ConnectQuery,
    headers: Arc<HeaderMap>,
    extensions: Extensions,
    limits: WireLimits,
    page_size: PageSize,
    tail: watch::Receiver<u64>,
    pulls: Vec<Pulling>,
    heard: Instant,
    /// Whether the app no longer lets this client in. One of ours connects anew and says anew who it is.
    is_barred: bool,
}

impl Socket<'_> {
    /// Ends only with a reason.
    async fn run(&mut self) -> Result<(), End> {
        if self.query.extensions != Extensions::NONE {
            let hello = Hello::Granted { extensions: self.extensions, limits: self.limits };
            self.send(&ServerFrame::Hello(hello)).await?;
        }
        let mut closing = self.shared.closing.subscribe();
        let mut ping = tokio::time::interval(self.shared.ping_every());
        ping.tick().await;
        loop {
            self.hand_out().await?;
            let behind = self.pulls.iter().any(|pull| !pull.waits());
            let live = !self.pulls.is_empty();
            tokio::select! {
                biased;
                () = closed(&mut closing) => return Err(End::CLOSING),
                message = self.ws.recv() => self.take(message).await?,
                () = std::future::ready(()), if behind => {}
                Ok(()) = self.tail.changed(), if live => self.wake(),
                _ = ping.tick() => {
                    if self.heard.elapsed() > self.shared.limits.idle {
                        return Err(End::SILENT);
                    }
                    self.send_message(Message::Ping(Default::default())).await?;
                }
            }
        }
    }

    fn wake(&mut self) {
        self.pulls.iter_mut().for_each(Pulling::wake);
    }

    /// One frame of each pull that has one, so that no pull holds the others, nor the client's own frames.
    async fn hand_out(&mut self) -> Result<(), End> {
        let mut place = 0;
        while let Some(pull) = self.pulls.get_mut(place) {
            match pull.next(self.shared, self.page_size).await {
                Step::Wait => place += 1,
                Step::Frame(frame) => {
                    self.send_message(Message::text(frame)).await?;
                    place += 1;
                }
                Step::Last(frame) => {
                    self.pulls.remove(place);
                    self.send_message(Message::text(frame)).await?;
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            None | Some(Ok(Message::Close(_))) => return Err(End::GONE),
            Some(Err(error)) => return Err(End(end_code(&error), error.to_string().into())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => {
                self.shared.note_bad_frame(&self.query.store, "it is binary");
                return Err(End::BINARY);
            }
            Some(Ok(Message::Text(text))) => text,
        };
        let frames = match ClientFrame::decode(text.as_str()) {
            Ok(frames) => frames,
            Err(bad) => {
                self.shared.note_bad_frame(&self.query.store, &bad.reason);
                self.send(&ServerFrame::Defect(bad.reason.clone().into())).await?;
                return Err(End(close_code::INVALID, bad.reason.into()));
            }
        };
        for frame in frames {
            match frame {
                Ok(ClientFrame::Ping) => self.send(&ServerFrame::Pong).await?,
                Ok(ClientFrame::Eof) => {}
                Ok(ClientFrame::Ack(id)) => self.acknowledge(&id),
                Ok(ClientFrame::Interrupt(id)) => self.interrupt(id).await?,
                Ok(ClientFrame::Request { id, request }) => self.perform(id, request).await?,
                Err(BadFrame { id, reason }) => {
                    self.shared.note_bad_frame(&self.query.store, &reason);
                    self.send(&not_understood(id, &reason)).await?;
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, id: &RequestId) {
        if let Some(pull) = self.pulls.iter_mut().find(|pull| pull.id == *id) {
            pull.acknowledge();
        }
    }

    async fn interrupt(&mut self, id: RequestId) -> Result<(), End> {
        let before = self.pulls.len();
        self.pulls.retain(|pull| pull.id != id);
        if self.pulls.len() == before {
            return Ok(());
        }
        self.exit(id, Exit::Failed(Failure::Interrupted)).await
    }

    async fn perform(&mut self, id: RequestId, request: Request) -> Result<(), End> {
        let (Request::Pull(Pull { store, .. })
        | Request::Push(Push { store, .. })
        | Request::Ping { store }) = &request;
        if store != self.query.store.as_str() {
            let failure =
                Failure::Unknown("the request is for another store than its address".into());
            return self.exit(id, Exit::Failed(failure)).await;
        }
        let exit = match request {
            Request::Ping { .. } => Exit::Pong,
            Request::Pull(pull) => match self.pull(id.clone(), pull).await {
                Ok(()) => return Ok(()),
                Err(failure) => Exit::Failed(failure),
            },
            Request::Push(push) => match self.push(push).await {
                Ok(()) => Exit::Pushed,
                Err(failure) => Exit::Failed(failure),
            },
        };
        // Whoever pushed sees the events before the answer.
        self.wake();
        while self.pulls.iter().any(|pull| !pull.waits()) {
            self.hand_out().await?;
        }
        self.exit(id, exit).await?;
        if self.is_barred { Err(End::REFUSED) } else { Ok(()) }
    }

    async fn pull(&mut self, id: RequestId, pull: Pull) -> Result<(), Failure> {
        self.validate(pull.payload).await?;
        if self.pulls.len() >= self.shared.limits.pulls_per_socket {
            return Err(Failure::Unknown("too many pulls on one socket".into()));
        }
        let store = self.query.store.clone();
        let pulling =
            Pulling::start(self.shared, id.clone(), store, pull.live, pull.cursor).await?;
        // Ours acknowledge every page; who else does is not known.
        let pulling = match self.extensions {
            Extensions::NONE => pulling,
            _ => pulling.with_acknowledgements(),
        };
        // A pull that takes another's id takes its place.
        self.pulls.retain(|pull| pull.id != id);
        self.pulls.push(pulling);
        Ok(())
    }

    async fn push(&mut self, mut push: Push) -> Result<(), Failure> {
        let identity = self.validate(push.payload.take()).await?;
        let store = self.query.store.clone();
        let pusher = Pusher { store, identity, extensions: self.extensions, limits: self.limits };
        admit(self.shared, &pusher, push).await
    }

    async fn validate(&mut self, payload: Option<serde_json::Value>) -> Result<Identity, Failure> {
        let payload = payload.or_else(|| self.query.payload.clone());
        let validated = self.shared.validate(&self.query.store, payload, &self.headers).await;
        let is_refused = matches!(validated, Err(Barred::Refused(_)));
        self.is_barred = is_refused && self.extensions != Extensions::NONE;
        Ok(validated?)
    }

    async fn exit(&mut self, id: RequestId, exit: Exit) -> Result<(), End> {
        self.send(&ServerFrame::Exit { id, exit }).await
    }

    async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        self.send_message(Message::text(frame.encode())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(self.shared.limits.send, self.ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End(close_code::ABNORMAL, error.to_string().into())),
            Err(_) => {
                self.shared.metrics.slow.inc();
                Err(End::SLOW)
            }
        }
    }
}

/// The close code for what the socket's own layer refused.
fn end_code(error: &axum::Error) -> u16 {
    let text = error.to_string();
    if text.contains("too long") { close_code::SIZE } else { close_code::PROTOCOL }
}
