//! The engine of livestore: schema, queries, SQLite state, reactive graph, store, leader and platforms.

// The derives name this crate by its path, in here too.
extern crate self as livestore_core;

mod eventlog;
mod value;

pub use eventlog::LogError;
pub use value::Value;
