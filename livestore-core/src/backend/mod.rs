//! Backends: whoever orders a store's synced events, behind one trait.
//!
//! The trait knows no wire. A backend is connected to; a connection pulls and pushes until it is gone, and then another
//! one is made. Nothing here retries: when to try again is the leader's decision.
//!
//! Futures and streams need no particular executor: the platform's connections run elsewhere and hand over by channels.

mod conversation;
mod http;
mod memory;
mod socket;

use std::{fmt, sync::Arc};

use futures_util::{
    future::{BoxFuture, LocalBoxFuture},
    stream::LocalBoxStream,
};
pub use livestore_sync::wire::{Author, ConfirmedEvent, Cursor, Page, RawArgs, Remaining};
use livestore_sync::{
    StoreId,
    wire::{Failure, Hello, WireLimits},
};
use serde_json::Value;

pub use http::HttpBackend;
pub use memory::MemoryBackend;
pub use socket::WebSocketBackend;

/// Whoever orders a store's synced events.
pub trait Backend: fmt::Debug {
    /// Opens a connection.
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>>;
}

/// A connection to a backend. Dropping it closes it.
pub trait Connection: fmt::Debug {
    /// What the backend takes and offers.
    fn limits(&self) -> ConnectionLimits;

    /// Why the connection is gone, if it is.
    fn lost(&self) -> Option<Arc<str>>;

    /// What follows `cursor`, page by page; at least one page, the last of which has nothing remaining. With `live`,
    /// where [`ConnectionLimits::live`], it goes on with what comes later, own events included, until the connection is
    /// gone.
    fn pull(
        &self,
        cursor: Option<Cursor>,
        live: bool,
    ) -> LocalBoxStream<'static, Result<Page, BackendError>>;

    /// Appends events. An answer that gets lost leaves open whether it was done: the next pull tells.
    fn push(&self, batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>>;
}

/// Events for a backend's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushBatch {
    /// The events, each the parent of the next.
    pub events: Vec<ConfirmedEvent>,
    /// How many events each commit has. Kept together by backends that can.
    pub commits: Vec<usize>,
    /// The backend that is meant, if it is known.
    pub backend: Option<Arc<str>>,
}

/// What a backend takes and offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// Events in one push.
    pub batch_events: usize,
    /// Bytes of all events of one push, as [`ConfirmedEvent::bytes`] counts them.
    pub batch_bytes: usize,
    /// Bytes of the arguments of one event.
    pub args_bytes: usize,
    /// Whether a pull can go on with what comes later.
    pub live: bool,
    /// Whether it names the event that it refuses, and keeps the whole commits before.
    pub names_rejected: bool,
}

impl ConnectionLimits {
    pub(crate) fn of_wire(limits: WireLimits, live: bool, names_rejected: bool) -> Self {
        // A request's own words, its payload among them.
        const ENVELOPE_BYTES: usize = 20_000;
        Self {
            batch_events: limits.batch_events,
            batch_bytes: limits.frame_bytes.saturating_sub(ENVELOPE_BYTES),
            args_bytes: limits.args_bytes,
            live,
            names_rejected,
        }
    }

    pub(crate) fn of_hello(hello: Option<&Hello>, live: bool) -> Self {
        match hello {
            Some(Hello::Granted { extensions, limits }) => {
                Self::of_wire(*limits, live, extensions.rejection && extensions.commits)
            }
            Some(Hello::Refused { .. }) | None => Self::of_wire(WireLimits::PLAIN, live, false),
        }
    }
}

/// Where a backend is and who asks.
#[derive(Clone)]
pub struct BackendAddress {
    /// The address: `ws://…` or `wss://…` for a WebSocket, `http://…` or `https://…` for requests.
    pub url: String,
    /// The store.
    pub store: StoreId,
    /// Says who this is, at every connection anew: a token that has run out is replaced by the next.
    pub payload: Arc<dyn Fn() -> BoxFuture<'static, Option<Value>> + Send + Sync>,
}

impl BackendAddress {
    /// A backend that asks nobody who they are.
    pub fn new(url: impl Into<String>, store: StoreId) -> Self {
        Self { url: url.into(), store, payload: Arc::new(|| Box::pin(async { None })) }
    }

    /// Asks `payload` who this is, at every connection.
    #[must_use]
    pub fn with_payload<F>(mut self, payload: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        self.payload = Arc::new(move || Box::pin(payload()));
        self
    }
}

impl fmt::Debug for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the payload says is nobody's business.
        f.debug_struct("BackendAddress")
            .field("url", &self.url)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("the backend can't be reached: {0}")]
    Unreachable(Arc<str>),
    /// The backend does not let this client in.
    #[error("the backend refuses this client: {0}")]
    Refused(Arc<str>),
}

/// Why a backend did not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BackendError {
    /// The connection is gone. A push may have been taken all the same.
    #[error("the connection to the backend is lost: {0}")]
    Lost(Arc<str>),
    /// The backend's log does not end at the batch's parent.
    #[error("the backend's head is {head}")]
    ServerAhead {
        /// Where it ends.
        head: u64,
    },
    /// It is another backend than the one that was meant.
    #[error("the backend is {expected}")]
    IdMismatch {
        /// Its id.
        expected: Arc<str>,
    },
    /// The backend refuses one event, and has taken the whole commits before the one that holds it.
    #[error("event {number} was refused: {reason}")]
    Rejected {
        /// The number it would have got.
        number: u64,
        /// Why, for people.
        reason: Arc<str>,
        /// Where the log ends now.
        head: u64,
    },
    /// The backend says no, and what it says only people can read.
    #[error("the backend refuses: {0}")]
    Refused(Arc<str>),
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ServerAhead { head, .. } => Self::ServerAhead { head },
            Failure::BackendIdMismatch { expected, .. } => Self::IdMismatch { expected },
            Failure::Rejected { number, reason, head } => Self::Rejected { number, reason, head },
            Failure::Interrupted => Self::Lost("the backend interrupted the request".into()),
            Failure::Unknown(reason) | Failure::Defect(reason) => Self::Refused(reason),
        }
    }
}
