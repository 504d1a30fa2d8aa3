//! Snapshots: a database as bytes, and a database in memory filled from bytes.
//!
//! The bytes always come from a copy in memory: a database in WAL mode, serialized as it is, could not be opened again
//! (its header says WAL, and there is no file to write one beside). Bytes are foreign: they are opened apart and
//! checked before anything of ours is overwritten.

use rusqlite::{
    Connection, MAIN_DB,
    backup::{Backup, StepResult},
};

use super::{db::Db, error::SqliteError};

/// Where the header of a database file says that it is in WAL mode: 2 and 2 instead of 1 and 1.
const JOURNAL_VERSIONS: std::ops::Range<usize> = 18..20;

/// The shortest header a database file has.
const HEADER: usize = 100;

impl Db {
    /// The whole database as bytes, as a transaction sees it now.
    ///
    /// # Errors
    /// [`SqliteError::Corrupt`] when it is damaged, others when it can't be read or memory does not suffice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SqliteError> {
        // A large one was not checked when it was opened. Whoever got it damaged would refuse it and ask again for ever.
        check(&self.conn)?;
        let mut copy = Connection::open_in_memory()?;
        copy_all(&self.conn, &mut copy)?;
        let mut bytes = copy.serialize(MAIN_DB)?.to_vec();
        if let Some(versions) = bytes.get_mut(JOURNAL_VERSIONS) {
            versions.fill(1);
        }
        Ok(bytes)
    }

    /// Replaces the whole content by that of a snapshot. Hooks and declared tables stay.
    ///
    /// # Errors
    /// [`SqliteError::NotADatabase`] or [`SqliteError::Corrupt`] for bytes that are no sound database; the content is
    /// the old one then.
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), SqliteError> {
        let snapshot = open_bytes(bytes)?;
        self.conn.flush_prepared_statement_cache();
        copy_all(&snapshot, &mut self.conn)?;
        self.hooks.lock().structure_changed = true;
        Ok(())
    }
}

fn open_bytes(bytes: &[u8]) -> Result<Connection, SqliteError> {
    if bytes.len() < HEADER {
        return Err(SqliteError::NotADatabase("the snapshot is too short".to_owned()));
    }
    let mut snapshot = Connection::open_in_memory()?;
    snapshot.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
    check(&snapshot)?;
    Ok(snapshot)
}

fn check(conn: &Connection) -> Result<(), SqliteError> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(SqliteError::Corrupt(verdict)) }
}

fn copy_all(from: &Connection, to: &mut Connection) -> Result<(), SqliteError> {
    match Backup::new(from, to)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(SqliteError::Locked("the database could not be copied".to_owned())),
    }
}
