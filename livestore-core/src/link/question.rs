//! What a session asks its leader beside the machines' business: pages of the quarantine and of the confirmed events,
//! what is to be done with either, and with the store.
//!
//! A question has a number of its asker's; its answer carries it. Either may get lost, and is asked again, so doing
//! twice what one asks for is no different from doing it once.

use livestore_sync::{Commit, Event, EventId, Head, SessionId};
use serde::{Deserialize, Serialize};

/// A question of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Who asks.
    pub(crate) from: SessionId,
    /// Which of its questions.
    pub(crate) number: u64,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// A page of the quarantine.
    Quarantine {
        /// The commit after which the page begins.
        after: Option<EventId>,
    },
    /// To take a commit out of the quarantine for good.
    Dismiss {
        /// Its name.
        commit: EventId,
    },
    /// A page of the confirmed events.
    Events {
        /// The place after which it begins.
        after: Head,
        /// Which events; none are all.
        names: Vec<String>,
    },
    /// To delete the store, and to lead it no more.
    Delete {
        /// Also if events are lost.
        force: bool,
    },
}

/// A leader's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Which question it answers.
    pub(crate) number: u64,
    /// What it says, or why it can't.
    pub(crate) said: Result<Said, String>,
}

/// What a leader says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// To [`Ask::Quarantine`].
    Quarantine(QuarantinePage),
    /// To [`Ask::Dismiss`]: it is not there.
    Dismissed,
    /// To [`Ask::Events`]; nothing if the confirmed log does not go through that place.
    Events(Option<EventsPage>),
    /// To [`Ask::Delete`].
    Deleted(Result<(), DeleteRefused>),
}

/// Why a leader does not delete its store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum DeleteRefused {
    /// So many others are attached.
    OtherSessions(usize),
    /// So many events are nowhere else.
    Unconfirmed(u64),
    /// The storage refuses.
    Storage(String),
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

/// A stretch of the confirmed log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct EventsPage {
    /// Those of its events that were asked for, each with the place right after it.
    pub(crate) events: Vec<(Head, Event)>,
    /// Where the stretch ends.
    pub(crate) end: Head,
    /// Whether more of the log is confirmed.
    pub(crate) more: bool,
}
