//! Where events are kept: one append-only log per store.
//!
//! The trait asks for nothing that a compare-and-append per store can't do, so a shared database can stand behind it.

mod recent;
mod schema;
mod sqlite;
mod writer;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use livestore_sync::{StoreId, wire::ConfirmedEvent};
use tokio::sync::watch;

pub use sqlite::SqliteLog;

/// The logs of all stores.
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Where a store's log ends; 0 for one that nobody has pushed to.
    fn head(&self, store: &StoreId) -> BoxFuture<'_, Result<LogHead, LogError>>;

    /// Appends events, whose numbers follow `expected_head`, if the log ends there. Once it says yes, they are on the
    /// disk. Whoever asked may go meanwhile: then it is done all the same, or not at all.
    fn append(
        &self,
        store: &StoreId,
        expected_head: u64,
        batch: Arc<[ConfirmedEvent]>,
    ) -> BoxFuture<'_, Result<(), AppendError>>;

    /// The events after number `after`, as many as `size` allows and at least one if there is one.
    fn read(
        &self,
        store: &StoreId,
        after: u64,
        size: PageSize,
    ) -> BoxFuture<'_, Result<LogPage, LogError>>;

    /// Changes whenever the log has grown. What was appended before is not told.
    fn tail(&self, store: &StoreId) -> watch::Receiver<u64>;
}

/// Where a log ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogHead {
    /// Which backend; a wiped one has another id.
    pub backend: Arc<str>,
    /// The number of the last event.
    pub number: u64,
}

/// How much to read at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSize {
    /// Events.
    pub events: usize,
    /// Bytes of all [`LogItem::json`].
    pub bytes: usize,
}

/// An event as it is handed out, written once for all who read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogItem {
    /// Its number.
    pub number: u64,
    /// [`livestore_sync::wire::encode_item`]'s text.
    pub json: Arc<str>,
}

/// A stretch of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPage {
    /// The events, ascending, without gaps.
    pub items: Vec<LogItem>,
    /// Where the log ends.
    pub head: LogHead,
}

/// Why nothing was appended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The log does not end at the expected head.
    #[error("the log's head is {head}")]
    NotAtHead {
        /// Where it ends.
        head: u64,
    },
    /// The log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why a log can't be read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// No room on the disk, or beyond the allowed size.
    #[error("the server's disk is full")]
    Full,
    /// The database refuses.
    #[error("the server's database failed: {0}")]
    Database(Arc<str>),
    /// The database is of another format.
    #[error("the data directory has format {found}; this server reads {expected}")]
    Format {
        /// What it has.
        found: i64,
        /// What this server reads.
        expected: i64,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Closed,
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Database(error.to_string().into()),
        }
    }
}
