//! A session whose leader has a backend: what is confirmed, and how it follows when the leader rolls back.

use std::time::Duration;

use super::{Outcome, Session, Work, attach::Has, receive::refusal};
use crate::{
    backend::{BackendStatus, ConnectionStatus},
    event::{Commit, Lane, PerLane},
    head::Head,
    id::EventId,
    merge::{Merge, MergeError, merge},
    message::{Refused, Tail},
};

/// How far a session, its leader and their backend have the synced events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncStatus {
    /// How far the session's state goes, its pending commits included.
    pub session: u64,
    /// How far the leader's log goes, as far as the session knows it.
    pub leader: u64,
    /// How far the backend has that log; `None` without a backend.
    pub confirmed: Option<u64>,
    /// How the leader stands with its backend; `None` without one.
    pub backend: Option<BackendStatus>,
    /// Whether the backend has everything that was committed here, and this session everything the backend has. Never
    /// without a backend.
    pub is_synced: bool,
}

impl Session {
    /// How far everybody is.
    pub fn sync_status(&self) -> SyncStatus {
        let (session, leader) = (self.heads().synced.number, self.upstream().synced.number);
        let current = self.backend.as_ref().is_some_and(|status| {
            status.connection == ConnectionStatus::Current && status.behind == 0
        });
        let is_synced = current && self.confirmed == Some(leader) && session == leader;
        let backend = self.backend().cloned();
        SyncStatus { session, leader, confirmed: self.confirmed, backend, is_synced }
    }

    /// Up to which number the backend has the leader's log; `None` without a backend.
    pub fn confirmed(&self) -> Option<u64> {
        self.confirmed
    }

    /// How the leader stands with its backend; `None` without one.
    pub fn backend(&self) -> Option<&BackendStatus> {
        self.backend.as_ref().filter(|_| self.confirmed.is_some())
    }

    /// Whether the commit that ends with this event of its own is in the log, and waits for the backend's word.
    pub fn is_unconfirmed(&self, last: EventId) -> bool {
        self.logged.is_awaited(last)
    }

    /// How many synced events the backend has not confirmed, as far as this session knows them.
    pub fn unconfirmed_events(&self) -> usize {
        let synced = self.pending.commits().filter(|commit| commit.lane() == Lane::Synced);
        self.logged.events() + synced.map(|commit| commit.events().len()).sum::<usize>()
    }

    /// Merges what follows upstream, and tells which undo records can go.
    pub(super) fn take_tail(
        &mut self,
        now: Duration,
        tail: &Tail,
        gone: &[EventId],
        refused: &[Refused],
    ) -> Result<Vec<Merge>, MergeError> {
        let merged = self.pending.merge(tail, gone);
        let mut merges = self.take_side(now, merged)?;
        self.settle(now, &merges, refused);
        for merge in &mut merges {
            let arrived = merge.confirmed.iter().chain(&merge.apply);
            match merge.lane {
                Lane::Synced => arrived.for_each(|commit| self.logged.push(commit.clone())),
                Lane::ClientOnly => merge.forget = arrived.cloned().collect(),
            }
        }
        self.confirm(&mut merges);
        Ok(merges)
    }

    /// What the backend has confirmed will not be rolled back; without a backend that is all of the log.
    fn confirm(&mut self, merges: &mut Vec<Merge>) {
        let number = self.confirmed.unwrap_or(u64::MAX);
        let forget = self.logged.confirm(number, self.config.limits.undo_events);
        if !forget.is_empty() {
            let lane = Lane::Synced;
            match merges.iter_mut().find(|merge| merge.lane == lane) {
                Some(merge) => merge.forget = forget,
                None => merges.push(Merge { forget, ..Merge::nothing(lane) }),
            }
        }
        for last in self.confirmed.map(|number| self.logged.confirmed(number)).unwrap_or_default() {
            self.tell(last, Outcome::Confirmed);
        }
    }

    /// Follows its leader, which has rolled back to the tail's parent.
    pub(super) fn on_rebase(
        &mut self,
        now: Duration,
        before: PerLane<Head>,
        tail: &Tail,
        refused: &[Refused],
        heads: PerLane<Head>,
    ) -> Result<Vec<Work>, MergeError> {
        let at = tail.parent.synced;
        let logged = (before == self.upstream()).then(|| self.logged.after(at)).flatten();
        let Some(logged) = logged else {
            self.rebase_missed(now, before);
            return Ok(Vec::new());
        };
        let ids: Vec<EventId> = refused.iter().map(|refused| refused.id).collect();
        let unlogged = self.pending.commits().filter(|commit| commit.lane() == Lane::Synced);
        let moved: Vec<Commit> = logged.iter().chain(unlogged).cloned().collect();
        let merged = merge(Lane::Synced, &moved, &tail.commits, &ids);
        let mut plan = self.take_side(now, merged)?;
        let is_logged = |commit: &Commit| logged.iter().any(|l| l.last_id() == commit.last_id());
        let count = plan.reapply.iter().take_while(|commit| is_logged(commit)).count();
        let relogged: Vec<Commit> = plan.reapply.drain(..count).collect();
        let came = plan.confirmed.iter().chain(&plan.apply).chain(&relogged);
        let end = came.fold(at, |head, commit| head.after(commit));
        let whole = plan.roll_back.len() + plan.confirmed.len() == moved.len();
        if end != heads.synced || !whole {
            // The leader has done something else with what this session has.
            self.rebase_missed(now, before);
            return Ok(Vec::new());
        }
        self.settle_rebased(now, &plan, &logged, refused);
        self.pending.follow(&plan, heads);
        self.logged.cut(at);
        plan.apply.extend(relogged);
        let came = plan.confirmed.iter().chain(&plan.apply);
        came.for_each(|commit| self.logged.push(commit.clone()));
        let mut merges = vec![plan];
        self.confirm(&mut merges);
        self.ask_after_missed(now);
        Ok(vec![Work::Merge(merges)])
    }

    /// The session can't follow: it goes on from a new snapshot, or from where its leader's log still knows it.
    fn rebase_missed(&mut self, now: Duration, before: PerLane<Head>) {
        if before == self.upstream() {
            self.state_lost(now);
        } else {
            self.attach_again(now);
        }
    }

    /// Tells what a rebase has settled: commits of the log were told to be persisted before.
    fn settle_rebased(
        &mut self,
        now: Duration,
        plan: &Merge,
        logged: &[Commit],
        refused: &[Refused],
    ) {
        let was_logged = |commit: &Commit| logged.iter().any(|l| l.id() == commit.id());
        let of_pending = |commits: &[Commit]| -> Vec<Commit> {
            commits.iter().filter(|commit| !was_logged(commit)).cloned().collect()
        };
        for commit in plan.refused.iter().filter(|commit| was_logged(commit)) {
            if self.logged.is_awaited(commit.last_id()) {
                self.logged.stop_awaiting(commit.last_id());
                self.tell(commit.last_id(), refusal(commit, refused));
            }
        }
        let pending = Merge {
            confirmed: of_pending(&plan.confirmed),
            echoed: of_pending(&plan.echoed),
            refused: of_pending(&plan.refused),
            ..Merge::nothing(Lane::Synced)
        };
        self.settle(now, &[pending], refused);
    }

    /// After an attach: what became of the commits whose confirmation is awaited, and where the others stand.
    pub(super) fn place_awaited(
        &mut self,
        has: &Has<'_>,
        refused: &[Refused],
        unconfirmed: &[(EventId, u64)],
    ) {
        let awaited: Vec<Commit> = self.logged.awaited().map(|a| a.commit.clone()).collect();
        for commit in awaited {
            let id = commit.last_id();
            // Persisted after the attach was sent, or by an author that it did not name.
            if let Some((_, number)) = unconfirmed.iter().find(|(known, _)| *known == id) {
                self.logged.place(id, *number);
            } else if has.tells_of(commit.author()) {
                let in_quarantine =
                    refused.iter().any(|r| commit.events().iter().any(|event| event.id == r.id));
                let has = has.left_of(&commit).is_none();
                self.logged.stop_awaiting(id);
                let outcome = if has && !in_quarantine && self.confirmed.is_some() {
                    Outcome::Confirmed
                } else {
                    refusal(&commit, refused)
                };
                if self.confirmed.is_some() {
                    self.tell(id, outcome);
                }
            }
        }
    }

    fn tell(&mut self, last: EventId, outcome: Outcome) {
        self.settled.push_back(super::Settled { last, outcome });
    }
}
