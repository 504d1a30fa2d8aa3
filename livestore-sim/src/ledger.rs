//! What the world must not lose: every commit that returned Ok, and the state at every head the log ever had.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use livestore_sync::{Commit, EventId, Head, Lane, Outcome, PerLane, Settled};

use crate::{
    disk::{Disk, Log},
    model::{Schema, State},
    nodes::SessionNode,
};

/// The accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    commits: BTreeMap<EventId, Commit>,
    by_last: HashMap<EventId, EventId>,
    /// Neither in the log nor in quarantine when last looked.
    open: BTreeSet<EventId>,
    /// Lost with the power or with a process that could not write its journal: may be anywhere, or nowhere.
    excused: HashSet<EventId>,
    in_log: HashMap<EventId, (Lane, u64)>,
    in_quarantine: HashSet<EventId>,
    rows: HashMap<(Schema, Lane, Head), BTreeMap<u8, u64>>,
    seen: PerLane<usize>,
    seen_quarantine: usize,
}

impl Ledger {
    /// An Ok commit.
    pub fn committed(&mut self, commit: &Commit) {
        self.by_last.insert(commit.last_id(), commit.id());
        self.open.insert(commit.id());
        self.commits.insert(commit.id(), commit.clone());
    }

    /// A commit that nobody promised to keep.
    pub fn excuse(&mut self, id: EventId) {
        self.excused.insert(id);
    }

    /// The log has lost its tail.
    pub fn lost(&mut self, commits: &[Commit], log: &Log) {
        for commit in commits {
            self.excused.insert(commit.id());
            self.open.insert(commit.id());
        }
        self.in_log.clear();
        self.in_quarantine.clear();
        self.seen = PerLane::default();
        self.seen_quarantine = 0;
        // What is left was accounted for already; reading it again can't fail.
        let _ = self.read(log);
    }

    /// Reads what the log has got since the last time, and checks every commit in it.
    pub fn read(&mut self, log: &Log) -> Result<(), String> {
        for lane in Lane::ALL {
            let rows = &log.lanes[lane];
            for index in self.seen[lane]..rows.len() {
                let (row, parent) = (&rows[index], index.checked_sub(1).map(|i| rows[i].head));
                let parent = parent.unwrap_or(Head::ZERO);
                if parent.after(&row.commit) != row.head {
                    return Err(format!("the log's row {} does not follow its parent", row.head));
                }
                self.check_known(&row.commit)?;
                if self.in_log.insert(row.commit.id(), (lane, row.head.number)).is_some()
                    || self.in_quarantine.contains(&row.commit.id())
                {
                    return Err(format!("commit {} is there twice", row.commit.id()));
                }
                self.open.remove(&row.commit.id());
                for schema in Schema::ALL {
                    self.fold(schema, parent, &row.commit, row.head);
                }
            }
            self.seen[lane] = rows.len();
        }
        for (commit, _) in &log.quarantine[self.seen_quarantine..] {
            self.check_known(commit)?;
            let twice = self.in_log.contains_key(&commit.id());
            if !self.in_quarantine.insert(commit.id()) || twice {
                return Err(format!("commit {} is in quarantine and elsewhere", commit.id()));
            }
            self.open.remove(&commit.id());
        }
        self.seen_quarantine = log.quarantine.len();
        Ok(())
    }

    fn check_known(&self, commit: &Commit) -> Result<(), String> {
        match self.commits.get(&commit.id()) {
            Some(known) if known == commit => Ok(()),
            Some(_) => Err(format!("commit {} has changed", commit.id())),
            None => Err(format!("commit {} was never made", commit.id())),
        }
    }

    fn fold(&mut self, schema: Schema, parent: Head, commit: &Commit, head: Head) {
        let lane = commit.lane();
        let mut rows = PerLane::default();
        rows[lane] = self.rows.get(&(schema, lane, parent)).cloned().unwrap_or_default();
        let mut state = State::from_lanes(rows);
        let _ = state.apply(schema, commit);
        self.rows.insert((schema, lane, head), state.lane(lane).clone());
    }

    /// The fold of the log up to `heads`; `None` when no log ever had them.
    pub fn state_at(&self, schema: Schema, heads: PerLane<Head>) -> Option<State> {
        let mut lanes = PerLane::default();
        for lane in Lane::ALL {
            lanes[lane] = match self.rows.get(&(schema, lane, heads[lane])) {
                Some(rows) => rows.clone(),
                None if heads[lane] == Head::ZERO => BTreeMap::new(),
                None => return None,
            };
        }
        Some(State::from_lanes(lanes))
    }

    /// A session's word about a commit must be true.
    pub fn check_settled(&self, settled: &Settled) -> Result<(), String> {
        let Some(id) = self.by_last.get(&settled.last) else {
            return Err(format!("{} was settled and never committed", settled.last));
        };
        let holds = match settled.outcome {
            Outcome::Persisted => self.in_log.contains_key(id),
            Outcome::Refused { .. } => self.in_quarantine.contains(id),
        };
        if holds || self.excused.contains(id) {
            return Ok(());
        }
        Err(format!("a session was told {:?} of commit {id}", settled.outcome))
    }

    /// Every commit is somewhere: in the log, in quarantine, pending or parked in a session, or in a journal.
    pub fn check_kept(&self, elsewhere: &HashSet<EventId>) -> Result<(), String> {
        let lost = |id: &&EventId| !elsewhere.contains(id) && !self.excused.contains(id);
        match self.open.iter().find(lost) {
            None => Ok(()),
            Some(id) => Err(format!("commit {id} is lost")),
        }
    }

    /// Nothing that a session has from the log is pending there too.
    pub fn check_apart(&self, node: &SessionNode) -> Result<(), String> {
        let upstream = node.machine.upstream();
        for commit in node.machine.pending() {
            self.check_known(commit)?;
            let place = self.in_log.get(&commit.id());
            if place.is_some_and(|(lane, number)| *number <= upstream[*lane].number) {
                return Err(format!("commit {} is pending and applied", commit.id()));
            }
        }
        Ok(())
    }

    /// When the world has settled, nothing is open but what nobody promised to keep.
    pub fn check_all_settled(&self) -> Result<(), String> {
        self.check_kept(&HashSet::new())
    }

    /// The log's state, folded from zero, is the leader's and the one noted at its head.
    pub fn check_fold(&self, disk: &Disk, schema: Schema, state: &State) -> Result<(), String> {
        let noted = self.state_at(schema, disk.log.heads());
        if noted.as_ref() != Some(state) {
            return Err("the leader's state is not the fold of the log".into());
        }
        Ok(())
    }
}
