//! [`LiveError`]: how a live value can fail where a query asked once would not.

use std::sync::Arc;

use crate::{
    graph::ReadError,
    query::{QueryError, SqlError},
    sqlite::{ReadSetError, SqliteError},
};

/// Why a live query or computed value has no result, although SQLite may have one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LiveError {
    /// Nobody could say when the result changes.
    #[error("{source}, in `{sql}`")]
    NotLive {
        /// The statement.
        sql: String,
        /// Why not.
        source: ReadSetError,
    },
    /// A computed value needs itself.
    #[error("a computed value depends on itself")]
    Cycle,
    /// A computed value's function panicked.
    #[error("the function of a computed value panicked: {0}")]
    Panicked(Arc<str>),
    /// Only seen inside functions of computed values: pass it on with `?`, the function runs again.
    #[error("the value is not computed yet, the reader runs again when it is")]
    NotReady,
    /// Asked for from inside one of the store's own materializers or computed functions.
    #[error(
        "the store was called from inside one of its own materializers or computed functions; use the `Writes` or context they are given instead"
    )]
    Reentered,
    /// A value of one store was used in another.
    #[error("the value belongs to another store")]
    Foreign,
}

impl From<QueryError> for ReadError<QueryError> {
    fn from(error: QueryError) -> Self {
        Self::Failed(error)
    }
}

impl From<ReadError<Self>> for QueryError {
    fn from(error: ReadError<Self>) -> Self {
        match error {
            ReadError::Failed(error) => error,
            ReadError::Cycle => LiveError::Cycle.into(),
            ReadError::Panicked(message) => LiveError::Panicked(message).into(),
            ReadError::NotReady => LiveError::NotReady.into(),
            ReadError::Foreign => LiveError::Foreign.into(),
        }
    }
}

/// Why the footprint of `sql` can't be known.
pub(super) fn not_live(sql: &str, error: SqliteError) -> QueryError {
    match error {
        SqliteError::ReadSet(source) => LiveError::NotLive { sql: sql.to_owned(), source }.into(),
        // SQLite answered the query itself a moment ago.
        other => SqlError {
            sql: sql.to_owned(),
            code: rusqlite::ffi::SQLITE_ERROR,
            message: other.to_string(),
        }
        .into(),
    }
}
