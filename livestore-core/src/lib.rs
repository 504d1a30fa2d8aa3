//! The engine of livestore: schema, queries, SQLite state, reactive graph, store, leader and platforms.
//!
//! It knows no framework. Apps with a user interface use it through a binding such as `livestore-leptos`; a process without
//! one opens a [`Store`] itself. `ARCHITECTURE.md` has the code in reading order.

// The derives name this crate by its path, in here too.
extern crate self as livestore_core;

pub mod backend;
pub mod binding;
mod eventlog;
#[doc(hidden)]
pub mod graph;
mod leader;
mod link;
mod live;
mod new_id;
#[doc(hidden)]
pub mod platform;
mod query;
mod schema;
mod sqlite;
mod state;
mod store;
#[cfg(test)]
#[path = "platform/testing.rs"]
mod testing;
mod value;

#[doc(hidden)]
pub mod __private;

/// The engine's parts, for its own tests and measurements. Not part of the API: they change without notice.
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        sqlite::{
            ChangeSet, ColumnInfo, ColumnSet, ContentHash, Db, Mark, ReadSet, Record, RowChange,
            RowImage, SqliteError, TableChange, TableInfo,
        },
        state::{
            Applied, ApplyError, FailedEvent, Replayed, SkippedEvent, State, StateProblem, Undo,
            Unit,
        },
    };
}

pub use eventlog::LogError;
#[doc(hidden)]
pub use leader::run as run_leader;
pub use leader::{SchemaSet, launch};
pub use link::OpenFailure;
pub use live::{Cx, LiveError, NodeHandle};
pub use livestore_macros::{ClientDocument, ColumnType, Event, Schema, Table};
pub use livestore_sync::{EventId, Head, OnBackendChanged};
pub use new_id::new_id;
pub use platform::WORKER_SCRIPT;
pub use query::{
    Assignment, Assignments, Column, IntoOrder, IntoQuery, KeyFilter, Order, Params, Predicate,
    Projection, Query, QueryError, QueryId, RawSelect, Select, SqlError, WholeRow, escape_like,
    raw,
};
pub use schema::{
    Bind, BlobStorage, ClientDocument, ColumnDef, ColumnError, ColumnType, DefaultDef, DocumentDef,
    DocumentOwner, EncodeError, EncodedCommit, EncodedEvent, EventDef, EventSet, FromRow,
    HasDocument, HasEvents, HasTable, IndexDef, IntegerStorage, IntoColumn, IntoCommit, Json,
    Materialize, MaterializeError, MaterializeFn, RealStorage, RowReader, Schema, SchemaDef,
    SchemaError, SqlType, Storage, Table, TableDef, TableStatements, TextStorage, TypeMismatch,
    Writes, as_string,
};
pub use sqlite::{AccessViolation, ReadSetError};
pub use store::{
    AnyStore, BootStatus, BootWarning, CommitError, Document, Durability, EventsError,
    LeaderStatus, ListedEvent, LiveQuery, LocalSubscription, LoggedEvent, NetworkStatus,
    NotAnswered, NotConfirmed, NotDeleted, NotPersisted, NotRetried, NotifyWithin, OpenError,
    Receipt, Reentered, Rejection, StorageMode, Store, StoreError, StoreOptions, StoreSignal,
    Subscription, SyncOptions, SyncStatus, Turns, WeakStore, WithoutEffect, http_polling,
    websocket,
};
pub use value::Value;
