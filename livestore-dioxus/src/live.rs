//! Live queries as signals.
//!
//! The engine computes a query's value once, however many components read it; a hook's [`ReadSignal`] lends that very
//! value. Three things make it free of glitches: all values of a refresh are stored before any reader is told; a stale
//! closure runs again before a read returns; and readers only ever look for themselves, they are handed nothing.
//!
//! Nothing is followed before it is first read. What a hook holds belongs to its component: when that is gone, the
//! engine forgets the query.

use std::{
    cell::{OnceCell, RefCell},
    panic::Location,
    rc::Rc,
    sync::Arc,
};

use dioxus::{
    core::{Callback, Subscribers, spawn, use_hook},
    hooks::use_callback,
    signals::{BorrowError, ReadSignal, Readable, ReadableRef, UnsyncStorage},
};
use futures_util::StreamExt;
use livestore_core::{AnyStore, IntoQuery, LiveQuery, LocalSubscription, Query, QueryError};

use crate::{
    boundary::Boundary,
    closure::Closure,
    context::nearest_store,
    slot::{Shown, Slot, tell},
};

/// Follows the query that `query` returns, in the nearest store; when a signal it reads changes, the new query is
/// followed instead.
///
/// Components that follow equal queries share one result. If the query fails, the last value stays (at first: the
/// type's default) and the error goes to the nearest `ErrorBoundary`; [`try_use_query`] hands it to you instead.
///
/// # Panics
/// Outside a `StoreProvider`.
#[track_caller]
pub fn use_query<Q, T>(query: impl FnMut() -> Q + 'static) -> ReadSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    use_value(nearest_store, query, Last::of, Boundary::throw)
}

/// Like [`use_query`], in a store of your choice: for apps that have several. The store is that of the first render.
#[track_caller]
pub fn use_query_in<Q, T>(store: &AnyStore, query: impl FnMut() -> Q + 'static) -> ReadSignal<T>
where
    Q: IntoQuery<Output = T>,
    T: Default + PartialEq + Send + Sync + 'static,
{
    use_value(|| store.clone(), query, Last::of, Boundary::throw)
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
    use_value(nearest_store, query, Outcome::of, |_, _| ())
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
    use_value(|| store.clone(), query, Outcome::of, |_, _| ())
}

#[track_caller]
fn use_value<Q, T, V>(
    store: impl FnOnce() -> AnyStore,
    mut query: impl FnMut() -> Q + 'static,
    show: fn(&Bound<T>) -> V,
    fail: fn(&Boundary, QueryError),
) -> ReadSignal<V::Target>
where
    Q: IntoQuery<Output = T>,
    T: PartialEq + Send + Sync + 'static,
    V: Shown,
{
    // As in `use_memo`: the closure of the latest render counts.
    let query = use_callback(move |()| query().into_query());
    let at = Location::caller();
    use_hook(|| {
        let slot = Slot::new();
        let followed = Followed::new(store(), query, slot.readers(), fail, at);
        ReadSignal::new(LiveValue { followed, slot, show })
    })
}

/// The last value there was; at first the default.
struct Last;

impl Last {
    fn of<T: Default + Send + Sync + 'static>(bound: &Bound<T>) -> Arc<T> {
        bound.live.last().unwrap_or_else(|| Arc::clone(bound.default.get_or_init(Arc::default)))
    }
}

/// The value, or why there is none.
struct Outcome<T>(Result<Arc<T>, QueryError>);

impl<T: Send + Sync + 'static> Outcome<T> {
    fn of(bound: &Bound<T>) -> Self {
        Self(bound.live.value())
    }
}

impl<T: PartialEq + 'static> Shown for Outcome<T> {
    type Target = Result<Arc<T>, QueryError>;

    fn target(&self) -> &Self::Target {
        &self.0
    }

    fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Ok(one), Ok(another)) => Arc::ptr_eq(one, another),
            (one, another) => one == another,
        }
    }
}

/// What a `ReadSignal` of a query reads.
struct LiveValue<T: 'static, V: 'static> {
    followed: Rc<Followed<T>>,
    slot: Slot<V>,
    show: fn(&Bound<T>) -> V,
}

impl<T: PartialEq + Send + Sync + 'static, V: Shown> Readable for LiveValue<T, V> {
    type Target = V::Target;
    type Storage = UnsyncStorage;

    fn try_read_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        let value = self.try_peek_unchecked();
        // Only now: what the closure's new query has changed is no news to who reads it here.
        self.slot.track();
        value
    }

    fn try_peek_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        self.followed.settle();
        self.slot.lend(self.followed.with(self.show))
    }

    fn subscribers(&self) -> Subscribers {
        self.slot.readers()
    }
}

/// A closure's query, and the subscription to it.
struct Followed<T: 'static> {
    store: AnyStore,
    closure: Closure<Query<T>>,
    bound: RefCell<Option<Bound<T>>>,
    readers: Subscribers,
    boundary: Boundary,
    fail: fn(&Boundary, QueryError),
}

impl<T: PartialEq + Send + Sync + 'static> Followed<T> {
    fn new(
        store: AnyStore,
        query: Callback<(), Query<T>>,
        readers: Subscribers,
        fail: fn(&Boundary, QueryError),
        at: &'static Location<'static>,
    ) -> Rc<Self> {
        let (closure, mut woken) = Closure::new(query, readers.clone(), at);
        let boundary = Boundary::nearest();
        let followed =
            Rc::new(Self { store, closure, bound: RefCell::default(), readers, boundary, fail });
        let weak = Rc::downgrade(&followed);
        spawn(async move {
            while woken.next().await.is_some()
                && let Some(followed) = weak.upgrade()
            {
                followed.settle();
            }
        });
        followed
    }

    /// Lets the closure run again if it is stale, and tells the readers if they now read something else.
    fn settle(&self) {
        let Some(query) = self.closure.run_if_stale() else { return };
        let live = self.store.live(query);
        let old = self.bound.borrow_mut().take();
        let new = match old {
            Some(old) if old.live == live => old,
            old => {
                let new = Bound::new(live, self);
                let changed = old.is_some_and(|old| old.live.value() != new.live.value());
                *self.bound.borrow_mut() = Some(new);
                if changed {
                    tell(&self.readers);
                }
                return;
            }
        };
        *self.bound.borrow_mut() = Some(new);
    }

    fn with<R>(&self, read: impl FnOnce(&Bound<T>) -> R) -> R {
        let bound = self.bound.borrow();
        read(bound.as_ref().expect("BUG: a settled closure has a query"))
    }
}

/// One query while it is followed.
struct Bound<T: 'static> {
    live: LiveQuery<T>,
    /// What is shown of a query that has failed from the start.
    default: OnceCell<Arc<T>>,
    _subscription: LocalSubscription,
}

impl<T: Send + Sync + 'static> Bound<T> {
    fn new(live: LiveQuery<T>, followed: &Followed<T>) -> Self {
        let show_error = {
            let (live, boundary, fail) = (live.clone(), followed.boundary.clone(), followed.fail);
            move || {
                if let Err(error) = live.value() {
                    fail(&boundary, error);
                }
            }
        };
        show_error();
        let readers = followed.readers.clone();
        let _subscription = live.on_change_local(move || {
            show_error();
            tell(&readers);
        });
        Self { live, default: OnceCell::new(), _subscription }
    }
}
