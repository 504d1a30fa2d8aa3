//! [`Document`]: a client document of an open store.

use std::{fmt, sync::Arc};

use livestore_sync as sync;

use super::{any::AnyStore, error::CommitError, live_query::LiveQuery};
use crate::{live::Signal, schema::ClientDocument};

/// A document's latest value, and the means to change it. Reading never writes.
pub struct Document<D> {
    store: AnyStore,
    signal: Signal<D>,
    live: LiveQuery<D>,
}

impl<D: ClientDocument> Document<D> {
    pub(super) fn new(store: AnyStore, signal: Signal<D>, live: LiveQuery<D>) -> Self {
        Self { store, signal, live }
    }

    /// The value: what was set last, or the type's default.
    pub fn get(&self) -> Arc<D> {
        self.live.last().unwrap_or_default()
    }

    /// The value as something to follow.
    pub fn live(&self) -> &LiveQuery<D> {
        &self.live
    }

    /// Replaces the value. It shows at once and is persisted soon after; an equal value is no change.
    ///
    /// # Errors
    /// [`CommitError`] when the value can't be JSON, or when called from inside the store.
    pub fn set(&self, value: D) -> Result<(), CommitError> {
        self.update(|current| *current = value)
    }

    /// Changes parts of the value.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn update(&self, change: impl FnOnce(&mut D)) -> Result<(), CommitError> {
        self.maybe_update(|value| (true, change(value)))
    }

    /// Changes the value if `change` says so, and hands on what it returns besides.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn maybe_update<U>(
        &self,
        change: impl FnOnce(&mut D) -> (bool, U),
    ) -> Result<U, CommitError> {
        // The closure is the app's and may read the store, so it runs before the engine is entered.
        let before = self.current()?;
        let mut value = D::clone(&before);
        let (changed, result) = change(&mut value);
        if changed && value != *before {
            self.write(value)?;
        }
        Ok(result)
    }

    fn write(&self, value: D) -> Result<(), CommitError> {
        let json: Arc<str> = value.to_json()?.into();
        let shared = &self.store.0;
        let mut engine = shared.enter()?;
        engine.check_open()?;
        let key = engine.documents.key(D::DEF);
        engine
            .set_document(&self.signal, value, sync::Document { key, json })
            .map_err(|error| CommitError::State(error.to_string()))?;
        shared.flush(&mut engine);
        shared.settle_own(engine);
        Ok(())
    }

    /// The value including what a batch that is under way has set.
    fn current(&self) -> Result<Arc<D>, CommitError> {
        let mut engine = self.store.0.enter()?;
        Ok(engine.read(&self.signal).unwrap_or_default())
    }
}

impl<D> Clone for Document<D> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), signal: self.signal.clone(), live: self.live.clone() }
    }
}

impl<D> fmt::Debug for Document<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("live", &self.live).finish_non_exhaustive()
    }
}
