//! Pending commits: a base head per lane and the commits that build on it.
//!
//! Numbers and hashes are derived from the base, so the chain can't be ill-formed. Invariants:
//! 1. `heads` is what `base` becomes after all commits, per lane.
//! 2. Each author's events ascend over both lanes, so no event is there twice. Gaps are what is settled already: a
//!    bounded tail may bring a later event of one lane before an earlier one of the other.
//! 3. `bytes`, per author, and `events` are the sums over the commits.
//!
//! Deliberately not here: who sends what when ([`crate::Session`]), and undo records (the driver keeps them by the
//! commit's id).

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
};

use crate::{
    event::{Commit, Lane, PerLane},
    head::Head,
    id::{EventId, SessionId},
    merge::{Merge, MergeError, merge},
    message::Tail,
};

/// The chain of what is applied here and not yet known to be in the log above.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    base: PerLane<Head>,
    heads: PerLane<Head>,
    commits: VecDeque<Commit>,
    bytes: BTreeMap<SessionId, usize>,
    events: usize,
}

/// A commit that does not come after its author's last one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("commit {id} does not come after its author's last pending event, n = {last}")]
pub struct OutOfSequence {
    /// The commit's name.
    pub id: EventId,
    /// The `n` of the author's last pending event.
    pub last: u64,
}

impl Pending {
    /// Nothing pending on top of `base`.
    pub fn new(base: PerLane<Head>) -> Self {
        Self { base, heads: base, ..Self::default() }
    }

    /// The heads that the commits build on: how far the log above is known.
    pub fn base(&self) -> PerLane<Head> {
        self.base
    }

    /// The heads after all pending commits.
    pub fn heads(&self) -> PerLane<Head> {
        self.heads
    }

    /// The commits, oldest first.
    pub fn commits(&self) -> impl DoubleEndedIterator<Item = &Commit> + ExactSizeIterator {
        self.commits.iter()
    }

    /// The commit in this place.
    pub(crate) fn get(&self, place: usize) -> Option<&Commit> {
        self.commits.get(place)
    }

    /// The places, from `start` on, of commits that follow each other and have the same author.
    pub(crate) fn stretch(&self, start: usize) -> Range<usize> {
        // With one author, as nearly always, it is not looked for.
        let end = match self.commits.get(start) {
            Some(first) if self.bytes.len() > 1 => {
                let mut same = self.commits.iter().skip(start);
                let other = same.position(|commit| commit.author() != first.author());
                other.map_or(self.commits.len(), |at| start + at)
            }
            _ => self.commits.len(),
        };
        start..end
    }

    /// How many commits.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The size of `author`'s commits; costs nothing.
    pub fn bytes(&self, author: SessionId) -> usize {
        self.bytes.get(&author).copied().unwrap_or(0)
    }

    /// The `n` of `author`'s last pending event.
    pub fn last_n(&self, author: SessionId) -> Option<u64> {
        let last = self.commits.iter().rev().find(|commit| commit.author() == author)?;
        Some(last.last_n().get())
    }

    /// How many events they have.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Appends a commit.
    ///
    /// # Errors
    /// [`OutOfSequence`] when it does not come after its author's last pending commit.
    pub fn push(&mut self, commit: Commit) -> Result<(), OutOfSequence> {
        if let Some(last) = self.last_n(commit.author())
            && last >= commit.first_n().get()
        {
            return Err(OutOfSequence { id: commit.id(), last });
        }
        let lane = commit.lane();
        self.heads[lane] = self.heads[lane].after(&commit);
        self.count(&commit);
        self.commits.push_back(commit);
        Ok(())
    }

    /// Merges what follows the base; the base moves to its end. One [`Merge`] per lane that has anything to do.
    ///
    /// # Errors
    /// [`MergeError`]; nothing has changed then.
    pub fn merge(&mut self, tail: &Tail, refused: &[EventId]) -> Result<Vec<Merge>, MergeError> {
        let mut merges = Vec::new();
        for lane in Lane::ALL {
            let of_lane = |commit: &&Commit| commit.lane() == lane;
            let pending: Vec<Commit> = self.commits.iter().filter(of_lane).cloned().collect();
            let incoming: Vec<Commit> = tail.commits.iter().filter(of_lane).cloned().collect();
            let merge = merge(lane, &pending, &incoming, refused)?;
            if !(merge.is_in_place() && merge.confirmed.is_empty()) {
                merges.push(merge);
            }
        }
        for merge in &merges {
            self.settle(merge);
        }
        self.base = tail.heads();
        if merges.iter().all(Merge::is_in_place) {
            // What was confirmed in place is below the base now; the end of the chain is the same.
            let gone = merges.iter().flat_map(|merge| &merge.confirmed);
            for commit in gone {
                self.discount(commit);
            }
        } else {
            self.rechain();
        }
        Ok(merges)
    }

    /// Takes out what `merge` has settled, and builds on another base.
    pub(crate) fn follow(&mut self, merge: &Merge, base: PerLane<Head>) {
        self.settle(merge);
        self.base = base;
        self.rechain();
    }

    /// Takes out what `merge` has settled, and the settled first part of a commit that arrived in pieces.
    fn settle(&mut self, merge: &Merge) {
        let gone: HashMap<EventId, ()> =
            merge.arrived().chain(&merge.refused).map(|commit| (commit.id(), ())).collect();
        let left: HashMap<EventId, &Commit> =
            merge.reapply.iter().map(|commit| (commit.last_id(), commit)).collect();
        self.commits.retain(|commit| !gone.contains_key(&commit.id()));
        for commit in &mut self.commits {
            if let Some(left) = left.get(&commit.last_id()) {
                *commit = (*left).clone();
            }
        }
    }

    /// Moves the chain to another base and keeps of each commit what `keep` says; returns those of which nothing is left.
    pub fn move_to(
        &mut self,
        base: PerLane<Head>,
        mut keep: impl FnMut(&Commit) -> Option<Commit>,
    ) -> Vec<Commit> {
        let mut gone = Vec::new();
        for commit in std::mem::take(&mut self.commits) {
            match keep(&commit) {
                Some(left) => self.commits.push_back(left),
                None => gone.push(commit),
            }
        }
        self.base = base;
        self.rechain();
        gone
    }

    fn rechain(&mut self) {
        self.heads = self.base;
        self.bytes.clear();
        self.events = 0;
        let commits = std::mem::take(&mut self.commits);
        for commit in &commits {
            self.heads[commit.lane()] = self.heads[commit.lane()].after(commit);
            self.count(commit);
        }
        self.commits = commits;
    }

    fn count(&mut self, commit: &Commit) {
        *self.bytes.entry(commit.author()).or_default() += commit.bytes();
        self.events += commit.events().len();
    }

    fn discount(&mut self, commit: &Commit) {
        self.events -= commit.events().len();
        let author = commit.author();
        let left = self.bytes(author) - commit.bytes();
        // Authors with nothing pending are forgotten: they never end.
        if left == 0 {
            self.bytes.remove(&author);
        } else {
            self.bytes.insert(author, left);
        }
    }

    /// Checks the invariants of the module's header.
    ///
    /// # Errors
    /// Says which one is broken.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut heads = self.base;
        let mut last: HashMap<SessionId, u64> = HashMap::new();
        for commit in &self.commits {
            heads[commit.lane()] = heads[commit.lane()].after(commit);
            let before = last.insert(commit.author(), commit.last_n().get());
            if before.is_some_and(|before| before >= commit.first_n().get()) {
                return Err(format!("pending commit {} comes after n = {before:?}", commit.id()));
            }
        }
        if heads != self.heads {
            return Err(format!("pending heads are {:?}, the chain gives {heads:?}", self.heads));
        }
        let events: usize = self.commits.iter().map(|commit| commit.events().len()).sum();
        if events != self.events {
            return Err(format!("pending events are {}, the commits have {events}", self.events));
        }
        let mut bytes: BTreeMap<SessionId, usize> = BTreeMap::new();
        for commit in &self.commits {
            *bytes.entry(commit.author()).or_default() += commit.bytes();
        }
        if bytes != self.bytes {
            return Err(format!("pending bytes are {:?}, the commits have {bytes:?}", self.bytes));
        }
        Ok(())
    }
}
