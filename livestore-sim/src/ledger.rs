//! What the world must not lose: every event whose commit returned Ok, and the state at every head the log ever had.
//!
//! The accounts are by event, as a peer that knows no commits may split them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    num::NonZeroU64,
};

use livestore_sync::{
    ClientId, Commit, Event, EventId, Head, Lane, OnBackendChanged, Outcome, PerLane, Settled,
};

use crate::{
    disk::{Disk, Log},
    model::{Schema, State},
    nodes::SessionNode,
};

/// An event that somebody has written under another's name.
pub(crate) const FORGED: &str = "v1.Forged";

/// Whether the event is nobody's whose name it bears.
pub(crate) fn is_forged(event: &Event) -> bool {
    &*event.name == FORGED
}

/// The accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    events: HashMap<EventId, (Lane, Event)>,
    /// The first event of the commit that ends with this one.
    firsts: HashMap<EventId, EventId>,
    /// Neither in the log nor in quarantine when last looked.
    open: BTreeSet<EventId>,
    /// Lost with the power, with a process that could not write its journal, or with what a backend lost: may be
    /// anywhere, or nowhere.
    excused: HashSet<EventId>,
    in_log: HashMap<EventId, (Lane, u64)>,
    in_quarantine: HashSet<EventId>,
    was_logged: HashSet<EventId>,
    was_confirmed: HashSet<EventId>,
    was_refused: HashSet<EventId>,
    rows: HashMap<(Schema, Lane, Head), BTreeMap<u8, u64>>,
    seen: PerLane<usize>,
    seen_confirmed: u64,
    seen_quarantine: usize,
    /// What says that something went from the log or the quarantine.
    changed: (u64, u64),
}

impl Ledger {
    /// An Ok commit.
    pub fn committed(&mut self, commit: &Commit) {
        self.firsts.insert(commit.last_id(), commit.id());
        for event in commit.events() {
            self.open.insert(event.id);
            self.events.insert(event.id, (commit.lane(), event.clone()));
        }
    }

    /// Commits that nobody promised to keep.
    pub fn excuse(&mut self, commit: &Commit) {
        self.excused.extend(commit.events().iter().map(|event| event.id));
    }

    /// Whether nobody promised to keep the event.
    pub fn is_excused(&self, id: EventId) -> bool {
        self.excused.contains(&id)
    }

    /// The synced events whose commits returned Ok.
    pub fn synced(&self) -> impl Iterator<Item = EventId> + '_ {
        self.events.iter().filter(|(_, (lane, _))| *lane == Lane::Synced).map(|(id, _)| *id)
    }

    /// Whether the event is in quarantine.
    pub fn is_quarantined(&self, id: EventId) -> bool {
        self.in_quarantine.contains(&id)
    }

    /// The log has lost its tail.
    pub fn lost(&mut self, commits: &[Commit], log: &Log) {
        commits.iter().for_each(|commit| self.excuse(commit));
        self.start_over();
        // What is left was accounted for already; reading it again can't fail.
        let _ = self.read(log, ClientId(0), OnBackendChanged::Fail);
    }

    fn start_over(&mut self) {
        self.in_log.clear();
        self.in_quarantine.clear();
        self.seen = PerLane::default();
        self.seen_confirmed = 0;
        self.seen_quarantine = 0;
        self.open = self.events.keys().copied().collect();
    }

    /// Reads what the log has got since the last time, and checks every event in it.
    pub fn read(
        &mut self,
        log: &Log,
        client: ClientId,
        policy: OnBackendChanged,
    ) -> Result<(), String> {
        if (log.epoch, log.released) != self.changed {
            self.changed = (log.epoch, log.released);
            let before: Vec<EventId> = self.in_log.keys().copied().collect();
            self.start_over();
            self.read_all(log, client)?;
            if policy == OnBackendChanged::Reset {
                // The app has chosen the backend's log, whatever it lacks.
                let gone = |id: &EventId| self.was_confirmed.contains(id) && self.open.contains(id);
                let gone: Vec<EventId> = before.into_iter().filter(gone).collect();
                self.excused.extend(gone);
            }
            return Ok(());
        }
        self.read_all(log, client)
    }

    fn read_all(&mut self, log: &Log, client: ClientId) -> Result<(), String> {
        for lane in Lane::ALL {
            let rows = &log.lanes[lane];
            for index in self.seen[lane]..rows.len() {
                let (row, parent) = (&rows[index], index.checked_sub(1).map(|i| rows[i].head));
                let parent = parent.unwrap_or(Head::ZERO);
                if parent.after(&row.commit) != row.head {
                    return Err(format!("the log's row {} does not follow its parent", row.head));
                }
                self.read_row(&row.commit, parent, client)?;
                for schema in Schema::ALL {
                    self.fold(schema, parent, &row.commit, row.head);
                }
            }
            self.seen[lane] = rows.len();
        }
        self.read_confirmed(log);
        for (commit, _) in &log.quarantine[self.seen_quarantine..] {
            // The id of an event whose author gave none says something only beside its backend's log.
            let named = |event: &&Event| !event.id.is_foreign() && !is_forged(event);
            for event in commit.events().iter().filter(named) {
                self.check_known(event, client)?;
                if !self.in_quarantine.insert(event.id) || self.in_log.contains_key(&event.id) {
                    return Err(format!("event {} is in quarantine and elsewhere", event.id));
                }
                self.was_refused.insert(event.id);
                self.open.remove(&event.id);
            }
        }
        self.seen_quarantine = log.quarantine.len();
        Ok(())
    }

    fn read_row(&mut self, commit: &Commit, parent: Head, client: ClientId) -> Result<(), String> {
        for (number, event) in (parent.number + 1..).zip(commit.events()) {
            self.check_known(event, client)?;
            if is_forged(event) {
                continue;
            }
            if self.in_log.insert(event.id, (commit.lane(), number)).is_some()
                || self.in_quarantine.contains(&event.id)
            {
                return Err(format!("event {} is there twice", event.id));
            }
            self.was_logged.insert(event.id);
            self.open.remove(&event.id);
        }
        Ok(())
    }

    fn read_confirmed(&mut self, log: &Log) {
        self.seen_confirmed = self.seen_confirmed.min(log.confirmed);
        if self.seen_confirmed == log.confirmed {
            return;
        }
        let rows = &log.lanes.synced;
        let from = rows.partition_point(|row| row.head.number <= self.seen_confirmed);
        for row in rows[from..].iter().take_while(|row| row.head.number <= log.confirmed) {
            let events = row.commit.events().iter().filter(|event| !is_forged(event));
            self.was_confirmed.extend(events.map(|event| event.id));
        }
        self.seen_confirmed = log.confirmed;
    }

    fn check_known(&self, event: &Event, client: ClientId) -> Result<(), String> {
        if is_forged(event) {
            return Ok(());
        }
        match self.events.get(&event.id) {
            Some((_, known)) if known == event => Ok(()),
            Some(_) => Err(format!("event {} has changed", event.id)),
            // Another client's: the backend is compared with the log elsewhere.
            None if event.id.client != client || event.id.is_foreign() => Ok(()),
            None => Err(format!("event {} was never made", event.id)),
        }
    }

    fn fold(&mut self, schema: Schema, parent: Head, commit: &Commit, head: Head) {
        let lane = commit.lane();
        if self.rows.contains_key(&(schema, lane, head)) {
            return;
        }
        let mut rows = PerLane::default();
        rows[lane] = self.rows.get(&(schema, lane, parent)).cloned().unwrap_or_default();
        let mut state = State::from_lanes(rows);
        state.apply_logged(schema, commit);
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

    /// The events of the commit that ends with this one.
    fn events_of(&self, last: EventId) -> Vec<EventId> {
        let first = self.firsts.get(&last).map_or(last.n, |first| first.n);
        let of_commit = (first.get()..=last.n.get()).filter_map(NonZeroU64::new);
        of_commit.map(|n| EventId { n, ..last }).collect()
    }

    /// A session that folds the log itself has told the app that a commit is gone, as the log has another under its name.
    pub fn gave_way(&mut self, settled: &Settled) {
        if matches!(settled.outcome, Outcome::Refused { .. }) {
            self.excused.extend(self.events_of(settled.last));
        }
    }

    /// A session's word about a commit must be true, or have been true.
    pub fn check_settled(&self, settled: &Settled) -> Result<(), String> {
        let id = settled.last;
        if !self.events.contains_key(&id) {
            return Err(format!("{id} was settled and never committed"));
        }
        let holds = match settled.outcome {
            Outcome::Persisted => self.was_logged.contains(&id),
            Outcome::Confirmed => self.was_confirmed.contains(&id),
            // A part of it may be in the log all the same, if a peer has cut it.
            Outcome::Refused { .. } => {
                self.events_of(id).iter().any(|id| self.was_refused.contains(id))
            }
        };
        if holds || self.excused.contains(&id) {
            return Ok(());
        }
        Err(format!("a session was told {:?} of event {id}", settled.outcome))
    }

    /// Every event is somewhere: in the log, in quarantine, pending or parked in a session, or in a journal.
    pub fn check_kept<'a>(
        &self,
        elsewhere: impl Iterator<Item = &'a Commit>,
    ) -> Result<(), String> {
        if self.open.iter().all(|id| self.excused.contains(id)) {
            return Ok(());
        }
        let elsewhere: HashSet<EventId> =
            elsewhere.flat_map(Commit::events).map(|event| event.id).collect();
        let lost = |id: &&EventId| !elsewhere.contains(id) && !self.excused.contains(id);
        match self.open.iter().find(lost) {
            None => Ok(()),
            Some(id) => Err(format!("event {id} is lost")),
        }
    }

    /// Nothing that a session has from the log is pending there too.
    pub fn check_apart(&self, node: &SessionNode, client: ClientId) -> Result<(), String> {
        let upstream = node.machine.upstream();
        for event in node.machine.pending().flat_map(Commit::events) {
            self.check_known(event, client)?;
            let place = self.in_log.get(&event.id);
            if place.is_some_and(|(lane, number)| *number <= upstream[*lane].number) {
                return Err(format!("event {} is pending and applied", event.id));
            }
        }
        Ok(())
    }

    /// When the world has settled, nothing is open but what nobody promised to keep.
    pub fn check_all_settled(&self) -> Result<(), String> {
        self.check_kept(std::iter::empty())
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
