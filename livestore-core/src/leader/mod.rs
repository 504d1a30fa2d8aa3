//! The leader: the one writer of a client's log and state.
//!
//! Runs on a thread of its own (a worker, a std thread) and drives the sync crate's leader machine. In reading order:
//! `serve` is its life, `boot` brings the state to the log's head (`files` names both, `collect` deletes the states of schemas
//! that nobody uses),
//! `driver` writes groups and merges into both `databases`, `courier` carries between the machine and a backend, `posts`
//! are the channels to sessions.
//!
//! Invariants:
//! 1. It writes only while it holds the store's lock (in memory there is nothing to share).
//! 2. Log first: the log's transaction of a group or a merge is committed before the state's. A state that was left
//!    where the log was before goes back along its undo records and is folded forward before the next one.
//! 3. A session is told of a commit only after the log has it.

mod boot;
mod collect;
mod config;
mod courier;
mod databases;
mod delete;
mod driver;
mod files;
mod posts;
mod schema_set;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use config::{BackendConfig, LeaderConfig};
#[cfg(test)]
pub(crate) use driver::Driver;
pub use schema_set::SchemaSet;
#[doc(hidden)]
pub use serve::run;

use crate::platform;

/// Runs `app`; but in a worker that was started to lead, runs the leader of a store whose schema is one of `S`.
pub fn launch<S: SchemaSet>(app: impl FnOnce()) {
    platform::launch(app, run::<S>);
}
