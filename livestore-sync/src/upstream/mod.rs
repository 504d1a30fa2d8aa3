//! The leader machine, its side towards the backend: what is confirmed, what is pending, and what to ask next.
//!
//! The log's synced lane is a confirmed stretch, which the backend has under the same numbers, and a pending tail. What
//! a backend says is merged into the tail by the one [`crate::merge`]; the driver executes a [`LeaderMerge`] and moves
//! log, cursor and pending in one transaction. The rules that make this safe:
//!
//! 1. Nothing is pushed before a pull has reached the backend's end, and one push is under way at a time. So a push
//!    whose answer got lost, a batch that was refused and a backend that is ahead are all settled the same way: by the
//!    next pull, in which what the backend has taken comes back.
//! 2. Every pull starts one event early, at the last confirmed one. If that is not what comes back, the backend was
//!    restored, replaced or rewound: its log is compared from the start, and the app's policy decides
//!    ([`crate::OnBackendChanged`]).
//! 3. Pages are taken by number: what is known is skipped, a gap is asked for again.
//! 4. Time only adds up here: a clock that is set back stops nothing.
//!
//! Invariants: `confirmed` is a place in the log, `pending` is what the log has after it, and no commit stands across
//! it; `received` is `confirmed`, plus what is being merged, plus the inbox.
//!
//! Deliberately not here: sessions ([`crate::Leader`] tells them), connections and encodings (the driver).

mod connection;
mod identity;
mod plan;
mod pull;
mod push;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    backend::{
        BackendId, BackendLimits, BackendStart, BackendStatus, ConnectionStatus, FromBackend,
        OnBackendChanged, ToBackend,
    },
    event::{Commit, Event},
    head::Head,
    id::{ClientId, EventId},
    leader::LeaderStorage,
    limits::Limits,
};
use connection::{Clock, Link, Retry};
use identity::{Decision, Identity};
pub use plan::LeaderMerge;
use plan::Underway;
use push::{Blame, InFlight};

/// One leader's side of one backend.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    client: ClientId,
    limits: Limits,
    on_changed: OnBackendChanged,
    backend: Option<BackendId>,
    confirmed: Head,
    anchor: Option<Event>,
    pending: VecDeque<Commit>,

    clock: Clock,
    retry: Retry,
    link: Link,
    paused: bool,
    /// The driver has to be told that the connection is given up.
    hangs_up: bool,
    /// Connections, pulls and pushes so far; each has a number of its own.
    asked: u64,

    identity: Identity,
    decision: Option<Decision>,
    inbox: VecDeque<Event>,
    received: u64,
    remaining: u64,
    in_flight: Option<InFlight>,
    blame: Option<Blame>,
    /// The backend's end was read over this connection, and nothing says that there is more since.
    has_all: bool,
    /// How many bytes a push may have; less after one that found no answer, as a slow line may need smaller ones.
    push_bytes: usize,
    /// Where the log stood when the backend last said that it was ahead.
    ahead_at: Option<u64>,
    /// Commits, by one of their events, that the backend does not take, and why; the next pull has the last word.
    refused: BTreeMap<EventId, Arc<str>>,
    underway: Option<Underway>,
    /// The backend's name has to be written.
    name_is_new: bool,
}

impl Upstream {
    pub(crate) fn new(client: ClientId, limits: Limits, start: BackendStart) -> Self {
        Self {
            client,
            retry: Retry::new(start.seed, &limits),
            limits,
            on_changed: start.on_changed,
            backend: start.backend,
            confirmed: start.confirmed,
            anchor: start.anchor,
            pending: start.pending.into(),
            clock: Clock::default(),
            link: Link::Down { due: Duration::ZERO },
            paused: false,
            hangs_up: false,
            asked: 0,
            identity: Identity::Anchor,
            decision: None,
            inbox: VecDeque::new(),
            received: start.confirmed.number,
            remaining: 0,
            in_flight: None,
            blame: None,
            has_all: false,
            push_bytes: usize::MAX,
            ahead_at: None,
            refused: BTreeMap::new(),
            underway: None,
            name_is_new: false,
        }
    }

    /// How far the backend has the log.
    pub(crate) fn confirmed(&self) -> Head {
        self.confirmed
    }

    /// What the log has after that.
    pub(crate) fn pending(&self) -> impl ExactSizeIterator<Item = &Commit> {
        self.pending.iter()
    }

    /// Whether another page may be read for the leader; else the driver lets the backend wait.
    pub(crate) fn has_room(&self) -> bool {
        self.inbox.len() < self.limits.inbox_events
    }

    /// The log has got synced commits of sessions.
    pub(crate) fn appended(&mut self, commits: impl IntoIterator<Item = Commit>) {
        self.pending.extend(commits);
    }

    pub(crate) fn status(&self) -> BackendStatus {
        let connection = match &self.link {
            Link::Stopped => ConnectionStatus::Stopped,
            _ if self.paused => ConnectionStatus::Paused,
            Link::Down { .. } | Link::Connecting { .. } => ConnectionStatus::Offline,
            // Asking again from time to time is no news.
            Link::Up { .. } if self.has_all => ConnectionStatus::Current,
            Link::Up { .. } => ConnectionStatus::CatchingUp,
        };
        let behind = self.received - self.confirmed.number + self.remaining;
        BackendStatus { connection, behind, error: self.retry.error() }
    }

    /// Takes what the driver heard.
    ///
    /// # Errors
    /// The storage's when a read failed: the pull that it was for is made again.
    pub(crate) fn hear<S: LeaderStorage>(
        &mut self,
        now: Duration,
        message: FromBackend,
        storage: &S,
    ) -> Result<(), S::Error> {
        let now = self.clock.tick(now);
        match message {
            FromBackend::Connected { connection, limits } => {
                self.on_connected(now, connection, limits);
            }
            FromBackend::Lost { connection, reason } => self.on_lost(now, connection, &reason),
            FromBackend::Page { pull, page } => return self.on_page(now, pull, page, storage),
            FromBackend::NotPulled { pull, failure } => self.on_not_pulled(now, pull, &failure),
            FromBackend::Pushed { push } => self.on_pushed(push),
            FromBackend::NotPushed { push, failure } => self.on_not_pushed(now, push, &failure),
        }
        Ok(())
    }

    /// The next request, if one is due.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<ToBackend> {
        let now = self.clock.tick(now);
        self.expire(now);
        if std::mem::take(&mut self.hangs_up) {
            return Some(ToBackend::Disconnect);
        }
        let request = self.next_connect(now);
        request.or_else(|| self.next_pull(now)).or_else(|| self.next_push(now))
    }

    /// When to poll again though nothing has happened.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let push = self.in_flight.as_ref().map(|in_flight| in_flight.give_up);
        let due = self.next_due().into_iter().chain(push).min()?;
        Some(self.clock.at(due))
    }

    /// Whether something waits to be written before the backend can be asked.
    fn is_deciding(&self) -> bool {
        self.underway.is_some() || self.decision.is_some()
    }

    fn next_number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn backend_limits(&self) -> Option<BackendLimits> {
        match &self.link {
            Link::Up { limits, .. } => Some(*limits),
            _ => None,
        }
    }

    /// Checks the invariants of the module's header against the log's head.
    pub(crate) fn check_invariants(&self, head: Head) -> Result<(), String> {
        let end = self.pending.iter().fold(self.confirmed, |head, commit| head.after(commit));
        if end != head {
            return Err(format!("pending ends at {end}, the log at {head}"));
        }
        let number = self.anchor.as_ref().map_or(0, |_| 1);
        if number != self.confirmed.number.min(1) {
            return Err(format!("at {} the anchor is {:?}", self.confirmed, self.anchor));
        }
        let merging = self.underway.as_ref().map_or(0, Underway::arriving);
        let received = self.confirmed.number + merging + self.inbox.len() as u64;
        if received != self.received {
            return Err(format!("{} is received, there are {received}", self.received));
        }
        Ok(())
    }
}
