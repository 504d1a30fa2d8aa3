//! What sessions and their leader say to each other over a link.
//!
//! Links may lose, repeat, delay and reorder messages; every message can be dropped without harm, because whoever
//! waits for an answer asks again. Rules that the machines keep:
//!
//! 1. A message of an older [`Fence`] is ignored; one of a newer fence makes a session attach again, but for the
//!    [`ToSession::Rebase`] that takes it there. What a session sends counts under every epoch of the leader's term:
//!    the leader orders commits, and where the sender stood does not matter.
//! 2. [`ToSession::Advance`] and [`ToSession::Attached`] are sent only after what they carry is in the log, so the echo
//!    of a commit is its acknowledgement.
//! 3. Everything is bounded: pushes, tails, groups and snapshot chunks by [`crate::Limits`].
//!
//! Deliberately not here: framing and encoding. The driver frames these with the protocol number in front, so that a
//! link of another [`PROTOCOL`] is recognised before it is decoded.

use std::{num::NonZeroU64, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    backend::BackendStatus,
    document::Document,
    event::{Commit, PerLane},
    head::{ChainHash, Head},
    id::{EventId, SessionId},
};

/// The version of these messages; two sides of different versions don't talk.
pub const PROTOCOL: u32 = 3;

/// Which leader speaks, and how often it has rolled back: newer is greater.
///
/// The leader persists both and steps `term` whenever it opens the log, `epoch` whenever it rolls the log back.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
pub struct Fence {
    /// Greater with every leader.
    pub term: u64,
    /// Greater with every roll-back of that leader.
    pub epoch: u64,
}

/// A stretch of the log, both lanes in log order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tail {
    /// Where it starts.
    pub parent: PerLane<Head>,
    /// What follows there; the order counts within a lane only.
    pub commits: Vec<Commit>,
}

impl Tail {
    /// Where it ends.
    pub fn heads(&self) -> PerLane<Head> {
        let mut heads = self.parent;
        for commit in &self.commits {
            heads[commit.lane()] = heads[commit.lane()].after(commit);
        }
        heads
    }
}

/// A commit that the leader put into quarantine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The commit's name: the id of its first event.
    pub id: EventId,
    /// Why, for people.
    pub reason: Arc<str>,
}

/// What a session sends to its leader.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToLeader {
    /// "Tell me what I lack, and go on telling me."
    Attach(Attach),
    /// Commits for the log.
    Push(Push),
    /// A new value of a document.
    SetDocument {
        /// The sender.
        from: SessionId,
        /// The leader it believes in.
        fence: Fence,
        /// The value.
        document: Document,
        /// The sender's counter of values.
        version: u64,
    },
    /// How many chunks of a snapshot have arrived.
    SnapshotAck {
        /// The sender.
        from: SessionId,
        /// The leader that sends the snapshot.
        fence: Fence,
        /// Which snapshot.
        snapshot: u64,
        /// How many of its chunks, from the first on.
        received: u32,
    },
    /// "Are you there?"
    Ping {
        /// The sender.
        from: SessionId,
        /// The leader it believes in.
        fence: Fence,
    },
    /// "I am going."
    Leave {
        /// The sender.
        from: SessionId,
    },
}

impl ToLeader {
    /// Who sent it.
    pub fn from(&self) -> SessionId {
        match self {
            Self::Attach(Attach { from, .. })
            | Self::Push(Push { from, .. })
            | Self::SetDocument { from, .. }
            | Self::SnapshotAck { from, .. }
            | Self::Ping { from, .. }
            | Self::Leave { from } => *from,
        }
    }
}

/// The only way to get a leader's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attach {
    /// The sender.
    pub from: SessionId,
    /// The sender's [`PROTOCOL`].
    pub protocol: u32,
    /// The hash of the sender's schema: a snapshot is of use only to the same one.
    pub schema: u64,
    /// Which attempt this is, for the answer to name.
    pub attempt: u64,
    /// How far the sender has the log; `None` asks for a snapshot.
    pub at: Option<PerLane<Head>>,
    /// Of which authors the sender has commits, and from which `n` on.
    pub authors: Vec<(SessionId, NonZeroU64)>,
}

/// Commits of one author, ascending.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Push {
    /// The sender.
    pub from: SessionId,
    /// Who committed them: the sender, or a dead session whose journal the sender adopted.
    pub author: SessionId,
    /// The leader the sender believes in.
    pub fence: Fence,
    /// How far the sender has the log.
    pub parent: PerLane<Head>,
    /// Up to which `n` the author's commits were once acknowledged.
    pub acknowledged: u64,
    /// The commits.
    pub commits: Vec<Commit>,
}

/// What a leader sends to its sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToSession {
    /// "I lead now" (to everyone), or "we speak different protocols" (to one).
    Announce {
        /// The leader.
        fence: Fence,
        /// The leader's [`PROTOCOL`].
        protocol: u32,
        /// The hash of the leader's schema.
        schema: u64,
    },
    /// What the session lacked.
    Attached(Attached),
    /// A piece of the state.
    Snapshot(SnapshotChunk),
    /// There is no snapshot for this session: it folds the log from its start.
    NoSnapshot {
        /// The leader.
        fence: Fence,
        /// The attempt this answers.
        attempt: u64,
    },
    /// The log has grown, or commits were refused.
    Advance {
        /// The leader.
        fence: Fence,
        /// What the log has now.
        tail: Tail,
        /// What went to quarantine instead.
        refused: Vec<Refused>,
        /// Up to which number the backend has the synced lane; none where there is no backend.
        confirmed: Option<u64>,
    },
    /// The log was rolled back, and has grown again: from `before` to the tail's parent, then over the tail, and then
    /// over what was rolled back and neither arrived in the tail nor was refused, in its old order.
    Rebase {
        /// The leader, with the epoch that this begins.
        fence: Fence,
        /// Where the log ended.
        before: PerLane<Head>,
        /// What the backend has.
        tail: Tail,
        /// What went to quarantine instead.
        refused: Vec<Refused>,
        /// Where the log ends now.
        heads: PerLane<Head>,
        /// As in [`ToSession::Advance`].
        confirmed: u64,
    },
    /// How the leader stands with its backend.
    Backend {
        /// The leader.
        fence: Fence,
        /// How.
        status: BackendStatus,
    },
    /// "I had that already": everything of `author` up to `n` is in the log or in quarantine.
    Acked {
        /// The leader.
        fence: Fence,
        /// Whose commits.
        author: SessionId,
        /// Up to which `n`.
        n: u64,
    },
    /// "I miss something before what you sent."
    Resend {
        /// The leader.
        fence: Fence,
        /// Whose commits.
        author: SessionId,
        /// From which `n` on.
        from: NonZeroU64,
    },
    /// "I don't know you: attach."
    Reattach {
        /// The leader.
        fence: Fence,
    },
    /// "I am here."
    Pong {
        /// The leader.
        fence: Fence,
        /// How far its log goes.
        heads: PerLane<Head>,
        /// As in [`ToSession::Document`].
        documents: u64,
        /// As in [`ToSession::Advance`].
        confirmed: Option<u64>,
    },
    /// A document has this value now.
    Document {
        /// The leader.
        fence: Fence,
        /// The leader's count of values saved for all sessions, before this one.
        before: u64,
        /// The same, this one included.
        count: u64,
        /// The value.
        document: Document,
        /// Up to which of the session's own values of this document the leader has taken.
        saved: Option<u64>,
    },
    /// The storage refuses to write; the leader keeps trying.
    Stalled {
        /// The leader.
        fence: Fence,
        /// Why, for people.
        reason: Arc<str>,
    },
}

impl ToSession {
    /// The leader that sent it.
    pub fn fence(&self) -> Fence {
        match self {
            Self::Attached(Attached { fence, .. })
            | Self::Snapshot(SnapshotChunk { fence, .. })
            | Self::Announce { fence, .. }
            | Self::NoSnapshot { fence, .. }
            | Self::Advance { fence, .. }
            | Self::Rebase { fence, .. }
            | Self::Backend { fence, .. }
            | Self::Acked { fence, .. }
            | Self::Resend { fence, .. }
            | Self::Reattach { fence }
            | Self::Pong { fence, .. }
            | Self::Document { fence, .. }
            | Self::Stalled { fence, .. } => *fence,
        }
    }
}

/// The answer to an [`Attach`] whose head is in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attached {
    /// The leader.
    pub fence: Fence,
    /// The attempt this answers.
    pub attempt: u64,
    /// What follows the session's head.
    pub tail: Tail,
    /// The log goes on after the tail: apply it and attach again.
    pub more: bool,
    /// Up to which `n` the log or the quarantine has what the named authors committed.
    pub last: Vec<(SessionId, u64)>,
    /// Which commits of the named authors, from the named `n` on, are in quarantine.
    pub refused: Vec<Refused>,
    /// What else the log has under the names of these authors, from the named `n` on: events that a backend has brought
    /// and that no session has pushed to this log, and their fingerprints.
    pub arrived: Vec<(EventId, ChainHash)>,
    /// The client's documents and those of the session's tab; empty while there is `more`.
    pub documents: Vec<Document>,
    /// As `count` in [`ToSession::Document`].
    pub documents_count: u64,
    /// As in [`ToSession::Advance`].
    pub confirmed: Option<u64>,
    /// Which commits of the named authors are in the log and not confirmed: their last events, and the numbers of those.
    pub unconfirmed: Vec<(EventId, u64)>,
    /// How the leader stands with its backend; none where there is none.
    pub backend: Option<BackendStatus>,
}

/// A piece of a snapshot: the state at `heads`, as bytes that only the drivers understand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// The leader.
    pub fence: Fence,
    /// The attempt this answers.
    pub attempt: u64,
    /// Which snapshot.
    pub snapshot: u64,
    /// Which chunk, from 0 on.
    pub chunk: u32,
    /// How many chunks there are, at least one.
    pub of: u32,
    /// The piece.
    pub bytes: Vec<u8>,
    /// Which place in the log the state belongs to.
    pub heads: PerLane<Head>,
    /// As in [`Attached::last`], at `heads`.
    pub last: Vec<(SessionId, u64)>,
    /// As in [`Attached::refused`], at `heads`.
    pub refused: Vec<Refused>,
    /// As in [`Attached::arrived`], at `heads`.
    pub arrived: Vec<(EventId, ChainHash)>,
}
