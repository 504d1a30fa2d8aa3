//! [`LiveQuery`]: a query's value that follows the store.

use std::{fmt, sync::Arc};

use super::{
    any::{AnyStore, Shared},
    callbacks::Subscription,
};
use crate::{
    live::{NodeHandle, Observer},
    query::QueryError,
};

/// A query that is kept up to date while a handle to it exists. Clones, and handles to equal queries of the same store,
/// share one computed value.
pub struct LiveQuery<T> {
    store: Arc<Shared>,
    observer: Observer<T>,
}

impl<T: Send + Sync + 'static> LiveQuery<T> {
    pub(super) fn new(store: &AnyStore, observer: Observer<T>) -> Self {
        Self { store: Arc::clone(&store.0), observer }
    }

    /// The value as of the last refresh, shared, or why there is none.
    ///
    /// # Errors
    /// The query's error; [`last`](Self::last) still has the value before it.
    pub fn value(&self) -> Result<Arc<T>, QueryError> {
        self.observer.value()
    }

    /// The last value there was, also while the query fails; None if it has failed from the start.
    pub fn last(&self) -> Option<Arc<T>> {
        self.observer.last()
    }

    /// Its node, for [`Cx::get`](crate::Cx::get).
    pub fn node(&self) -> &NodeHandle<T> {
        self.observer.node()
    }

    /// Calls `changed` after every refresh that changed the value or the error, until the subscription is dropped. The
    /// subscription keeps the query up to date, too.
    pub fn on_change(&self, changed: impl Fn() + Send + Sync + 'static) -> Subscription {
        let kept = self.observer.clone();
        let changed = move || {
            let _ = &kept;
            changed();
        };
        Subscription::new(
            &self.store,
            |store| &store.queries,
            self.observer.id(),
            Arc::new(changed),
        )
    }
}

impl<T> Clone for LiveQuery<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), observer: self.observer.clone() }
    }
}

impl<T> PartialEq for LiveQuery<T> {
    /// Whether they are the same query of the same store.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store) && self.observer == other.observer
    }
}

impl<T> fmt::Debug for LiveQuery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveQuery").field(&self.observer).finish()
    }
}
