//! The browser: pages, dedicated workers, OPFS, Web Locks, BroadcastChannel, localStorage.
//!
//! Needs no `RUSTFLAGS`, no cross-origin isolation, no SharedWorker and no build step of its own. In reading order:
//!
//! | file | runs in | job |
//! |---|---|---|
//! | `worker.rs`, `worker.js` | page | starts the leader's worker from the app's own module, replaces it when it dies |
//! | `scope.rs` | worker | `main` runs again: run the leader instead of the app, report a panic and close |
//! | `lock.rs`, `channel.rs`, `timer.rs` | both | Web Locks, binary frames, timers |
//! | `opfs.rs` | worker | the leader's databases in the origin's private file system |
//! | `identity.rs` | page | client, tab, open; a duplicated tab is told apart |
//! | `journal.rs`, `adopt.rs` | page | unacknowledged commits outlive the page, and are taken over |
//! | `page.rs` | page | hidden, shown, about to be left |
//! | `local.rs` | both | JavaScript objects behind `Send` handles |
//!
//! Locks: `livestore-tab-STORE-TAB` and `livestore-session-STORE-SESSION` while a session lives,
//! `livestore-client-STORE` while a client is minted, `livestore-worker-RANDOM` while a worker lives; the leader names its
//! own. `localStorage`: `livestore-client-STORE`, `livestore-journal-STORE.SESSION`; `sessionStorage`:
//! `livestore-tab-STORE`. OPFS: the directories `livestore-STORE` and
//! `livestore-client-STORE`, which holds the client's id.
//!
//! What was tried in Chromium 156: `tests.rs`, and the end-to-end tests for what takes several tabs, a reload or a
//! killed tab.

mod adopt;
#[cfg(test)]
mod adopt_tests;
mod channel;
mod identity;
mod journal;
#[cfg(test)]
mod journal_tests;
mod local;
mod lock;
mod net;
mod opfs;
mod page;
mod scope;
#[cfg(test)]
mod tests;
mod timer;
mod worker;

pub use adopt::{Adopted, adopt_journals, watch_journals};
pub use channel::Channel;
pub use identity::{Identity, identify};
pub use journal::Journal;
pub use lock::{LockGuard, is_held, lock_exclusive, try_lock};
pub use net::{open_socket, post, resolve_url, spawn_io};
pub use opfs::{Storage, data_directory};
pub use page::{
    LeaveWarning, Listener, ask_for_persistence, on_network_changed, on_page_hidden, on_page_shown,
};
pub use scope::{LeaderScope, is_worker, launch, worker_main};
pub use timer::{Timer, after, every, sleep};
#[doc(hidden)]
pub use wasm_bindgen;
pub use wasm_bindgen_futures::spawn_local;
pub use worker::{LeaderHandle, WORKER_SCRIPT, spawn_leader};

use wasm_bindgen::{JsCast, JsValue};

/// An exception as `Name: message`.
fn describe(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => format!("{}: {}", String::from(error.name()), String::from(error.message())),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

/// A property of a JavaScript object, None if it is absent, undefined or null.
fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = js_sys::Reflect::get(object, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}
