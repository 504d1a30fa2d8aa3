//! The link between a client's sessions and its leader: which channels there are, and what a frame looks like.
//!
//! Three kinds of channel per store: one that the leader listens to, one that all sessions listen to, one of each
//! session. A frame begins with the number of the protocol, so that a side of another version of livestore is
//! recognised before anything else is decoded; the rest is postcard. Foreign bytes give a typed error, never a panic.

mod backend;
mod boot;
mod frame;
mod question;

pub(crate) use backend::{BackendWish, PayloadAnswer, PayloadQuestion};
pub(crate) use boot::LeaderReport;
pub use boot::OpenFailure;
pub(crate) use frame::{ForLeader, ForSession, FrameError, from_frame, to_frame};
pub(crate) use question::{
    Answer, Ask, DeleteRefused, EventsPage, QuarantinePage, QuarantinedCommit, Question, Said,
};

use livestore_sync::SessionId;

/// The names of a store's channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChannelNames {
    scope: String,
}

impl ChannelNames {
    /// `scope` tells apart leaders that must not hear of each other: the store's id (natively with its directory), or
    /// with it the session whose leader serves it alone because nothing is persisted.
    pub(crate) fn new(scope: impl Into<String>) -> Self {
        Self { scope: scope.into() }
    }

    /// Where sessions post and the leader listens.
    pub(crate) fn leader(&self) -> String {
        format!("livestore-leader-{}", self.scope)
    }

    /// Where the leader posts to all sessions.
    pub(crate) fn sessions(&self) -> String {
        format!("livestore-sessions-{}", self.scope)
    }

    /// Where the leader posts to one session.
    pub(crate) fn session(&self, session: SessionId) -> String {
        format!("livestore-session-{}-{session}", self.scope)
    }
}
