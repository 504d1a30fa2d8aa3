//! The seam between the engine and the machine it runs on.
//!
//! The same names with the same signatures exist in [`web`](self) (wasm32 in a browser) and natively; every
//! `cfg(target…)` of the project is in this directory. What differs is said at the item, never at its caller.
//!
//! - `spawn_leader`, `launch`, `LeaderScope`: the leader on its own thread (a dedicated worker, a std thread).
//! - `lock_exclusive`, `try_lock`, `is_held`: named locks that die with their holder.
//! - `Channel`: named broadcast of binary frames among the sessions and the leader of one client.
//! - `Storage`: where the leader's two databases live, or why they cannot.
//! - `Identity`, `Journal`: who this session is, and what it leaves behind when its page hides.
//! - `open_socket`, `post`, `spawn_io`, `resolve_url`, `on_network_changed`: WebSockets, HTTP requests, their addresses, the network.
//! - `after`, `every`, `sleep`, `now_ms`, `random_u64`, `spawn_local`: time, chance and tasks.
//!
//! Handles are `Send + Sync` on both targets (a browser handle is a number, see `web/local.rs`). Callbacks have to be
//! `Send` natively only; code that compiles natively compiles for the web.

mod net;
mod opening;
mod storage_mode;
mod supervise;
#[cfg(any(test, target_arch = "wasm32"))]
mod text;

#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use web::wasm_bindgen;
#[cfg(target_arch = "wasm32")]
pub use web::{
    Adopted, Channel, Identity, Journal, LeaderHandle, LeaderScope, LeaveWarning, Listener,
    LockGuard, Storage, Timer, WORKER_SCRIPT, adopt_journals, after, ask_for_persistence,
    data_directory, every, identify, is_held, is_worker, launch, lock_exclusive,
    on_network_changed, on_page_hidden, on_page_shown, open_socket, post, resolve_url, sleep,
    spawn_io, spawn_leader, spawn_local, try_lock, watch_journals, worker_main,
};

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    Adopted, Channel, Identity, Journal, LeaderHandle, LeaderScope, LeaveWarning, Listener,
    LockGuard, Storage, Timer, WORKER_SCRIPT, adopt_journals, after, ask_for_persistence,
    data_directory, every, identify, is_held, is_worker, launch, lock_exclusive,
    on_network_changed, on_page_hidden, on_page_shown, open_socket, post, resolve_url, sleep,
    spawn_io, spawn_leader, spawn_local, try_lock, watch_journals, worker_main,
};

pub use net::SocketEnds;
pub use storage_mode::{Durability, Persistence, StorageMode, StoragePlace, StorageRefused};
pub use supervise::{
    ChannelError, JournalError, LeaderEntry, LeaderEvent, LeaderFailure, LockError, SpawnLeader,
};

use std::sync::OnceLock;

/// Milliseconds since this thread's process (page, worker) first asked; never goes back.
pub fn now_ms() -> u64 {
    static START: OnceLock<web_time::Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(web_time::Instant::now).elapsed().as_millis())
        .unwrap_or(u64::MAX)
}

/// 64 random bits from the system's good source.
pub fn random_u64() -> u64 {
    // A v4 uuid has six fixed bits; they do not overlap when its halves are combined.
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}
