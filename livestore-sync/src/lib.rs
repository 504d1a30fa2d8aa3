//! How livestore's logs converge: ids, heads, commits, merge, and the session and leader machines.
//!
//! Pure: inputs in, outputs out, time as a parameter. No IO, no async, no clock, no randomness, so a seeded simulator
//! can drive every interleaving in one thread.

mod backend;
mod document;
mod event;
mod foreign;
mod head;
mod id;
mod journal;
mod leader;
mod limits;
mod merge;
mod message;
mod pending;
mod session;
mod upstream;
pub mod wire;

pub use backend::{
    BackendId, BackendLimits, BackendStart, BackendStatus, Batch, ConnectionStatus, Failure,
    FromBackend, OnBackendChanged, Page, ToBackend,
};
pub use document::{Document, DocumentKey, DocumentOwner};
pub use event::{Args, Commit, Event, InvalidArgs, InvalidCommit, Lane, PerLane};
pub use head::{ChainHash, Head};
pub use id::{ClientId, EventId, InvalidId, SessionId, StoreId, TabId};
pub use journal::{InvalidJournal, Journal, JournalMark};
pub use leader::{Group, Leader, LeaderConfig, LeaderStorage, Outgoing, Recipients};
pub use limits::Limits;
pub use merge::{Merge, MergeError, merge};
pub use message::{
    Attach, Attached, Fence, PROTOCOL, Push, Refused, SnapshotChunk, Tail, ToLeader, ToSession,
};
pub use pending::{OutOfSequence, Pending};
pub use session::{
    CommitRefused, LeaderStatus, Outcome, Session, SessionConfig, Settled, SyncStatus, Work,
};
pub use upstream::LeaderMerge;
