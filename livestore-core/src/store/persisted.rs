//! [`Receipt`]: what `commit` returns.

use livestore_sync::{EventId, Lane};

use super::{
    any::AnyStore,
    receipt::{NotConfirmed, NotPersisted, Outcome, Stage},
};

/// A commit that was applied here. Waiting on it is optional: dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Receipt {
    store: AnyStore,
    last: EventId,
    lane: Lane,
}

impl Receipt {
    pub(super) fn new(store: AnyStore, last: EventId, lane: Lane) -> Self {
        Self { store, last, lane }
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
        self.reach(Stage::Persisted).await.map_err(|error| match error {
            NotConfirmed::Refused(reason) => NotPersisted::Refused(reason),
            // Persisting takes no backend.
            NotConfirmed::Closed | NotConfirmed::NoBackend => NotPersisted::Closed,
        })
    }

    /// Resolves when the sync backend has ordered the commit: then it is in every client's future, at this very place.
    /// While the backend can't be reached this waits. Client-only events go no further than the leader: they are
    /// confirmed once they are persisted.
    ///
    /// # Errors
    /// [`NotConfirmed`] when the store has no backend, when the commit was refused, or when the store was closed before.
    ///
    /// ```
    /// # use livestore_core::{NotConfirmed, Receipt};
    /// # async fn doc(receipt: Receipt) {
    /// match receipt.confirmed().await {
    ///     Ok(()) => println!("everybody gets it"),
    ///     Err(NotConfirmed::Refused(reason)) => println!("taken back: {reason}"),
    ///     Err(error) => println!("not known: {error}"),
    /// }
    /// # }
    /// ```
    pub async fn confirmed(&self) -> Result<(), NotConfirmed> {
        let stage = match self.lane {
            Lane::Synced => Stage::Confirmed,
            Lane::ClientOnly => Stage::Persisted,
        };
        self.reach(stage).await
    }

    async fn reach(&self, stage: Stage) -> Outcome {
        let outcome = match self.store.0.enter() {
            Ok(mut engine) => engine.outcome(self.last, stage),
            // A future is not polled by code that runs inside the engine, unless it blocks there; then it would wait
            // for itself.
            Err(_) => return Err(NotConfirmed::Closed),
        };
        match outcome {
            Ok(outcome) => outcome,
            Err(waiting) => waiting.await.unwrap_or(Err(NotConfirmed::Closed)),
        }
    }
}
