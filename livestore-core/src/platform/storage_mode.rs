//! Where a client's databases live and, if they cannot live on disk, why not. Plain data that travels to every session.

use livestore_sync::StoreId;
use serde::{Deserialize, Serialize};

/// Which store's files, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoragePlace {
    /// The store whose files these are.
    pub store: StoreId,
    /// Natively the data directory; in the browser a directory in the origin's private file system. None: the default.
    pub directory: Option<String>,
}

/// Whether what the leader writes outlives it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StorageMode {
    /// On disk.
    Persistent,
    /// In memory, because storage was refused: the data ends with the leader.
    InMemory(StorageRefused),
}

/// Why persistent storage could not be had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum StorageRefused {
    /// The app asked for memory.
    #[error("the app asked for in-memory storage")]
    Wished,
    /// The browser has no private file system with synchronous access.
    #[error("this browser has no origin private file system with synchronous access")]
    Unsupported,
    /// The page was not loaded over HTTPS (or from localhost).
    #[error("persistent storage needs HTTPS or localhost")]
    InsecureContext,
    /// The browser forbids storage here: a private window, blocked site data.
    #[error(
        "the browser forbids persistent storage here (a private window or blocked site data): {0}"
    )]
    Forbidden(String),
    /// The quota or the disk is full.
    #[error("no storage space is left: {0}")]
    Full(String),
    /// The leader could not be started in a worker, and only a worker reaches the files.
    #[error("the leader could not be started in a worker: {0}")]
    NoWorker(String),
    /// Somebody else still holds the files after a long wait.
    #[error("the storage is held by somebody else: {0}")]
    Busy(String),
    /// The files are there and not readable; nothing was touched.
    #[error("the storage is damaged, nothing was changed: {0}")]
    Damaged(String),
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// The browser's answer to the request not to evict this origin's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Persistence {
    /// It will not be evicted without the user.
    Granted,
    /// It may be evicted when space is short.
    Denied,
    /// There is nobody to ask.
    Unsupported,
}

/// What a resolved write has to survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// The eventlog: natively the loss of power, in the browser the death of any process.
    Log,
    /// State, which can always be rebuilt from the log.
    State,
}
