//! Pushing: one batch at a time, from the front of pending, and only after a pull has reached the backend's end.

use std::{sync::Arc, time::Duration};

use super::Upstream;
use crate::{
    backend::{BackendLimits, Batch, Failure, ToBackend},
    event::Commit,
    id::EventId,
};

/// A push whose answer is due.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    push: u64,
    parent: u64,
    commits: Vec<Commit>,
    pub(super) give_up: Duration,
}

impl InFlight {
    fn bytes(&self) -> usize {
        self.commits.iter().map(Commit::bytes).sum()
    }
}

/// Commits of which one was refused without a word: they go one by one until it is found.
#[derive(Clone, Debug)]
pub(super) struct Blame {
    /// The last event of the first of them, and how often it was refused.
    first: EventId,
    refusals: u32,
    /// How many there are.
    commits: usize,
}

impl Upstream {
    pub(super) fn next_push(&mut self, now: Duration) -> Option<ToBackend> {
        let limits = self.backend_limits().filter(|_| self.is_current())?;
        let busy = self.in_flight.is_some()
            || self.underway.is_some()
            || self.decision.is_some()
            || !self.inbox.is_empty();
        if busy || self.pending.is_empty() {
            return None;
        }
        self.refuse_too_large(&limits);
        if !self.refused.is_empty() {
            return None;
        }
        let commits = self.next_batch(&limits);
        let push = self.next_number();
        let parent = self.confirmed.number;
        let batch = Batch { parent, backend: self.backend.clone(), commits: commits.clone() };
        let give_up = now + self.limits.answer;
        self.in_flight = Some(InFlight { push, parent, commits, give_up });
        Some(ToBackend::Push { push, batch })
    }

    /// As many whole commits as fit (and as a slow line takes), at least one; of a first one that does not fit as many events as do.
    fn next_batch(&self, limits: &BackendLimits) -> Vec<Commit> {
        let alone = self.blame.is_some();
        let (mut events, mut bytes) = (0, 0);
        let mut commits: Vec<Commit> = Vec::new();
        for commit in &self.pending {
            events += commit.events().len();
            bytes += commit.bytes();
            let slow = bytes > self.push_bytes && !commits.is_empty();
            if slow || events > limits.batch_events || bytes > limits.batch_bytes {
                break;
            }
            commits.push(commit.clone());
            if alone {
                break;
            }
        }
        if let (true, Some(first)) = (commits.is_empty(), self.pending.front()) {
            commits.push(first.first_that_fit(limits.batch_events, limits.batch_bytes));
        }
        commits
    }

    /// An event that the backend can't take stays here.
    fn refuse_too_large(&mut self, limits: &BackendLimits) {
        if let Some(first) = self.pending.front()
            && let Some(event) = first.events().iter().find(|e| e.bytes() > limits.event_bytes)
        {
            let (bytes, most) = (event.bytes(), limits.event_bytes);
            let reason = format!("an event of {bytes} bytes: the backend takes {most}");
            self.refused.insert(first.last_id(), reason.into());
        }
    }

    pub(super) fn expire_push(&mut self, now: Duration) {
        if self.in_flight.as_ref().is_some_and(|in_flight| in_flight.give_up <= now) {
            self.push_failed();
            let wait = self.retry.failed("the backend did not answer a push");
            self.pull_at(now + wait);
        }
    }

    /// A push that is under way is not waited for any more. The next one is half as large, until one is answered.
    pub(super) fn push_failed(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.push_bytes = in_flight.bytes() / 2;
        }
    }

    fn answered(&mut self, number: u64) -> Option<InFlight> {
        self.in_flight.take_if(|in_flight| in_flight.push == number)
    }

    /// The batch is in the backend's log: that is its echo, unless a page has brought it already.
    pub(super) fn on_pushed(&mut self, number: u64) {
        let Some(in_flight) = self.answered(number) else { return };
        // What a line has taken, it may take twice.
        self.push_bytes = self.push_bytes.max(in_flight.bytes().saturating_mul(2));
        let InFlight { parent, commits, .. } = in_flight;
        self.retry.succeeded();
        self.ahead_at = None;
        if let Some(blame) = &mut self.blame {
            blame.commits -= 1;
            blame.refusals = 0;
            if blame.commits == 0 {
                self.blame = None;
            }
        }
        if self.received == parent {
            let events = commits.iter().flat_map(Commit::events).cloned().collect();
            self.take(parent, events);
        }
    }

    pub(super) fn on_not_pushed(&mut self, now: Duration, number: u64, failure: &Failure) {
        let Some(in_flight) = self.answered(number) else { return };
        if matches!(failure, Failure::Unavailable { .. }) {
            self.push_bytes = in_flight.bytes() / 2;
        }
        let InFlight { parent, commits, .. } = in_flight;
        match failure {
            Failure::Changed => self.compare(now),
            Failure::ServerAhead { .. } => {
                // A backend that says so again, and has nothing new, is given time.
                let again = self.ahead_at.replace(parent) == Some(parent);
                let wait =
                    if again { self.retry.failed(&failure.to_string()) } else { Duration::ZERO };
                self.pull_at(now + wait);
            }
            Failure::Rejected { number, reason } => {
                if let Some(commit) = commit_at(&commits, parent, *number) {
                    self.refused.insert(commit.last_id(), Arc::clone(reason));
                    self.pull_at(now);
                } else {
                    self.refused_unknown(now, &commits, &failure.to_string());
                }
            }
            Failure::Unknown { reason } => self.refused_unknown(now, &commits, reason),
            Failure::Unavailable { reason } => {
                let wait = self.retry.failed(reason);
                self.pull_at(now + wait);
            }
        }
    }

    /// The next pull tells whether the backend has taken it all the same.
    fn refused_unknown(&mut self, now: Duration, commits: &[Commit], reason: &str) {
        let Some(first) = commits.first().map(Commit::last_id) else { return };
        match &mut self.blame {
            Some(blame) if blame.first == first => blame.refusals += 1,
            Some(blame) => {
                blame.first = first;
                blame.refusals = 1;
            }
            None => {
                let refusals = u32::from(commits.len() == 1);
                self.blame = Some(Blame { first, refusals, commits: commits.len() });
            }
        }
        let refusals = self.blame.as_ref().map_or(0, |blame| blame.refusals);
        if refusals >= self.limits.refusals {
            let reason = format!("refused, reason unknown: {reason}");
            self.refused.insert(first, reason.into());
            self.blame = None;
        }
        let wait = self.retry.failed(reason);
        self.pull_at(now + wait);
    }
}

/// The commit that holds event `number` of a batch.
fn commit_at(commits: &[Commit], parent: u64, number: u64) -> Option<&Commit> {
    let mut last = parent;
    commits.iter().find(|commit| {
        let first = last + 1;
        last += commit.events().len() as u64;
        (first..=last).contains(&number)
    })
}
