//! The server as a whole: what its connections share, its routes, its end.

use std::{future::IntoFuture, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{Method, header},
    routing::get,
};
use livestore_sync::{
    StoreId,
    wire::{Extensions, Failure, WireLimits},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::{
    config::{Config, Limits},
    hooks::{HookFailed, Hooks, Identity, Refusal, Visitor},
    http,
    listening::Watching,
    log::{EventLog, LogHead, PageSize},
    metrics::Metrics,
};

/// Bytes of events in a page for a client of ours: a slow link has it before the client loses patience.
const PAGE_BYTES: usize = 256 << 10;

/// Bytes around the events of a page.
const ENVELOPE_BYTES: usize = 2_000;

/// A sync backend to be mounted and, at the end, shut down.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
    cors: CorsLayer,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) hooks: Hooks,
    pub(crate) limits: Limits,
    pub(crate) origins: Option<Vec<axum::http::HeaderValue>>,
    pub(crate) metrics: Metrics,
    pub(crate) sockets: Arc<Semaphore>,
    /// Whether the server shuts down. The sender is here, so that it lives as long as anybody listens.
    pub(crate) closing: watch::Sender<bool>,
}

/// The routes of a sync backend: `/sync` (WebSocket and HTTP), `/health`, `/metrics`.
///
/// For a server that ends in good order, keep the [`Server`] instead.
pub fn router(config: Config) -> Router {
    Server::new(config).router()
}

impl Server {
    /// Sets a server up. It serves once its [`Server::router`] is.
    pub fn new(config: Config) -> Self {
        let Config { log, hooks, limits, origins } = config;
        let allowed = match &origins {
            None => AllowOrigin::from(Any),
            Some(origins) => AllowOrigin::list(origins.clone()),
        };
        let cors = CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(match origins {
                None => tower_http::cors::AllowHeaders::from(Any),
                Some(_) => tower_http::cors::AllowHeaders::mirror_request(),
            })
            .allow_credentials(origins.is_some());
        let shared = Shared {
            sockets: Arc::new(Semaphore::new(limits.sockets)),
            metrics: Metrics::default(),
            closing: watch::Sender::new(false),
            log,
            hooks,
            limits,
            origins,
        };
        Self { shared: Arc::new(shared), cors }
    }

    /// The routes: `/sync` (WebSocket and HTTP), `/health`, `/metrics`.
    pub fn router(&self) -> Router {
        let sync = get(http::upgrade).post(http::post).layer(self.cors.clone());
        Router::new()
            .route("/sync", sync)
            .route("/health", get(http::health))
            .route("/metrics", get(http::metrics))
            .with_state(Arc::clone(&self.shared))
    }

    /// Serves `router` on `listener` until `stopped` resolves, then ends in good order, as [`Server::shut_down`] does.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let limits = &self.shared.limits;
        let listener = Watching { listener, limit: limits.stalled };
        let mut closing = self.shared.closing.subscribe();
        let ending = async move { closed(&mut closing).await };
        let mut serving =
            pin!(axum::serve(listener, router).with_graceful_shutdown(ending).into_future());
        tokio::select! {
            ended = &mut serving => return ended,
            () = stopped => {}
        }
        // A request that does not end keeps nobody from ending.
        let serving = tokio::time::timeout(limits.shutdown, serving);
        let (ended, ()) = tokio::join!(serving, self.shut_down());
        ended.unwrap_or_else(|_| {
            tracing::warn!("some connections did not end in time");
            Ok(())
        })
    }

    /// Closes all sockets, and waits for them and for the requests under way as long as the limits say. What was
    /// acknowledged is in the log anyway.
    pub async fn shut_down(&self) {
        self.shared.closing.send_replace(true);
        let all = u32::try_from(self.shared.limits.sockets).unwrap_or(u32::MAX);
        let closed = self.shared.sockets.acquire_many(all);
        if tokio::time::timeout(self.shared.limits.shutdown, closed).await.is_err() {
            tracing::warn!("some sockets or requests did not end in time");
        }
    }
}

impl Shared {
    /// Asks the app who this is.
    pub(crate) async fn validate(
        &self,
        store: &StoreId,
        payload: Option<Value>,
        headers: &Arc<axum::http::HeaderMap>,
    ) -> Result<Identity, Barred> {
        let visitor = Visitor { store: store.clone(), payload, headers: Arc::clone(headers) };
        match self.hooks.validate(visitor, self.limits.hook).await {
            Ok(Ok(identity)) => Ok(identity),
            Ok(Err(refusal)) => {
                self.metrics.refused.inc();
                tracing::info!(%store, reason = refusal.0, "a visitor was refused");
                Err(Barred::Refused(refusal))
            }
            Err(failed) => {
                tracing::error!(%store, reason = %failed, "nobody can be let in");
                Err(Barred::Undecided(failed))
            }
        }
    }

    /// Counts and logs what a client said that nobody understands.
    pub(crate) fn note_bad_frame(&self, store: &StoreId, reason: &str) {
        self.metrics.bad_frames.inc();
        tracing::warn!(%store, reason, "a frame was not understood");
    }

    pub(crate) async fn head(&self, store: &StoreId) -> Result<LogHead, Failure> {
        self.log.head(store).await.map_err(|error| Failure::Unknown(error.to_string().into()))
    }

    /// How much a client with these extensions may send and gets.
    pub(crate) fn wire_limits(&self, extensions: Extensions) -> WireLimits {
        if extensions.batches { self.limits.extended() } else { WireLimits::PLAIN }
    }

    /// How much a page holds for a client with these extensions.
    pub(crate) fn page_size(&self, extensions: Extensions) -> PageSize {
        let WireLimits { batch_events: events, frame_bytes, .. } = self.wire_limits(extensions);
        let bytes = frame_bytes.saturating_sub(ENVELOPE_BYTES);
        // A plain peer has pages as large as a sync-cf server makes them.
        let bytes = if extensions == Extensions::NONE { bytes } else { PAGE_BYTES };
        // A page without events would never end a pull.
        PageSize { events: events.max(1), bytes }
    }

    /// A browser's page may come in if its origin is allowed; whoever is no page has none.
    pub(crate) fn allows_origin(&self, headers: &axum::http::HeaderMap) -> bool {
        match (&self.origins, headers.get(header::ORIGIN)) {
            (Some(allowed), Some(origin)) => allowed.contains(origin),
            (None, _) | (_, None) => true,
        }
    }

    /// How long to wait between looks at a silent client.
    pub(crate) fn ping_every(&self) -> Duration {
        self.limits.ping
    }
}

/// Resolves when the server shuts down, or is gone.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Why a visitor does not come in.
#[derive(Debug)]
pub(crate) enum Barred {
    /// The app says no.
    Refused(Refusal),
    /// The app says nothing: it may let them in another time.
    Undecided(HookFailed),
}

impl From<Barred> for Failure {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Refused(Refusal(reason)) => Self::Unknown(reason.into()),
            Barred::Undecided(failed) => failed.into(),
        }
    }
}
