//! How opening, committing and reading can fail.

use livestore_sync::InvalidId;

use super::gate::Reentered;
use crate::{
    link::OpenFailure,
    query::QueryError,
    schema::{EncodeError, MaterializeError, SchemaError},
};

/// Why a store can't be opened. What is stored was not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The id is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The schema contradicts itself.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The backend's address can't be used.
    #[error("`{url}` is no address of a sync backend: {reason}")]
    SyncUrl {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The leader can't open the storage or the log.
    #[error("the store `{store}` can't be opened: {failure}")]
    Leader {
        /// The store.
        store: String,
        /// What the leader says.
        failure: OpenFailure,
    },
    /// The session's own parts can't be made (memory, channels).
    #[error("the store `{store}` can't be opened here: {reason}")]
    Session {
        /// The store.
        store: String,
        /// What failed.
        reason: String,
    },
}

/// Why a commit was not taken. The log, the state and every query are as before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// An event can't be encoded, the commit is empty, or it mixes synced and client-only events.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A materializer failed.
    #[error("`{event}` was not applied: {source}")]
    Materialize {
        /// The event.
        event: String,
        /// Why.
        source: Box<MaterializeError>,
    },
    /// The in-memory state could not be written.
    #[error("the state could not be written: {0}")]
    State(String),
    /// Called from inside the store.
    #[error(transparent)]
    Reentered(#[from] Reentered),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

/// Why a store can't be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Called from inside the store.
    #[error(transparent)]
    Reentered(#[from] Reentered),
    /// The schema has no such document.
    #[error(
        "the schema `{schema}` has no document `{document}`: list it in `#[schema(documents(…))]`"
    )]
    UnknownDocument {
        /// The schema.
        schema: &'static str,
        /// The document.
        document: &'static str,
    },
    /// The in-memory state could not be read.
    #[error("the state could not be read: {0}")]
    State(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}
