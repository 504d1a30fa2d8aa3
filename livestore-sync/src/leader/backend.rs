//! The leader with a backend: what it hears goes to the log, and what the log lost and got goes to the sessions.

use std::{sync::Arc, time::Duration};

use super::{Leader, LeaderStorage};
use crate::{
    backend::{BackendStart, BackendStatus, FromBackend, ToBackend},
    event::{Commit, Lane, PerLane},
    id::EventId,
    message::{Attach, Refused, Tail, ToSession},
    upstream::{LeaderMerge, Upstream},
};

impl Leader {
    /// Gives the leader a backend, before anything else happens. What the log has beyond [`BackendStart::confirmed`] is
    /// pending from now on.
    pub fn set_backend(&mut self, start: BackendStart) {
        let (client, limits) = (self.config.client, self.config.limits.clone());
        self.upstream = Some(Upstream::new(client, limits, start));
    }

    /// How far the backend has the synced lane; `None` without a backend.
    pub fn confirmed(&self) -> Option<u64> {
        self.upstream.as_ref().map(|upstream| upstream.confirmed().number)
    }

    /// The commits of the log that the backend has not confirmed; none without a backend.
    pub fn unconfirmed(&self) -> impl Iterator<Item = &Commit> {
        self.upstream.iter().flat_map(Upstream::pending)
    }

    /// How the leader stands with its backend; `None` without one.
    pub fn backend_status(&self) -> Option<BackendStatus> {
        self.upstream.as_ref().map(Upstream::status)
    }

    /// Whether another page of the backend may be read; else it waits until merges have been written.
    pub fn has_room_for_pages(&self) -> bool {
        self.upstream.as_ref().is_none_or(Upstream::has_room)
    }

    /// Stops talking to the backend, or goes on.
    pub fn pause_backend(&mut self, paused: bool) {
        if let Some(upstream) = &mut self.upstream {
            upstream.pause(paused);
        }
    }

    /// Connects to the backend anew, without waiting: the network is another one, or the app has another token.
    pub fn retry_backend(&mut self) {
        if let Some(upstream) = &mut self.upstream {
            upstream.retry_now();
        }
    }

    /// Takes what the driver heard of the backend. Not between [`Leader::next_group`] or [`Leader::next_merge`] and
    /// [`Leader::finish`].
    ///
    /// # Errors
    /// The storage's when a read failed; the leader asks the backend again by itself.
    pub fn hear<S: LeaderStorage>(
        &mut self,
        now: Duration,
        message: FromBackend,
        storage: &S,
    ) -> Result<(), S::Error> {
        match &mut self.upstream {
            Some(upstream) if self.stopped.is_none() => upstream.hear(now, message, storage),
            _ => Ok(()),
        }
    }

    /// The next request to the backend. Poll until `None` after [`Leader::set_backend`], [`Leader::hear`],
    /// [`Leader::finish`], and when [`Leader::poll_timeout`] is reached; then ask [`Leader::next_merge`], as a commit that
    /// can't be sent goes to quarantine.
    #[must_use]
    pub fn poll_backend(&mut self, now: Duration) -> Option<ToBackend> {
        let stopped = self.stopped.is_some();
        self.upstream.as_mut().filter(|_| !stopped)?.poll(now)
    }

    /// What to write next of the backend's side. As with [`Leader::next_group`], the driver answers with
    /// [`Leader::finish`] before it does anything else with the machine; what it refuses are commits of
    /// [`LeaderMerge::reapply`].
    #[must_use]
    pub fn next_merge(&mut self, now: Duration) -> Option<LeaderMerge> {
        if self.stopped.is_some() || self.is_writing() || self.rests(now) {
            return None;
        }
        let (head, epoch) = (self.heads.synced, self.config.fence.epoch);
        self.merging = self.upstream.as_mut()?.next_merge(head, epoch);
        if self.merging.is_none() && self.waiting() == 0 {
            // What could not be written may never come again.
            self.stalled = None;
        }
        self.merging.clone()
    }

    pub(super) fn finish_merge(
        &mut self,
        now: Duration,
        merge: LeaderMerge,
        outcome: Result<Vec<Refused>, Arc<str>>,
    ) {
        let Some(upstream) = &mut self.upstream else { return };
        let before = upstream.confirmed().number;
        let mut refused = match outcome {
            Ok(refused) => refused,
            Err(reason) => {
                upstream.not_merged(now);
                return self.stall(now, reason);
            }
        };
        self.stalled = None;
        let failed: Vec<EventId> = refused.iter().map(|refused| refused.id).collect();
        upstream.merged(&failed);
        let quarantined = merge.quarantined.iter();
        refused.extend(
            quarantined.map(|(c, reason)| Refused { id: c.id(), reason: Arc::clone(reason) }),
        );
        if merge.confirmed.number < before {
            self.intake.forget_arrived();
        }
        for (id, fingerprint) in &merge.own {
            self.intake.arrived(*id, *fingerprint);
        }
        self.tell_merge(merge, &failed, refused);
    }

    fn tell_merge(&mut self, merge: LeaderMerge, failed: &[EventId], refused: Vec<Refused>) {
        let kept = merge.reapply.iter().filter(|commit| !failed.contains(&commit.id()));
        let end = kept.fold(merge.applied(), |head, commit| head.after(commit));
        let before = self.heads;
        self.heads.synced = end;
        self.config.fence.epoch = merge.epoch;
        let (fence, heads, confirmed) = (self.config.fence, self.heads, merge.confirmed.number);
        let parent = PerLane { synced: merge.parent, client_only: before.client_only };
        let tail = Tail { parent, commits: merge.apply };
        if merge.roll_back.is_empty() {
            let confirmed = Some(confirmed);
            self.broadcast(ToSession::Advance { fence, tail, refused, confirmed });
        } else {
            // What they carry is a state that the log no longer has.
            self.transfers.clear();
            self.broadcast(ToSession::Rebase { fence, before, tail, refused, heads, confirmed });
        }
    }

    /// Tells the sessions how the leader stands with its backend, if that has changed.
    pub(super) fn tell_status(&mut self) {
        let status = self.backend_status();
        if status != self.told
            && let Some(status) = status.clone()
        {
            let fence = self.config.fence;
            self.broadcast(ToSession::Backend { fence, status });
        }
        self.told = status;
    }

    /// Where the unconfirmed commits of the authors stand that a session names.
    pub(super) fn unconfirmed_of(&self, attach: &Attach) -> Vec<(EventId, u64)> {
        let Some(upstream) = &self.upstream else { return Vec::new() };
        let mut number = upstream.confirmed().number;
        let mut places = Vec::new();
        for commit in upstream.pending() {
            debug_assert_eq!(commit.lane(), Lane::Synced, "only synced commits are pending");
            number += commit.events().len() as u64;
            let named = |(author, from): &(crate::SessionId, std::num::NonZeroU64)| {
                *author == commit.author() && *from <= commit.last_n()
            };
            if attach.authors.iter().any(named) {
                places.push((commit.last_id(), number));
            }
        }
        places
    }
}
