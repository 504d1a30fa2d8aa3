//! What an app decides: who may come in, and which events are taken.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use futures_util::{FutureExt, future::BoxFuture};
use livestore_sync::{
    StoreId,
    wire::{ConfirmedEvent, Failure},
};
use serde_json::Value;

/// Whoever asks for a store.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The store.
    pub store: StoreId,
    /// What the client said about itself, as the app taught it to.
    pub payload: Option<Value>,
    /// The headers of the request that opened the connection.
    pub headers: Arc<HeaderMap>,
}

/// Who a visitor is, in the app's own words; [`PushAttempt`] carries it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Identity(pub Arc<str>);

/// Why a visitor may not come in. The client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal(pub String);

/// Events that somebody wants in the log.
#[derive(Clone, Debug)]
pub struct PushAttempt {
    /// Who.
    pub identity: Identity,
    /// Which log.
    pub store: StoreId,
    /// The events, ascending; their chain is checked, but the log may meanwhile have gone on.
    pub events: Arc<[ConfirmedEvent]>,
}

/// Whether events are taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All of them.
    Accept,
    /// Not this one, so not its commit nor anything after it.
    Reject {
        /// Which of the attempt's events.
        index: usize,
        /// Why; the client is told.
        reason: String,
    },
}

type Validate = dyn Fn(Visitor) -> BoxFuture<'static, Result<Identity, Refusal>> + Send + Sync;
type OnPush = dyn Fn(PushAttempt) -> BoxFuture<'static, Verdict> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Hooks {
    validate: Arc<Validate>,
    on_push: Arc<OnPush>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl Default for Hooks {
    /// Everybody may come in, and everything is taken.
    fn default() -> Self {
        Self {
            validate: Arc::new(|_| Box::pin(async { Ok(Identity::default()) })),
            on_push: Arc::new(|_| Box::pin(async { Verdict::Accept })),
        }
    }
}

impl Hooks {
    pub(crate) fn set_validate<F>(
        &mut self,
        validate: impl Fn(Visitor) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        self.validate = Arc::new(move |visitor| Box::pin(validate(visitor)));
    }

    pub(crate) fn set_on_push<F>(
        &mut self,
        on_push: impl Fn(PushAttempt) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Verdict> + Send + 'static,
    {
        self.on_push = Arc::new(move |attempt| Box::pin(on_push(attempt)));
    }

    pub(crate) async fn validate(
        &self,
        visitor: Visitor,
        limit: Duration,
    ) -> Result<Result<Identity, Refusal>, HookFailed> {
        ask(limit, async { (self.validate)(visitor).await }).await
    }

    pub(crate) async fn on_push(
        &self,
        attempt: PushAttempt,
        limit: Duration,
    ) -> Result<Verdict, HookFailed> {
        ask(limit, async { (self.on_push)(attempt).await }).await
    }
}

/// A hook that gave no verdict. It says nothing about whoever or whatever it was asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum HookFailed {
    /// It took longer than the limits say.
    #[error("the server's hook took too long")]
    Late,
    /// It panicked.
    #[error("the server's hook panicked")]
    Panicked,
}

impl From<HookFailed> for Failure {
    fn from(failed: HookFailed) -> Self {
        Self::Unknown(failed.to_string().into())
    }
}

/// An app's hook is foreign code: neither its time nor its panics may cost a client its socket.
async fn ask<T>(limit: Duration, hook: impl Future<Output = T>) -> Result<T, HookFailed> {
    match tokio::time::timeout(limit, AssertUnwindSafe(hook).catch_unwind()).await {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(_)) => Err(HookFailed::Panicked),
        Err(_) => Err(HookFailed::Late),
    }
}
