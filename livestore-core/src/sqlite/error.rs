//! [`SqliteError`]: what went wrong, sorted by what a caller can do about it.
//!
//! A deterministic failure (a constraint, bad SQL, a forbidden access) happens again on every client and is the event's
//! fault. A storage failure (full, I/O, memory, a damaged file) is this machine's, and may pass: see
//! [`SqliteError::is_storage_failure`].

use rusqlite::{Error, ErrorCode, ffi};

use crate::query::SqlError;

use super::{guard::AccessViolation, read_set::ReadSetError};

/// A failure of the SQLite layer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SqliteError {
    /// A constraint of a table refused the write.
    #[error("a constraint was violated: {0}")]
    Constraint(String),
    /// A materializer reached for what it must not touch.
    #[error(transparent)]
    Access(#[from] AccessViolation),
    /// What a query reads can't be known, or is not determined by the tables alone.
    #[error(transparent)]
    ReadSet(#[from] ReadSetError),
    /// SQL that SQLite does not accept, or parameters that don't fit it.
    #[error("SQL failed: {0}")]
    Sql(String),
    /// A value was not of the type that was asked for.
    #[error("a value could not be read: {0}")]
    Conversion(String),
    /// An undo record does not fit the rows it finds, so the state is not the one it was made for.
    #[error("an undo record of table `{table}` does not match the state")]
    UndoMismatch {
        /// The table of the record.
        table: String,
    },
    /// The disk or the quota is full.
    #[error("the storage is full: {0}")]
    Full(String),
    /// The storage could not be read or written.
    #[error("input or output failed: {0}")]
    Io(String),
    /// The memory is exhausted.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// Somebody else holds the database.
    #[error("the database is locked: {0}")]
    Locked(String),
    /// The database is damaged.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The bytes are no SQLite database.
    #[error("not a SQLite database: {0}")]
    NotADatabase(String),
}

impl SqliteError {
    /// Whether the storage failed, rather than the statement: the same call may succeed later or elsewhere, so
    /// nobody's event may be blamed for it.
    pub fn is_storage_failure(&self) -> bool {
        match self {
            Self::Full(_)
            | Self::Io(_)
            | Self::OutOfMemory(_)
            | Self::Locked(_)
            | Self::Corrupt(_)
            | Self::NotADatabase(_) => true,
            Self::Constraint(_)
            | Self::Access(_)
            | Self::ReadSet(_)
            | Self::Sql(_)
            | Self::Conversion(_)
            | Self::UndoMismatch { .. } => false,
        }
    }

    /// Whether the database itself is unusable and has to be rebuilt.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::NotADatabase(_))
    }
}

impl From<Error> for SqliteError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::SqliteFailure(failure, message) => from_code(failure, message.unwrap_or(text)),
            Error::SqlInputError { error, msg, .. } => from_code(error, msg),
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..)
            | Error::ToSqlConversionFailure(_) => Self::Conversion(text),
            _ => Self::Sql(text),
        }
    }
}

impl From<SqlError> for SqliteError {
    fn from(error: SqlError) -> Self {
        from_code(ffi::Error::new(error.code), error.to_string())
    }
}

fn from_code(failure: ffi::Error, message: String) -> SqliteError {
    match failure.code {
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => {
            SqliteError::Constraint(message)
        }
        ErrorCode::DiskFull => SqliteError::Full(message),
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport
        | ErrorCode::InternalMalfunction
        | ErrorCode::OperationAborted
        | ErrorCode::OperationInterrupted
        | ErrorCode::SchemaChanged => SqliteError::Io(message),
        ErrorCode::OutOfMemory => SqliteError::OutOfMemory(message),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqliteError::Locked(message),
        ErrorCode::DatabaseCorrupt => SqliteError::Corrupt(message),
        ErrorCode::NotADatabase => SqliteError::NotADatabase(message),
        _ => SqliteError::Sql(message),
    }
}
