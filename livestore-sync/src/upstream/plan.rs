//! What the driver writes for the backend's side, and what the machine knows afterwards.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{Identity, Upstream, identity::Decision};
use crate::{
    backend::BackendId,
    event::{Commit, Event, Lane},
    head::{ChainHash, Head},
    id::EventId,
    merge::{Merge, merge},
};

/// What the driver does to the synced lane, in one transaction of the log and one of the state.
///
/// On the state: back to `parent` (undo `roll_back`, newest first; or, without undo records, fold the log up to there);
/// `apply`, event by event, those that fail without effect, and listed; `reapply`, commit by commit, those that fail
/// deterministically to quarantine. On the log: delete what follows `parent`; append what was applied; and all the
/// other fields. A confirmed event needs no undo record, a pending commit does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderMerge {
    /// Up to here the lane stays as it is.
    pub parent: Head,
    /// What follows there now, newest first.
    pub roll_back: Vec<Commit>,
    /// Confirmed events to append then.
    pub apply: Vec<Commit>,
    /// Pending commits to append at last, under new numbers.
    pub reapply: Vec<Commit>,
    /// Commits of `roll_back` that go to quarantine, and why.
    pub quarantined: Vec<(Commit, Arc<str>)>,
    /// Events that the backend has, and their fingerprints: what of them is in quarantine leaves it.
    pub arrived: Vec<(EventId, ChainHash)>,
    /// Those of them that bear the names of this client's sessions. Anybody can write such a name; so they are kept
    /// beside the last `n` of each author, which only what its session pushes moves.
    pub own: Vec<(EventId, ChainHash)>,
    /// How far the lane is confirmed from now on: the cursor of the next pull.
    pub confirmed: Head,
    /// The backend's name, to be kept beside it.
    pub backend: Option<BackendId>,
    /// How often this log was rolled back; to be persisted.
    pub epoch: u64,
}

impl LeaderMerge {
    /// Where the lane ends afterwards, but for commits of `reapply` that fail.
    pub fn applied(&self) -> Head {
        self.apply.iter().fold(self.parent, |head, commit| head.after(commit))
    }
}

/// A merge that the driver executes.
#[derive(Clone, Debug)]
pub(super) struct Underway {
    backend: Option<BackendId>,
    confirmed: Head,
    anchor: Option<Event>,
    /// How many events come from the backend.
    arriving: u64,
    /// Pending commits that stay where they are.
    stay: VecDeque<Commit>,
    reapply: Vec<Commit>,
    decided: bool,
}

impl Underway {
    pub(super) fn arriving(&self) -> u64 {
        self.arriving
    }
}

impl Upstream {
    /// The next merge to execute on a lane that ends at `head`.
    pub(crate) fn next_merge(&mut self, head: Head, epoch: u64) -> Option<LeaderMerge> {
        if self.underway.is_some() {
            return None;
        }
        if let Some(decision) = self.decision.clone() {
            return Some(self.execute(decision, epoch));
        }
        let merge = if self.inbox.is_empty() { None } else { Some(self.merge_inbox(head, epoch)) };
        merge.or_else(|| self.refuse(head, epoch)).or_else(|| self.write_name(head, epoch))
    }

    /// The first events of the inbox against what is pending.
    fn merge_inbox(&mut self, head: Head, epoch: u64) -> LeaderMerge {
        let mut ids = HashSet::new();
        let mut incoming: Vec<Commit> = Vec::new();
        // A peer may have an event twice: its second time is another merge, which has nothing pending to confirm.
        while let Some(event) = self.inbox.front()
            && incoming.len() < self.limits.merge_events
            && ids.insert(event.id)
        {
            incoming
                .extend(self.inbox.pop_front().map(|event| Commit::single(Lane::Synced, event)));
        }
        let pending: Vec<Commit> = self.pending.iter().cloned().collect();
        let (merge, contradicted) = match merge(Lane::Synced, &pending, &incoming, &[]) {
            Ok(merge) => (merge, Vec::new()),
            Err(error) => take_side(&pending, &incoming, &error.to_string()),
        };
        let confirmed = incoming.iter().fold(self.confirmed, |head, commit| head.after(commit));
        let events = incoming.iter().flat_map(Commit::events);
        let arrived: Vec<_> = events.map(|event| (event.id, event.fingerprint())).collect();
        let own = arrived.iter().filter(|(id, _)| id.client == self.client).copied().collect();
        let anchor = incoming.last().and_then(|commit| commit.events().last()).cloned();
        let plan = LeaderMerge {
            quarantined: contradicted,
            arrived,
            own,
            ..self.plan_of(merge, head, epoch)
        };
        self.begin(plan, confirmed, anchor, incoming.len() as u64)
    }

    /// Once the backend's end was read, what it has refused is really not in it.
    fn refuse(&mut self, head: Head, epoch: u64) -> Option<LeaderMerge> {
        if self.refused.is_empty() || self.in_flight.is_some() || !self.is_current() {
            return None;
        }
        let refused = std::mem::take(&mut self.refused);
        let pending: Vec<Commit> = self.pending.iter().cloned().collect();
        let reason = |commit: &Commit| {
            commit.events().iter().rev().find_map(|event| refused.get(&event.id).cloned())
        };
        let ids: Vec<EventId> =
            pending.iter().filter(|commit| reason(commit).is_some()).map(Commit::id).collect();
        if ids.is_empty() {
            return None;
        }
        let merge = merge(Lane::Synced, &pending, &[], &ids).ok()?;
        let taken = merge.refused.iter().filter_map(|c| Some((c.clone(), reason(c)?)));
        let quarantined = taken.collect();
        let plan = LeaderMerge { quarantined, ..self.plan_of(merge, head, epoch) };
        Some(self.begin(plan, self.confirmed, self.anchor.clone(), 0))
    }

    fn write_name(&mut self, head: Head, epoch: u64) -> Option<LeaderMerge> {
        let plan =
            self.name_is_new.then(|| self.plan_of(Merge::nothing(Lane::Synced), head, epoch));
        plan.map(|plan| self.begin(plan, self.confirmed, self.anchor.clone(), 0))
    }

    /// The app's policy, on a backend that has lost what follows `decision.at`.
    fn execute(&mut self, decision: Decision, epoch: u64) -> LeaderMerge {
        let Decision { keep, at, lost, anchor, backend } = decision;
        let rows: Vec<Commit> = lost.iter().chain(&self.pending).cloned().collect();
        let moves = |(index, commit): (usize, &Commit)| {
            index < lost.len() && (commit.id().is_foreign() || commit.events().len() > 1)
        };
        let stays = if keep { rows.iter().enumerate().position(moves) } else { Some(0) };
        let stays = stays.unwrap_or(rows.len());
        let (stay, go) = rows.split_at(stays);
        let (mut reapply, mut quarantined) = (Vec::new(), Vec::new());
        for (index, commit) in rows.iter().enumerate().skip(stays) {
            let was_confirmed = index < lost.len();
            match (keep, was_confirmed) {
                (true, _) if commit.id().is_foreign() => {
                    let reason = "the backend has lost it, and its author gave it no id";
                    quarantined.push((commit.clone(), reason.into()));
                }
                // Of what was confirmed the unit is the event: others have it in pieces, and may give some back.
                (true, true) => reapply.extend(commit.singles()),
                (true, false) => reapply.push(commit.clone()),
                (false, true) => {}
                (false, false) => {
                    quarantined.push((commit.clone(), "the backend was reset".into()));
                }
            }
        }
        let plan = LeaderMerge {
            parent: stay.iter().fold(at, |head, commit| head.after(commit)),
            roll_back: go.iter().rev().cloned().collect(),
            apply: Vec::new(),
            reapply,
            quarantined,
            arrived: Vec::new(),
            own: Vec::new(),
            confirmed: at,
            backend: Some(backend),
            epoch: epoch + u64::from(!go.is_empty()),
        };
        self.underway = Some(Underway {
            backend: plan.backend.clone(),
            confirmed: at,
            anchor,
            arriving: 0,
            stay: stay.iter().cloned().collect(),
            reapply: plan.reapply.clone(),
            decided: true,
        });
        plan
    }

    fn plan_of(&self, merge: Merge, head: Head, epoch: u64) -> LeaderMerge {
        let stays = self.pending.len() - merge.roll_back.len();
        let rolls_back = !merge.roll_back.is_empty();
        let parent = if rolls_back {
            self.pending.iter().take(stays).fold(self.confirmed, |head, commit| head.after(commit))
        } else {
            head
        };
        LeaderMerge {
            parent,
            roll_back: merge.roll_back,
            apply: merge.apply,
            reapply: merge.reapply,
            quarantined: Vec::new(),
            arrived: Vec::new(),
            own: Vec::new(),
            confirmed: self.confirmed,
            backend: self.backend.clone(),
            epoch: epoch + u64::from(rolls_back),
        }
    }

    /// Notes what will be once the driver has executed `plan`.
    fn begin(
        &mut self,
        mut plan: LeaderMerge,
        confirmed: Head,
        anchor: Option<Event>,
        arriving: u64,
    ) -> LeaderMerge {
        plan.confirmed = confirmed;
        let stays = self.pending.len().saturating_sub(plan.roll_back.len());
        let mut stay: VecDeque<Commit> = self.pending.iter().take(stays).cloned().collect();
        // What of them is confirmed is pending no more.
        let mut end = self.confirmed.number;
        while let Some(commit) = stay.front()
            && end + commit.events().len() as u64 <= confirmed.number
        {
            end += commit.events().len() as u64;
            stay.pop_front();
        }
        let (backend, reapply) = (plan.backend.clone(), plan.reapply.clone());
        let decided = false;
        self.underway =
            Some(Underway { backend, confirmed, anchor, arriving, stay, reapply, decided });
        plan
    }

    /// The driver has executed the merge; these of `reapply` failed.
    pub(crate) fn merged(&mut self, failed: &[EventId]) {
        let Some(underway) = self.underway.take() else { return };
        self.backend = underway.backend;
        self.confirmed = underway.confirmed;
        self.anchor = underway.anchor;
        self.pending = underway.stay;
        let kept = underway.reapply.into_iter().filter(|commit| !failed.contains(&commit.id()));
        self.pending.extend(kept);
        self.name_is_new = false;
        if underway.decided {
            self.decision = None;
            self.identity = Identity::Anchor;
            self.inbox.clear();
            self.received = self.confirmed.number;
            self.pull_at(self.clock.elapsed());
        }
    }

    /// The driver could not execute it: what came is asked for again.
    pub(crate) fn not_merged(&mut self, now: Duration) {
        let now = self.clock.tick(now);
        if self.underway.take().is_some() {
            self.inbox.clear();
            self.received = self.confirmed.number;
            self.pull_at(now + self.limits.stalled);
        }
    }
}

/// What the backend says contradicts what is pending: the backend is right. Everything pending is rolled back, and
/// what contradicts it goes to quarantine.
fn take_side(
    pending: &[Commit],
    incoming: &[Commit],
    reason: &str,
) -> (Merge, Vec<(Commit, Arc<str>)>) {
    let arrived: Vec<&Event> = incoming.iter().flat_map(Commit::events).collect();
    let find = |id| arrived.iter().find(|event| event.id == id);
    let mut plan = Merge::nothing(Lane::Synced);
    plan.roll_back = pending.iter().rev().cloned().collect();
    plan.apply = incoming.to_vec();
    let mut contradicted = Vec::new();
    for commit in pending {
        let events = commit.events();
        let here = events.iter().take_while(|event| find(event.id) == Some(event)).count();
        match commit.without_first(here) {
            None => plan.echoed.push(commit.clone()),
            Some(left) if left.events().iter().all(|event| find(event.id).is_none()) => {
                plan.reapply.push(left);
            }
            Some(left) => {
                let there = |event: &Commit| event.events().iter().all(|e| find(e.id) == Some(&e));
                let rest = left.singles().filter(|event| !there(event));
                contradicted.extend(rest.map(|event| (event, reason.into())));
            }
        }
    }
    (plan, contradicted)
}
