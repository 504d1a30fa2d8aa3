//! Replay: folding many commits at once, for a rebuild. Nothing is recorded, so nothing can be rolled back.
//!
//! Each call is one transaction that moves the heads, so a rebuild that is interrupted goes on where it stopped.

use livestore_sync::Commit;

use super::{
    ApplyError, FailedEvent, SkippedEvent, State, Unit,
    apply::{Outcome, run},
    system,
};
use crate::sqlite::SqliteError;

/// What a chunk of a rebuild came to.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Events that this version of the app does not know.
    pub skipped: Vec<SkippedEvent>,
    /// Events that have no effect; by [`Unit::Commit`] with them the others of their commit.
    pub failed: Vec<FailedEvent>,
}

impl State {
    /// Applies a chunk of commits in one transaction. What fails has no effect and is listed; the heads move on.
    ///
    /// # Errors
    /// [`SqliteError`] when the storage fails; nothing of the chunk has happened then.
    pub fn replay(&mut self, commits: &[Commit], unit: Unit) -> Result<Replayed, SqliteError> {
        self.transaction(|state| {
            let mut replayed = Replayed::default();
            for commit in commits {
                let outcome = state.replay_one(commit, unit)?;
                replayed.skipped.extend(outcome.skipped);
                replayed.failed.extend(outcome.failed);
                let lane = commit.lane();
                state.heads[lane] = state.heads[lane].after(commit);
            }
            for lane in livestore_sync::Lane::ALL {
                system::write_head(state.db.conn(), lane, state.heads[lane])?;
            }
            Ok(replayed)
        })
    }

    fn replay_one(&self, commit: &Commit, unit: Unit) -> Result<Outcome, SqliteError> {
        match self.db.savepoint(|| run(self, commit, unit)) {
            Ok(outcome) => Ok(outcome),
            Err(ApplyError::Event(failed)) => {
                Ok(Outcome { failed: vec![*failed], ..Outcome::default() })
            }
            Err(ApplyError::Storage(error)) => Err(error),
        }
    }
}
