//! A model of the leader's two databases: the log as transactions whose tail a power loss can take, the state as a
//! file that may be behind the log or of another history.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use livestore_sync::{
    Commit, Document, DocumentKey, Head, Lane, LeaderStorage, PerLane, Refused, SessionId,
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

/// What one transaction of the log writes.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Appended commits.
    pub rows: Vec<Row>,
    /// Last `n` of their authors.
    pub last: Vec<(SessionId, u64)>,
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
    /// Latest value of each document.
    pub documents: BTreeMap<DocumentKey, Arc<str>>,
    /// Refused commits and why.
    pub quarantine: Vec<(Commit, Arc<str>)>,
    /// The last leader's term.
    pub term: u64,
}

impl Log {
    fn take(&mut self, transaction: &Transaction) {
        for row in &transaction.rows {
            self.lanes[row.commit.lane()].push(row.clone());
        }
        self.last.extend(transaction.last.iter().copied());
        for document in &transaction.documents {
            self.documents.insert(document.key.clone(), document.json.clone());
        }
        self.quarantine.extend(transaction.quarantine.iter().cloned());
        self.term = transaction.term.unwrap_or(self.term);
    }

    /// How far it goes.
    pub fn heads(&self) -> PerLane<Head> {
        let head = |lane: Lane| self.lanes[lane].last().map_or(Head::ZERO, |row| row.head);
        PerLane { synced: head(Lane::Synced), client_only: head(Lane::ClientOnly) }
    }

    /// The state, folded from zero.
    pub fn fold(&self, schema: Schema) -> State {
        let mut state = State::default();
        for row in self.lanes.synced.iter().chain(&self.lanes.client_only) {
            // One that fails here is in the log without effect.
            let _ = state.apply(schema, &row.commit);
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
            // One that fails here is in the log without effect.
            let _ = state.apply(schema, &row.commit);
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
