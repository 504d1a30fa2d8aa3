//! The drivers of the two machines, as small as they can be: what livestore-core does with SQLite, on the model.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use livestore_sync::{
    ClientId, Commit, Document, DocumentKey, Fence, Head, Lane, Leader, LeaderConfig, Limits,
    Merge, MergeError, OnBackendChanged, PROTOCOL, Refused, Session, SessionConfig, SessionId,
    ToLeader, ToSession, Work,
};

use crate::{
    counts::Counts,
    disk::{Disk, Reader, Row, StateFile, Transaction},
    model::{Schema, State, Undo},
    mutation::Mutation,
};

/// How a client stands to its backend; none has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uplink {
    /// What it does when the backend has lost something.
    pub on_changed: OnBackendChanged,
    /// Its jitter.
    pub seed: u64,
}

/// Bounds so small that a short run meets each of them.
pub fn limits() -> Limits {
    Limits {
        push_commits: 3,
        push_bytes: 400,
        in_flight_events: 12,
        group_commits: 4,
        group_bytes: 600,
        queue_commits: 10,
        queue_bytes: 2000,
        tail_bytes: 500,
        tail_events: 40,
        chunk_bytes: 48,
        chunks_in_flight: 2,
        retry_max: Duration::from_secs(4),
        undo_events: 25,
        merge_events: 7,
        inbox_events: 12,
        refresh: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// What happens to the leader while it writes a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nothing: it writes all and tells everyone.
    Lives,
    /// The storage refuses.
    StorageRefuses,
    /// It dies before the log's commit.
    DiesBeforeLog,
    /// It dies between the log's commit and the state's.
    DiesBeforeState,
    /// It dies after both, before it tells anyone.
    DiesBeforeWord,
}

/// What an undo record belongs to: a commit by its content, as others may bear its name.
pub(crate) type UndoKey = (Lane, Head);

/// The commit's key.
pub(crate) fn undo_key(commit: &Commit) -> UndoKey {
    (commit.lane(), Head::ZERO.after(commit))
}

/// A leader and its working state.
#[derive(Debug)]
pub struct LeaderNode {
    /// The machine.
    pub machine: Leader,
    /// Its version of the app.
    pub schema: Schema,
    /// What it has applied.
    pub state: State,
    /// What brings back pending commits that this leader has applied itself; of others it has none, and folds the log.
    pub(crate) undos: HashMap<UndoKey, Undo>,
}

impl LeaderNode {
    /// Opens the databases. The term is at least the clock, so that it grows even when the log's tail was lost.
    pub fn open(
        disk: &mut Disk,
        (client, uplink): (ClientId, Option<Uplink>),
        schema: Schema,
        wall_clock: Duration,
        mutation: Option<Mutation>,
    ) -> Self {
        let clock = u64::try_from(wall_clock.as_millis()).unwrap_or(u64::MAX);
        let term = (disk.log.term + 1).max(clock);
        disk.commit(Transaction { term: Some(term), ..Transaction::default() });
        let heads = disk.log.heads();
        let state = disk.open_state(schema, mutation);
        disk.state = Some(StateFile { schema, heads, state: state.clone() });
        let config = LeaderConfig {
            client,
            protocol: PROTOCOL,
            schema: schema.hash(),
            fence: Fence { term, epoch: disk.log.epoch },
            heads,
            limits: limits(),
        };
        let mut machine = Leader::new(config);
        if let Some(Uplink { on_changed, seed }) = uplink {
            machine.set_backend(disk.log.start(on_changed, seed + term));
        }
        Self { machine, schema, state, undos: HashMap::new() }
    }

    /// Takes a message.
    pub fn receive(
        &mut self,
        disk: &Disk,
        now: Duration,
        message: ToLeader,
        mutation: Option<Mutation>,
    ) {
        let reader = Reader { log: &disk.log, state: &self.state, mutation };
        let read: Result<(), Infallible> = self.machine.receive(now, message, &reader);
        match read {
            Ok(()) => {}
        }
    }

    /// Writes the next group. `None` when there is none; else whether the leader lives.
    pub fn write_group(
        &mut self,
        disk: &mut Disk,
        now: Duration,
        fate: Fate,
        mutation: Option<Mutation>,
    ) -> Option<bool> {
        let group = self.machine.next_group(now)?;
        let before = self.state.clone();
        let mut head = group.parent;
        let mut transaction = Transaction {
            last: group.last.clone(),
            documents: group.documents.clone(),
            quarantine: group.quarantined.clone(),
            ..Transaction::default()
        };
        let mut refused = Vec::new();
        for commit in group.commits {
            let lane = commit.lane();
            match self.state.apply(self.schema, &commit) {
                Ok(undo) => {
                    self.undos.insert(undo_key(&commit), undo);
                    head[lane] = head[lane].after(&commit);
                    transaction.rows.push(Row { head: head[lane], commit });
                }
                Err(reason) => {
                    if mutation == Some(Mutation::SkipRenumber) {
                        head[lane] = head[lane].after(&commit);
                    }
                    let reason: Arc<str> = reason.into();
                    refused.push(Refused { id: commit.id(), reason: reason.clone() });
                    transaction.quarantine.push((commit, reason));
                }
            }
        }
        if mutation == Some(Mutation::ForgetLastN) && !transaction.last.is_empty() {
            transaction.last.remove(0);
        }
        match fate {
            Fate::DiesBeforeLog => return Some(false),
            Fate::StorageRefuses => {
                self.state = before;
                self.machine.finish(now, Err("the disk is full".into()));
                return Some(true);
            }
            _ => disk.commit(transaction),
        }
        if fate == Fate::DiesBeforeState {
            return Some(false);
        }
        let heads = disk.log.heads();
        disk.state = Some(StateFile { schema: self.schema, heads, state: self.state.clone() });
        if fate == Fate::DiesBeforeWord {
            return Some(false);
        }
        self.machine.finish(now, Ok(refused));
        Some(true)
    }
}

/// A session and its in-memory state.
#[derive(Debug)]
pub struct SessionNode {
    /// The machine.
    pub machine: Session,
    /// Its version of the app.
    pub schema: Schema,
    /// What it shows.
    pub state: State,
    /// Its page is frozen.
    pub frozen: bool,
    /// The state was damaged and no new one has arrived.
    pub damaged: bool,
    /// The state is not a leader's: the session folds the log itself.
    pub folds: bool,
    /// What brings pending commits back; those without effect have none.
    undos: HashMap<UndoKey, Undo>,
    /// Documents as its readers see them.
    pub documents: BTreeMap<DocumentKey, Arc<str>>,
    /// Dead sessions whose journals it has taken and not yet settled.
    pub adopting: BTreeSet<SessionId>,
}

impl SessionNode {
    /// Opens a session.
    pub fn open(client: ClientId, id: SessionId, schema: Schema, now: Duration) -> Self {
        let mut config = SessionConfig::new(client, id, schema.hash());
        config.limits = limits();
        Self {
            machine: Session::new(config, now),
            schema,
            state: State::default(),
            frozen: false,
            damaged: false,
            folds: false,
            undos: HashMap::new(),
            documents: BTreeMap::new(),
            adopting: BTreeSet::new(),
        }
    }

    /// Commits; false when the app refuses, and then nothing has changed.
    pub fn commit(&mut self, commit: Commit) -> Result<bool, String> {
        let Ok(undo) = self.state.apply(self.schema, &commit) else { return Ok(false) };
        self.undos.insert(undo_key(&commit), undo);
        self.machine.commit(commit).map_err(|error| error.to_string())?;
        Ok(true)
    }

    /// Sets a document.
    pub fn set_document(&mut self, document: Document) {
        self.documents.insert(document.key.clone(), document.json.clone());
        self.machine.set_document(document);
    }

    /// Takes a message and does what the machine says.
    ///
    /// # Errors
    /// A merge error of the machine, which no run may bring about; or a snapshot that can't be read.
    pub fn receive(
        &mut self,
        now: Duration,
        message: ToSession,
        mutation: Option<Mutation>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let work = match self.machine.receive(now, message) {
            Ok(work) => work,
            // Another client gave a backend that had lost a commit a part of it back; the session takes a new state.
            // Or somebody has taken the name of what is pending.
            Err(MergeError::OutOfOrder { .. } | MergeError::OtherContent { .. }) => {
                self.damaged = true;
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        for work in work {
            match work {
                Work::Merge(merges) => {
                    for merge in merges {
                        counts.rebases += u64::from(!merge.roll_back.is_empty());
                        self.execute(now, merge, mutation);
                    }
                }
                Work::Load { snapshot, reapply } => {
                    counts.loads += 1;
                    self.folds = false;
                    let state = State::from_bytes(&snapshot).ok_or("the snapshot is damaged")?;
                    self.start_from(state, reapply);
                }
                Work::Reset { reapply } => {
                    counts.resets += 1;
                    self.folds = true;
                    self.start_from(State::default(), reapply);
                }
                Work::Document(document) => {
                    self.documents.insert(document.key, document.json);
                }
            }
        }
        Ok(())
    }

    fn start_from(&mut self, state: State, reapply: Vec<Commit>) {
        self.state = state;
        self.damaged = false;
        self.undos.clear();
        self.apply_pending(reapply);
    }

    fn execute(&mut self, now: Duration, mut merge: Merge, mutation: Option<Mutation>) {
        let without_effect = |commit: &Commit| !self.undos.contains_key(&undo_key(commit));
        if self.damaged || merge.confirmed.iter().any(without_effect) {
            // The leader's app is another version: what had no effect here had one there.
            self.damaged = true;
            return self.machine.state_lost(now);
        }
        if mutation == Some(Mutation::ReorderUndo) {
            merge.roll_back.reverse();
        }
        for commit in &merge.roll_back {
            if let Some(undo) = self.undos.remove(&undo_key(commit)) {
                self.state.undo(&undo);
            }
        }
        for commit in &merge.apply {
            let undo = self.state.apply_logged(self.schema, commit);
            self.undos.insert(undo_key(commit), undo);
        }
        if mutation == Some(Mutation::DropLastPending) {
            merge.reapply.pop();
        }
        self.apply_pending(merge.reapply);
        let early = mutation == Some(Mutation::ForgetUndoEarly);
        let logged = merge.confirmed.iter().chain(&merge.apply).filter(|_| early);
        for commit in merge.forget.iter().chain(logged) {
            self.undos.remove(&undo_key(commit));
        }
    }

    fn apply_pending(&mut self, commits: Vec<Commit>) {
        for commit in commits {
            if let Ok(undo) = self.state.apply(self.schema, &commit) {
                self.undos.insert(undo_key(&commit), undo);
            }
        }
    }
}
