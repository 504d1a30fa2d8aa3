//! What the leader machine reads; the driver, which owns the databases, answers.

use std::sync::Arc;

use crate::{
    document::Document,
    event::{Commit, Lane},
    head::{ChainHash, Head},
    id::SessionId,
    message::Refused,
};

/// What the machine reads of the driver's databases; always as of the last [`Leader::finish`](super::Leader::finish).
pub trait LeaderStorage {
    /// Why a read failed.
    type Error;

    /// The last `n` of `author` that a session has pushed and that is in the log or in quarantine; 0 when there is none.
    ///
    /// # Errors
    /// The storage's.
    fn last_n(&self, author: SessionId) -> Result<u64, Self::Error>;

    /// What a backend has brought under `author`'s name with an `n` greater than `after`: each `n`, and the event's
    /// fingerprint. (As the last [`LeaderMerge::own`](crate::LeaderMerge::own) of that id had it.)
    ///
    /// # Errors
    /// The storage's.
    fn arrived(&self, author: SessionId, after: u64) -> Result<Vec<(u64, ChainHash)>, Self::Error>;

    /// Whether the log's event number `head.number` carries the hash `head.hash`. ([`Head::ZERO`] and the log's own
    /// head are not asked for.)
    ///
    /// # Errors
    /// The storage's.
    fn holds(&self, lane: Lane, head: Head) -> Result<bool, Self::Error>;

    /// The commits after `head`, which the log holds: as many whole ones as fit into `max_bytes`, at least one.
    ///
    /// # Errors
    /// The storage's.
    fn tail(&self, lane: Lane, head: Head, max_bytes: usize) -> Result<Vec<Commit>, Self::Error>;

    /// `author`'s commits in quarantine with a first `n` of at least `from`.
    ///
    /// # Errors
    /// The storage's.
    fn refused(&self, author: SessionId, from: u64) -> Result<Vec<Refused>, Self::Error>;

    /// The saved documents of the client and of `session`'s tab.
    ///
    /// # Errors
    /// The storage's.
    fn documents(&self, session: SessionId) -> Result<Vec<Document>, Self::Error>;

    /// The state as bytes for another session of this schema; `None` when there is none to give, and sessions fold
    /// the log.
    ///
    /// # Errors
    /// The storage's.
    fn snapshot(&self) -> Result<Option<Arc<[u8]>>, Self::Error>;
}
