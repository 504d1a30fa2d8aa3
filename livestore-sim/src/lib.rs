//! The seeded simulator of livestore-sync: sessions and leaders through crashes, losses, reorderings and hand-overs, one
//! client's ([`World`]) or many clients' around a backend ([`Cluster`]), with every invariant checked after every step.
//!
//! Deliberately not here: real SQLite (livestore-core tests that), real wires and servers (livestore-server tests them).

mod action;
mod cluster;
mod counts;
mod disk;
mod ledger;
mod model;
mod mutation;
mod nodes;
mod rng;
mod run;
mod uplink;
mod world;

pub use action::{Action, Weather};
pub use cluster::{Backend, Client, Cluster, ClusterAction, ClusterWeather, Setup};
pub use counts::Counts;
pub use disk::{Disk, Log, Merged, Reader, Row, StateFile, Transaction};
pub use ledger::Ledger;
pub use model::{Schema, State, Undo};
pub use mutation::Mutation;
pub use nodes::{Fate, LeaderNode, SessionNode, Uplink, limits};
pub use rng::Rng;
pub use run::{Failure, Scene, replay, run};
pub use world::{BARRED, Envelope, World};
