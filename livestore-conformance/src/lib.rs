//! What every binding of livestore promises, stated once and run for each.
//!
//! A binding's tests implement [`Binding`] for an app of their framework without a page, and write
//! [`conformance!`]`(TheirApp);`: that makes one test of every promise. [`PROMISES`] are the sentences; `PROMISES.md`
//! beside this crate is their table, kept by a test.
//!
//! Natively only, and framework-neutral: what a binding promises beyond this (Leptos's `Signal`s, Dioxus's memos and
//! resources, the provider in a real page) is in its own tests.

mod backend;
mod binding;
#[path = "../../livestore-core/tests/support/gate.rs"]
mod gate;
mod promises;
mod schema;

pub use binding::{App, Binding, Seen};
pub use promises::{PROMISES, Promise};
#[doc(hidden)]
pub use promises::{documents, errors, lifetime, queries, renders, stores, sync};
pub use schema::{Entry, Filter, Journal, JournalEvent, Note, NoteEvent, Notes, Tag};

/// Starts the app of a promise.
#[doc(hidden)]
pub fn start<B: Binding>() -> std::rc::Rc<App<B>> {
    std::rc::Rc::new(App::start())
}
