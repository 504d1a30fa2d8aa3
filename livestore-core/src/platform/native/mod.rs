//! Natively: threads, files, and named locks and channels inside the process.
//!
//! One process owns a client's files (an OS file lock, see `storage.rs`), so what crosses processes in the browser
//! stays inside one here. There are no pages: nothing hides, and there is no journal; what has to survive a process is
//! what `persisted()` says.

mod channel;
mod identity;
mod journal;
mod leader;
mod lock;
mod net;
mod page;
mod storage;
mod timer;
mod tls;

pub use channel::Channel;
pub use identity::{Identity, identify};
pub use journal::{Adopted, Journal, adopt_journals, watch_journals};
pub use leader::{
    LeaderHandle, LeaderScope, WORKER_SCRIPT, is_worker, launch, spawn_leader, spawn_local,
    worker_main,
};
pub use lock::{LockGuard, is_held, lock_exclusive, try_lock};
pub use net::{open_socket, post, resolve_url, spawn_io};
pub use page::{
    LeaveWarning, Listener, ask_for_persistence, on_network_changed, on_page_hidden, on_page_shown,
};
pub use storage::{Storage, data_directory};
pub use timer::{Timer, after, every, sleep};

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Runs a callback on a thread that others need too. If it panics, as code of the app that it calls may, the panic has
/// been printed by the hook, and the thread goes on with the next one.
fn survive(what: &str, callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        tracing::error!(what, "a callback panicked");
    }
}

/// The data of a mutex whose holders only swap whole values: a panic elsewhere leaves it sound.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
