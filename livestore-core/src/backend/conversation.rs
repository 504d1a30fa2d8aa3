//! The client's half of the wire on one socket: which requests wait, and what an arriving frame means for them.
//!
//! Knows no socket. Ids that nobody waits for are ignored: a sync-cf server goes on sending to pulls that are over.

use std::{collections::HashMap, future::poll_fn, sync::Arc};

use futures_channel::{mpsc, oneshot};
use livestore_sync::{
    StoreId,
    wire::{
        BadAnswer, ClientFrame, Cursor, Exit, Hello, Page, Pull, Push, Request, RequestId,
        ServerFrame, Transport,
    },
};
use serde_json::Value;

use super::{BackendError, PushBatch};

/// Who waits for what a request brings.
#[derive(Debug)]
enum Waiting {
    /// Pages. When a page is not taken, the sender waits, and the socket with it.
    Pull(mpsc::Sender<Result<Page, BackendError>>),
    /// One answer.
    Push(oneshot::Sender<Result<(), BackendError>>),
}

/// What a frame brought.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A page for a pull; [`Conversation::hand_over`] gives it away.
    Page(RequestId, Page),
    /// Nothing to hand on.
    Nothing,
    /// The server is confused: the connection is of no more use.
    Broken(Arc<str>),
}

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    store: StoreId,
    payload: Option<Value>,
    keeps_commits: bool,
    requests: u64,
    waiting: HashMap<RequestId, Waiting>,
}

impl Conversation {
    pub(crate) fn new(store: StoreId, payload: Option<Value>, hello: Option<&Hello>) -> Self {
        let keeps_commits =
            matches!(hello, Some(Hello::Granted { extensions, .. }) if extensions.commits);
        Self { store, payload, keeps_commits, requests: 0, waiting: HashMap::new() }
    }

    /// The frames that end pulls whose pages nobody takes any more.
    pub(crate) fn give_up(&mut self) -> Vec<String> {
        let is_over =
            |waiting: &Waiting| matches!(waiting, Waiting::Pull(pages) if pages.is_closed());
        let waiting = self.waiting.extract_if(|_, waiting| is_over(waiting));
        waiting.map(|(id, _)| ClientFrame::Interrupt(id).encode(Transport::WebSocket)).collect()
    }

    /// The frame that starts a pull.
    pub(crate) fn pull(
        &mut self,
        cursor: Option<Cursor>,
        live: bool,
        pages: mpsc::Sender<Result<Page, BackendError>>,
    ) -> String {
        let pull = Request::Pull(self.pull_request(cursor, live));
        self.ask(pull, Waiting::Pull(pages))
    }

    /// The frame that pushes.
    pub(crate) fn push(
        &mut self,
        batch: PushBatch,
        answer: oneshot::Sender<Result<(), BackendError>>,
    ) -> String {
        let push = Request::Push(self.push_request(batch));
        self.ask(push, Waiting::Push(answer))
    }

    pub(crate) fn pull_request(&self, cursor: Option<Cursor>, live: bool) -> Pull {
        Pull { store: self.store.to_string(), payload: self.payload.clone(), live, cursor }
    }

    pub(crate) fn push_request(&self, batch: PushBatch) -> Push {
        let PushBatch { events, commits, backend } = batch;
        Push {
            store: self.store.to_string(),
            payload: self.payload.clone(),
            batch: events,
            backend,
            commits: self.keeps_commits.then_some(commits),
        }
    }

    fn ask(&mut self, request: Request, waiting: Waiting) -> String {
        self.requests += 1;
        let id = RequestId::from(self.requests);
        self.waiting.insert(id.clone(), waiting);
        ClientFrame::Request { id, request }.encode(Transport::WebSocket)
    }

    /// Gives a page to whoever pulled, once there is room for it, and says the frame that answers: a thank-you, or that
    /// nobody wants more.
    pub(crate) async fn hand_over(&mut self, id: RequestId, page: Page) -> String {
        // Not a clone of the sender: each clone has room of its own, so that nothing would ever be full.
        if let Some(Waiting::Pull(pages)) = self.waiting.get_mut(&id) {
            let room = poll_fn(|cx| pages.poll_ready(cx)).await;
            if room.and_then(|()| pages.start_send(Ok(page))).is_ok() {
                return ClientFrame::Ack(id).encode(Transport::WebSocket);
            }
        }
        self.waiting.remove(&id);
        ClientFrame::Interrupt(id).encode(Transport::WebSocket)
    }

    /// Reads a text frame.
    ///
    /// # Errors
    /// [`BadAnswer`] when it is not what a server says.
    pub(crate) fn hear(&mut self, text: &str) -> Result<Vec<Heard>, BadAnswer> {
        let mut heard = Vec::new();
        for frame in ServerFrame::decode(text)? {
            match frame {
                ServerFrame::Pong | ServerFrame::Hello(_) => heard.push(Heard::Nothing),
                ServerFrame::Defect(reason) => heard.push(Heard::Broken(reason)),
                ServerFrame::Chunk { id, pages } => {
                    if self.waiting.contains_key(&id) {
                        let page = |page| Heard::Page(id.clone(), page);
                        heard.extend(pages.into_iter().map(page));
                    }
                }
                ServerFrame::Exit { id, exit } => heard.push(self.end(&id, exit)),
            }
        }
        Ok(heard)
    }

    fn end(&mut self, id: &RequestId, exit: Exit) -> Heard {
        match (self.waiting.remove(id), exit) {
            (Some(Waiting::Push(answer)), exit) => {
                let result = match exit {
                    Exit::Failed(failure) => Err(failure.into()),
                    Exit::PullDone | Exit::Pushed | Exit::Pong => Ok(()),
                };
                // Whoever asked may have stopped waiting.
                let _ = answer.send(result);
                Heard::Nothing
            }
            (Some(Waiting::Pull(mut pages)), Exit::Failed(failure)) => {
                // Where there is no room left, the end of the stream says it.
                let _ = pages.try_send(Err(failure.into()));
                Heard::Nothing
            }
            // Dropping its sender ends the pull's stream.
            (Some(Waiting::Pull(_)) | None, _) => Heard::Nothing,
        }
    }

    /// Everybody who waits is told that the connection is gone.
    pub(crate) fn lost(&mut self, reason: &Arc<str>) {
        for (_, waiting) in self.waiting.drain() {
            let lost = BackendError::Lost(Arc::clone(reason));
            match waiting {
                Waiting::Push(answer) => drop(answer.send(Err(lost))),
                // Where there is no room left, the end of the stream says it.
                Waiting::Pull(mut pages) => drop(pages.try_send(Err(lost))),
            }
        }
    }
}
