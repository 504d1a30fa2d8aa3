//! One merge for both hops: pending commits meet what the side above has put into the log.
//!
//! 1. Pending commits that arrive first and in order are confirmed where they stand; nothing is rolled back for them.
//! 2. At the first difference everything pending from there on is rolled back (newest first), what arrived is applied,
//!    and what neither arrived nor was refused is applied again, in its old order.
//! 3. The same id with another name or other arguments is an error, never a guess; but for a commit that is refused.
//! 4. What arrives counts by event: a peer that knows no commits may send one in pieces. A pending commit of which
//!    only a part arrived is rolled back whole; the rest of it stays pending as a commit of its own.
//! 5. What arrives may have an event twice, or two of one name: a log may, and whoever folds it has to.
//!
//! Deliberately not here: state, numbers and heads. [`crate::Pending`] keeps the chain, drivers execute the plan.
//! Whether what arrived may yet be rolled back is the caller's to know: it says which undo records can go.

use std::collections::HashSet;

use crate::{
    event::{Commit, Event, Lane},
    id::EventId,
};

/// What to do with the state of one lane, in the order of the fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merge {
    /// Which lane.
    pub lane: Lane,
    /// Pending commits that are now in the log above, in place. One without effect here leaves a state that is none.
    pub confirmed: Vec<Commit>,
    /// Pending commits to undo, newest first.
    pub roll_back: Vec<Commit>,
    /// What to apply then, event by event; an event that fails here has no effect.
    pub apply: Vec<Commit>,
    /// Pending commits to apply again at last; one that fails stays pending without effect.
    pub reapply: Vec<Commit>,
    /// The oldest commits of which the driver has undo records, oldest first: nothing will roll them back any more.
    /// Every commit of `apply` and `reapply` gets one.
    pub forget: Vec<Commit>,
    /// Those rolled back that are (at least to their last event) among `apply`.
    pub echoed: Vec<Commit>,
    /// Those rolled back that are refused, and pending no more.
    pub refused: Vec<Commit>,
}

impl Merge {
    /// The merge that changes nothing.
    pub(crate) fn nothing(lane: Lane) -> Self {
        Self {
            lane,
            confirmed: Vec::new(),
            roll_back: Vec::new(),
            apply: Vec::new(),
            reapply: Vec::new(),
            forget: Vec::new(),
            echoed: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Whether the state stays as it is.
    pub fn is_in_place(&self) -> bool {
        self.roll_back.is_empty() && self.apply.is_empty() && self.reapply.is_empty()
    }

    /// The commits that are pending no more because the log has them.
    pub fn arrived(&self) -> impl Iterator<Item = &Commit> {
        self.confirmed.iter().chain(&self.echoed)
    }
}

/// Input that can't be merged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    /// An event arrived with the id of a pending one and another content.
    #[error("event {id} arrived with another name or other arguments than it was committed with")]
    OtherContent {
        /// The id of both.
        id: EventId,
    },
    /// Events of a commit arrived, but not from its first on.
    #[error("event {id} arrived before one that was committed before it")]
    OutOfOrder {
        /// The first event that did not arrive.
        id: EventId,
    },
    /// A commit of the other lane.
    #[error("commit {id} belongs to the other lane")]
    OtherLane {
        /// The commit's name.
        id: EventId,
    },
}

/// Merges `incoming`, which follows the place that `pending` builds on, into `pending`; all of `lane`.
/// `refused` names pending commits that will never be in the log; one that arrived nevertheless did arrive.
///
/// # Errors
/// [`MergeError`]; nothing has changed then.
pub fn merge(
    lane: Lane,
    pending: &[Commit],
    incoming: &[Commit],
    refused: &[EventId],
) -> Result<Merge, MergeError> {
    if let Some(stray) = pending.iter().chain(incoming).find(|commit| commit.lane() != lane) {
        return Err(MergeError::OtherLane { id: stray.id() });
    }
    let arrived: HashSet<&Event> = incoming.iter().flat_map(Commit::events).collect();
    let names: HashSet<EventId> = arrived.iter().map(|event| event.id).collect();
    let refused: HashSet<&EventId> = refused.iter().collect();
    let is_refused = |commit: &Commit| refused.contains(&commit.id());
    let kept = pending.iter().filter(|commit| !is_refused(commit));
    for event in kept.flat_map(Commit::events) {
        if names.contains(&event.id) && !arrived.contains(event) {
            return Err(MergeError::OtherContent { id: event.id });
        }
    }

    let (in_place, apply) = confirm_in_place(pending, incoming);
    let rest = &pending[in_place..];
    let keep =
        if apply.is_empty() { rest.iter().position(is_refused).unwrap_or(rest.len()) } else { 0 };
    let mut merge = Merge {
        lane,
        confirmed: pending[..in_place].to_vec(),
        roll_back: rest[keep..].iter().rev().cloned().collect(),
        apply,
        reapply: Vec::new(),
        forget: Vec::new(),
        echoed: Vec::new(),
        refused: Vec::new(),
    };
    for commit in &rest[keep..] {
        let here = |event: &&Event| arrived.contains(event);
        let first = commit.events().iter().take_while(here).count();
        match commit.without_first(first) {
            None => merge.echoed.push(commit.clone()),
            Some(left) if left.events().iter().any(|event| here(&event)) => {
                return Err(MergeError::OutOfOrder { id: left.id() });
            }
            Some(_) if is_refused(commit) => merge.refused.push(commit.clone()),
            Some(left) => merge.reapply.push(left),
        }
    }
    Ok(merge)
}

/// How many pending commits arrived first, whole and in order; and what arrived after them.
fn confirm_in_place(pending: &[Commit], incoming: &[Commit]) -> (usize, Vec<Commit>) {
    let mut events = incoming.iter().flat_map(Commit::events);
    let mut commits = 0;
    let mut taken = 0;
    for commit in pending {
        if !commit.events().iter().all(|event| events.next() == Some(event)) {
            break;
        }
        commits += 1;
        taken += commit.events().len();
    }
    let mut apply = Vec::new();
    for commit in incoming {
        let skip = taken.min(commit.events().len());
        taken -= skip;
        apply.extend(commit.without_first(skip));
    }
    (commits, apply)
}
