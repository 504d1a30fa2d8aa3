//! What a server is made of: its log, the app's hooks, its limits.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;
use livestore_sync::{
    Args,
    wire::{FRAME_BYTES, WireLimits},
};

use crate::{
    hooks::{Hooks, Identity, PushAttempt, Refusal, Verdict, Visitor},
    log::EventLog,
};

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) hooks: Hooks,
    pub(crate) limits: Limits,
    pub(crate) origins: Option<Vec<HeaderValue>>,
}

/// Bounds and time-outs; `Default` is what the binary uses.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sockets, and requests to `/sync`, at a time.
    pub sockets: usize,
    /// Pulls at a time on one socket.
    pub pulls_per_socket: usize,
    /// Events in one push and one page of a client that was granted larger batches; others have
    /// [`livestore_sync::wire::BATCH_EVENTS`].
    pub batch_events: usize,
    /// How often a silent client is asked whether it is there.
    pub ping: Duration,
    /// A client that says nothing for so long is cut off.
    pub idle: Duration,
    /// A client that does not take a frame for so long is cut off; it comes back and catches up.
    pub send: Duration,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    /// A connection on which nothing moves for so long, in either direction, is cut off by [`crate::Server::serve`].
    /// An app that serves [`crate::router`] itself has its own bounds for that.
    pub stalled: Duration,
    /// How long the hooks may take.
    pub hook: Duration,
    /// How long the server's end waits for sockets and requests.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 10_000,
            pulls_per_socket: 16,
            batch_events: 1_000,
            ping: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            send: Duration::from_secs(20),
            body: Duration::from_secs(30),
            stalled: Duration::from_secs(120),
            hook: Duration::from_secs(10),
            shutdown: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// What a client with larger batches may send.
    pub(crate) fn extended(&self) -> WireLimits {
        WireLimits {
            batch_events: self.batch_events,
            frame_bytes: FRAME_BYTES,
            args_bytes: Args::MAX_BYTES,
        }
    }
}

impl Config {
    /// A server over `log` that lets everybody in.
    pub fn new(log: impl EventLog) -> Self {
        Self {
            log: Arc::new(log),
            hooks: Hooks::default(),
            limits: Limits::default(),
            origins: None,
        }
    }

    /// Asks `validate` who a visitor is: when a connection opens, and again at each pull and push.
    #[must_use]
    pub fn validate<F>(mut self, validate: impl Fn(Visitor) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        self.hooks.set_validate(validate);
        self
    }

    /// Asks `on_push` before events are appended.
    #[must_use]
    pub fn on_push<F>(mut self, on_push: impl Fn(PushAttempt) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        self.hooks.set_on_push(on_push);
        self
    }

    /// Sets bounds and time-outs.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets in only pages of these origins; without this, pages of any origin. An app that knows its users by their
    /// cookies needs it: a browser sends those along from anybody's page.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.origins = Some(origins.into_iter().collect());
        self
    }
}
