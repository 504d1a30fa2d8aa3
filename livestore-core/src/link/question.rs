//! What a session asks its leader beside the machines' business: pages of the quarantine.
//!
//! A question has a number of its asker's; its answer carries it. Either may get lost, and is asked again.

use livestore_sync::{Commit, EventId, SessionId};
use serde::{Deserialize, Serialize};

/// A question of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Who asks.
    pub(crate) from: SessionId,
    /// Which of its questions.
    pub(crate) number: u64,
    /// The commit after which the page begins.
    pub(crate) after: Option<EventId>,
}

/// A leader's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Which question it answers.
    pub(crate) number: u64,
    /// The page, or why there is none.
    pub(crate) page: Result<QuarantinePage, String>,
}

/// A piece of the quarantine, in the order of the authors' ids.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct QuarantinePage {
    /// The commits.
    pub(crate) commits: Vec<QuarantinedCommit>,
    /// Whether others follow.
    pub(crate) more: bool,
}

/// A commit in quarantine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct QuarantinedCommit {
    /// The commit.
    pub(crate) commit: Commit,
    /// Why it is there.
    pub(crate) reason: String,
    /// Since when, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}
