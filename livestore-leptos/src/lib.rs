//! livestore for [Leptos](https://leptos.dev): a provider, hooks, and live queries as signals.
//!
//! An app depends on this crate alone: what it needs of the engine is re-exported.
//!
//! - [`launch`] runs the app in the page, and the leader in the worker that the page starts from the same module.
//! - [`StoreProvider`] opens a store and gates its children: below it every read is synchronous.
//! - [`use_store`] commits; [`use_query`] and [`use_client_document`] read.
//!
//! Nothing of this waits on a server: there the provider renders its fallback, which is also the first thing the
//! client renders, so hydration finds what it expects.

#[doc(hidden)]
pub use livestore_core::__private;

mod context;
mod document;
mod launch;
mod live;
mod provider;
mod status;

pub use context::{try_use_store, use_store};
pub use document::{DocumentSignal, use_client_document, use_client_document_in};
pub use launch::launch;
pub use live::{LiveSignal, ValueGuard, try_use_query, try_use_query_in, use_query, use_query_in};
pub use livestore_core::{
    AnyStore, BootStatus, BootWarning, ClientDocument, ColumnType, CommitError, Durability, Event,
    IntoQuery, LeaderStatus, Materialize, MaterializeError, NotConfirmed, NotPersisted, OpenError,
    Predicate, Query, QueryError, Receipt, Schema, StorageMode, Store, StoreError, StoreOptions,
    Table, Writes, new_id,
};
pub use provider::StoreProvider;
pub use status::{
    use_boot_status, use_durability, use_leader_status, use_pending, use_storage_mode,
};

/// The README's first app compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
