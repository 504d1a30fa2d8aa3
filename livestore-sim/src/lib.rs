//! The seeded simulator of livestore-sync: one client's sessions and leaders through crashes, losses, reorderings and
//! hand-overs, with every invariant checked after every step.
//!
//! Deliberately not here: backends (they come with the second hop), real SQLite (livestore-core tests that).

mod action;
mod counts;
mod disk;
mod ledger;
mod model;
mod mutation;
mod nodes;
mod rng;
mod run;
mod world;

pub use action::{Action, Weather};
pub use counts::Counts;
pub use disk::{Disk, Log, Reader, Row, StateFile, Transaction};
pub use ledger::Ledger;
pub use model::{Schema, State, Undo};
pub use mutation::Mutation;
pub use nodes::{CLIENT, Fate, LeaderNode, SessionNode, limits};
pub use rng::Rng;
pub use run::{Failure, replay, run};
pub use world::{Envelope, World};
