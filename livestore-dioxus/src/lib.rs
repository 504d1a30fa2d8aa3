//! livestore for [Dioxus](https://dioxuslabs.com): a provider, hooks, and live queries as signals.
//!
//! An app depends on this crate alone: what it needs of the engine is re-exported.
//!
//! - [`launch`] runs the app, and in the worker that a page starts from the same module the leader.
//! - [`StoreProvider`] opens a store and gates its children: below it every read is synchronous.
//! - [`use_query`] and [`use_client_document`] read, [`use_commit`] commits, [`use_store`] does everything else.
//!
//! Nothing of this waits on a server: there the provider renders its fallback, which is also the first thing the
//! client renders, so hydration finds what it expects. Dioxus's renderer (`web`, `desktop`, `fullstack`, …) is the
//! app's choice.

#[doc(hidden)]
pub use livestore_core as __core;
#[doc(hidden)]
pub use livestore_core::__private;

mod boundary;
mod closure;
mod commit;
mod context;
mod document;
mod launch;
mod live;
mod provider;
mod slot;
mod status;

pub use commit::{Commit, use_commit};
pub use context::{provide_store, try_use_store, use_store};
pub use document::{use_client_document, use_client_document_in};
pub use launch::launch;
pub use live::{try_use_query, try_use_query_in, use_query, use_query_in};
pub use livestore_core::{
    AnyStore, BootStatus, BootWarning, ClientDocument, ColumnType, CommitError, Durability, Event,
    IntoCommit, IntoQuery, Json, LeaderStatus, LiveQuery, Materialize, MaterializeError,
    NotConfirmed, NotPersisted, OpenError, Predicate, Query, QueryError, Receipt, Schema, Select,
    StorageMode, Store, StoreError, StoreOptions, Subscription, Table, Value, WORKER_SCRIPT,
    WeakStore, Writes, as_string, escape_like, new_id, raw,
};
pub use provider::{StoreProvider, StoreProviderProps, use_store_provider};
pub use status::{
    use_boot_status, use_boot_warnings, use_durability, use_leader_status, use_pending,
    use_status_in, use_storage_mode,
};
