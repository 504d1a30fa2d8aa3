//! How a session gets a leader's log: attach, snapshot, tail.

use std::time::Duration;

use super::{Outbox, Outcome, Session, Work, receive::refusal};
use crate::{
    event::{Commit, Event, Lane, PerLane},
    head::{ChainHash, Head},
    id::{EventId, SessionId},
    limits::Limits,
    merge::{Merge, MergeError},
    message::{Attached, Fence, Refused, SnapshotChunk, ToLeader},
};

/// Where the session stands with its leader.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// An attach is due, or its answer is.
    Attaching { attempt: u64, due: Duration, wait: Duration },
    /// A snapshot is arriving.
    Loading(Loading),
    /// What the leader writes arrives by itself.
    Attached,
}

/// A snapshot on its way.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    attempt: u64,
    fence: Fence,
    snapshot: u64,
    received: u32,
    bytes: Vec<u8>,
    pub(super) due: Duration,
    /// How often the last chunk has been asked for.
    asked: u32,
}

impl Link {
    pub(super) fn attaching(attempt: u64, now: Duration, limits: &Limits) -> Self {
        Self::Attaching { attempt, due: now, wait: limits.resend }
    }

    /// Whether an answer to `attempt` is welcome.
    pub(super) fn awaits(&self, attempt: u64) -> bool {
        match self {
            Self::Attaching { attempt: current, .. } => *current == attempt,
            Self::Loading(loading) => loading.attempt == attempt,
            Self::Attached => false,
        }
    }
}

impl Session {
    /// Starts a new attempt: what the session would say has changed since the last one.
    pub(super) fn attach_again(&mut self, now: Duration) {
        self.attempts += 1;
        self.link = Link::attaching(self.attempts, now, &self.config.limits);
    }

    /// Asks for a state in the place of a lost one: at once the first time, then after a growing while, as what could
    /// not be used will come again.
    pub(super) fn attach_after_loss(&mut self, now: Duration) {
        self.attach_again(now);
        let Limits { resend, resend_max, .. } = self.config.limits;
        if let (Link::Attaching { due, .. }, Some(again)) =
            (&mut self.link, self.losses.checked_sub(1))
        {
            *due = now + resend.saturating_mul(1 << again.min(16)).min(resend_max);
        }
        self.losses = self.losses.saturating_add(1);
    }

    /// Asks at once: there is a new leader.
    pub(super) fn attach_now(&mut self, now: Duration) {
        match &mut self.link {
            Link::Attaching { due, wait, .. } => {
                *due = now;
                *wait = self.config.limits.resend;
            }
            _ => self.attach_again(now),
        }
    }

    /// Asks again for the rest of a snapshot, a few times.
    pub(super) fn expire_loading(&mut self, now: Duration) {
        const ATTEMPTS: u32 = 5;
        let Link::Loading(loading) = &mut self.link else { return };
        if loading.due > now {
            return;
        }
        if loading.asked >= ATTEMPTS {
            return self.attach_again(now);
        }
        loading.asked += 1;
        loading.due = now + self.config.limits.resend;
        let ack = ToLeader::SnapshotAck {
            from: self.config.id,
            fence: loading.fence,
            snapshot: loading.snapshot,
            received: loading.received,
        };
        self.control.push_back(ack);
        self.unanswered_since.get_or_insert(now);
    }

    pub(super) fn on_chunk(&mut self, now: Duration, chunk: &SnapshotChunk) -> Vec<Work> {
        let due = now + self.config.limits.resend;
        let fresh = match &self.link {
            Link::Loading(loading) => {
                (loading.fence, loading.snapshot) != (chunk.fence, chunk.snapshot)
            }
            _ => true,
        };
        if fresh && chunk.chunk == 0 {
            self.link = Link::Loading(Loading {
                attempt: chunk.attempt,
                fence: chunk.fence,
                snapshot: chunk.snapshot,
                received: 0,
                bytes: Vec::new(),
                due,
                asked: 0,
            });
        }
        let Link::Loading(loading) = &mut self.link else { return Vec::new() };
        let expected = (loading.fence, loading.snapshot, loading.received);
        if (chunk.fence, chunk.snapshot, chunk.chunk) != expected {
            return Vec::new();
        }
        loading.bytes.extend_from_slice(&chunk.bytes);
        loading.received += 1;
        loading.due = due;
        loading.asked = 0;
        let received = loading.received;
        self.control.push_back(ToLeader::SnapshotAck {
            from: self.config.id,
            fence: chunk.fence,
            snapshot: chunk.snapshot,
            received,
        });
        if received < chunk.of {
            return Vec::new();
        }
        let snapshot = std::mem::take(&mut loading.bytes);
        vec![self.on_snapshot(now, snapshot, chunk)]
    }

    fn on_snapshot(&mut self, now: Duration, snapshot: Vec<u8>, chunk: &SnapshotChunk) -> Work {
        let has = Has { last: &chunk.last, arrived: &chunk.arrived };
        for commit in self.pending.move_to(chunk.heads, |commit| has.left_of(commit)) {
            let outcome = if chunk.refused.iter().any(|refused| refused.id == commit.id()) {
                refusal(&commit, &chunk.refused)
            } else {
                if commit.lane() == Lane::Synced {
                    self.logged.awaits(&commit);
                }
                Outcome::Persisted
            };
            self.settle_one(now, &commit, outcome);
        }
        self.forget_settled_authors();
        self.logged.restart(chunk.heads.synced);
        self.sound = true;
        self.attach_again(now);
        Work::Load { snapshot, reapply: self.pending.commits().cloned().collect() }
    }

    pub(super) fn on_no_snapshot(&mut self, now: Duration) -> Work {
        self.pending
            .move_to(PerLane { synced: Head::ZERO, client_only: Head::ZERO }, |c| Some(c.clone()));
        self.logged.restart(Head::ZERO);
        self.sound = true;
        self.attach_again(now);
        Work::Reset { reapply: self.pending.commits().cloned().collect() }
    }

    pub(super) fn on_attached(
        &mut self,
        now: Duration,
        attached: Attached,
    ) -> Result<Vec<Work>, MergeError> {
        let Attached {
            tail,
            more,
            last,
            refused,
            arrived,
            documents,
            documents_count,
            confirmed,
            unconfirmed,
            backend,
            ..
        } = attached;
        if !self.sound || tail.parent != self.upstream() {
            self.attach_again(now);
            return Ok(Vec::new());
        }
        // A complete tail is the leader's last word: what it has of an author and is not in the tail was refused.
        let settled =
            |commit: &&Commit| !more && commit.last_n().get() <= last_of(&last, commit.author());
        let gone: Vec<EventId> = self.pending.commits().filter(settled).map(Commit::id).collect();
        self.confirmed = confirmed;
        let mut merges = self.take_tail(now, &tail, &gone, &refused)?;
        if more {
            self.attach_again(now);
            return Ok(merge_work(merges));
        }

        self.link = Link::Attached;
        self.losses = 0;
        self.opened = true;
        self.documents_seen = documents_count;
        self.stalled = None;
        self.other_protocol = None;
        self.ping_due = now + self.config.limits.ping;
        self.backend = backend;
        let has = Has { last: &last, arrived: &arrived };
        self.place_parked(now, &has, &refused, &mut merges);
        self.place_awaited(&has, &refused, &unconfirmed);
        self.restart_outboxes(&last);
        let told = |commit: &Commit| last.iter().any(|(author, _)| *author == commit.author());
        if !self.parked.iter().all(told) {
            // Adopted after this attempt had been sent.
            self.attach_again(now);
        }
        let mut work = merge_work(merges);
        work.extend(self.take_documents(documents));
        Ok(work)
    }

    /// Settles the adopted commits that the leader has, and makes the others pending.
    fn place_parked(
        &mut self,
        now: Duration,
        has: &Has<'_>,
        refused: &[Refused],
        merges: &mut Vec<Merge>,
    ) {
        for commit in std::mem::take(&mut self.parked) {
            let author = commit.author();
            if !has.tells_of(author) {
                self.parked.push(commit);
                continue;
            }
            match has.left_of(&commit) {
                None if refused.iter().any(|refused| refused.id == commit.id()) => {
                    self.settle_one(now, &commit, refusal(&commit, refused));
                }
                None => {
                    self.settle_one(now, &commit, Outcome::Persisted);
                    if commit.lane() == Lane::Synced && self.confirmed.is_some() {
                        self.logged.awaits(&commit);
                    }
                }
                Some(left) => {
                    let before = self.pending.last_n(author);
                    let follows = before.is_none_or(|before| before + 1 == left.first_n().get());
                    if follows && self.pending.push(left.clone()).is_ok() {
                        reapply(merges, left);
                    } else {
                        // From a newer journal of an author whose older one is still pending: waits until that is
                        // settled.
                        self.parked.push(left);
                    }
                }
            }
        }
        self.forget_settled_authors();
    }

    /// Everything still pending is unknown to this leader: it is all sent again.
    fn restart_outboxes(&mut self, last: &[(SessionId, u64)]) {
        for (author, outbox) in &mut self.outboxes {
            let mut commits = self.pending.commits().chain(&self.parked);
            let first = commits.find(|commit| commit.author() == *author);
            let known = outbox.acknowledged.max(last_of(last, *author));
            let acknowledged = first.map_or(known, |commit| commit.first_n().get() - 1);
            Outbox::restart(outbox, acknowledged, &self.config.limits);
        }
        self.documents.resend_all();
    }
}

/// What a leader has said of the authors that the session named.
pub(super) struct Has<'a> {
    pub(super) last: &'a [(SessionId, u64)],
    pub(super) arrived: &'a [(EventId, ChainHash)],
}

impl Has<'_> {
    pub(super) fn tells_of(&self, author: SessionId) -> bool {
        self.last.iter().any(|(known, _)| *known == author)
    }

    /// What is left of a commit without what the log (or the quarantine) has of it from its first event on.
    pub(super) fn left_of(&self, commit: &Commit) -> Option<Commit> {
        let last = last_of(self.last, commit.author());
        let there = |event: &&Event| {
            event.id.n.get() <= last || self.arrived.contains(&(event.id, event.fingerprint()))
        };
        commit.without_first(commit.events().iter().take_while(there).count())
    }
}

fn last_of(last: &[(SessionId, u64)], author: SessionId) -> u64 {
    last.iter().find(|(known, _)| *known == author).map_or(0, |(_, n)| *n)
}

fn merge_work(merges: Vec<Merge>) -> Vec<Work> {
    if merges.is_empty() { Vec::new() } else { vec![Work::Merge(merges)] }
}

/// Adds a commit to what is applied last in its lane.
fn reapply(merges: &mut Vec<Merge>, commit: Commit) {
    let lane: Lane = commit.lane();
    match merges.iter_mut().find(|merge| merge.lane == lane) {
        Some(merge) => merge.reapply.push(commit),
        None => merges.push(Merge { reapply: vec![commit], ..Merge::nothing(lane) }),
    }
}
