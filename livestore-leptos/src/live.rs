//! Live queries as signals.
//!
//! The engine computes a query's value once, however many components read it, and stores it once, in an `Arc`. A
//! [`LiveSignal`] is a `Copy` handle to it with Leptos's read traits: reading gives a reference, never a copy of the
//! rows. Three things make it free of glitches: all values of a refresh are stored before any reader is told; the
//! telling happens inside `reactive_graph`'s `batch`; and a stale closure is known to its readers at once, because the
//! query it returns sits in a memo that every read goes through.
//!
//! Nothing is followed before it is first read. The subscription belongs to that memo, which belongs to the owner that
//! was current when the hook was called: when the owner is cleaned up, the engine forgets the query at once.

use std::{fmt, ops::Deref, panic::Location, sync::Arc};

use leptos::{
    prelude::{
        ArcMemo, DefinedAt, Get, IsDisposed, Memo, Notify, ReadUntracked, Signal, Track,
        WithUntracked,
    },
    reactive::{owner::ArenaItem, signal::ArcTrigger},
};
use livestore_core::{AnyStore, IntoQuery, LiveQuery, QueryError, Subscription};

use crate::{
    boundary::{Boundary, Report},
    context::nearest_store,
};

/// A query's value that follows the store: `Copy`, with Leptos's read traits (`get`, `read`, `with`, …).
///
/// The owner (component) that made it owns it: its subscription ends when that owner is cleaned up.
pub struct LiveSignal<T: Send + Sync + 'static> {
    item: ArenaItem<ArcLive<T>>,
    defined_at: &'static Location<'static>,
}

impl<T: Send + Sync> Copy for LiveSignal<T> {}

impl<T: Send + Sync> Clone for LiveSignal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync> fmt::Debug for LiveSignal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSignal").field("defined_at", &self.defined_at).finish_non_exhaustive()
    }
}

/// A reference to a query's value.
#[derive(Debug)]
pub struct ValueGuard<T>(Arc<T>);

impl<T> ValueGuard<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T> Deref for ValueGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync> DefinedAt for LiveSignal<T> {
    fn defined_at(&self) -> Option<&'static Location<'static>> {
        Some(self.defined_at)
    }
}

impl<T: Send + Sync> IsDisposed for LiveSignal<T> {
    fn is_disposed(&self) -> bool {
        self.item.is_disposed()
    }
}

impl<T: Send + Sync> Track for LiveSignal<T> {
    fn track(&self) {
        if let Some(live) = self.item.try_get_value() {
            live.track();
        }
    }
}

impl<T: Default + Send + Sync> ReadUntracked for LiveSignal<T> {
    type Value = ValueGuard<T>;

    fn try_read_untracked(&self) -> Option<ValueGuard<T>> {
        let live = self.item.try_get_value()?;
        Some(ValueGuard(live.with(LiveQuery::last).unwrap_or_default()))
    }
}

impl<T: Default + Clone + PartialEq + Send + Sync> From<LiveSignal<T>> for Signal<T> {
    /// For components that take a `Signal`: copies the value once per change.
    #[track_caller]
    fn from(live: LiveSignal<T>) -> Self {
        Memo::new(move |_| live.get()).into()
    }
}

/// Follows the query that `query` returns, in the nearest store; when a signal it reads changes, the new query is
/// followed instead.
///
/// Components that follow equal queries share one result. If the query fails, the last value stays (at first: the
/// type's default) and the error goes to the nearest `<ErrorBoundary>`; [`try_use_query`] hands it to you instead.
///
/// # Panics
/// Outside a `<StoreProvider>`.
#[track_caller]
pub fn use_query<Q, T>(query: impl Fn() -> Q + Send + Sync + 'static) -> LiveSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    use_query_in(&nearest_store(), query)
}

/// Like [`use_query`], in a store of your choice: for apps that have several.
#[track_caller]
pub fn use_query_in<Q, T>(
    store: &AnyStore,
    query: impl Fn() -> Q + Send + Sync + 'static,
) -> LiveSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    let live = ArcLive::new(store.clone(), Some(Boundary::nearest()), query);
    LiveSignal { item: ArenaItem::new(live), defined_at: Location::caller() }
}

/// Like [`use_query`], but a failure is part of the value instead of going to the error boundary. Also for values
/// without a default.
#[track_caller]
pub fn try_use_query<Q, T>(
    query: impl Fn() -> Q + Send + Sync + 'static,
) -> Signal<Result<Arc<T>, QueryError>>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
{
    try_use_query_in(&nearest_store(), query)
}

/// Like [`try_use_query`], in a store of your choice.
#[track_caller]
pub fn try_use_query_in<Q, T>(
    store: &AnyStore,
    query: impl Fn() -> Q + Send + Sync + 'static,
) -> Signal<Result<Arc<T>, QueryError>>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
{
    let live = ArcLive::new(store.clone(), None, query);
    Signal::derive(move || {
        live.track();
        live.with(LiveQuery::value)
    })
}

/// A closure's query, and the subscription to it.
struct ArcLive<T: Send + Sync + 'static> {
    bound: ArcMemo<Bound<T>>,
}

impl<T: Send + Sync + 'static> Clone for ArcLive<T> {
    fn clone(&self) -> Self {
        Self { bound: self.bound.clone() }
    }
}

impl<T: PartialEq + Send + Sync + 'static> ArcLive<T> {
    /// `boundary` takes the query's errors, if anybody should.
    fn new<Q>(
        store: AnyStore,
        boundary: Option<Boundary>,
        query: impl Fn() -> Q + Send + Sync + 'static,
    ) -> Self
    where
        Q: IntoQuery<Output = T>,
    {
        let bound = ArcMemo::new_owning(move |old: Option<Bound<T>>| {
            let live = store.live(query());
            match old {
                Some(old) if old.live == live => (old, false),
                old => {
                    // First the old one takes its error back, then the new one may show one.
                    drop(old);
                    (Bound::new(live, boundary.clone()), true)
                }
            }
        });
        Self { bound }
    }
}

impl<T: Send + Sync + 'static> ArcLive<T> {
    fn track(&self) {
        self.bound.track();
        self.bound.with_untracked(Bound::track);
    }

    fn with<R>(&self, read: impl FnOnce(&LiveQuery<T>) -> R) -> R {
        self.bound.with_untracked(|bound| read(&bound.live))
    }
}

/// One query while it is followed.
pub(crate) struct Bound<T> {
    live: LiveQuery<T>,
    changed: ArcTrigger,
    _subscription: Subscription,
}

impl<T: Send + Sync + 'static> Bound<T> {
    pub(crate) fn new(live: LiveQuery<T>, boundary: Option<Boundary>) -> Self {
        let changed = ArcTrigger::new();
        let report = boundary.map(|boundary| Arc::new(Report::new(boundary)));
        let show_error = {
            let live = live.clone();
            move || {
                if let Some(report) = &report {
                    report.show(live.value().err());
                }
            }
        };
        let subscription = live.on_change({
            let (show_error, changed) = (show_error.clone(), changed.clone());
            move || {
                show_error();
                changed.notify();
            }
        });
        show_error();
        Self { live, changed, _subscription: subscription }
    }

    /// Makes the current observer follow the value.
    pub(crate) fn track(&self) {
        self.changed.track();
    }

    /// Tells observers to look again.
    pub(crate) fn notify(&self) {
        self.changed.notify();
    }
}
