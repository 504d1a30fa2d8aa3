//! How a query can fail, with the SQL that failed.

use rusqlite::{ErrorCode, ffi};

use crate::{live::LiveError, schema::TypeMismatch};

/// SQLite refused a statement, or the storage below it failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("SQLite: {message} (code {code}) in `{sql}`")]
pub struct SqlError {
    /// The statement.
    pub sql: String,
    /// SQLite's extended result code.
    pub code: i32,
    /// SQLite's message.
    pub message: String,
}

impl SqlError {
    /// What rusqlite said about this statement.
    pub fn new(sql: &str, error: &rusqlite::Error) -> Self {
        let (code, message) = match error {
            rusqlite::Error::SqliteFailure(failure, message) => {
                (failure.extended_code, message.clone().unwrap_or_else(|| failure.to_string()))
            }
            rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
            other => (ffi::SQLITE_ERROR, other.to_string()),
        };
        Self { sql: sql.to_owned(), code, message }
    }

    /// Whether the storage failed (I/O, full disk, memory, locks, damage), so that the statement may work later.
    pub fn is_storage(&self) -> bool {
        matches!(
            ffi::Error::new(self.code).code,
            ErrorCode::InternalMalfunction
                | ErrorCode::PermissionDenied
                | ErrorCode::OperationAborted
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::OperationInterrupted
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SchemaChanged
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::NotADatabase
        )
    }

    /// Whether a constraint (key, unique, not null, check) was violated.
    pub fn is_constraint(&self) -> bool {
        ffi::Error::new(self.code).code == ErrorCode::ConstraintViolation
    }
}

/// Why a query has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    /// SQLite refused it.
    #[error(transparent)]
    Sqlite(#[from] SqlError),
    /// A stored value is not one of its column's type.
    #[error("{mismatch} in `{sql}`")]
    Type {
        /// The statement.
        sql: String,
        /// Where, and what was there.
        mismatch: TypeMismatch,
    },
    /// The result doesn't have the columns that its type reads.
    #[error("the type reads {expected} columns, the result has {found}, in `{sql}`")]
    Columns {
        /// The statement.
        sql: String,
        /// What the type reads.
        expected: usize,
        /// What the statement returns.
        found: usize,
    },
    /// It would change the state: only events do.
    #[error("a query only reads: `{sql}`")]
    Writes {
        /// The statement.
        sql: String,
    },
    /// As a live value it fails.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A value that can't be bound, such as a `NaN`.
    #[error("a value can't be bound: {0}")]
    Bind(TypeMismatch),
    /// `one()` found no row.
    #[error("no row in `{sql}`")]
    NoRow {
        /// The statement.
        sql: String,
    },
    /// `one()` found more than one row.
    #[error("more than one row in `{sql}`")]
    SeveralRows {
        /// The statement.
        sql: String,
    },
}
