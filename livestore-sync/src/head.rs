//! Heads: how far somebody has seen a lane of the log.
//!
//! A rebase gives numbers to other events, so a number alone says nothing. A head pairs it with the hash of the
//! whole chain up to there. Chain hashes are local: they are never compared between clients.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::event::{Commit, Event};

/// The hash of a lane from its start: of the parent's hash, the event's id, its name and its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ChainHash(pub u128);

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 96)
    }
}

/// A place in a lane: the number of its last event and the hash of the chain up to it. Before the first event: 0 and 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// How many events the lane has up to here.
    pub number: u64,
    /// What they are.
    pub hash: ChainHash,
}

impl Head {
    /// The place before the first event.
    pub const ZERO: Self = Self { number: 0, hash: ChainHash(0) };

    /// The head after `event` has been appended here.
    #[must_use]
    pub fn then(self, event: &Event) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&self.hash.0.to_le_bytes());
        hasher.update(&event.id.client.0.to_le_bytes());
        hasher.update(&event.id.session.tab.0.to_le_bytes());
        hasher.update(&event.id.session.open.to_le_bytes());
        hasher.update(&event.id.n.get().to_le_bytes());
        hasher.update(&(event.name.len() as u64).to_le_bytes());
        hasher.update(event.name.as_bytes());
        hasher.update(event.args.as_str().as_bytes());
        Self { number: self.number + 1, hash: ChainHash(hasher.digest128()) }
    }

    /// The head after all events of `commit`.
    #[must_use]
    pub fn after(self, commit: &Commit) -> Self {
        commit.events().iter().fold(self, Head::then)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?}", self.number, self.hash)
    }
}
