//! [`State`]: the tables that the events fold into, and how far each lane has been folded.
//!
//! Invariants:
//! 1. The rows of a lane are the fold of its events up to the lane's head; head and rows change in one transaction.
//! 2. Applying a commit, then rolling it back, restores the content hash and the head.
//! 3. After an error nothing has changed.
//! 4. A file is used only if it is sound, of this schema, and skipped no event that the app knows by now.
//!
//! It does not know the log: what to apply, what is pending and what to roll back is the caller's. It never deletes a
//! file; [`State::create`] empties the database it is given.

mod apply;
mod error;
mod open;
mod replay;
mod system;
mod undo;

#[cfg(test)]
mod tests;

pub use apply::{Applied, FailedEvent, SkippedEvent, Unit};
pub use error::{ApplyError, StateProblem};
pub use replay::Replayed;
pub use undo::Undo;

use std::panic::{AssertUnwindSafe, catch_unwind};

use livestore_sync::{Event, Head, Lane, PerLane};
use rusqlite::Connection;

use crate::{
    schema::SchemaDef,
    sqlite::{ContentHash, Db, SqliteError},
};

/// A database that holds a schema's tables, folded up to its heads.
#[derive(Debug)]
pub struct State {
    db: Db,
    schema: &'static SchemaDef,
    heads: PerLane<Head>,
    keeps_undo: bool,
}

impl State {
    /// The database, for queries.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The schema whose tables it holds.
    pub fn schema(&self) -> &'static SchemaDef {
        self.schema
    }

    /// How far each lane has been folded.
    pub fn heads(&self) -> PerLane<Head> {
        self.heads
    }

    /// How far the state in a database goes, of whatever schema it is.
    ///
    /// # Errors
    /// [`SqliteError`] when that can't be read.
    pub(crate) fn heads_in(conn: &Connection) -> Result<PerLane<Head>, SqliteError> {
        system::read_heads(conn)
    }

    /// The names of the events that it skipped as unknown.
    ///
    /// # Errors
    /// [`SqliteError`] when they can't be read.
    pub fn skipped(&self) -> Result<Vec<String>, SqliteError> {
        system::skipped(self.db.conn())
    }

    /// The events of the log that have no effect because they fail, with the reason, in order; the first thousand.
    ///
    /// # Errors
    /// [`SqliteError`] when they can't be read.
    pub fn failed(&self) -> Result<Vec<(Event, String)>, SqliteError> {
        system::failed(self.db.conn(), 1000)
    }

    /// Runs `act` in one write transaction; if it fails, nothing of it has happened.
    ///
    /// # Errors
    /// Those of `act`, or of the transaction itself.
    pub fn transaction<T, E: From<SqliteError>>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let heads = self.heads;
        let bracket = self.db.open_transaction()?;
        let done = catch_unwind(AssertUnwindSafe(|| act(self)));
        if !matches!(done, Ok(Ok(_))) {
            self.heads = heads;
        }
        let done = self.db.close(bracket, done);
        if done.is_err() {
            self.heads = heads;
        }
        done
    }

    /// Hashes the rows of a lane's tables. Equal on every target for equal rows.
    ///
    /// # Errors
    /// [`SqliteError`] when they can't be read.
    pub fn content_hash(&self, lane: Lane) -> Result<ContentHash, SqliteError> {
        let tables = self.schema.tables().iter().filter(|table| table.lane == lane);
        self.db.content_hash(tables.map(|table| table.name))
    }

    /// The whole state as bytes: rows, heads, skipped events and kept undo records.
    ///
    /// # Errors
    /// [`SqliteError`] when it can't be read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SqliteError> {
        self.db.to_bytes()
    }
}
