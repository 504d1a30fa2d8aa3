//! What every binding of a UI framework does alike.
//!
//! - [`open`] opens a store for a provider and says how far that is.
//! - [`Followed`] is what a query hook holds: the query that its closure returned last.
//! - [`MissingProvider`] says what is wrong with a hook that finds no store.
//!
//! Deliberately absent: signals and owners. Each framework has its own; they hold what is here, and it tells them.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{Arc, OnceLock},
    task::Poll,
};

use futures_channel::mpsc::unbounded;
use futures_util::StreamExt;

use crate::{
    query::IntoQuery,
    schema::Schema,
    store::{AnyStore, BootStatus, LiveQuery, OpenError, Store, StoreOptions},
};

/// Opens a store; `step` is told how far that is, on the thread that polls this.
///
/// # Errors
/// [`OpenError`] as of [`Store::open`].
pub async fn open<S: Schema>(
    options: StoreOptions<S>,
    mut step: impl FnMut(BootStatus),
) -> Result<Store<S>, OpenError> {
    // Natively the steps are told by the leader's thread.
    let (tell, mut told) = unbounded();
    let options = options.on_boot(move |status| {
        // Whoever opens may have given up.
        drop(tell.unbounded_send(status));
    });
    let mut opening = pin!(Store::open(options));
    poll_fn(|cx| {
        let opened = opening.as_mut().poll(cx);
        while let Poll::Ready(Some(status)) = told.poll_next_unpin(cx) {
            step(status);
        }
        opened
    })
    .await
}

/// The query that a hook's closure returned last, and a subscription to it, which is the framework's `S`.
#[derive(Debug)]
pub struct Followed<T, S> {
    live: LiveQuery<T>,
    /// What is shown of a query that has failed from the start.
    default: OnceLock<Arc<T>>,
    _subscription: S,
}

impl<T: PartialEq + Send + Sync + 'static, S> Followed<T, S> {
    /// Follows `query` instead of what `before` followed. If that is another one, `before`'s subscription ends, and
    /// then `subscribe` makes the new one's. Also tells whether there is anything else to show now.
    pub fn follow(
        before: Option<Self>,
        store: &AnyStore,
        query: impl IntoQuery<Output = T>,
        subscribe: impl FnOnce(&LiveQuery<T>) -> S,
    ) -> (Self, bool) {
        let live = store.live(query);
        let before = match before {
            Some(before) if before.live == live => return (before, false),
            // Not the subscription: it may show an error, of which there is to be one at a time.
            before => before.map(|Self { live, .. }| live),
        };
        let shown = |live: &LiveQuery<T>| (live.value(), live.last());
        let _subscription = subscribe(&live);
        let changed = before.is_none_or(|before| shown(&before) != shown(&live));
        (Self { live, default: OnceLock::new(), _subscription }, changed)
    }
}

impl<T: Send + Sync + 'static, S> Followed<T, S> {
    /// The query.
    pub fn live(&self) -> &LiveQuery<T> {
        &self.live
    }

    /// Its last value; the default if it has failed from the start.
    pub fn last_or_default(&self) -> Arc<T>
    where
        T: Default,
    {
        self.live.last().unwrap_or_else(|| Arc::clone(self.default.get_or_init(Arc::default)))
    }
}

/// A hook was called where no provider is above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingProvider {
    /// None of this schema.
    OfSchema(&'static str),
    /// None at all.
    OfAny,
    /// Not even one that is still opening its store.
    Opening,
}

impl fmt::Display for MissingProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfSchema(schema) => write!(
                f,
                "`use_store::<{schema}>()` was called outside a `StoreProvider` of schema `{schema}`: call it in a \
                 component below one, not in the one that renders it, an event handler or after an await"
            ),
            Self::OfAny => f.write_str(
                "a livestore hook was called outside a `StoreProvider`: call it in a component below one, not in the one \
                 that renders it, an event handler or after an await; the `_in` variants take a store instead",
            ),
            Self::Opening => f.write_str(
                "`use_boot_status` was called outside a `StoreProvider`: call it in a component below one or in its fallback",
            ),
        }
    }
}

impl std::error::Error for MissingProvider {}
