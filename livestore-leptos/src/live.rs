//! Live queries as signals.
//!
//! The engine computes a query's value once, however many components read it, and stores it once, in an `Arc`. A
//! [`LiveSignal`] is a `Copy` handle to it with Leptos's read traits: reading gives a reference, never a copy of the
//! rows. Three things make it free of glitches: all values of a refresh are stored before any reader is told; the
//! telling happens inside `reactive_graph`'s `batch`; and a stale closure is known to its readers at once, because the
//! query it returns sits in a memo that every read goes through. In a store's batch, where the telling waits, triggers
//! fire at each change: memos look again when they are read, and effects run after the batch.
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
use livestore_core::{AnyStore, IntoQuery, LiveQuery, QueryError, Subscription, binding::Followed};

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
        Some(ValueGuard(live.with(Followed::last_or_default)))
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
        live.with(|followed| followed.live().value())
    })
}

/// A closure's query, and the subscription to it.
struct ArcLive<T: Send + Sync + 'static> {
    followed: ArcMemo<Followed<T, [Subscription; 2]>>,
    triggers: Triggers,
    /// Lets those who follow the value hear of a change in a batch only if the value is another one.
    shown: ArcMemo<Shown<T>>,
}

/// What a query shows: its value or error, and the value that stays meanwhile.
struct Shown<T> {
    value: Result<Arc<T>, QueryError>,
    last: Option<Arc<T>>,
}

impl<T: Send + Sync + 'static> Shown<T> {
    fn of(live: &LiveQuery<T>) -> Self {
        let value = live.value();
        let last = value.as_ref().ok().cloned().or_else(|| live.last());
        Self { value, last }
    }

    /// Whether it is the same: the engine keeps a value for as long as it is an equal one.
    fn is(&self, other: &Self) -> bool {
        let same = |one: &Option<Arc<T>>, other: &Option<Arc<T>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.value.as_ref().err() == other.value.as_ref().err() && same(&self.last, &other.last)
    }
}

impl<T: Send + Sync + 'static> Clone for ArcLive<T> {
    fn clone(&self) -> Self {
        let Self { followed, triggers, shown } = self;
        Self { followed: followed.clone(), triggers: triggers.clone(), shown: shown.clone() }
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
        let triggers = Triggers::new();
        let followed = ArcMemo::new_owning({
            let triggers = triggers.clone();
            move |before| {
                Followed::follow(before, &store, query(), |live| {
                    triggers.subscribe(live, boundary.clone())
                })
            }
        });
        let shown = ArcMemo::new_with_compare(
            {
                let (followed, triggers) = (followed.clone(), triggers.clone());
                move |_| {
                    followed.track();
                    triggers.changed.track();
                    triggers.track_stale();
                    followed.with_untracked(|followed| Shown::of(followed.live()))
                }
            },
            |old, new| !matches!((old, new), (Some(old), Some(new)) if old.is(new)),
        );
        Self { followed, triggers, shown }
    }
}

impl<T: Send + Sync + 'static> ArcLive<T> {
    fn track(&self) {
        self.followed.track();
        // Before `shown` asks for it: an effect that follows both would run twice.
        self.followed.with_untracked(|_followed| ());
        // Not through `shown` alone: an effect that follows a memo and what that is made of would run twice.
        self.triggers.track();
        self.shown.track();
        // A memo that has never run follows nothing, so its readers would hear nothing.
        self.shown.with_untracked(|_shown| ());
    }

    fn with<R>(&self, read: impl FnOnce(&Followed<T, [Subscription; 2]>) -> R) -> R {
        self.followed.with_untracked(read)
    }
}

/// How a hook's readers hear of changes, whichever query it follows.
#[derive(Clone)]
pub(crate) struct Triggers {
    changed: ArcTrigger,
    /// Fires after `changed`, for readers of the value. They also hear through a memo that follows `changed`, and the
    /// last word has to be that they are dirty: an `ImmediateEffect` that is to be checked forgets that it was dirty.
    told: ArcTrigger,
    stale: ArcTrigger,
}

impl Triggers {
    pub(crate) fn new() -> Self {
        Self { changed: ArcTrigger::new(), told: ArcTrigger::new(), stale: ArcTrigger::new() }
    }

    /// Passes on what happens to `live`, and shows its errors.
    pub(crate) fn subscribe<T: Send + Sync + 'static>(
        &self,
        live: &LiveQuery<T>,
        boundary: Option<Boundary>,
    ) -> [Subscription; 2] {
        let report = boundary.map(Report::new);
        let show_error = {
            let live = live.clone();
            move || {
                if let Some(report) = &report {
                    report.show(live.value().err());
                }
            }
        };
        show_error();
        let (changed, stale) = (self.clone(), self.stale.clone());
        let changes = live.on_change(move || {
            show_error();
            changed.notify();
        });
        [changes, live.on_stale(move || stale.notify())]
    }

    /// Makes the current observer follow the value, as the engine tells it.
    pub(crate) fn track(&self) {
        self.told.track();
    }

    /// Makes the current observer hear, inside a batch, that the value may be another one.
    pub(crate) fn track_stale(&self) {
        self.stale.track();
    }

    /// Tells observers to look again.
    pub(crate) fn notify(&self) {
        self.changed.notify();
        self.told.notify();
    }
}
