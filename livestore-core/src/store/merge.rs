//! Executing what the session machine decided: merges, snapshots, resets.
//!
//! One message is one transaction of the state and one refresh. What can't be executed (a damaged snapshot, memory)
//! leaves the state as it was, and the session asks the leader for a new one: it never shows a state that is neither
//! before nor after.

use std::time::Duration;

use livestore_sync::{Commit, EventId, Merge, Work};

use super::{effects::Effects, engine::Engine};
use crate::{
    sqlite::{ChangeSet, Db, SqliteError},
    state::{ApplyError, State, StateProblem, Unit},
};

/// Why a merge could not be executed.
#[derive(Debug, thiserror::Error)]
enum MergeFailed {
    #[error(transparent)]
    State(#[from] SqliteError),
    #[error("the snapshot can't be used: {0}")]
    Snapshot(#[from] StateProblem),
    #[error("the state's undo records don't belong to the pending commits")]
    OutOfStep,
    #[error("commit {0} took effect for the leader and not here")]
    Diverged(EventId),
}

impl Engine {
    pub(super) fn execute(&mut self, now: Duration, work: Work) {
        let done = match work {
            Work::Merge(merges) => self.merge(&merges),
            Work::Load { snapshot, reapply } => self.load(&snapshot, &reapply),
            Work::Reset { reapply } => self.reset(&reapply),
            Work::Document(document) => {
                self.documents.arrive(&mut self.live, &document);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "the session's state is lost; asking for a snapshot");
            self.session.state_lost(now);
        }
    }

    fn merge(&mut self, merges: &[Merge]) -> Result<(), MergeFailed> {
        let effects = &mut self.effects;
        let changes = self.state.transaction(|state| {
            let mut changes = ChangeSet::default();
            for merge in merges {
                confirm(effects, &merge.confirmed)?;
                changes.merge(roll_back(state, effects, &merge.roll_back)?);
                for commit in &merge.apply {
                    changes.merge(apply_logged(state, effects, commit)?);
                }
                for commit in &merge.reapply {
                    changes.merge(reapply(state, effects, commit)?);
                }
                forget(effects, &merge.forget)?;
            }
            Ok::<_, MergeFailed>(changes)
        })?;
        self.live.invalidate(&changes);
        Ok(())
    }

    fn load(&mut self, snapshot: &[u8], pending: &[Commit]) -> Result<(), MergeFailed> {
        let state = State::from_bytes(snapshot, self.state.schema())?;
        self.start_over(state, pending)
    }

    fn reset(&mut self, pending: &[Commit]) -> Result<(), MergeFailed> {
        let state = State::create(Db::open_in_memory()?, self.state.schema())?;
        self.start_over(state, pending)
    }

    fn start_over(&mut self, mut state: State, pending: &[Commit]) -> Result<(), MergeFailed> {
        let mut effects = Effects::default();
        state.transaction(|state| {
            pending.iter().try_for_each(|commit| reapply(state, &mut effects, commit).map(drop))
        })?;
        self.state = state;
        self.effects = effects;
        self.live.invalidate_all();
        Ok(())
    }
}

/// The log has these where they stand; the leader could apply them.
fn confirm(effects: &Effects, commits: &[Commit]) -> Result<(), MergeFailed> {
    let effective = effects.are_effective(commits).ok_or(MergeFailed::OutOfStep)?;
    match effective.iter().position(|effective| !effective) {
        Some(at) => Err(MergeFailed::Diverged(commits[at].id())),
        None => Ok(()),
    }
}

/// These will not be rolled back any more.
fn forget(effects: &mut Effects, commits: &[Commit]) -> Result<(), MergeFailed> {
    commits
        .iter()
        .try_for_each(|commit| effects.forget(commit).map(drop).ok_or(MergeFailed::OutOfStep))
}

/// Undoes pending commits, newest first.
fn roll_back(
    state: &mut State,
    effects: &mut Effects,
    commits: &[Commit],
) -> Result<ChangeSet, MergeFailed> {
    let mut undos = Vec::with_capacity(commits.len());
    for commit in commits {
        undos.push(effects.roll_back(commit).ok_or(MergeFailed::OutOfStep)?.undo);
    }
    Ok(state.roll_back(&undos)?)
}

/// Applies a commit of the log. An event that fails here has no effect here; the leader, which could apply it, has
/// other materializers (another version of the app).
fn apply_logged(
    state: &mut State,
    effects: &mut Effects,
    commit: &Commit,
) -> Result<ChangeSet, MergeFailed> {
    match state.apply_as(commit, Unit::Event) {
        Ok(applied) => {
            effects.push(commit, applied.undo, true);
            Ok(applied.changes)
        }
        Err(ApplyError::Storage(error)) => Err(error.into()),
        Err(ApplyError::Event(failed)) => Err(MergeFailed::Diverged(failed.id)),
    }
}

/// Applies a pending commit again. One that fails stays pending without effect: the leader decides.
fn reapply(
    state: &mut State,
    effects: &mut Effects,
    commit: &Commit,
) -> Result<ChangeSet, MergeFailed> {
    let (applied, effective) = match state.apply(commit) {
        Ok(applied) => (Ok(applied), true),
        Err(ApplyError::Event(failed)) => {
            tracing::warn!(id = %commit.id(), error = %failed.error, "a pending commit has no effect any more");
            (state.pass_over(commit), false)
        }
        Err(error) => (Err(error), false),
    };
    match applied {
        Ok(applied) => {
            effects.push(commit, applied.undo, effective);
            Ok(applied.changes)
        }
        Err(ApplyError::Storage(error)) => Err(error.into()),
        Err(ApplyError::Event(failed)) => Err(MergeFailed::Diverged(failed.id)),
    }
}
