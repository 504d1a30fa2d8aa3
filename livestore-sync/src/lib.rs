//! How livestore's logs converge: ids, heads, commits, merge, and the session and leader machines.
//!
//! Pure: inputs in, outputs out, time as a parameter. No IO, no async, no clock, no randomness, so a seeded simulator
//! can drive every interleaving in one thread.

mod event;
mod head;
mod id;

pub use event::{Args, Commit, Event, InvalidArgs, InvalidCommit, Lane, PerLane};
pub use head::{ChainHash, Head};
pub use id::{ClientId, EventId, InvalidId, SessionId, StoreId, TabId};
