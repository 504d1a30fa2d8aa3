//! Carrying between the leader's machine and a backend: connections, one pull and one push at a time.
//!
//! The machine decides what is asked and when it is given up ([`ToBackend`]); the courier does it with futures that it
//! owns, so that what is superseded is dropped, and says what came of it ([`FromBackend`]). They run where the leader
//! runs: whoever waits for [`Courier::heard`] drives them.
//!
//! Invariants:
//! 1. What it says names the connection, pull or push that it belongs to, and only the newest of each is left.
//! 2. A page is read only while the machine has room for it; what is not read waits at the backend.
//! 3. Whatever the backend says becomes a message or a typed failure; see `translate` for what is believed.
//!
//! Deliberately not here: when to try again, and what an answer means for the log (the machine).

mod pulling;
mod translate;

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use livestore_sync::{
    Failure, FromBackend, SessionId, StoreId, ToBackend,
    wire::{Cursor, Transport},
};
use serde_json::Value;

use super::{BackendConfig, driver::Driver, posts::Posts};
use crate::{
    backend::{
        Backend, BackendAddress, BackendError, ConnectError, Connection, HttpBackend,
        WebSocketBackend,
    },
    link::{ForSession, PayloadAnswer, PayloadQuestion},
    platform::sleep,
};
use pulling::{Pulled, Pulling};
use translate::{backend_limits, push_batch};

/// How long the sessions may take to say who this is.
const ASK: Duration = Duration::from_secs(10);

/// How much is heard of a backend before something else gets its turn.
const HEARD_AT_ONCE: usize = 256;

/// A backend that is told who asks, as JSON.
pub(super) type Dial = Rc<dyn Fn(Option<Value>) -> Box<dyn Backend>>;

/// A session's word on who this is.
type Payload = Result<Option<String>, String>;

/// Between one leader and its backend.
pub(super) struct Courier {
    dial: Dial,
    posts: Rc<Posts>,
    asks_payload: bool,
    /// The question that the sessions have been asked.
    asking: Option<(PayloadQuestion, oneshot::Sender<Payload>)>,
    line: Line,
    pull: Option<Pulling>,
    push: Option<(u64, LocalBoxFuture<'static, Result<(), BackendError>>)>,
}

/// The connection.
enum Line {
    Down,
    Dialing(u64, LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>>),
    Up(u64, Box<dyn Connection>),
}

impl Courier {
    /// To the backend that the app has named.
    pub(super) fn new(config: &BackendConfig, store: &StoreId, posts: &Rc<Posts>) -> Self {
        let (url, transport, store) = (config.url.clone(), config.transport, store.clone());
        let dial = move |payload: Option<Value>| -> Box<dyn Backend> {
            let say = move || std::future::ready(payload.clone());
            let address = BackendAddress::new(url.clone(), store.clone()).with_payload(say);
            match transport {
                Transport::WebSocket => Box::new(WebSocketBackend::new(address)),
                Transport::Http => Box::new(HttpBackend::new(address)),
            }
        };
        Self::with(Rc::new(dial), config.asks_payload, posts)
    }

    pub(super) fn with(dial: Dial, asks_payload: bool, posts: &Rc<Posts>) -> Self {
        let posts = Rc::clone(posts);
        let (asking, line, pull, push) = (None, Line::Down, None, None);
        Self { dial, posts, asks_payload, asking, line, pull, push }
    }

    /// Does what the machine wants; [`heard`](Self::heard) tells what came of it.
    fn carry(&mut self, request: ToBackend) {
        match request {
            ToBackend::Connect { connection } => {
                self.hang_up();
                self.line = Line::Dialing(connection, self.connect(connection));
            }
            ToBackend::Disconnect => self.hang_up(),
            ToBackend::Pull { pull, after, backend, live } => {
                self.pull = None;
                let Line::Up(_, connection) = &self.line else { return };
                // Without a name there is no cursor: what is known comes again, and is skipped.
                let cursor = backend.map(|backend| Cursor { backend: backend.0, number: after });
                let cursor = cursor.filter(|cursor| cursor.number > 0);
                let after = cursor.as_ref().map_or(0, |cursor| cursor.number);
                self.pull = Some(Pulling::new(pull, after, live, connection.pull(cursor, live)));
            }
            ToBackend::Push { push, batch } => {
                self.push = None;
                let Line::Up(_, connection) = &self.line else { return };
                self.push = Some((push, connection.push(push_batch(&batch))));
            }
        }
    }

    /// Takes a session's word on who this is.
    pub(super) fn answer(&mut self, answer: PayloadAnswer) {
        let asked = self.asking.take_if(|(question, _)| question.number == answer.number);
        if let Some((_, waiting)) = asked {
            // Whoever asked may have lost patience.
            let _ = waiting.send(answer.payload);
        }
    }

    /// A session has come; perhaps it knows who this is.
    pub(super) fn ask_newcomer(&self, session: SessionId) {
        if let Some((question, _)) = &self.asking {
            self.posts.to_sessions(&[session], &ForSession::AskPayload(*question));
        }
    }

    /// The next thing that is heard of the backend. Without `room` no page is read.
    pub(super) async fn heard(&mut self, room: bool) -> FromBackend {
        poll_fn(|cx| self.poll(cx, room)).await
    }

    /// Tells the machine what has been heard already, and does what it wants then; whether there was anything.
    pub(super) fn talk(&mut self, driver: &mut Driver, now: Duration) -> bool {
        let mut busy = false;
        for _ in 0..HEARD_AT_ONCE {
            let room = driver.has_room_for_pages();
            let Some(message) = self.heard(room).now_or_never() else { break };
            driver.hear(now, message);
            busy = true;
        }
        while let Some(request) = driver.poll_backend(now) {
            self.carry(request);
            busy = true;
        }
        busy
    }

    fn poll(&mut self, cx: &mut Context<'_>, room: bool) -> Poll<FromBackend> {
        if let Line::Dialing(number, dialing) = &mut self.line
            && let Poll::Ready(connected) = dialing.poll_unpin(cx)
        {
            let number = *number;
            return Poll::Ready(self.note_connected(number, connected));
        }
        if let Some((number, pushing)) = &mut self.push
            && let Poll::Ready(pushed) = pushing.poll_unpin(cx)
        {
            let push = *number;
            self.push = None;
            return Poll::Ready(match pushed {
                Ok(()) => FromBackend::Pushed { push },
                Err(error) => {
                    let names_rejected = self.names_rejected();
                    self.failed(error, |failure| {
                        let failure = blame(failure, names_rejected);
                        FromBackend::NotPushed { push, failure }
                    })
                }
            });
        }
        if let Some(pulling) = self.pull.as_mut().filter(|_| room) {
            let pull = pulling.number();
            let not_pulled = |failure| FromBackend::NotPulled { pull, failure };
            match pulling.poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Pulled::Page(page)) => {
                    return Poll::Ready(FromBackend::Page { pull, page });
                }
                Poll::Ready(Pulled::Done) => self.pull = None,
                Poll::Ready(Pulled::Failed(error)) => {
                    self.pull = None;
                    return Poll::Ready(self.failed(error, not_pulled));
                }
                Poll::Ready(Pulled::Refused(reason)) => {
                    // It may want to know anew who this is.
                    return Poll::Ready(self.lost(reason));
                }
            }
        }
        Poll::Pending
    }

    /// Whether the backend says which event it refuses.
    fn names_rejected(&self) -> bool {
        matches!(&self.line, Line::Up(_, connection) if connection.limits().names_rejected)
    }

    fn note_connected(
        &mut self,
        number: u64,
        connected: Result<Box<dyn Connection>, ConnectError>,
    ) -> FromBackend {
        self.asking = None;
        match connected {
            Ok(connection) => {
                let limits = backend_limits(&connection.limits());
                self.line = Line::Up(number, connection);
                FromBackend::Connected { connection: number, limits }
            }
            Err(error) => {
                self.line = Line::Down;
                FromBackend::Lost { connection: number, reason: error.to_string().into() }
            }
        }
    }

    /// What a failure is: the end of the connection, or of this request.
    fn failed(
        &mut self,
        error: BackendError,
        message: impl FnOnce(Failure) -> FromBackend,
    ) -> FromBackend {
        if let Line::Up(_, connection) = &self.line
            && let Some(reason) = connection.lost()
        {
            return self.lost(reason);
        }
        message(error.into())
    }

    fn lost(&mut self, reason: Arc<str>) -> FromBackend {
        let connection = match &self.line {
            Line::Up(connection, _) | Line::Dialing(connection, _) => *connection,
            // A number that no connection has.
            Line::Down => 0,
        };
        self.hang_up();
        FromBackend::Lost { connection, reason }
    }

    fn hang_up(&mut self) {
        self.pull = None;
        self.push = None;
        self.asking = None;
        self.line = Line::Down;
    }

    fn connect(
        &mut self,
        connection: u64,
    ) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        let asked = self.asks_payload.then(|| self.ask(connection));
        let dial = Rc::clone(&self.dial);
        async move {
            let payload = match asked {
                Some(answer) => within_patience(answer).await?,
                None => None,
            };
            dial(payload).connect().await
        }
        .boxed_local()
    }

    /// Asks all sessions who this is, attached or not; the first answer counts.
    fn ask(&mut self, number: u64) -> oneshot::Receiver<Payload> {
        let (waiting, answer) = oneshot::channel();
        let question = PayloadQuestion { number };
        self.asking = Some((question, waiting));
        self.posts.to_all(&ForSession::AskPayload(question));
        answer
    }
}

/// A backend that names what it refuses has other trouble when it names nothing (a full disk, a hook that is late): it
/// is asked again, and no commit is blamed.
fn blame(failure: Failure, names_rejected: bool) -> Failure {
    match failure {
        Failure::Unknown { reason } if names_rejected => Failure::Unavailable { reason },
        failure => failure,
    }
}

/// The JSON that a session answers.
async fn within_patience(
    answer: oneshot::Receiver<Payload>,
) -> Result<Option<Value>, ConnectError> {
    let unknown = |reason: &str| {
        ConnectError::Unreachable(format!("nobody says who this is: {reason}").into())
    };
    let answer = match select(answer, pin!(sleep(ASK))).await {
        Either::Left((Ok(answer), _)) => answer.map_err(|reason| unknown(&reason))?,
        Either::Left((Err(_), _)) => return Err(unknown("the question was taken back")),
        Either::Right(_) => return Err(unknown("no session has answered")),
    };
    let parse = |json: String| {
        serde_json::from_str(&json).map_err(|error| unknown(&format!("not JSON: {error}")))
    };
    answer.map(parse).transpose()
}
