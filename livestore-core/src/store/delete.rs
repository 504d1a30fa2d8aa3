//! Deleting a store from this client, as for a logout: its log, its state, its documents and its quarantine.
//!
//! The leader deletes, as only leaders touch files; it says no while anything would be lost that nobody else has, or
//! while another session would go on with a store that is gone. What the backend has stays there.

use std::{sync::Arc, time::Duration};

use livestore_sync::Session;

use super::{
    any::{AnyStore, Shared, now},
    connection::locked,
    questions::NotAnswered,
};
use crate::{
    link::{Ask, DeleteRefused, Said},
    platform::{Adopted, sleep},
};

/// How long to wait until the leader has what was committed here.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Why a store was not deleted. It is open, and as it was, unless the storage failed half-way.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotDeleted {
    /// Other sessions have it open.
    #[error("{0} other sessions have the store open: close them first")]
    OtherSessions(usize),
    /// The backend does not have all of its events, which would be lost; without a backend that is all of them.
    #[error("{0} events are in this client only, and would be lost")]
    Unconfirmed(u64),
    /// The files can't be deleted.
    #[error("the files can't be deleted: {0}")]
    Storage(String),
    /// The leader does not answer.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
}

impl AnyStore {
    /// Deletes what this client has of the store (log, state, documents, quarantine) and closes it. The backend's log
    /// stays: opened again with a backend, the store is filled from there.
    ///
    /// # Errors
    /// [`NotDeleted`], above all when events would be lost that the backend does not have:
    /// [`force_delete`](Self::force_delete) deletes them, too.
    ///
    /// ```
    /// # use livestore_core::{AnyStore, NotDeleted};
    /// # async fn log_out(store: AnyStore) -> Result<(), NotDeleted> {
    /// match store.delete().await {
    ///     Err(NotDeleted::Unconfirmed(events)) => println!("{events} changes are not synced yet"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(&self) -> Result<(), NotDeleted> {
        self.0.delete(false).await
    }

    /// Like [`delete`](Self::delete), also if events are lost with it.
    ///
    /// # Errors
    /// [`NotDeleted`], but for [`NotDeleted::Unconfirmed`].
    pub async fn force_delete(&self) -> Result<(), NotDeleted> {
        self.0.delete(true).await
    }
}

/// How many events the leader is not known to have.
fn unacknowledged(session: &Session) -> usize {
    let parked = session.parked().iter().map(|commit| commit.events().len());
    session.pending_events() + parked.sum::<usize>()
}

/// No commit is taken while this is there; a deletion that was refused or given up lets them in again.
struct Deleting<'a>(&'a Shared);

impl Drop for Deleting<'_> {
    fn drop(&mut self) {
        if let Ok(mut engine) = self.0.enter() {
            engine.note_deleting(false);
        }
    }
}

impl Shared {
    /// Waits until the leader has what was committed here. From then on nothing is committed.
    async fn hand_over(&self, force: bool) -> Result<Deleting<'_>, NotDeleted> {
        let deadline = now() + PATIENCE;
        loop {
            let left = {
                let mut engine = self.enter().map_err(|_| NotAnswered::Closed)?;
                let left = if force { 0 } else { unacknowledged(&engine.session) };
                engine.note_deleting(left == 0);
                left
            };
            match left {
                0 => return Ok(Deleting(self)),
                left if now() >= deadline => return Err(NotDeleted::Unconfirmed(left as u64)),
                _ => sleep(LOOK).await,
            }
        }
    }

    async fn delete(self: &Arc<Self>, force: bool) -> Result<(), NotDeleted> {
        let _deleting = self.hand_over(force).await?;
        match self.ask(Ask::Delete { force }).await? {
            Said::Deleted(Ok(())) => {}
            Said::Deleted(Err(DeleteRefused::OtherSessions(others))) => {
                return Err(NotDeleted::OtherSessions(others));
            }
            Said::Deleted(Err(DeleteRefused::Unconfirmed(events))) => {
                return Err(NotDeleted::Unconfirmed(events));
            }
            Said::Deleted(Err(DeleteRefused::Storage(reason))) => {
                return Err(NotDeleted::Storage(reason));
            }
            _ => return Err(NotAnswered::NoLeader.into()),
        }
        // Nothing of this session is to come back with the next opening.
        self.connection.journal.clear();
        self.connection.journal.give_up();
        let adopted = std::mem::take(&mut *locked(&self.adopted));
        adopted.into_iter().for_each(Adopted::forget);
        self.close();
        Ok(())
    }
}
