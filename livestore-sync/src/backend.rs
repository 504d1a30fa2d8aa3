//! What the leader and a backend say to each other, whatever wire carries it.
//!
//! A backend orders the synced events of a store: it numbers them from 1 on and takes a batch only at its head. The
//! leader asks ([`ToBackend`]), the driver carries it to a backend and brings back what it hears ([`FromBackend`]).
//! Answers may get lost, come late or twice: each names what it answers, and one that nobody waits for is ignored.
//!
//! Deliberately not here: connections, encodings, authentication. The driver does those; a backend that refuses to
//! talk to this user is one that can't be reached, with a reason.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Commit, Event},
    head::Head,
};

/// The name that a backend gives its log of a store; a wiped or replaced log has another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct BackendId(pub Arc<str>);

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a backend takes and offers; told with every connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackendLimits {
    /// Events in one push.
    pub batch_events: usize,
    /// Bytes in one push, as [`Commit::bytes`] counts them; a single larger commit is split.
    pub batch_bytes: usize,
    /// Bytes of the largest event; one that is larger never reaches the backend.
    pub event_bytes: usize,
    /// Whether a pull goes on with what comes later; else the leader asks again and again.
    pub live: bool,
}

impl BackendLimits {
    /// Those of a LiveStore peer.
    pub const PLAIN: Self =
        Self { batch_events: 100, batch_bytes: 850_000, event_bytes: 895_000, live: true };
}

/// What the leader wants of a backend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToBackend {
    /// Connect, anew if there is a connection. Answered with [`FromBackend::Connected`] or [`FromBackend::Lost`].
    Connect {
        /// What the leader calls the connection.
        connection: u64,
    },
    /// Give the connection up; nothing that belongs to it is waited for.
    Disconnect,
    /// "What follows there?" Ends every earlier pull.
    Pull {
        /// What the leader calls the pull.
        pull: u64,
        /// The number of the event after which to start; 0 for the first.
        after: u64,
        /// The backend that the leader knows; one of another name answers [`Failure::Changed`], or with its name.
        backend: Option<BackendId>,
        /// Whether to go on with what comes later. Only where [`BackendLimits::live`].
        live: bool,
    },
    /// "Append this, if your head is there."
    Push {
        /// What the leader calls the push.
        push: u64,
        /// What to append, and where.
        batch: Batch,
    },
}

/// Commits for a backend, whose events get the numbers from `parent + 1` on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The number of the event that they follow.
    pub parent: u64,
    /// The backend that the leader knows.
    pub backend: Option<BackendId>,
    /// The commits, at least one.
    pub commits: Vec<Commit>,
}

impl Batch {
    /// The batch's events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.commits.iter().flat_map(Commit::events)
    }
}

/// What the driver heard of a backend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FromBackend {
    /// The connection stands.
    Connected {
        /// Which.
        connection: u64,
        /// What the backend takes and offers.
        limits: BackendLimits,
    },
    /// There is no connection (any more).
    Lost {
        /// Which.
        connection: u64,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// Events.
    Page {
        /// The pull they answer.
        pull: u64,
        /// The events.
        page: Page,
    },
    /// A pull has failed.
    NotPulled {
        /// Which.
        pull: u64,
        /// How.
        failure: Failure,
    },
    /// A batch is in the backend's log, at the numbers that follow its parent.
    Pushed {
        /// Which push.
        push: u64,
    },
    /// A batch was refused, or nobody knows what became of it.
    NotPushed {
        /// Which push.
        push: u64,
        /// How.
        failure: Failure,
    },
}

/// A stretch of a backend's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Which backend.
    pub backend: BackendId,
    /// The number of the event before the first.
    pub after: u64,
    /// The events, of numbers that follow each other. [`Event::pulled`] makes them of what a wire carries.
    pub events: Vec<Event>,
    /// How many more the backend has now: 0 ends the backlog. At least 1 if it only knows that there are more.
    pub remaining: u64,
}

/// Why a backend did not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// Its log does not end at the batch's parent.
    #[error("the backend's head is {head}")]
    ServerAhead {
        /// Where it ends.
        head: u64,
    },
    /// It refuses one event; it has taken the whole commits before the one that holds it.
    #[error("event {number} was refused: {reason}")]
    Rejected {
        /// The number that the event would have had.
        number: u64,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// It is not the backend that the leader knows.
    #[error("the backend has another id than before")]
    Changed,
    /// It refuses, and one can't tell why: perhaps because of an event, perhaps for another reason.
    #[error("{reason}")]
    Unknown {
        /// What it said, for people.
        reason: Arc<str>,
    },
    /// It can't be reached, or has not answered.
    #[error("{reason}")]
    Unavailable {
        /// Why, for people.
        reason: Arc<str>,
    },
}

/// What to do when the backend no longer has events that it had confirmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OnBackendChanged {
    /// Take the backend's log: pending commits go to quarantine, confirmed events that it lacks go.
    #[default]
    Reset,
    /// Stop syncing, and say so.
    Fail,
    /// Give it what it lacks, with the old ids; events that have none (other clients wrote them) go to quarantine.
    Keep,
}

/// What a leader starts with that has a backend; all of it stands in the log's database.
#[derive(Clone, Debug)]
pub struct BackendStart {
    /// What to do when the backend has lost something.
    pub on_changed: OnBackendChanged,
    /// Any number; other leaders should have others, so that they don't all come back at the same time.
    pub seed: u64,
    /// The backend's name, once known.
    pub backend: Option<BackendId>,
    /// How far the backend has the log's synced lane; [`Head::ZERO`] when the backend has just been added.
    pub confirmed: Head,
    /// The event that ends there; none at [`Head::ZERO`].
    pub anchor: Option<Event>,
    /// The log's synced commits after that.
    pub pending: Vec<Commit>,
}

/// How the leader stands with its backend.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackendStatus {
    /// The connection.
    pub connection: ConnectionStatus,
    /// How many events the backend is known to have that the leader's log lacks.
    pub behind: u64,
    /// The last thing that went wrong, until something goes right.
    pub error: Option<Arc<str>>,
}

/// How the connection to a backend stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConnectionStatus {
    /// The app has paused it.
    Paused,
    /// Not there; it is tried again and again.
    Offline,
    /// There, and what the backend has is being read.
    CatchingUp,
    /// There, and everything the backend had was read.
    Current,
    /// The backend has lost what it had confirmed, and the app's policy is to stop.
    Stopped,
}
