//! The sync backend: gives every store's events one order, stores them, and hands them out live.
//!
//! It speaks LiveStore 0.4's sync-cf protocol over WebSocket and HTTP, so LiveStore's JavaScript clients and ours share
//! a store. [`router`] mounts it in an app's own axum server; the binary of the same name serves it alone.
//!
//! Invariants:
//! - An acknowledged event is in the log, on the disk, at its number, for ever.
//! - Within a store, numbers have no gaps and a batch is taken at the head or not at all (a refused event aside, of
//!   which the whole commits before it are kept for clients that ask for that).
//! - What arrives is foreign: it ends in a typed refusal or a closed socket, never in a panic or another store's data.
//! - What is stored can be handed out: events that no frame holds are refused first.
//!
//! Deliberately not here: TLS (a proxy does that), what events mean, compaction.

mod admission;
mod config;
mod hooks;
mod http;
mod listening;
mod log;
mod metrics;
mod pulling;
mod server;
mod socket;

pub use config::{Config, Limits};
pub use hooks::{Identity, PushAttempt, Refusal, Verdict, Visitor};
pub use log::{AppendError, EventLog, LogError, LogHead, LogItem, LogPage, PageSize, SqliteLog};
pub use server::{Server, router};
