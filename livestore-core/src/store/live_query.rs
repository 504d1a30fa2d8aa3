//! [`LiveQuery`]: a query's value that follows the store.

use std::{fmt, sync::Arc};

use super::{
    any::{AnyStore, Shared},
    callbacks::Subscription,
    gate::Reentered,
    local::LocalSubscription,
};
use crate::{
    live::{LiveError, NodeHandle, Observer},
    query::QueryError,
};

/// A query that is kept up to date while a handle to it exists. Clones, and handles to equal queries of the same store,
/// share one computed value.
///
/// Asked for from inside one of the store's own materializers or computed functions it follows nothing, and its value
/// is the error that says so.
pub struct LiveQuery<T> {
    store: Arc<Shared>,
    observer: Result<Observer<T>, Reentered>,
}

impl<T: Send + Sync + 'static> LiveQuery<T> {
    pub(super) fn new(store: &AnyStore, observer: Result<Observer<T>, Reentered>) -> Self {
        Self { store: Arc::clone(&store.0), observer }
    }

    /// The value, shared, or why there is none. It is as of the last refresh; on a thread whose own changes still wait
    /// for theirs (inside a batch, in an observer that has committed), it is as of now.
    ///
    /// # Errors
    /// The query's error; [`last`](Self::last) still has the value before it.
    pub fn value(&self) -> Result<Arc<T>, QueryError> {
        match &self.observer {
            Ok(observer) => read(&self.store, observer),
            Err(Reentered) => Err(LiveError::Reentered.into()),
        }
    }

    /// The last value there was, also while the query fails; None if it has failed from the start.
    pub fn last(&self) -> Option<Arc<T>> {
        let observer = self.observer.as_ref().ok()?;
        // Where that fails, it has left behind the last value.
        read(&self.store, observer).ok().or_else(|| observer.last())
    }

    /// Its node, for [`Cx::get`](crate::Cx::get); None if it follows nothing.
    pub fn node(&self) -> Option<&NodeHandle<T>> {
        self.observer.as_ref().ok().map(Observer::node)
    }

    /// Calls `changed` after every refresh that changed the value or the error, until the subscription is dropped. The
    /// subscription keeps the query up to date, too, but not the store open.
    pub fn on_change(&self, changed: impl Fn() + Send + Sync + 'static) -> Subscription {
        let Ok(kept) = self.observer.clone() else { return Subscription::none() };
        let id = kept.id();
        let changed = move || {
            let _ = &kept;
            changed();
        };
        Subscription::new(&self.store, |store| &store.queries, id, Arc::new(changed))
    }

    /// Like [`on_change`](Self::on_change) for a callback that may not leave this thread; see
    /// [`AnyStore::subscribe_local`].
    pub fn on_change_local(&self, changed: impl Fn() + 'static) -> LocalSubscription {
        LocalSubscription::new(changed, |changed| self.on_change(changed))
    }

    /// Calls `stale` when a change that waits for its round (made in a batch, or by an observer) may have changed the
    /// value: this thread reads what it is now, [`on_change`](Self::on_change) tells it later. For frameworks that keep
    /// what they have derived. Called again only after something was read.
    pub fn on_stale(&self, stale: impl Fn() + Send + Sync + 'static) -> Subscription {
        let Ok(observer) = &self.observer else { return Subscription::none() };
        Subscription::new(&self.store, |store| &store.stale, observer.id(), Arc::new(stale))
    }

    /// What tells `changed` the value there is, for whoever is told of changes.
    pub(super) fn teller<F: Fn(&T)>(&self, changed: F) -> impl Fn() + use<T, F> {
        // Not the handle: kept in the store's own table, it would keep the store open.
        let (store, observer) = (Arc::downgrade(&self.store), self.observer.clone());
        move || {
            let Ok(observer) = &observer else { return };
            let value = match store.upgrade() {
                Some(store) => read(&store, observer),
                None => observer.value(),
            };
            if let Ok(value) = value {
                changed(&value);
            }
        }
    }
}

/// A node's value as this thread is to see it: the module `rounds` says which that is.
fn read<T: Send + Sync + 'static>(
    store: &Shared,
    observer: &Observer<T>,
) -> Result<Arc<T>, QueryError> {
    if !store.rounds.is_ahead() {
        return observer.value();
    }
    let mut engine = store.enter().map_err(|Reentered| LiveError::Reentered)?;
    engine.read(observer.node())
}

impl<T> Clone for LiveQuery<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), observer: self.observer.clone() }
    }
}

impl<T> PartialEq for LiveQuery<T> {
    /// Whether they are the same query of the same store.
    fn eq(&self, other: &Self) -> bool {
        let same =
            matches!((&self.observer, &other.observer), (Ok(one), Ok(another)) if one == another);
        same && Arc::ptr_eq(&self.store, &other.store)
    }
}

impl<T> fmt::Debug for LiveQuery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveQuery").field(&self.observer).finish()
    }
}
