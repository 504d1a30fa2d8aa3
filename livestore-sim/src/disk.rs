//! A model of the leader's two databases: the log as transactions whose tail a power loss can take, the state as a
//! file that may be behind the log or of another history.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use livestore_sync::{
    BackendId, BackendStart, ChainHash, Commit, Document, DocumentKey, Event, EventId, Head, Lane,
    LeaderStorage, OnBackendChanged, PerLane, Refused, SessionId,
};

use crate::{
    model::{Schema, State},
    mutation::Mutation,
};

/// A commit in the log and the head after it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The head after the commit.
    pub head: Head,
    /// The commit.
    pub commit: Commit,
}

/// The backend's side of a transaction.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// What follows here in the synced lane goes.
    pub parent: Head,
    /// How far the lane is confirmed afterwards.
    pub confirmed: u64,
    /// The backend's name.
    pub backend: Option<BackendId>,
    /// How often the log was rolled back.
    pub epoch: u64,
    /// Events that leave the quarantine, and their fingerprints.
    pub arrived: Vec<(EventId, ChainHash)>,
}

/// What one transaction of the log writes.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// What a merge does before anything is appended.
    pub merged: Option<Merged>,
    /// Appended commits.
    pub rows: Vec<Row>,
    /// Last `n` of their authors.
    pub last: Vec<(SessionId, u64)>,
    /// What the backend has brought under the names of this client's sessions.
    pub own: Vec<(EventId, ChainHash)>,
    /// New values of documents.
    pub documents: Vec<Document>,
    /// Refused commits.
    pub quarantine: Vec<(Commit, Arc<str>)>,
    /// A new leader's term.
    pub term: Option<u64>,
}

/// What the log database holds.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The commits of each lane.
    pub lanes: PerLane<Vec<Row>>,
    /// Last `n` of each author.
    pub last: BTreeMap<SessionId, u64>,
    /// What the backend has brought under each author's name.
    pub arrived: BTreeMap<SessionId, BTreeMap<u64, ChainHash>>,
    /// Latest value of each document.
    pub documents: BTreeMap<DocumentKey, Arc<str>>,
    /// Refused commits and why.
    pub quarantine: Vec<(Commit, Arc<str>)>,
    /// The last leader's term.
    pub term: u64,
    /// How often the log was rolled back.
    pub epoch: u64,
    /// How often something has left the quarantine.
    pub released: u64,
    /// How far the synced lane is confirmed.
    pub confirmed: u64,
    /// The backend that confirmed it.
    pub backend: Option<BackendId>,
}

impl Log {
    fn take(&mut self, transaction: &Transaction) {
        if let Some(merged) = &transaction.merged {
            self.take_merged(merged);
        }
        for row in &transaction.rows {
            self.lanes[row.commit.lane()].push(row.clone());
        }
        for (author, n) in &transaction.last {
            let last = self.last.entry(*author).or_default();
            *last = (*last).max(*n);
        }
        for (id, fingerprint) in &transaction.own {
            self.arrived.entry(id.session).or_default().insert(id.n.get(), *fingerprint);
        }
        for document in &transaction.documents {
            self.documents.insert(document.key.clone(), document.json.clone());
        }
        self.quarantine.extend(transaction.quarantine.iter().cloned());
        self.term = transaction.term.unwrap_or(self.term);
    }

    fn take_merged(&mut self, merged: &Merged) {
        let rows = &mut self.lanes.synced;
        rows.truncate(rows.partition_point(|row| row.head.number <= merged.parent.number));
        self.confirmed = merged.confirmed;
        self.backend.clone_from(&merged.backend);
        self.epoch = merged.epoch;
        if merged.arrived.is_empty() {
            return;
        }
        for (commit, reason) in std::mem::take(&mut self.quarantine) {
            let events = commit.events();
            let arrived =
                |event: &&Event| merged.arrived.contains(&(event.id, event.fingerprint()));
            if !events.iter().any(|event| arrived(&event)) {
                self.quarantine.push((commit, reason));
                continue;
            }
            self.released += 1;
            // Of a commit that a peer has taken in pieces some may arrive.
            for event in events.iter().filter(|event| !arrived(event)) {
                let piece = Commit::single(commit.lane(), event.clone());
                self.quarantine.push((piece, Arc::clone(&reason)));
            }
        }
    }

    /// What a leader with a backend starts with.
    pub fn start(&self, on_changed: OnBackendChanged, seed: u64) -> BackendStart {
        let rows = &self.lanes.synced;
        let pending = rows.partition_point(|row| row.head.number <= self.confirmed);
        let last = pending.checked_sub(1).map(|at| &rows[at]);
        BackendStart {
            on_changed,
            seed,
            backend: self.backend.clone(),
            confirmed: last.map_or(Head::ZERO, |row| row.head),
            anchor: last.and_then(|row| row.commit.events().last()).cloned(),
            pending: rows[pending..].iter().map(|row| row.commit.clone()).collect(),
        }
    }

    /// How far it goes.
    pub fn heads(&self) -> PerLane<Head> {
        let head = |lane: Lane| self.lanes[lane].last().map_or(Head::ZERO, |row| row.head);
        PerLane { synced: head(Lane::Synced), client_only: head(Lane::ClientOnly) }
    }

    /// The state, folded from zero.
    pub fn fold(&self, schema: Schema) -> State {
        self.fold_to(schema, self.heads().synced)
    }

    /// The state, folded from zero, its synced lane up to `synced` only.
    pub fn fold_to(&self, schema: Schema, synced: Head) -> State {
        let mut state = State::default();
        let rows = &self.lanes.synced;
        let end = rows.partition_point(|row| row.head.number <= synced.number);
        for row in rows[..end].iter().chain(&self.lanes.client_only) {
            state.apply_logged(schema, &row.commit);
        }
        state
    }

    /// The rows after `head`; `None` when the log does not hold it.
    pub fn after(&self, lane: Lane, head: Head, mutation: Option<Mutation>) -> Option<&[Row]> {
        let rows = &self.lanes[lane];
        if head == Head::ZERO {
            return Some(rows);
        }
        let at = rows.binary_search_by_key(&head.number, |row| row.head.number).ok()?;
        let by_number = mutation == Some(Mutation::CompareHeadsByNumber);
        (by_number || rows[at].head == head).then(|| &rows[at + 1..])
    }
}

/// The state database.
#[derive(Clone, Debug)]
pub struct StateFile {
    /// Whose tables these are.
    pub schema: Schema,
    /// The head, written with the rows.
    pub heads: PerLane<Head>,
    /// The rows.
    pub state: State,
}

/// Both databases.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    transactions: Vec<Transaction>,
    /// The log.
    pub log: Log,
    /// The state; any may be missing.
    pub state: Option<StateFile>,
}

impl Disk {
    /// Commits a transaction of the log.
    pub fn commit(&mut self, transaction: Transaction) {
        self.log.take(&transaction);
        self.transactions.push(transaction);
    }

    /// Loses the last transactions of the log, not those of the state; returns the commits that are gone.
    pub fn lose_tail(&mut self, transactions: usize) -> Vec<Commit> {
        let keep = self.transactions.len().saturating_sub(transactions);
        let lost = self.transactions.split_off(keep);
        self.log = Log::default();
        for transaction in &self.transactions {
            self.log.take(transaction);
        }
        let commits = lost.into_iter().flat_map(|transaction| {
            let appended = transaction.rows.into_iter().map(|row| row.commit);
            appended.chain(transaction.quarantine.into_iter().map(|(commit, _)| commit))
        });
        commits.collect()
    }

    /// Brings the state back as a leader does when it opens: valid only if the log holds its head, else rebuilt.
    pub fn open_state(&self, schema: Schema, mutation: Option<Mutation>) -> State {
        let file = self.state.as_ref().filter(|file| file.schema == schema);
        let rest = file.and_then(|file| {
            let synced = self.log.after(Lane::Synced, file.heads.synced, mutation)?;
            let client_only = self.log.after(Lane::ClientOnly, file.heads.client_only, mutation)?;
            Some((file.state.clone(), synced, client_only))
        });
        let Some((mut state, synced, client_only)) = rest else { return self.log.fold(schema) };
        for row in synced.iter().chain(client_only) {
            state.apply_logged(schema, &row.commit);
        }
        state
    }
}

/// What the leader machine reads.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The log.
    pub log: &'a Log,
    /// The leader's state.
    pub state: &'a State,
    /// A bug to have.
    pub mutation: Option<Mutation>,
}

impl LeaderStorage for Reader<'_> {
    type Error = Infallible;

    fn last_n(&self, author: SessionId) -> Result<u64, Infallible> {
        Ok(self.log.last.get(&author).copied().unwrap_or(0))
    }

    fn arrived(&self, author: SessionId, after: u64) -> Result<Vec<(u64, ChainHash)>, Infallible> {
        let arrived = self.log.arrived.get(&author).into_iter().flatten();
        Ok(arrived.filter(|(n, _)| **n > after).map(|(n, print)| (*n, *print)).collect())
    }

    fn holds(&self, lane: Lane, head: Head) -> Result<bool, Infallible> {
        Ok(self.log.after(lane, head, self.mutation).is_some())
    }

    fn tail(&self, lane: Lane, head: Head, max_bytes: usize) -> Result<Vec<Commit>, Infallible> {
        let mut bytes = 0;
        let mut commits = Vec::new();
        for row in self.log.after(lane, head, self.mutation).unwrap_or_default() {
            bytes += row.commit.bytes();
            if bytes > max_bytes && !commits.is_empty() {
                break;
            }
            commits.push(row.commit.clone());
        }
        Ok(commits)
    }

    fn refused(&self, author: SessionId, from: u64) -> Result<Vec<Refused>, Infallible> {
        let of_author = |(commit, _): &&(Commit, Arc<str>)| {
            commit.author() == author && commit.first_n().get() >= from
        };
        let refused = self.log.quarantine.iter().filter(of_author);
        Ok(refused.map(|(c, reason)| Refused { id: c.id(), reason: reason.clone() }).collect())
    }

    fn documents(&self, session: SessionId) -> Result<Vec<Document>, Infallible> {
        let concerns = |(key, _): &(&DocumentKey, &Arc<str>)| key.concerns(session);
        let documents = self.log.documents.iter().filter(concerns);
        Ok(documents.map(|(key, json)| Document { key: key.clone(), json: json.clone() }).collect())
    }

    fn snapshot(&self) -> Result<Option<Arc<[u8]>>, Infallible> {
        Ok(Some(self.state.to_bytes().into()))
    }
}
