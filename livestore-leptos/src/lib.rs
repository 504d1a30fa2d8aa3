//! livestore for [Leptos](https://leptos.dev): a provider, hooks, and live queries as signals.
//!
//! An app depends on this crate alone: what it needs of the engine is re-exported.
//!
//! - [`launch`] runs the app in the page, and the leader in the worker that the page starts from the same module.
//! - [`StoreProvider`] opens a store and gates its children: below it every read is synchronous.
//! - [`use_query`] and [`use_client_document`] read, [`use_commit`] commits, [`use_store`] does everything else.
//!
//! Nothing of this waits on a server: there the provider renders its fallback, which is also the first thing the
//! client renders, so hydration finds what it expects. Leptos's features (`csr`, `hydrate`, `ssr`) are the app's choice.
//!
//! A whole app:
//!
//! ```no_run
//! use leptos::prelude::*;
//! use livestore_leptos::{
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
//! /// What this tab alone remembers, over reloads.
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
//!     livestore_leptos::launch::<App>(|| leptos::mount::mount_to_body(Root));
//! }
//!
//! #[component]
//! fn Root() -> impl IntoView {
//!     let options = StoreOptions::<App>::new("todos").persisted();
//!     view! {
//!         <ErrorBoundary fallback=|errors| view! { <p>{format!("{:?}", errors.get())}</p> }>
//!             <StoreProvider options fallback=|| "Loading…">
//!                 <Todos/>
//!             </StoreProvider>
//!         </ErrorBoundary>
//!     }
//! }
//!
//! #[component]
//! fn Todos() -> impl IntoView {
//!     let commit = use_commit::<App>();
//!     let ui = use_client_document::<UiState>();
//!     let todos = use_query(move || {
//!         let todos = Todo::query().order_by(Todo::ID.asc());
//!         if ui.with(|ui| ui.hide_done) { todos.filter(Todo::DONE.eq(false)) } else { todos }
//!     });
//!     let add = move |_| {
//!         commit.run(TodoEvent::Created { id: new_id(), text: ui.get_untracked().draft });
//!         ui.update(|ui| ui.draft.clear());
//!     };
//!     view! {
//!         <input
//!             prop:value=move || ui.get().draft
//!             on:input:target=move |event| ui.update(|ui| ui.draft = event.target().value())
//!         />
//!         <button on:click=add>"Add"</button>
//!         <ul>
//!             <For each=move || todos.get() key=|todo| todo.id.clone() let(todo)>
//!                 <li on:click=move |_| commit.run(TodoEvent::Done { id: todo.id.clone() })>{todo.text}</li>
//!             </For>
//!         </ul>
//!     }
//! }
//! ```

#[doc(hidden)]
pub use livestore_core as __core;
#[doc(hidden)]
pub use livestore_core::__private;

mod boundary;
mod commit;
mod context;
mod document;
mod launch;
mod live;
#[cfg(all(test, target_family = "wasm"))]
mod page_tests;
#[allow(unreachable_pub, reason = "Leptos's component macro makes what it writes public")]
mod provider;
mod status;

pub use commit::{Commit, use_commit};
pub use context::{provide_store, try_use_store, use_store};
pub use document::{DocumentSignal, use_client_document, use_client_document_in};
pub use launch::launch;
pub use live::{LiveSignal, ValueGuard, try_use_query, try_use_query_in, use_query, use_query_in};
pub use livestore_core::{
    AnyStore, BootStatus, BootWarning, ClientDocument, ColumnType, CommitError, Durability, Event,
    EventId, EventsError, Head, IntoCommit, IntoQuery, Json, LeaderStatus, ListedEvent, LiveQuery,
    LoggedEvent, Materialize, MaterializeError, NetworkStatus, NotAnswered, NotConfirmed,
    NotPersisted, NotRetried, OnBackendChanged, OpenError, Predicate, Query, QueryError, Receipt,
    Rejection, Schema, Select, StorageMode, Store, StoreError, StoreOptions, Subscription,
    SyncOptions, SyncStatus, Table, Value, WORKER_SCRIPT, WeakStore, WithoutEffect, Writes,
    as_string, escape_like, http_polling, new_id, raw, websocket,
};
pub use provider::{StoreProvider, StoreProviderProps};
pub use status::{
    use_boot_status, use_boot_warnings, use_durability, use_leader_status, use_network_status,
    use_pending, use_rejections, use_status_in, use_storage_mode, use_sync_status,
};

/// The README's first app compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
