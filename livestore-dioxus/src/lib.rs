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
//!
//! A whole app:
//!
//! ```no_run
//! use dioxus::prelude::*;
//! use livestore_dioxus::{
//!     ClientDocument, Event, Materialize, MaterializeError, Schema, StoreOptions, StoreProvider, Table, Writes, new_id,
//!     use_client_document, use_commit, use_query,
//! };
//! use serde::{Deserialize, Serialize};
//!
//! /// What is in the state: a SQLite table.
//! #[derive(Table, Clone, PartialEq, Debug)]
//! #[table(name = "todos")]
//! struct Todo {
//!     #[column(primary_key)]
//!     id: String,
//!     text: String,
//!     #[column(default = false)]
//!     done: bool,
//! }
//!
//! /// What can happen. Events are the truth; they are kept for ever, so their names have versions.
//! #[derive(Event, Clone)]
//! enum TodoEvent {
//!     #[event(name = "v1.TodoCreated")]
//!     Created { id: String, text: String },
//!     #[event(name = "v1.TodoDone")]
//!     Done { id: String },
//! }
//!
//! /// What each event does to the state.
//! impl Materialize for TodoEvent {
//!     fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
//!         match self {
//!             Self::Created { id, text } => {
//!                 state.insert(Todo { id: id.clone(), text: text.clone(), done: false })
//!             }
//!             Self::Done { id } => state.update(Todo::query().filter(Todo::ID.eq(id)), Todo::DONE.set(true)),
//!         }
//!     }
//! }
//!
//! /// What this window or tab alone remembers.
//! #[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Default)]
//! struct UiState {
//!     draft: String,
//!     hide_done: bool,
//! }
//!
//! #[derive(Schema)]
//! #[schema(tables(Todo), events(TodoEvent), documents(UiState))]
//! struct App;
//!
//! fn main() {
//!     livestore_dioxus::launch::<App>(|| dioxus::launch(Root));
//! }
//!
//! #[component]
//! fn Root() -> Element {
//!     rsx! {
//!         ErrorBoundary { handle_error: |errors: ErrorContext| rsx! { p { "{errors:?}" } },
//!             StoreProvider {
//!                 options: StoreOptions::<App>::new("todos").persisted(),
//!                 fallback: |()| rsx! { "Loading…" },
//!                 Todos {}
//!             }
//!         }
//!     }
//! }
//!
//! #[component]
//! fn Todos() -> Element {
//!     let commit = use_commit::<App>();
//!     let mut ui = use_client_document::<UiState>();
//!     let todos = use_query(move || {
//!         let todos = Todo::query().order_by(Todo::ID.asc());
//!         if ui.read().hide_done { todos.filter(Todo::DONE.eq(false)) } else { todos }
//!     });
//!     let add = move |_| {
//!         commit.run(TodoEvent::Created { id: new_id(), text: ui.peek().draft.clone() });
//!         ui.with_mut(|ui| ui.draft.clear());
//!     };
//!     rsx! {
//!         input {
//!             value: "{ui.read().draft}",
//!             oninput: move |event| ui.with_mut(|ui| ui.draft = event.value()),
//!         }
//!         button { onclick: add, "Add" }
//!         ul {
//!             for todo in todos() {
//!                 li { key: "{todo.id}", onclick: move |_| commit.run(TodoEvent::Done { id: todo.id.clone() }), "{todo.text}" }
//!             }
//!         }
//!     }
//! }
//! ```

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
    EventId, EventsError, Head, IntoCommit, IntoQuery, Json, LeaderStatus, ListedEvent, LiveQuery,
    LoggedEvent, Materialize, MaterializeError, NetworkStatus, NotAnswered, NotConfirmed,
    NotPersisted, NotRetried, OnBackendChanged, OpenError, Predicate, Query, QueryError, Receipt,
    Rejection, Schema, Select, StorageMode, Store, StoreError, StoreOptions, Subscription,
    SyncOptions, SyncStatus, Table, Value, WORKER_SCRIPT, WeakStore, WithoutEffect, Writes,
    as_string, escape_like, http_polling, new_id, raw, websocket,
};
pub use provider::{StoreProvider, StoreProviderProps, use_store_provider};
pub use status::{
    use_boot_status, use_boot_warnings, use_durability, use_leader_status, use_network_status,
    use_pending, use_rejections, use_status_in, use_storage_mode, use_sync_status,
};
