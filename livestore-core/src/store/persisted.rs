//! [`Receipt`]: what `commit` returns.

use livestore_sync::EventId;

use super::{
    any::AnyStore,
    receipt::{NotConfirmed, NotPersisted},
};

/// A commit that was applied here. Waiting on it is optional: dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Receipt {
    store: AnyStore,
    last: EventId,
}

impl Receipt {
    pub(super) fn new(store: AnyStore, last: EventId) -> Self {
        Self { store, last }
    }

    /// The id of the commit's last event.
    pub fn id(&self) -> EventId {
        self.last
    }

    /// Resolves when the leader has the commit in its log. Natively it then survives a power failure; in a browser it
    /// survives the death of any process.
    ///
    /// # Errors
    /// [`NotPersisted`] when the leader refused the commit, or when the store was closed before it answered.
    pub async fn persisted(&self) -> Result<(), NotPersisted> {
        let outcome = match self.store.0.enter() {
            Ok(mut engine) => engine.outcome(self.last),
            // A future is not polled by code that runs inside the engine, unless it blocks there; then it would wait
            // for itself.
            Err(_) => return Err(NotPersisted::Closed),
        };
        match outcome {
            Ok(outcome) => outcome,
            Err(waiting) => waiting.await.unwrap_or(Err(NotPersisted::Closed)),
        }
    }

    /// Resolves when the sync backend has ordered the commit.
    ///
    /// # Errors
    /// [`NotConfirmed::NoBackend`]: this store has none.
    pub async fn confirmed(&self) -> Result<(), NotConfirmed> {
        Err(NotConfirmed::NoBackend)
    }
}
