//! Appending: one transaction for events, the sessions' last `n`, documents and quarantine, and for what a backend has
//! said.

use livestore_sync::{ChainHash, Commit, Document, EventId, Head, PerLane, SessionId};
use rusqlite::{Connection, params};

use super::{
    EventLog, LogError,
    backend::{self, Merged},
    documents,
    open::lane_number,
    to_sql,
};

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Append {
    /// What comes first: the merge of what a backend has said.
    pub(crate) merged: Option<Merged>,
    /// Commits to put at the end of their lanes, in this order.
    pub(crate) commits: Vec<Commit>,
    /// Commits that can't be applied, with the reason.
    pub(crate) quarantined: Vec<(Commit, String)>,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The last `n` of each author of the above.
    pub(crate) last: Vec<(SessionId, u64)>,
    /// What a backend has brought under the names of this client's sessions.
    pub(crate) own: Vec<(EventId, ChainHash)>,
    /// Latest values of documents.
    pub(crate) documents: Vec<Document>,
}

impl EventLog {
    /// Writes all of `append`, or nothing. When this returns Ok the rows are as durable as the storage makes them.
    ///
    /// # Errors
    /// [`LogError::Storage`]; the log is then as before.
    pub(crate) fn append(&mut self, append: &Append) -> Result<(), LogError> {
        let storage = |source| LogError::Storage { file: self.file.clone(), source };
        self.conn.execute_batch("begin immediate").map_err(storage)?;
        let written = write(&self.conn, self.heads, append).and_then(|written| {
            self.conn.execute_batch("commit")?;
            Ok(written)
        });
        match written {
            Ok((heads, released)) => {
                self.heads = heads;
                self.released |= released;
                if let Some(merged) = &append.merged {
                    self.confirmed = merged.confirmed;
                    self.fence.epoch = merged.epoch;
                }
                Ok(())
            }
            Err(source) => {
                // After some errors (full disk) SQLite has rolled back by itself; then this one fails and says nothing new.
                let _ = self.conn.execute_batch("rollback");
                Err(storage(source))
            }
        }
    }
}

/// The heads then, and whether something has left the quarantine.
fn write(
    conn: &Connection,
    mut heads: PerLane<Head>,
    append: &Append,
) -> rusqlite::Result<(PerLane<Head>, bool)> {
    let mut released = false;
    if let Some(merged) = &append.merged {
        released = backend::merge(conn, merged)?;
        heads.synced = merged.parent;
    }
    let mut insert = conn.prepare_cached(
        "insert into events (lane, number, client, tab, open, n, first_n, name, args, hash)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for commit in &append.commits {
        for event in commit.events() {
            let head = &mut heads[commit.lane()];
            *head = head.then(event);
            insert.execute(params![
                lane_number(commit.lane()),
                to_sql(head.number),
                to_sql(event.id.client.0),
                to_sql(event.id.session.tab.0),
                to_sql(event.id.session.open),
                to_sql(event.id.n.get()),
                to_sql(commit.first_n().get()),
                event.name,
                event.args.as_str(),
                head.hash.0.to_le_bytes(),
            ])?;
        }
    }
    for (commit, reason) in &append.quarantined {
        quarantine(conn, commit, reason, append.at_ms)?;
    }
    for (author, n) in &append.last {
        see(conn, *author, *n)?;
    }
    for (id, fingerprint) in &append.own {
        note_arrived(conn, *id, *fingerprint)?;
    }
    for document in &append.documents {
        documents::save(conn, document)?;
    }
    Ok((heads, released))
}

/// Remembers a session's last `n`.
fn see(conn: &Connection, author: SessionId, n: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "insert into sessions (tab, open, last_n) values (?1, ?2, ?3)
         on conflict (tab, open) do update set last_n = max(last_n, excluded.last_n)",
    )?
    .execute(params![to_sql(author.tab.0), to_sql(author.open), to_sql(n)])?;
    conn.prepare_cached("delete from arrived where tab = ?1 and open = ?2 and n <= ?3")?
        .execute(params![to_sql(author.tab.0), to_sql(author.open), to_sql(n)])
        .map(drop)
}

/// Remembers what a backend has brought under a session's name, unless the session has pushed that number itself.
fn note_arrived(conn: &Connection, id: EventId, fingerprint: ChainHash) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "insert or replace into arrived (tab, open, n, fingerprint) select ?1, ?2, ?3, ?4
         where not exists (select 1 from sessions where tab = ?1 and open = ?2 and last_n >= ?3)",
    )?
    .execute(params![
        to_sql(id.session.tab.0),
        to_sql(id.session.open),
        to_sql(id.n.get()),
        fingerprint.0.to_le_bytes(),
    ])
    .map(drop)
}

pub(super) fn quarantine(
    conn: &Connection,
    commit: &Commit,
    reason: &str,
    at_ms: u64,
) -> rusqlite::Result<()> {
    let json = serde_json::to_string(commit)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let author = commit.author();
    conn.execute(
        "insert or replace into quarantine
             (client, tab, open, first_n, lane, commit_json, reason, at_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            to_sql(commit.id().client.0),
            to_sql(author.tab.0),
            to_sql(author.open),
            to_sql(commit.first_n().get()),
            lane_number(commit.lane()),
            json,
            reason,
            to_sql(at_ms)
        ],
    )
    .map(drop)
}
