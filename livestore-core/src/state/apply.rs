//! Applying commits: rows, head, undo record and what changed, in one savepoint.

use std::sync::Arc;

use livestore_sync::{Commit, Event, EventId, Lane};

use super::{ApplyError, State, Undo, system};
use crate::{
    schema::{EventDef, MaterializeError, Writes, access},
    sqlite::{ChangeSet, Db, SqliteError},
};

/// What fails together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// An event that fails takes its whole commit with it: for what is not yet confirmed.
    Commit,
    /// An event that fails has no effect and is listed; the others stand: for what is confirmed.
    Event,
}

/// A commit that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Takes it back.
    pub undo: Undo,
    /// The rows that differ now.
    pub changes: ChangeSet,
    /// Its events that this version of the app does not know.
    pub skipped: Vec<SkippedEvent>,
    /// Its events that have no effect.
    pub failed: Vec<FailedEvent>,
}

/// An event that this version of the app does not know: it stays in the log, and the state is rebuilt once it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SkippedEvent {
    /// The event.
    pub id: EventId,
    /// Its name.
    pub name: Arc<str>,
}

/// An event that fails, here and everywhere: its arguments, a constraint or its materializer. If it is confirmed, it
/// stays in the log without effect.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("event {id} `{name}` can't be applied: {error}")]
pub struct FailedEvent {
    /// The event.
    pub id: EventId,
    /// Its name.
    pub name: Arc<str>,
    /// What it failed of.
    pub error: MaterializeError,
}

/// What the events of a commit came to, beside rows.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) skipped: Vec<SkippedEvent>,
    pub(super) failed: Vec<FailedEvent>,
}

impl State {
    /// Applies a commit that is not yet confirmed: all of its events or none.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then.
    pub fn apply(&mut self, commit: &Commit) -> Result<Applied, ApplyError> {
        self.apply_as(commit, Unit::Commit)
    }

    /// Applies a commit, by the unit in which its events may fail.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then. By [`Unit::Event`] only the storage can fail.
    pub fn apply_as(&mut self, commit: &Commit, unit: Unit) -> Result<Applied, ApplyError> {
        self.record(commit, |state| run(state, commit, unit))
    }

    /// Moves the head past a commit that is to have no effect.
    ///
    /// # Errors
    /// [`ApplyError::Storage`].
    pub fn pass_over(&mut self, commit: &Commit) -> Result<Applied, ApplyError> {
        self.record(commit, |_| Ok(Outcome::default()))
    }

    fn record(
        &mut self,
        commit: &Commit,
        act: impl FnOnce(&Self) -> Result<Outcome, ApplyError>,
    ) -> Result<Applied, ApplyError> {
        let lane = commit.lane();
        let before = self.heads[lane];
        let after = before.after(commit);
        let this = &*self;
        let applied = this.db.savepoint(|| {
            let (outcome, records) = this.db.recorded(|| act(this))?;
            let changes = this.db.changes(&records)?;
            let undo = Undo { lane, before, after, records };
            this.keep(&undo)?;
            system::write_head(this.db.conn(), lane, after)?;
            let Outcome { skipped, failed } = outcome;
            Ok::<_, ApplyError>(Applied { undo, changes, skipped, failed })
        })?;
        self.heads[lane] = after;
        Ok(applied)
    }
}

/// Runs the events of a commit; the caller's savepoint takes back what fails as a whole.
pub(super) fn run(state: &State, commit: &Commit, unit: Unit) -> Result<Outcome, ApplyError> {
    let State { db, schema, heads, .. } = state;
    let mut outcome = Outcome::default();
    let places = heads[commit.lane()].number + 1..;
    for (event, place) in commit.events().iter().zip(places) {
        let (id, name) = (event.id, Arc::clone(&event.name));
        let Some(def) = schema.event(&event.name) else {
            tracing::warn!(%id, %name, "skipped an event that this version of the app does not know");
            system::skip(db.conn(), &name)?;
            outcome.skipped.push(SkippedEvent { id, name });
            continue;
        };
        let done = match unit {
            Unit::Commit => run_event(db, def, commit.lane(), event),
            Unit::Event => db.savepoint(|| run_event(db, def, commit.lane(), event)),
        };
        match done {
            Ok(()) => {}
            Err(ApplyError::Event(failed)) if unit == Unit::Event => {
                tracing::warn!(%failed, "a confirmed event has no effect");
                system::fail(db.conn(), commit.lane(), place, event, &failed.error.to_string())?;
                outcome.failed.push(*failed);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(outcome)
}

fn run_event(db: &Db, def: &EventDef, lane: Lane, event: &Event) -> Result<(), ApplyError> {
    let fail = |error| {
        let name = Arc::clone(&event.name);
        ApplyError::Event(Box::new(FailedEvent { id: event.id, name, error }))
    };
    if def.lane != lane {
        let error = MaterializeError::refuse("the event is declared for the other lane");
        return Err(fail(error));
    }
    let mut writes = Writes::new(db, event.id, def);
    match db.guarded(lane, || (def.materialize)(event.args.as_str(), &mut writes)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(MaterializeError::Storage(error))) => Err(ApplyError::Storage(error.into())),
        Ok(Err(error)) => Err(fail(error)),
        Err(SqliteError::Access(violation)) => Err(fail(access(def.name, violation))),
        Err(error) => Err(ApplyError::Storage(error)),
    }
}
