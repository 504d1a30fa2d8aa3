//! The browser: pages, dedicated workers, OPFS, Web Locks, BroadcastChannel, localStorage.
//!
//! Runs in a page and in the leader's worker; each file says which of the two it is for. Needs no `RUSTFLAGS`, no
//! cross-origin isolation and no build step of its own.

mod channel;
mod identity;
mod journal;
mod local;
mod lock;
mod opfs;
mod page;
mod scope;
#[cfg(test)]
mod tests;
mod timer;
mod worker;

pub use channel::Channel;
pub use identity::{Identity, identify};
pub use journal::{Adopted, Journal, adopt_journals, watch_journals};
pub use lock::{LockGuard, is_held, lock_exclusive, try_lock};
pub use opfs::Storage;
pub use page::{LeaveWarning, Listener, on_page_hidden, on_page_shown, request_persistence};
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
