//! Client documents: the latest value of each, and when those of a tab may go.
//!
//! A tab may come back long after it was closed: browsers restore whole windows. So its documents stay until the store
//! has been opened on 90 other days without a session of that tab. Days without the app do not count, nor does a clock
//! that jumps: it makes one day, however far. A live session attaches to every leader that opens the log, so the
//! documents of a tab that is alive stay.

use livestore_sync::{Document, DocumentKey, DocumentOwner, TabId};
use rusqlite::Connection;

use super::{EventLog, LogError};

/// On how many days the store is opened without a tab before its documents go.
const DAYS_KEPT: i64 = 90;
/// How many tabs' documents go at one opening, at most.
const TABS_AT_ONCE: i64 = 256;

impl EventLog {
    /// The documents of the client and of `tab`.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn documents(&self, tab: TabId) -> Result<Vec<Document>, LogError> {
        let read = |owner: DocumentOwner| -> rusqlite::Result<Vec<Document>> {
            self.conn
                .prepare_cached("select name, json from documents where owner = ?1")?
                .query_map([owner_text(owner)], |row| {
                    let name: String = row.get(0)?;
                    let json: String = row.get(1)?;
                    Ok(Document {
                        key: DocumentKey { owner, name: name.into() },
                        json: json.into(),
                    })
                })?
                .collect()
        };
        let mut documents = read(DocumentOwner::Client).map_err(|source| self.storage(source))?;
        documents.extend(read(DocumentOwner::Tab(tab)).map_err(|source| self.storage(source))?);
        Ok(documents)
    }

    /// Notes that this tab is there today.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn note_tab(&self, tab: TabId) -> Result<(), LogError> {
        let owner = owner_text(DocumentOwner::Tab(tab));
        // A row for those that have documents; it is written once a day.
        self.conn
            .prepare_cached(
                "update tabs set day = (select value from meta where key = 'day')
                 where owner = ?1 and day < (select value from meta where key = 'day')",
            )
            .and_then(|mut statement| statement.execute([owner]))
            .map(drop)
            .map_err(|source| self.storage(source))
    }

    /// Counts the day, and collects documents of tabs that have not been there for long; `date` is the number of today
    /// by the clock.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn collect_documents(&mut self, date: i64) -> Result<(), LogError> {
        collect(&mut self.conn, date)
            .map_err(|source| LogError::Storage { file: self.file.clone(), source })
    }
}

fn collect(conn: &mut Connection, date: i64) -> rusqlite::Result<()> {
    let written = conn.transaction()?;
    let is_new = written
        .execute("update meta set value = ?1 where key = 'date' and value <> ?1", [date])?
        > 0;
    if is_new {
        let day: i64 = written.query_row(
            "update meta set value = value + 1 where key = 'day' returning value",
            [],
            |row| row.get(0),
        )?;
        let gone = "select owner from tabs where day < ?1 order by day limit ?2";
        let bounds = [day - DAYS_KEPT, TABS_AT_ONCE];
        written.execute(&format!("delete from documents where owner in ({gone})"), bounds)?;
        written.execute(&format!("delete from tabs where owner in ({gone})"), bounds)?;
    }
    written.commit()
}

/// Writes a document's latest value, in the caller's transaction.
pub(super) fn save(conn: &Connection, document: &Document) -> rusqlite::Result<()> {
    let Document { key, json } = document;
    let owner = owner_text(key.owner);
    conn.prepare_cached(
        "insert into documents (owner, name, json) values (?1, ?2, ?3)
         on conflict (owner, name) do update set json = excluded.json",
    )?
    .execute([&owner, key.name.as_ref(), json])?;
    if key.owner != DocumentOwner::Client {
        conn.prepare_cached(
            "insert or replace into tabs select ?1, value from meta where key = 'day'",
        )?
        .execute([owner])?;
    }
    Ok(())
}

/// An owner as it is stored.
fn owner_text(owner: DocumentOwner) -> String {
    match owner {
        DocumentOwner::Client => "client".to_owned(),
        DocumentOwner::Tab(tab) => tab.to_string(),
    }
}
