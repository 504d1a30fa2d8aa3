//! What a leader reports about its own opening, before and beside the sync messages.

use serde::{Deserialize, Serialize};

use crate::store::{BootWarning, StorageMode};

/// A step of the leader's opening, or how it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum LeaderReport {
    /// It folds the log into a new state.
    Rebuilding {
        /// Events folded so far.
        done: u64,
        /// Events to fold.
        total: u64,
    },
    /// It serves, from this kind of storage.
    Serving {
        /// Where it keeps the data.
        mode: StorageMode,
        /// What it mended.
        warnings: Vec<BootWarning>,
    },
    /// It can't serve this store.
    Failed(OpenFailure),
    /// A commit has left the quarantine.
    QuarantineChanged,
    /// It served, and has met damage in the log: it answers no session any more.
    Damaged(String),
}

/// Why a leader can't open a store, as plain data that travels to its sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum OpenFailure {
    /// Another process has the store open.
    #[error(
        "the store's files are in use by {holder}: close it, or open the store under another directory"
    )]
    Held {
        /// Who says so.
        holder: String,
    },
    /// The directory or file system refuses.
    #[error("the storage refuses: {0}")]
    Storage(String),
    /// There is no lasting storage here: a private window, an old browser, a full quota. The store can be kept in
    /// memory instead.
    #[error("{0}")]
    Unavailable(String),
    /// The eventlog can't be used, such as one that a newer version of the app has written; it was left untouched.
    #[error("{0}")]
    Log(String),
    /// The eventlog is damaged; it was left untouched. A store with a backend can set it aside and begin anew:
    /// [`SyncOptions::set_damaged_log_aside`](crate::SyncOptions::set_damaged_log_aside).
    #[error("{0}")]
    LogDamaged(String),
    /// The leader dies whenever it is started, such as by a panic in a materializer that folds the log.
    #[error("the leader can't start: {0}")]
    Died(String),
    /// The worker's `launch` was called without this store's schema.
    #[error("`launch` does not name the schema `{0}`: add it to `launch::<(…)>`")]
    UnknownSchema(String),
}
