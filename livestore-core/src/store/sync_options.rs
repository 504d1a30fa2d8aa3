//! [`SyncOptions`]: which backend a store syncs with, and how.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use livestore_sync::{OnBackendChanged, wire::Transport};
use serde_json::Value;

use super::any::Shared;
use super::error::OpenError;
use crate::{
    leader::BackendConfig,
    link::PayloadAnswer,
    platform::{resolve_url, spawn_io},
};

/// Says who the user is; `Send` because natively it runs beside the sockets.
#[derive(Clone)]
pub(super) struct Payload(Arc<dyn Fn() -> BoxFuture<'static, Option<Value>> + Send + Sync>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it says is nobody's business.
        f.write_str("Payload")
    }
}

/// A backend for [`StoreOptions::sync`](super::StoreOptions::sync); [`websocket`] and [`http_polling`] make one.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    url: String,
    transport: Transport,
    on_backend_changed: OnBackendChanged,
    paused: bool,
    sets_damaged_log_aside: bool,
    pub(super) payload: Option<Payload>,
    pub(super) initial_sync: Option<Duration>,
}

/// A backend over a WebSocket: news arrive as they happen.
///
/// The address begins with `ws://` or `wss://`. In a browser it may also be a path of the page's own server, such as
/// `/sync`.
pub fn websocket(url: impl Into<String>) -> SyncOptions {
    SyncOptions::new(url.into(), Transport::WebSocket)
}

/// A backend that is asked every few seconds, for networks that let no WebSocket through.
///
/// The address begins with `http://` or `https://`. In a browser it may also be a path of the page's own server, such
/// as `/sync`.
pub fn http_polling(url: impl Into<String>) -> SyncOptions {
    SyncOptions::new(url.into(), Transport::Http)
}

impl SyncOptions {
    fn new(url: String, transport: Transport) -> Self {
        Self {
            url,
            transport,
            on_backend_changed: OnBackendChanged::default(),
            paused: false,
            sets_damaged_log_aside: false,
            payload: None,
            initial_sync: None,
        }
    }

    /// Says who this is: the backend's `validate` hook gets what it returns. It is asked at every connection, so a token
    /// that has run out is replaced without opening the store again; [`AnyStore::retry_sync`](super::AnyStore::retry_sync)
    /// connects with a new one at once.
    ///
    /// ```
    /// # use livestore_core::websocket;
    /// # async fn token() -> String { String::new() }
    /// websocket("wss://example.org/sync")
    ///     .payload(|| async { Some(serde_json::json!({ "token": token().await })) });
    /// ```
    #[must_use]
    pub fn payload<F>(mut self, payload: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Value>> + Send + 'static,
    {
        self.payload = Some(Payload(Arc::new(move || payload().boxed())));
        self
    }

    /// What to do when the backend no longer has events that it had confirmed: it was wiped, replaced, or restored from
    /// an older copy. Unless said otherwise its log is taken ([`OnBackendChanged::Reset`]).
    #[must_use]
    pub fn on_backend_changed(mut self, policy: OnBackendChanged) -> Self {
        self.on_backend_changed = policy;
        self
    }

    /// Waits with the first connection until [`AnyStore::resume_sync`](super::AnyStore::resume_sync).
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Sets a damaged log aside and pulls everything from the backend again, instead of failing with
    /// [`OpenFailure::LogDamaged`](crate::OpenFailure::LogDamaged). The damaged file stays where it is, under its name,
    /// with the states that were folded from it, and [`BootWarning::LogSetAside`](super::BootWarning::LogSetAside) names
    /// it: what the backend never got (events not confirmed, client-only events, documents) is in it only.
    ///
    /// An app may ask its user before: open without it, and if that fails so, with it.
    #[must_use]
    pub fn set_damaged_log_aside(mut self) -> Self {
        self.sets_damaged_log_aside = true;
        self
    }

    /// Lets opening wait until everything that the backend has is here, at most this long. If that was too short (or
    /// there is no network) the store opens with what is here, and
    /// [`BootWarning::NotCaughtUp`](super::BootWarning::NotCaughtUp) says so. Otherwise opening does not wait.
    #[must_use]
    pub fn initial_sync(mut self, at_most: Duration) -> Self {
        self.initial_sync = Some(at_most);
        self
    }

    /// What the leader is told.
    pub(super) fn config(&self) -> Result<BackendConfig, OpenError> {
        let (plain, secure) = match self.transport {
            Transport::WebSocket => ("ws", "wss"),
            Transport::Http => ("http", "https"),
        };
        let url = if self.url.contains(['?', '#']) {
            Err("it has no query: what the backend is to know of the user is the payload"
                .to_owned())
        } else {
            resolve_url(&self.url, plain, secure)
        };
        let url = url.map_err(|reason| OpenError::SyncUrl { url: self.url.clone(), reason })?;
        Ok(BackendConfig {
            url,
            transport: self.transport,
            on_changed: self.on_backend_changed,
            paused: self.paused,
            asks_payload: self.payload.is_some(),
            sets_damaged_log_aside: self.sets_damaged_log_aside,
        })
    }
}

impl Shared {
    /// Tells the leader who this is, once the app has said it.
    pub(super) fn say_who(self: &Arc<Self>, number: u64) {
        let Some(Payload(payload)) = self.payload.clone() else { return };
        let weak = Arc::downgrade(self);
        spawn_io(async move {
            let payload = Ok(payload().await.map(|payload| payload.to_string()));
            if let Some(shared) = weak.upgrade() {
                shared.connection.identify(PayloadAnswer { number, payload });
            }
        });
    }
}
