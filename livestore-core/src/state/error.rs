//! Why an event has no effect, and why a state can't be used.

use super::FailedEvent;
use crate::sqlite::SqliteError;

/// Why a commit was not applied. Nothing has changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// An event of it fails, here and everywhere.
    #[error(transparent)]
    Event(Box<FailedEvent>),
    /// The storage failed: the commit is not to blame and may be tried again.
    #[error(transparent)]
    Storage(#[from] SqliteError),
}

impl ApplyError {
    /// Whether it would fail the same way everywhere, so that the commit is to blame.
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Event(_))
    }
}

/// Why a database is not a state of this schema. All but [`StateProblem::Storage`] mean: rebuild it from the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateProblem {
    /// There is none yet, or it was being made.
    #[error("there is no state yet")]
    Missing,
    /// Garbage, or cut short.
    #[error("the state is damaged: {0}")]
    Damaged(String),
    /// Written by another version of livestore.
    #[error("the state is of format {found}, this version writes {expected}")]
    OtherFormat {
        /// The format of the file.
        found: i64,
        /// Our format.
        expected: i64,
    },
    /// Written for other tables, events or materializers.
    #[error("the state is of schema {found:016x}, the app's is {expected:016x}")]
    OtherSchema {
        /// The schema hash of the file.
        found: u64,
        /// The app's.
        expected: u64,
    },
    /// It skipped events as unknown that the app knows by now.
    #[error("the state skipped events that the app knows by now: {}", names.join(", "))]
    NowKnown {
        /// The events' names.
        names: Vec<String>,
    },
    /// The storage failed; the state may be sound.
    #[error(transparent)]
    Storage(SqliteError),
}

impl StateProblem {
    /// Whether rebuilding is the answer; else the storage has to be tried again.
    pub fn wants_rebuild(&self) -> bool {
        !matches!(self, Self::Storage(_))
    }
}

impl From<SqliteError> for StateProblem {
    fn from(error: SqliteError) -> Self {
        match error {
            error if error.is_damage() => Self::Damaged(error.to_string()),
            error if error.is_storage_failure() => Self::Storage(error),
            // A query of ours that SQLite does not understand there: the tables are not what we make.
            error => Self::Damaged(error.to_string()),
        }
    }
}
