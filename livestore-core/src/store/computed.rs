//! Values beside queries: computed from others, or set by the app.

use std::{fmt, sync::Arc};

use super::{
    any::AnyStore,
    error::{CommitError, StoreError},
    live_query::LiveQuery,
};
use crate::{
    live::{Cx, NodeHandle, Signal},
    query::QueryError,
};

impl AnyStore {
    /// A value computed from queries, documents, signals and other computed values; it runs again only when one of
    /// those that it read has changed, and whoever follows it is told only when its own value has.
    ///
    /// The function runs under the store's lock: it reads through its context, not through the store, and passes the
    /// context's errors on with `?`.
    ///
    /// # Errors
    /// [`StoreError::Reentered`] from inside the store.
    pub fn computed<T>(
        &self,
        compute: impl Fn(&mut Cx<'_, '_>) -> Result<T, QueryError> + Send + Sync + 'static,
    ) -> Result<LiveQuery<T>, StoreError>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        let observer = self.0.enter()?.computed(compute)?;
        Ok(LiveQuery::new(self, Ok(observer)))
    }

    /// A value that the app sets and that computed values can read. It lives as long as its handles and is kept
    /// nowhere.
    ///
    /// # Errors
    /// [`StoreError::Reentered`] from inside the store.
    pub fn signal<T: PartialEq + Send + Sync + 'static>(
        &self,
        value: T,
    ) -> Result<StoreSignal<T>, StoreError> {
        let (signal, observer) = self.0.enter()?.signal(value)?;
        Ok(StoreSignal { store: self.clone(), signal, live: LiveQuery::new(self, Ok(observer)) })
    }
}

/// A value in a store's graph that the app sets.
pub struct StoreSignal<T> {
    store: AnyStore,
    signal: Signal<T>,
    live: LiveQuery<T>,
}

impl<T: Send + Sync + 'static> StoreSignal<T> {
    /// The value as something to follow.
    pub fn live(&self) -> &LiveQuery<T> {
        &self.live
    }

    /// Its node, for [`Cx::get`].
    pub fn node(&self) -> &NodeHandle<T> {
        &self.signal
    }

    /// Replaces the value and refreshes what depends on it.
    ///
    /// # Errors
    /// [`CommitError::Reentered`] from inside the store.
    pub fn set(&self, value: T) -> Result<(), CommitError> {
        let shared = &self.store.0;
        let mut engine = shared.enter()?;
        engine
            .live
            .set(&self.signal, value)
            .map_err(|error| CommitError::State(error.to_string()))?;
        shared.settle_own(engine);
        Ok(())
    }

    /// The value as of the last refresh.
    ///
    /// # Errors
    /// None that a signal has; the type is that of every live value.
    pub fn get(&self) -> Result<Arc<T>, QueryError> {
        self.live.value()
    }
}

impl<T> Clone for StoreSignal<T> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), signal: self.signal.clone(), live: self.live.clone() }
    }
}

impl<T> fmt::Debug for StoreSignal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreSignal").field(&self.signal).finish()
    }
}
