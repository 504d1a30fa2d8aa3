//! Live queries as signals.
//!
//! The engine computes a query's value once, however many components read it; a hook's [`ReadSignal`] lends that very
//! value. Three things make it free of glitches: all values of a refresh are stored before any reader is told; a stale
//! closure runs again before a read returns; and readers only ever look for themselves, they are handed nothing.
//!
//! Nothing is followed before it is first read. What a hook holds belongs to its component: when that is gone, the
//! engine forgets the query.

use std::{cell::RefCell, panic::Location, rc::Rc, sync::Arc};

use dioxus::{
    core::{Callback, Subscribers, spawn, use_hook},
    hooks::use_callback,
    signals::ReadSignal,
};
use futures_util::StreamExt;
use livestore_core::{
    AnyStore, IntoQuery, LiveQuery, LocalSubscription, Query, QueryError, Subscription,
    binding::Followed,
};

use crate::{
    boundary::Boundary,
    closure::Closure,
    context::nearest_store,
    slot::{Slot, tell, tell_closures},
};

/// Follows the query that `query` returns, in the nearest store; when a signal it reads changes, the new query is
/// followed instead.
///
/// Components that follow equal queries share one result. If the query fails, the last value stays (at first: the
/// type's default) and the error goes to the nearest `ErrorBoundary`; [`try_use_query`] hands it to you instead.
///
/// A read inside [`AnyStore::batch`] sees what the batch has done so far; a `use_memo` over it is of before the batch
/// until that is over. Where that matters, read the query there.
///
/// # Panics
/// Outside a `StoreProvider`.
#[track_caller]
pub fn use_query<Q, T>(query: impl FnMut() -> Q + 'static) -> ReadSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    use_value(nearest_store, query, Followed::last_or_default, Boundary::throw)
}

/// Like [`use_query`], in a store of your choice: for apps that have several. The store is that of the first render.
#[track_caller]
pub fn use_query_in<Q, T>(store: &AnyStore, query: impl FnMut() -> Q + 'static) -> ReadSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    use_value(|| store.clone(), query, Followed::last_or_default, Boundary::throw)
}

/// Like [`use_query`], but a failure is part of the value instead of going to the error boundary. Also for values
/// without a default.
///
/// # Panics
/// Outside a `StoreProvider`.
#[track_caller]
pub fn try_use_query<Q, T>(
    query: impl FnMut() -> Q + 'static,
) -> ReadSignal<Result<Arc<T>, QueryError>>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
{
    use_value(nearest_store, query, |bound| Arc::new(bound.live().value()), |_, _| ())
}

/// Like [`try_use_query`], in a store of your choice. The store is that of the first render.
#[track_caller]
pub fn try_use_query_in<Q, T>(
    store: &AnyStore,
    query: impl FnMut() -> Q + 'static,
) -> ReadSignal<Result<Arc<T>, QueryError>>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
{
    use_value(|| store.clone(), query, |bound| Arc::new(bound.live().value()), |_, _| ())
}

#[track_caller]
fn use_value<Q, T, V: 'static>(
    store: impl FnOnce() -> AnyStore,
    mut query: impl FnMut() -> Q + 'static,
    show: fn(&Bound<T>) -> Arc<V>,
    fail: fn(&Boundary, QueryError),
) -> ReadSignal<V>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
{
    // As in `use_memo`: the closure of the latest render counts.
    let query = use_callback(move |()| query().into_query());
    let at = Location::caller();
    use_hook(|| {
        let readers = Subscribers::new();
        let live = Live::new(store(), query, readers.clone(), fail, at);
        ReadSignal::new(Slot::new(readers, move || live.with(show)))
    })
}

/// One query while it is followed.
type Bound<T> = Followed<T, Subscriptions>;

type Subscriptions = (LocalSubscription, Subscription);

/// A closure's query, and the subscription to it.
struct Live<T: 'static> {
    store: AnyStore,
    closure: Closure<Query<T>>,
    bound: RefCell<Option<Bound<T>>>,
    readers: Subscribers,
    boundary: Boundary,
    fail: fn(&Boundary, QueryError),
}

impl<T: PartialEq + Send + Sync + 'static> Live<T> {
    fn new(
        store: AnyStore,
        query: Callback<(), Query<T>>,
        readers: Subscribers,
        fail: fn(&Boundary, QueryError),
        at: &'static Location<'static>,
    ) -> Rc<Self> {
        let (closure, mut woken) = Closure::new(query, readers.clone(), at);
        let boundary = Boundary::nearest();
        let bound = RefCell::default();
        let live = Rc::new(Self { store, closure, bound, readers, boundary, fail });
        let weak = Rc::downgrade(&live);
        spawn(async move {
            while woken.next().await.is_some()
                && let Some(live) = weak.upgrade()
            {
                live.settle();
            }
        });
        live
    }

    /// Lets the closure run again if it is stale, and tells the readers if they now read something else.
    fn settle(&self) {
        let Some(query) = self.closure.run_if_stale() else { return };
        let before = self.bound.take();
        let first = before.is_none();
        let (bound, changed) =
            Followed::follow(before, &self.store, query, |live| self.subscribe(live));
        self.bound.replace(Some(bound));
        if changed && !first {
            tell(&self.readers);
        }
    }

    fn with<R>(&self, read: impl FnOnce(&Bound<T>) -> R) -> R {
        self.settle();
        let bound = self.bound.borrow();
        read(bound.as_ref().expect("BUG: a settled closure has a query"))
    }

    fn subscribe(&self, live: &LiveQuery<T>) -> Subscriptions {
        let show_error = {
            let (live, boundary, fail) = (live.clone(), self.boundary.clone(), self.fail);
            move || {
                if let Err(error) = live.value() {
                    fail(&boundary, error);
                }
            }
        };
        show_error();
        let (readers, closures) = (self.readers.clone(), self.readers.clone());
        let changes = live.on_change_local(move || {
            show_error();
            tell(&readers);
        });
        // In a batch: what closures made of the value before it is of another moment.
        (changes, live.on_stale(move || tell_closures(&closures)))
    }
}
