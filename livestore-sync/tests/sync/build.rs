//! Short ways to write events, commits and heads.

use std::num::NonZeroU64;

use livestore_sync::{
    Args, ClientId, Commit, Event, EventId, Head, Lane, PerLane, SessionId, TabId, Tail,
};

pub(crate) const CLIENT: ClientId = ClientId(1);

pub(crate) fn session(open: u64) -> SessionId {
    SessionId { tab: TabId(open), open }
}

pub(crate) fn id(open: u64, n: u64) -> EventId {
    let n = NonZeroU64::new(n).expect("n starts at 1");
    EventId { client: CLIENT, session: session(open), n }
}

pub(crate) fn event(open: u64, n: u64, args: &str) -> Event {
    let args = Args::parse(args).expect("the test's arguments are JSON");
    Event { id: id(open, n), name: "v1.Happened".into(), args }
}

/// Session `open`'s events `first..=last` as one commit.
pub(crate) fn commit_in(lane: Lane, open: u64, first: u64, last: u64) -> Commit {
    let events = (first..=last).map(|n| event(open, n, "{}")).collect();
    Commit::new(lane, events).expect("the test's commit is well-formed")
}

pub(crate) fn commit(open: u64, first: u64, last: u64) -> Commit {
    commit_in(Lane::Synced, open, first, last)
}

pub(crate) fn zero() -> PerLane<Head> {
    PerLane { synced: Head::ZERO, client_only: Head::ZERO }
}

pub(crate) fn tail(parent: PerLane<Head>, commits: &[Commit]) -> Tail {
    Tail { parent, commits: commits.to_vec() }
}
