//! What TodoMVC is about, without a user interface. The app on Leptos and the one on Dioxus, in browsers and on desktops,
//! use this crate as it is.
//!
//! In reading order: `event` (what can happen, and what it does), `todo` (the table that comes of it, and what is asked of
//! it), `draft` (what a tab remembers without telling anyone), `shared` (which list an app opens, and with whom it is
//! shared). [`TodoMvc`] ties them together.

mod draft;
mod event;
mod shared;
#[cfg(feature = "testing")]
pub mod testing;
mod todo;

use livestore_core::Schema;

pub use draft::Draft;
pub use event::TodoEvent;
pub use shared::{list_of_page, own_list, shared_list, sync_line};
pub use todo::{Filter, Todo};

/// The store's schema: only these events can be committed to it, only these tables be queried.
#[derive(Schema, Debug)]
#[schema(tables(Todo), events(TodoEvent), documents(Draft))]
pub struct TodoMvc;
