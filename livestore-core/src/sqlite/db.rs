//! [`Db`]: the one connection type, the same natively and on wasm32.
//!
//! Everything works through `&self`: savepoints nest by name, the statement cache is rusqlite's. Statements of a
//! materializer go through [`Db::execute`] and [`Db::query`], which keep the recording true when a statement fails and
//! never reuse a statement that was prepared outside the guard. [`Db::conn`] is for readers and for our own tables.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, fmt, path::Path, sync::Arc};

use livestore_sync::Lane;
use rusqlite::{CachedStatement, Connection, OpenFlags, Row, config::DbConfig, params_from_iter};

use super::{
    catalog::Catalog,
    clock::{self, Dates},
    error::SqliteError,
    guard::{self, AccessViolation},
    hooks::Hooks,
    read_set::{Instruction, ReadSet},
};
use crate::value::Value;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;

/// A SQLite database with its hooks.
pub struct Db {
    pub(super) conn: Connection,
    pub(super) hooks: Hooks,
    pub(super) catalog: RefCell<Option<Arc<Catalog>>>,
    pub(super) read_sets: RefCell<HashMap<String, Arc<ReadSet>>>,
    pub(super) full_text: RefCell<HashMap<String, String>>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("path", &self.conn.path()).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens an empty database in memory.
    ///
    /// # Errors
    /// [`SqliteError`] when SQLite can't start.
    pub fn open_in_memory() -> Result<Self, SqliteError> {
        Self::new(Connection::open_in_memory()?)
    }

    /// Opens a file, created if it is missing, through a VFS if one is named.
    ///
    /// # Errors
    /// [`SqliteError`] when the file can't be opened. Whether its content is a database shows at the first read.
    pub fn open(path: &Path, vfs: Option<&str>) -> Result<Self, SqliteError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::new(match vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
            None => Connection::open_with_flags(path, flags)?,
        })
    }

    /// Takes a connection that nothing has been prepared on yet.
    ///
    /// # Errors
    /// [`SqliteError`] when it can't be configured.
    pub(crate) fn new(mut conn: Connection) -> Result<Self, SqliteError> {
        let hooks = Hooks::default();
        hooks.install(&mut conn)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // The defaults differ between the two builds of SQLite.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        Ok(Self {
            conn,
            hooks,
            catalog: RefCell::default(),
            read_sets: RefCell::default(),
            full_text: RefCell::default(),
        })
    }

    /// The connection, for reading and for tables of ours. Materializers' statements don't belong here.
    pub fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Runs one statement; gives the number of rows it changed. If it fails, its records are cut back.
    ///
    /// # Errors
    /// [`SqliteError`]; nothing of the statement has happened then.
    pub fn execute(&self, sql: &str, values: &[Value]) -> Result<usize, SqliteError> {
        self.run(sql, values, |statement| statement.execute(params_from_iter(values)))
    }

    /// Runs one statement that gives rows, and maps each of them.
    ///
    /// # Errors
    /// [`SqliteError`] of the statement or of the mapping; nothing of the statement has happened then.
    pub fn query<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, SqliteError> {
        self.run(sql, values, |statement| {
            let mut rows = statement.query(params_from_iter(values))?;
            let mut mapped = Vec::new();
            while let Some(row) = rows.next()? {
                mapped.push(map(row)?);
            }
            Ok(mapped)
        })
    }

    /// Runs several statements without parameters; for structure, not for materializers.
    ///
    /// # Errors
    /// [`SqliteError`] of the first statement that fails; those before it have happened.
    pub fn execute_batch(&self, sql: &str) -> Result<(), SqliteError> {
        Ok(self.conn.execute_batch(sql)?)
    }

    fn run<T>(
        &self,
        sql: &str,
        values: &[Value],
        act: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        self.attempt(sql, values, act).map_err(SqliteError::from)
    }

    /// Prepares a statement, as the guard allows, and acts on it; `values` are those that `act` binds. If that fails,
    /// its records are cut back.
    ///
    /// # Errors
    /// What SQLite says, untranslated, or the access that the guard refused.
    pub(crate) fn attempt<T>(
        &self,
        sql: &str,
        values: &[Value],
        act: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let (lane, mark) = {
            let mut state = self.hooks.lock();
            state.prepared = false;
            (state.guard, state.records.len())
        };
        let text = match lane {
            Some(lane) => Cow::Owned(format!("{}{sql}", guard::tag(lane))),
            None => Cow::Borrowed(sql),
        };
        let done = self.prepare(&text).and_then(|mut statement| {
            if lane.is_some() {
                self.check_bound(&text, values)?;
            }
            self.act(&mut statement, act)
        });
        let mut state = self.hooks.lock();
        if let Some(AccessViolation::Impure { sql: text, .. }) = &mut state.violation
            && text.is_empty()
        {
            sql.clone_into(text);
        }
        if let Err(failure) = &done {
            state.records.truncate(mark);
            if state.guard.is_some() {
                state.failure = state.failure.take().or_else(|| failure.of_storage());
            }
        }
        match &state.violation {
            Some(violation) => Err(Failure::Access(violation.clone())),
            None => done,
        }
    }

    /// A write that gives rows has written all of them before the first is seen: if what looks at them fails, SQLite
    /// keeps the write, so it gets a savepoint of its own.
    fn act<T>(
        &self,
        statement: &mut CachedStatement<'_>,
        act: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        if statement.readonly() || statement.column_count() == 0 {
            return Ok(act(statement)?);
        }
        self.savepoint(|| Ok(act(statement)?))
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Failure> {
        let statement = self.conn.prepare_cached(sql)?;
        if !std::mem::take(&mut self.hooks.lock().prepared) {
            return Ok(statement);
        }
        // Prepared under a guard just now. Only the program shows what can't be undone or is not pure; a statement that
        // comes from the cache was judged when it went in.
        let program = self.program(sql)?;
        let refused = match clock::dates(&program) {
            _ if program.iter().any(leaves_half_a_statement) => AccessViolation::ConflictClause,
            Dates::Now(function) => impure(format!("{function}() of the clock")),
            Dates::Here(function) => impure(format!("{function}() of the local time zone")),
            Dates::Given | Dates::Unused => return Ok(statement),
        };
        statement.discard();
        Err(self.refuse(refused))
    }

    /// Refuses values that would let a guarded statement read the clock. Such words are rare among values, so the
    /// program is asked again instead of being remembered.
    fn check_bound(&self, sql: &str, values: &[Value]) -> Result<(), Failure> {
        let (now, here) = (clock::means_now(values), clock::means_here(values));
        if !(now || here) || clock::dates(&self.program(sql)?) == Dates::Unused {
            return Ok(());
        }
        let what = if now { "the clock" } else { "the local time zone" };
        Err(self.refuse(impure(format!("a date function of {what}, through a parameter"))))
    }

    fn refuse(&self, violation: AccessViolation) -> Failure {
        self.hooks.lock().violation.get_or_insert_with(|| violation.clone());
        Failure::Access(violation)
    }

    /// Declares which lane each table belongs to, for the guard.
    pub fn declare<'a>(&self, tables: impl IntoIterator<Item = (&'a str, Lane)>) {
        let lanes = tables.into_iter().map(|(table, lane)| (table.to_ascii_lowercase(), lane));
        self.hooks.lock().lanes = lanes.collect();
        // They were judged by what was declared before.
        self.conn.flush_prepared_statement_cache();
    }

    /// Declares a full-text table and the table whose rows it indexes.
    pub fn declare_full_text(&self, full_text: &str, content: &str) {
        self.full_text.borrow_mut().insert(full_text.to_owned(), content.to_owned());
    }
}

/// Why a statement failed, before it is translated.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guard refused it.
    Access(AccessViolation),
    /// SQLite refused it, or could not do it.
    Sqlite(rusqlite::Error),
    /// The savepoint around it failed.
    Savepoint(SqliteError),
}

impl Failure {
    /// The failure as one of the storage, if it is one.
    fn of_storage(&self) -> Option<SqliteError> {
        let error = match self {
            Self::Access(_) => return None,
            Self::Savepoint(error) => {
                return Some(error.clone()).filter(SqliteError::is_storage_failure);
            }
            Self::Sqlite(error) => error,
        };
        let code = error.sqlite_error()?;
        let error = rusqlite::Error::SqliteFailure(*code, Some(error.to_string()));
        Some(SqliteError::from(error)).filter(SqliteError::is_storage_failure)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<SqliteError> for Failure {
    fn from(error: SqliteError) -> Self {
        Self::Savepoint(error)
    }
}

impl From<Failure> for SqliteError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Access(violation) => violation.into(),
            Failure::Sqlite(error) => error.into(),
            Failure::Savepoint(error) => error,
        }
    }
}

/// A refusal that still lacks the statement's text.
fn impure(function: String) -> AccessViolation {
    AccessViolation::Impure { function, sql: String::new() }
}

/// Whether a step ends a statement without taking back what it did: `OR ROLLBACK` (1) or `OR FAIL` (3).
fn leaves_half_a_statement(step: &Instruction) -> bool {
    const CONSTRAINT: i64 = 19;
    step.opcode == "Halt" && step.p1 & 0xff == CONSTRAINT && matches!(step.p2, 1 | 3)
}
