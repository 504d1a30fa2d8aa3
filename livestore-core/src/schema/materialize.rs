//! [`Writes`]: what a materializer can do to the state, and how it can fail.
//!
//! `Writes` is built by the state layer for one event, over the database and inside the transaction that applies it.
//! Every statement goes through [`Db::attempt`], which keeps to the event's lane and keeps the recording true.
//! It offers no way to commit, to see another event, a clock or a random number. Its errors tell apart what would fail
//! everywhere (such events are refused) from what failed here and may work later (such events wait).

use std::fmt;

use livestore_sync::{EventId, Lane};

use super::{def::EventDef, def::TableDef, table::Table, table::TypeMismatch};
use crate::{
    Value,
    query::{Params, Query, QueryError, SqlError},
    sqlite::{AccessViolation, Db, Failure},
};

/// Why an event can't be applied.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum MaterializeError {
    /// The arguments are not those of the event.
    #[error("the arguments of `{event}` don't decode: {reason}")]
    Decode {
        /// The event's name.
        event: String,
        /// What doesn't fit.
        reason: String,
    },
    /// The materializer said no.
    #[error("refused: {0}")]
    Refused(String),
    /// An event of one lane touches a table of the other.
    #[error(
        "`{event}` is {} and can't read or write {}, which is fed by {} events",
        lane_word(*lane),
        table.as_ref().map_or("a table".to_owned(), |table| format!("the table `{table}`")),
        lane_word(other(*lane))
    )]
    OtherLane {
        /// The event's name.
        event: &'static str,
        /// The event's lane.
        lane: Lane,
        /// The table; nothing when SQLite's refusal didn't say.
        table: Option<String>,
    },
    /// A statement reached for more than rows of its lane's tables.
    #[error("`{event}`: {violation}")]
    Access {
        /// The event's name.
        event: &'static str,
        /// What it tried.
        violation: AccessViolation,
    },
    /// A statement depends on more than the event and the tables: the clock, the time zone, a random number.
    #[error(
        "`{event}`: a materializer must be pure, and `{sql}` uses {function}, which gives another result on another run or machine: take the value where the event is committed, and put it into the event's arguments"
    )]
    Impure {
        /// The event's name.
        event: &'static str,
        /// What it used.
        function: String,
        /// The statement.
        sql: String,
    },
    /// SQLite refused a statement: a constraint, or SQL that is none.
    #[error(transparent)]
    Sqlite(SqlError),
    /// A read failed, or didn't find what it must.
    #[error(transparent)]
    Query(QueryError),
    /// A value that its column can't hold.
    #[error("can't be stored: {0}")]
    Value(TypeMismatch),
    /// The storage failed (I/O, full disk, memory): the event is not to blame and is tried again.
    #[error("the storage failed: {0}")]
    Storage(SqlError),
}

impl MaterializeError {
    /// A refusal with a reason that the author of the commit will read.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// Whether it would fail the same way everywhere, so that the event is to blame.
    pub fn is_deterministic(&self) -> bool {
        !matches!(self, Self::Storage(_))
    }
}

impl From<&str> for MaterializeError {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

impl From<String> for MaterializeError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl From<SqlError> for MaterializeError {
    fn from(error: SqlError) -> Self {
        if error.is_storage() { Self::Storage(error) } else { Self::Sqlite(error) }
    }
}

impl From<QueryError> for MaterializeError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Sqlite(error) => error.into(),
            error => Self::Query(error),
        }
    }
}

impl From<TypeMismatch> for MaterializeError {
    fn from(error: TypeMismatch) -> Self {
        Self::Value(error)
    }
}

fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Synced => "synced",
        Lane::ClientOnly => "client-only",
    }
}

fn other(lane: Lane) -> Lane {
    match lane {
        Lane::Synced => Lane::ClientOnly,
        Lane::ClientOnly => Lane::Synced,
    }
}

/// The state, as the materializer of one event may read and write it.
pub struct Writes<'a> {
    db: &'a Db,
    author: EventId,
    event: &'static str,
    lane: Lane,
    changed: u64,
}

impl fmt::Debug for Writes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writes")
            .field("event", &self.event)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

impl<'a> Writes<'a> {
    /// The state as `event` by `author` may touch it. The caller holds the transaction.
    pub(crate) fn new(db: &'a Db, author: EventId, event: &EventDef) -> Self {
        Self { db, author, event: event.name, lane: event.lane, changed: 0 }
    }

    /// Who committed the event: client, session and the session's count.
    pub fn author(&self) -> EventId {
        self.author
    }

    /// How many rows the last write inserted, changed or deleted.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Inserts a row.
    ///
    /// # Errors
    /// [`MaterializeError::Sqlite`] when a row with its key is already there, and as every write.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place and have no further use for it"
    )]
    pub fn insert<T: Table>(&mut self, row: T) -> Result<(), MaterializeError> {
        self.write_row(&row, &T::statements().insert)
    }

    /// Inserts a row unless it conflicts with a row that is there.
    ///
    /// # Errors
    /// As every write: another lane's table, a value that can't be stored, or a failure of the storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place and have no further use for it"
    )]
    pub fn insert_or_ignore<T: Table>(&mut self, row: T) -> Result<(), MaterializeError> {
        self.write_row(&row, &T::statements().insert_or_ignore)
    }

    /// Inserts a row, or puts it in the place of the one with its primary key.
    ///
    /// # Errors
    /// As every write: another lane's table, a value that can't be stored, or a failure of the storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place and have no further use for it"
    )]
    pub fn upsert<T: Table>(&mut self, row: T) -> Result<(), MaterializeError> {
        self.write_row(&row, &T::statements().upsert)
    }

    /// Runs one SQL statement that writes, with bound parameters. SQL that reads the clock (`datetime('now')`), the time
    /// zone or random numbers is refused.
    ///
    /// # Errors
    /// [`MaterializeError`] for SQL that SQLite refuses, tables of the other lane included.
    pub fn execute(&mut self, sql: &str, params: impl Params) -> Result<(), MaterializeError> {
        let binds =
            params.to_binds().map_err(|error| TypeMismatch::new(None, "parameter", error))?;
        self.run(sql, &binds)
    }

    fn write_row<T: Table>(&mut self, row: &T, sql: &str) -> Result<(), MaterializeError> {
        self.check_lane(T::DEF)?;
        let values = row.to_values()?;
        self.run(sql, &values)
    }

    pub(crate) fn check_lane(&self, table: &TableDef) -> Result<(), MaterializeError> {
        if table.lane == self.lane {
            return Ok(());
        }
        let table = Some(table.name.to_owned());
        Err(MaterializeError::OtherLane { event: self.event, lane: self.lane, table })
    }

    pub(crate) fn run(&mut self, sql: &str, binds: &[Value]) -> Result<(), MaterializeError> {
        let done = self
            .db
            .attempt(sql, binds, |statement| statement.execute(rusqlite::params_from_iter(binds)));
        self.changed = done.map_err(|failure| self.failure(sql, failure))? as u64;
        Ok(())
    }

    pub(crate) fn read<T>(&self, query: &Query<T>) -> Result<T, MaterializeError> {
        let done = self.db.attempt(query.sql(), query.binds(), |statement| {
            // A write that fails half-way in here would stay in the recording.
            if !statement.readonly() {
                return Err(rusqlite::Error::InvalidQuery);
            }
            Ok(query.read(statement))
        });
        Ok(done.map_err(|failure| self.failure(query.sql(), failure))??)
    }

    fn failure(&self, sql: &str, failure: Failure) -> MaterializeError {
        match failure {
            Failure::Access(violation) => access(self.event, violation),
            Failure::Sqlite(error) => SqlError::new(sql, &error).into(),
            Failure::Savepoint(error) => MaterializeError::Storage(SqlError {
                sql: sql.to_owned(),
                code: rusqlite::ffi::SQLITE_IOERR,
                message: error.to_string(),
            }),
        }
    }
}

/// An access that the guard refused, as the error of an event.
pub(crate) fn access(event: &'static str, violation: AccessViolation) -> MaterializeError {
    match violation {
        AccessViolation::OtherLane { table, by, .. } => {
            MaterializeError::OtherLane { event, lane: by, table: Some(table) }
        }
        AccessViolation::Impure { function, sql } => {
            MaterializeError::Impure { event, function, sql }
        }
        violation => MaterializeError::Access { event, violation },
    }
}
