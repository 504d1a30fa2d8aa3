//! What can be wrong with an eventlog.

use livestore_sync::Lane;
use rusqlite::{Error, ErrorCode};

/// Why the eventlog can't be opened, read or written. Nothing was deleted or overwritten.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file is something else.
    #[error(
        "`{file}` is not a livestore eventlog ({reason}); it was left untouched. Move it away, or open the store under another id or directory"
    )]
    NotALog {
        /// The file.
        file: String,
        /// What it holds instead.
        reason: String,
    },
    /// The file was written by a newer version of livestore.
    #[error(
        "`{file}` has eventlog format {found}, this version of the app reads up to {known}; it was left untouched. Update the app"
    )]
    NewerFormat {
        /// The file.
        file: String,
        /// Its format.
        found: i64,
        /// The newest format this version reads.
        known: i64,
    },
    /// Rows contradict each other.
    #[error("`{file}` is damaged at event {number} of the {lane:?} lane: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// The lane.
        lane: Lane,
        /// The first bad event.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// SQLite or the storage below it refused.
    #[error("the eventlog `{file}` could not be used: {source}")]
    Storage {
        /// The file.
        file: String,
        /// SQLite's error.
        source: Error,
    },
}

impl LogError {
    /// Whether the file is damaged, so that nothing in it can be trusted; else the storage may work again later.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::NotALog { .. } | Self::NewerFormat { .. } | Self::Damaged { .. } => true,
            Self::Storage { source, .. } => match source {
                // A row that is not what was written there.
                Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::Utf8Error(..) => true,
                source => matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
                ),
            },
        }
    }

    /// What a failure to open the file means: another file that happens to have its name, or a storage that refuses.
    pub(crate) fn at_open(file: &str, source: Error) -> Self {
        let file = file.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::NotALog { file, reason: source.to_string() }
            }
            _ => Self::Storage { file, source },
        }
    }
}
