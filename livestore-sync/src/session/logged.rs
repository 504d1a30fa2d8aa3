//! The stretch of the leader's log that a backend may still move: what it takes to follow a leader's rebase.
//!
//! Invariant: the commits stand between `confirmed` and the session's upstream; of the first `forgotten` of them (and of
//! what came with a snapshot) the driver has no undo record, so nothing before `floor` can be rolled back here.
//!
//! Without a backend nothing stays: the leader's log is the last word.

use std::collections::{BTreeMap, VecDeque};

use crate::{event::Commit, head::Head, id::EventId};

/// The unconfirmed end of the log, as a session has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Logged {
    floor: Head,
    commits: VecDeque<(Commit, Head)>,
    forgotten: usize,
    undoable_events: usize,
    /// Commits, by their last event, whose confirmation somebody may wait for, and the number of that event.
    awaited: BTreeMap<EventId, Awaited>,
}

/// A commit that is in the log and not confirmed.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    pub(super) commit: Commit,
    /// Where its last event stands; none until a leader has said so.
    pub(super) number: Option<u64>,
}

impl Logged {
    /// Starts over at a place in the log, with nothing to roll back before it.
    pub(super) fn restart(&mut self, at: Head) {
        *self = Self { floor: at, awaited: std::mem::take(&mut self.awaited), ..Self::default() };
        self.awaited.values_mut().for_each(|awaited| awaited.number = None);
    }

    /// Where the log ends, as far as the session has it.
    pub(super) fn end(&self) -> Head {
        self.commits.back().map_or(self.floor, |(_, head)| *head)
    }

    /// How many events are not confirmed, as far as the session knows them.
    pub(super) fn events(&self) -> usize {
        self.commits.iter().map(|(commit, _)| commit.events().len()).sum()
    }

    /// Takes a commit that follows the end.
    pub(super) fn push(&mut self, commit: Commit) {
        let mut head = self.end();
        for event in commit.events() {
            head = head.then(event);
            // Another event may bear the same name.
            if let Some(awaited) = self.awaited.get_mut(&event.id)
                && awaited.commit.events().last() == Some(event)
            {
                awaited.number = Some(head.number);
            }
        }
        self.undoable_events += commit.events().len();
        self.commits.push_back((commit, head));
    }

    /// Notes that somebody may wait for the confirmation of a commit.
    pub(super) fn awaits(&mut self, commit: &Commit) {
        let awaited = Awaited { commit: commit.clone(), number: None };
        self.awaited.insert(commit.last_id(), awaited);
    }

    pub(super) fn is_awaited(&self, last: EventId) -> bool {
        self.awaited.contains_key(&last)
    }

    pub(super) fn stop_awaiting(&mut self, last: EventId) {
        self.awaited.remove(&last);
    }

    pub(super) fn awaited(&self) -> impl Iterator<Item = &Awaited> {
        self.awaited.values()
    }

    pub(super) fn place(&mut self, last: EventId, number: u64) {
        if let Some(awaited) = self.awaited.get_mut(&last) {
            awaited.number = Some(number);
        }
    }

    /// Everything up to `number` is confirmed, and no more than `keep` events are to stay undoable: returns the commits
    /// whose undo records can go.
    pub(super) fn confirm(&mut self, number: u64, keep: usize) -> Vec<Commit> {
        let mut forget = Vec::new();
        while let Some((commit, head)) =
            self.commits.pop_front_if(|(_, head)| head.number <= number)
        {
            if self.forgotten > 0 {
                // The floor is above it already.
                self.forgotten -= 1;
            } else {
                self.undoable_events -= commit.events().len();
                self.floor = head;
                forget.push(commit);
            }
        }
        while self.undoable_events > keep
            && let Some((commit, head)) = self.commits.get(self.forgotten)
        {
            self.forgotten += 1;
            self.undoable_events -= commit.events().len();
            self.floor = *head;
            forget.push(commit.clone());
        }
        forget
    }

    /// The awaited commits that stand up to `number`; they are awaited no more.
    pub(super) fn confirmed(&mut self, number: u64) -> Vec<EventId> {
        let there = |awaited: &Awaited| awaited.number.is_some_and(|place| place <= number);
        let last: Vec<EventId> =
            self.awaited.iter().filter(|(_, a)| there(a)).map(|(last, _)| *last).collect();
        last.iter().for_each(|last| self.stop_awaiting(*last));
        last
    }

    /// The commits after `at`; `None` if the session can't go back to there.
    pub(super) fn after(&self, at: Head) -> Option<Vec<Commit>> {
        if at.number < self.floor.number {
            return None;
        }
        if at == self.end() {
            return Some(Vec::new());
        }
        let after = |index| self.commits.iter().skip(index).map(|(c, _)| c.clone()).collect();
        if at == self.floor {
            return Some(after(self.forgotten));
        }
        let before = self.commits.iter().position(|(_, head)| *head == at)?;
        Some(after(before + 1))
    }

    /// Drops what follows `at`, one of the places that [`Logged::after`] knows.
    pub(super) fn cut(&mut self, at: Head) {
        while let Some((commit, _)) = self.commits.pop_back_if(|(_, head)| head.number > at.number)
        {
            self.undoable_events -= commit.events().len();
            for event in commit.events() {
                if let Some(awaited) = self.awaited.get_mut(&event.id) {
                    awaited.number = None;
                }
            }
        }
    }

    pub(super) fn check_invariants(&self, upstream: Head) -> Result<(), String> {
        if self.end() != upstream {
            return Err(format!("what is logged ends at {}, upstream is {upstream}", self.end()));
        }
        let undoable = self.commits.iter().skip(self.forgotten);
        let events: usize = undoable.map(|(commit, _)| commit.events().len()).sum();
        if events != self.undoable_events {
            return Err(format!("{events} events are undoable, not {}", self.undoable_events));
        }
        Ok(())
    }
}
