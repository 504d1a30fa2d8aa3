//! What takes each commit back that is pending, or that the leader may yet roll back; in the order of the state.

use std::collections::VecDeque;

use livestore_sync::{Commit, EventId, PerLane};

use crate::state::Undo;

/// One commit's effect on the state.
#[derive(Debug)]
pub(super) struct Effect {
    commit: EventId,
    pub(super) undo: Undo,
    /// Whether it could be applied; else the state only counts it.
    pub(super) effective: bool,
}

/// The commits' effects, per lane, oldest first.
#[derive(Debug, Default)]
pub(super) struct Effects(PerLane<VecDeque<Effect>>);

impl Effects {
    /// Notes a commit that follows all others of its lane.
    pub(super) fn push(&mut self, commit: &Commit, undo: Undo, effective: bool) {
        self.0[commit.lane()].push_back(Effect { commit: commit.id(), undo, effective });
    }

    /// Whether each of these commits, which stand one after the other, took effect; None if they don't stand like that.
    pub(super) fn are_effective<'a>(&'a self, commits: &'a [Commit]) -> Option<Vec<bool>> {
        let Some(first) = commits.first() else { return Some(Vec::new()) };
        let effects = &self.0[first.lane()];
        // They are near the end: what stands before them is what a backend has yet to confirm.
        let start = effects.iter().rposition(|effect| effect.commit == first.id())?;
        let found = effects.range(start..).zip(commits);
        let effective = found
            .map(|(effect, commit)| (effect.commit == commit.id()).then_some(effect.effective));
        effective.collect::<Option<Vec<bool>>>().filter(|found| found.len() == commits.len())
    }

    /// Takes the lane's oldest, which is `commit`'s; None if it is not.
    pub(super) fn forget(&mut self, commit: &Commit) -> Option<Effect> {
        let effects = &mut self.0[commit.lane()];
        if effects.front()?.commit == commit.id() { effects.pop_front() } else { None }
    }

    /// Takes the lane's newest, which is `commit`'s; None if it is not.
    pub(super) fn roll_back(&mut self, commit: &Commit) -> Option<Effect> {
        let effects = &mut self.0[commit.lane()];
        if effects.back()?.commit == commit.id() { effects.pop_back() } else { None }
    }
}
