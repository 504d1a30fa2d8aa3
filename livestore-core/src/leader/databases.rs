//! The leader's two databases: a group or a merge goes into both, log first.

use std::sync::Arc;

use livestore_sync::{
    ChainHash, Commit, Document, Head, Lane, LeaderMerge, LeaderStorage, PerLane, Refused,
    SessionId,
};

use super::{
    boot::{NotFolded, catch_up, rebuild},
    files::Files,
};
use crate::{
    eventlog::{Append, EventLog, LogError, Merged},
    link::OpenFailure,
    platform::Storage,
    schema::SchemaDef,
    sqlite::{Db, SqliteError},
    state::{ApplyError, State, Unit},
};

/// Log and state, and what it takes to make the state anew.
#[derive(Debug)]
pub(super) struct Databases {
    pub(super) storage: Storage,
    pub(super) files: Files,
    pub(super) schema: &'static SchemaDef,
    pub(super) log: EventLog,
    pub(super) state: State,
}

/// Why a group or a merge was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the state could not be written: {0}")]
    State(#[from] SqliteError),
    #[error(transparent)]
    Behind(#[from] NotFolded),
    #[error("the state could not be rolled back: {0}")]
    NotRolledBack(OpenFailure),
}

impl NotWritten {
    /// Whether the state is damaged.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Log(_) | Self::NotRolledBack(_) => false,
            Self::State(error) => error.is_damage(),
            Self::Behind(error) => error.is_damage(),
        }
    }

    pub(super) fn is_log_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::State(_) | Self::NotRolledBack(_) => false,
            Self::Behind(error) => error.is_log_damage(),
        }
    }
}

impl Databases {
    /// Applies the commits to the state, writes the log, commits the state. What fails deterministically is refused.
    pub(super) fn write(
        &mut self,
        commits: Vec<Commit>,
        mut append: Append,
    ) -> Result<Vec<Refused>, NotWritten> {
        self.catch_up()?;
        self.in_both(|state, log| {
            let refused = admit(state, commits, &mut append)?;
            log.append(&append)?;
            Ok(refused)
        })
    }

    /// Brings the synced lane to what the backend has, and what is pending on top of it.
    pub(super) fn merge(
        &mut self,
        merge: &LeaderMerge,
        at_ms: u64,
    ) -> Result<Vec<Refused>, NotWritten> {
        self.catch_up()?;
        match self.try_merge(merge, at_ms) {
            Err(NotWritten::State(SqliteError::UndoMismatch { .. })) => {
                tracing::info!("the state is folded anew: not all of it can be undone");
                let heads = PerLane { synced: merge.parent, ..self.log.heads() };
                self.rebuild(heads).map_err(NotWritten::NotRolledBack)?;
                self.try_merge(merge, at_ms)
            }
            done => done,
        }
    }

    fn try_merge(&mut self, merge: &LeaderMerge, at_ms: u64) -> Result<Vec<Refused>, NotWritten> {
        let quarantined = merge.quarantined.iter();
        let mut append = Append {
            merged: Some(Merged {
                parent: merge.parent,
                confirmed: merge.confirmed.number,
                backend: merge.backend.clone(),
                epoch: merge.epoch,
                arrived: merge.arrived.clone(),
            }),
            commits: merge.apply.clone(),
            quarantined: quarantined.map(|(c, reason)| (c.clone(), reason.to_string())).collect(),
            at_ms,
            last: Vec::new(),
            own: merge.own.clone(),
            documents: Vec::new(),
        };
        self.in_both(|state, log| {
            // What was committed before there was a backend, or is too old, has no undo records.
            let missing = || SqliteError::UndoMismatch { table: "livestore_undo".to_owned() };
            let undos = state.kept_undo(Lane::Synced, merge.parent)?.ok_or_else(missing)?;
            if !undos.is_empty() {
                state.roll_back(&undos)?;
            }
            if !merge.apply.is_empty() {
                state.replay(&merge.apply, Unit::Event)?;
            }
            let refused = admit(state, merge.reapply.clone(), &mut append)?;
            state.trim_undo(Lane::Synced, merge.confirmed.number)?;
            log.append(&append)?;
            Ok(refused)
        })
    }

    /// One transaction of the state around one of the log; `act` ends with the log's. Once the log has it, it is
    /// accepted: a state that could not be committed is brought to the log before the next one.
    fn in_both(
        &mut self,
        act: impl FnOnce(&mut State, &mut EventLog) -> Result<Vec<Refused>, NotWritten>,
    ) -> Result<Vec<Refused>, NotWritten> {
        let Self { log, state, .. } = self;
        let mut logged = None;
        let done = state.transaction(|state| -> Result<(), NotWritten> {
            logged = Some(act(state, log)?);
            Ok(())
        });
        match (done, logged) {
            (Err(error), None) => Err(error),
            (Err(error), Some(refused)) => {
                tracing::error!(%error, "the state is behind the log");
                Ok(refused)
            }
            (Ok(()), refused) => Ok(refused.unwrap_or_default()),
        }
    }

    /// The state's own commit may have failed after the log's.
    fn catch_up(&mut self) -> Result<(), NotWritten> {
        if self.state.heads() != self.log.heads() {
            catch_up(&self.log, &mut self.state, |_, _| {})?;
        }
        Ok(())
    }

    /// Folds the log up to `to` into a new state in the place of this one. If that fails, a state in memory takes its
    /// place, into which the log is folded before anything is written, and the next opening folds a new one.
    pub(super) fn rebuild(&mut self, to: PerLane<Head>) -> Result<(), OpenFailure> {
        let Self { storage, files, schema, log, state } = self;
        let refused = |error: SqliteError| OpenFailure::Storage(error.to_string());
        let db = Db::open_in_memory().map_err(refused)?;
        let mut in_memory = State::create(db, schema).map_err(refused)?;
        let keeps_undo = state.keeps_undo();
        in_memory.keep_undo(keeps_undo);
        // The old one is closed before its file is deleted.
        drop(std::mem::replace(state, in_memory));
        *state = rebuild(storage, *files, schema, log, keeps_undo, to, |_, _| {})?;
        Ok(())
    }
}

/// Applies commits, each whole or not at all; notes which the log gets and which the quarantine.
fn admit(
    state: &mut State,
    commits: Vec<Commit>,
    append: &mut Append,
) -> Result<Vec<Refused>, NotWritten> {
    let mut refused = Vec::new();
    for commit in commits {
        match state.apply(&commit) {
            Ok(_) => append.commits.push(commit),
            Err(ApplyError::Storage(error)) => return Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(id = %commit.id(), reason, "a commit goes to quarantine");
                refused.push(Refused { id: commit.id(), reason: reason.as_str().into() });
                append.quarantined.push((commit, reason));
            }
        }
    }
    Ok(refused)
}

impl LeaderStorage for Databases {
    type Error = NotRead;

    fn last_n(&self, author: SessionId) -> Result<u64, NotRead> {
        Ok(self.log.last_n(author)?)
    }

    fn arrived(&self, author: SessionId, after: u64) -> Result<Vec<(u64, ChainHash)>, NotRead> {
        Ok(self.log.arrived(author, after)?)
    }

    fn holds(&self, lane: Lane, head: Head) -> Result<bool, NotRead> {
        Ok(self.log.contains(lane, head)?)
    }

    fn tail(&self, lane: Lane, head: Head, max_bytes: usize) -> Result<Vec<Commit>, NotRead> {
        Ok(self.log.read(lane, head, max_bytes)?)
    }

    fn refused(&self, author: SessionId, from: u64) -> Result<Vec<Refused>, NotRead> {
        Ok(self.log.refused(author, from)?)
    }

    fn documents(&self, session: SessionId) -> Result<Vec<Document>, NotRead> {
        Ok(self.log.documents(session.tab)?)
    }

    fn snapshot(&self) -> Result<Option<Arc<[u8]>>, NotRead> {
        if self.state.heads() != self.log.heads() {
            return Ok(None);
        }
        Ok(Some(self.state.to_bytes()?.into()))
    }
}

/// Why the machine could not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRead {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    State(#[from] SqliteError),
}
