//! Events and commits: what a session appends and everybody else merges.
//!
//! An event's arguments are canonical JSON (RFC 8785) from the moment they enter, so equality, hashes and sizes
//! mean the same everywhere. A [`Commit`] is the unit of everything unconfirmed: non-empty, of one lane, by one
//! session, numbered without gaps. It can't be built otherwise.

use std::{num::NonZeroU64, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    head::{ChainHash, Head},
    id::{EventId, SessionId},
};

/// The two sequences of a store. They never mix: not in a commit, not in a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Lane {
    /// Events that every client of the store sees.
    Synced,
    /// Events that never leave this client; the leader is their confirmation.
    ClientOnly,
}

impl Lane {
    /// Both lanes, synced first.
    pub const ALL: [Self; 2] = [Self::Synced, Self::ClientOnly];
}

/// One value for each lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct PerLane<T> {
    /// The synced lane's.
    pub synced: T,
    /// The client-only lane's.
    pub client_only: T,
}

impl<T> std::ops::Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        match lane {
            Lane::Synced => &self.synced,
            Lane::ClientOnly => &self.client_only,
        }
    }
}

impl<T> std::ops::IndexMut<Lane> for PerLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Synced => &mut self.synced,
            Lane::ClientOnly => &mut self.client_only,
        }
    }
}

/// An event's arguments: canonical JSON of at most [`Args::MAX_BYTES`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Args(Arc<str>);

impl Args {
    /// The largest arguments of an event, in bytes of JSON.
    pub const MAX_BYTES: usize = 880_000;

    /// Canonicalises JSON text: canonical text stays as it is, so a second time changes nothing.
    ///
    /// # Errors
    /// [`InvalidArgs`] when the text is no JSON (or nested deeper than 127), holds a lone surrogate or a number that is
    /// not exact everywhere (integers beyond ±(2⁵³−1)), or is too large.
    pub fn parse(json: &str) -> Result<Self, InvalidArgs> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| InvalidArgs::Json(error.to_string()))?;
        check_numbers(&value)?;
        Self::canonical(&value)
    }

    /// As [`Args::parse`], for an event that a log holds already: its numbers are what a JavaScript peer reads.
    ///
    /// # Errors
    /// [`InvalidArgs`], but never for a number.
    pub fn pulled(json: &str) -> Result<Self, InvalidArgs> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| InvalidArgs::Json(error.to_string()))?;
        Self::canonical(&value)
    }

    fn canonical(value: &serde_json::Value) -> Result<Self, InvalidArgs> {
        let canonical = serde_json_canonicalizer::to_string(value)
            .map_err(|error| InvalidArgs::Json(error.to_string()))?;
        if canonical.len() > Self::MAX_BYTES {
            return Err(InvalidArgs::TooLarge { bytes: canonical.len() });
        }
        Ok(Self(canonical.into()))
    }

    /// The arguments of an event that has none; the same as `null`, as peers can't tell the two apart.
    pub fn none() -> Self {
        Self("null".into())
    }

    /// The arguments' JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_numbers(root: &serde_json::Value) -> Result<(), InvalidArgs> {
    // serde_json refuses JSON nested deeper than 127, so this recursion is bounded.
    match root {
        serde_json::Value::Number(number) if !is_exact(number) => {
            Err(InvalidArgs::InexactNumber(number.to_string()))
        }
        serde_json::Value::Array(items) => items.iter().try_for_each(check_numbers),
        serde_json::Value::Object(fields) => fields.values().try_for_each(check_numbers),
        _ => Ok(()),
    }
}

/// Whether every peer reads the number as it was meant.
fn is_exact(number: &serde_json::Number) -> bool {
    const MAX_EXACT: u64 = (1 << 53) - 1;
    // From here on canonical JSON writes an exponent, so the text no longer looks like an integer.
    const EXPONENT_FROM: f64 = 1e21;
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(unsigned), ..) => unsigned <= MAX_EXACT,
        (None, Some(signed), _) => signed.unsigned_abs() <= MAX_EXACT,
        (None, None, Some(float)) => {
            let integer = float.fract() == 0.0 && float.abs() < EXPONENT_FROM;
            !integer || float.abs() <= MAX_EXACT as f64
        }
        (None, None, None) => false,
    }
}

impl TryFrom<String> for Args {
    type Error = InvalidArgs;

    /// What comes from a log, a link or a journal was checked when it was committed, or is a peer's.
    fn try_from(json: String) -> Result<Self, InvalidArgs> {
        Self::pulled(&json)
    }
}

impl From<Args> for String {
    fn from(args: Args) -> Self {
        args.0.as_ref().to_owned()
    }
}

/// Why a JSON text can't be an event's arguments.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidArgs {
    /// Not JSON.
    #[error("the arguments are not JSON: {0}")]
    Json(String),
    /// A number that another peer may read differently.
    #[error(
        "the number {0} is beyond ±(2^53-1) and would change on the way to a JavaScript peer: store it as a string"
    )]
    InexactNumber(String),
    /// Larger than any backend takes.
    #[error("the arguments are {bytes} bytes of JSON; the limit is 880000")]
    TooLarge {
        /// The size of the canonical JSON.
        bytes: usize,
    },
}

/// A fact: who said it, its name and its arguments. Its place in the log is not part of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The identity that survives every rebase.
    pub id: EventId,
    /// The versioned name, such as `v1.TodoCreated`.
    pub name: Arc<str>,
    /// The arguments.
    pub args: Args,
}

impl Event {
    /// What tells it from an event of the same id and another content.
    pub fn fingerprint(&self) -> ChainHash {
        Head::ZERO.then(self).hash
    }

    /// About how many bytes it takes in a message, a journal or a log.
    pub fn bytes(&self) -> usize {
        // Four numbers of up to ten bytes each, and the lengths of name and arguments.
        const ID_BYTES: usize = 48;
        ID_BYTES + self.name.len() + self.args.as_str().len()
    }
}

/// Events that were committed together: all of them apply, or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "CommitParts", into = "CommitParts")]
pub struct Commit {
    lane: Lane,
    events: Arc<[Event]>,
}

#[derive(Serialize, Deserialize)]
struct CommitParts(Lane, Vec<Event>);

impl TryFrom<CommitParts> for Commit {
    type Error = InvalidCommit;

    fn try_from(CommitParts(lane, events): CommitParts) -> Result<Self, InvalidCommit> {
        Self::new(lane, events)
    }
}

impl From<Commit> for CommitParts {
    fn from(commit: Commit) -> Self {
        Self(commit.lane, commit.events.to_vec())
    }
}

impl Commit {
    /// Puts events together.
    ///
    /// # Errors
    /// [`InvalidCommit`] when there are none, or when they are not one session's with ascending `n` without gaps.
    pub fn new(lane: Lane, events: Vec<Event>) -> Result<Self, InvalidCommit> {
        if events.is_empty() {
            return Err(InvalidCommit::Empty);
        }
        for pair in events.windows(2) {
            let (left, right) = (&pair[0].id, &pair[1].id);
            if (left.client, left.session) != (right.client, right.session) {
                return Err(InvalidCommit::SeveralAuthors);
            }
            if left.n.checked_add(1) != Some(right.n) {
                return Err(InvalidCommit::Gap { before: left.n, after: right.n });
            }
        }
        Ok(Self { lane, events: events.into() })
    }

    /// The lane all its events belong to.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Its events, at least one.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The id of its first event, which names the commit.
    pub fn id(&self) -> EventId {
        self.events[0].id
    }

    /// The session that committed it.
    pub fn author(&self) -> SessionId {
        self.id().session
    }

    /// Its first event's `n`.
    pub fn first_n(&self) -> NonZeroU64 {
        self.id().n
    }

    /// Its last event's `n`.
    pub fn last_n(&self) -> NonZeroU64 {
        self.events[self.events.len() - 1].id.n
    }

    /// The id of its last event.
    pub fn last_id(&self) -> EventId {
        self.events[self.events.len() - 1].id
    }

    /// About how many bytes it takes in a message, a journal or a log.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(Event::bytes).sum()
    }

    /// One event by itself, as a backend returns it.
    pub fn single(lane: Lane, event: Event) -> Self {
        Self { lane, events: Arc::new([event]) }
    }

    /// Its events, each by itself.
    pub(crate) fn singles(&self) -> impl Iterator<Item = Self> + '_ {
        self.events.iter().map(|event| Self::single(self.lane, event.clone()))
    }

    /// Its first events, at least one, of which so many and so many bytes fit.
    pub(crate) fn first_that_fit(&self, events: usize, mut bytes: usize) -> Self {
        let fits = |event: &&Event| {
            let left = bytes.checked_sub(event.bytes());
            bytes = left.unwrap_or(0);
            left.is_some()
        };
        let count = self.events.iter().take(events).take_while(fits).count().max(1);
        Self { lane: self.lane, events: self.events[..count].into() }
    }

    /// What is left of it without its first `count` events; `None` when nothing is.
    #[must_use]
    pub fn without_first(&self, count: usize) -> Option<Self> {
        match count {
            0 => Some(self.clone()),
            _ if count >= self.events.len() => None,
            _ => Some(Self { lane: self.lane, events: self.events[count..].into() }),
        }
    }
}

/// Events that can't be one commit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidCommit {
    /// No events.
    #[error("a commit needs at least one event")]
    Empty,
    /// Events of more than one session.
    #[error("the events of a commit must come from one session")]
    SeveralAuthors,
    /// A number is missing or repeated.
    #[error("the events of a commit must be numbered without gaps: {after} follows {before}")]
    Gap {
        /// The event before the gap.
        before: NonZeroU64,
        /// The event after it.
        after: NonZeroU64,
    },
}
