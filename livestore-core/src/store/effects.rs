//! What takes each pending commit back, in the order of the pending commits.

use std::collections::VecDeque;

use livestore_sync::{Commit, EventId, PerLane};

use crate::state::Undo;

/// One pending commit's effect on the state.
#[derive(Debug)]
pub(super) struct Effect {
    commit: EventId,
    pub(super) undo: Undo,
    /// Whether it could be applied; else the state only counts it.
    pub(super) effective: bool,
}

/// The pending commits' effects, per lane, oldest first.
#[derive(Debug, Default)]
pub(super) struct Effects(PerLane<VecDeque<Effect>>);

impl Effects {
    /// Notes a commit that follows all others of its lane.
    pub(super) fn push(&mut self, commit: &Commit, undo: Undo, effective: bool) {
        self.0[commit.lane()].push_back(Effect { commit: commit.id(), undo, effective });
    }

    /// Takes the lane's oldest, which is `commit`'s; None if it is not.
    pub(super) fn confirm(&mut self, commit: &Commit) -> Option<Effect> {
        let effects = &mut self.0[commit.lane()];
        if effects.front()?.commit == commit.id() { effects.pop_front() } else { None }
    }

    /// Takes the lane's newest, which is `commit`'s; None if it is not.
    pub(super) fn roll_back(&mut self, commit: &Commit) -> Option<Effect> {
        let effects = &mut self.0[commit.lane()];
        if effects.back()?.commit == commit.id() { effects.pop_back() } else { None }
    }
}
