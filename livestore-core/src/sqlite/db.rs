//! [`Db`]: the one connection type, the same natively and on wasm32.
//!
//! Everything works through `&self`: savepoints nest by name, the statement cache is rusqlite's. Statements of a
//! materializer go through [`Db::execute`] and [`Db::query`], which keep the recording true when a statement fails and
//! never reuse a statement that was prepared outside the guard. [`Db::conn`] is for readers and for our own tables.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, fmt, path::Path, sync::Arc};

use livestore_sync::Lane;
use rusqlite::{CachedStatement, Connection, OpenFlags, Row, config::DbConfig, params_from_iter};

use super::{
    catalog::{Catalog, TableInfo},
    error::SqliteError,
    guard::{self, AccessViolation},
    hooks::Hooks,
    read_set::{Instruction, ReadSet},
    record::{Mark, Record},
};
use crate::value::Value;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;

/// How many read sets a connection keeps; beyond, it starts over.
const READ_SETS: usize = 2048;

/// A SQLite database with its hooks.
pub struct Db {
    pub(super) conn: Connection,
    pub(super) hooks: Hooks,
    catalog: RefCell<Option<Arc<Catalog>>>,
    read_sets: RefCell<HashMap<String, Arc<ReadSet>>>,
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

    fn new(mut conn: Connection) -> Result<Self, SqliteError> {
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
        self.run(sql, |statement| statement.execute(params_from_iter(values)))
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
        self.run(sql, |statement| {
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
        act: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        self.attempt(sql, act).map_err(SqliteError::from)
    }

    /// Prepares a statement, as the guard allows, and acts on it. If that fails, its records are cut back.
    ///
    /// # Errors
    /// What SQLite says, untranslated, or the access that the guard refused.
    pub(crate) fn attempt<T>(
        &self,
        sql: &str,
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
        let done = self.prepare(&text).and_then(|mut statement| Ok(act(&mut statement)?));
        let mut state = self.hooks.lock();
        if done.is_err() {
            state.records.truncate(mark);
        }
        match &state.violation {
            Some(violation) => Err(Failure::Access(violation.clone())),
            None => done,
        }
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Failure> {
        let statement = self.conn.prepare_cached(sql)?;
        if !std::mem::take(&mut self.hooks.lock().prepared) {
            return Ok(statement);
        }
        // Prepared under a guard just now: half-done statements can't be undone, and only the program shows them.
        if self.program(sql)?.iter().any(leaves_half_a_statement) {
            statement.discard();
            let violation = AccessViolation::ConflictClause;
            self.hooks.lock().violation.get_or_insert_with(|| violation.clone());
            return Err(Failure::Access(violation));
        }
        Ok(statement)
    }

    /// Runs `act` in a savepoint: if it fails, nothing of it has happened, records included. Savepoints nest.
    ///
    /// # Errors
    /// Those of `act`, or of the savepoint itself.
    pub fn savepoint<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.bracket(["SAVEPOINT livestore", "RELEASE livestore"], act)
    }

    /// Runs `act` in a write transaction, or in a savepoint if one is open already.
    ///
    /// # Errors
    /// Those of `act`, or of the transaction itself.
    pub fn transaction<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.conn.is_autocommit() {
            return self.savepoint(act);
        }
        self.bracket(["BEGIN IMMEDIATE", "COMMIT"], act)
    }

    fn bracket<T, E: From<SqliteError>>(
        &self,
        [open, close]: [&str; 2],
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mark = self.mark();
        self.control(open)?;
        let done = act().and_then(|value| {
            self.control(close)?;
            Ok(value)
        });
        if done.is_err() {
            // A full disk or lost memory may have rolled everything back already.
            if !self.conn.is_autocommit() {
                if close == "COMMIT" {
                    self.control("ROLLBACK")?;
                } else {
                    self.control("ROLLBACK TO livestore")?;
                    self.control("RELEASE livestore")?;
                }
            }
            self.cut_back(mark);
            self.forget_rolled_back_structure()?;
        }
        done
    }

    fn control(&self, sql: &str) -> Result<(), SqliteError> {
        self.conn.prepare_cached(sql)?.execute(())?;
        Ok(())
    }

    /// Runs `act` while every written row is recorded; gives the records.
    ///
    /// # Errors
    /// Those of `act`; or out of memory, when a row could not be recorded.
    pub fn recorded<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, Vec<Record>), E> {
        let (before, mark) = {
            let mut state = self.hooks.lock();
            (std::mem::replace(&mut state.recording, true), state.records.len())
        };
        let restore = OnDrop(|| self.hooks.lock().recording = before);
        let done = act();
        drop(restore);
        let mut state = self.hooks.lock();
        let records = if before {
            state.records[mark.min(state.records.len())..].to_vec()
        } else {
            let mark = mark.min(state.records.len());
            state.records.split_off(mark)
        };
        if std::mem::take(&mut state.incomplete) {
            return Err(
                SqliteError::OutOfMemory("a written row could not be recorded".into()).into()
            );
        }
        Ok((done?, records))
    }

    /// Where the recording stands.
    pub fn mark(&self) -> Mark {
        Mark(self.hooks.lock().records.len())
    }

    /// Forgets the records since a mark: what they tell of did not happen after all.
    pub fn cut_back(&self, mark: Mark) {
        self.hooks.lock().records.truncate(mark.0);
    }

    /// Declares which lane each table belongs to, for the guard.
    pub fn declare<'a>(&self, tables: impl IntoIterator<Item = (&'a str, Lane)>) {
        let lanes = tables.into_iter().map(|(table, lane)| (table.to_ascii_lowercase(), lane));
        self.hooks.lock().lanes = lanes.collect();
    }

    /// Declares a full-text table and the table whose rows it indexes.
    pub fn declare_full_text(&self, full_text: &str, content: &str) {
        self.full_text.borrow_mut().insert(full_text.to_owned(), content.to_owned());
    }

    /// Runs `act` as a materializer of a lane: it may read and write rows of that lane's tables, and nothing else.
    ///
    /// # Errors
    /// The first [`AccessViolation`], even if `act` went on after it.
    pub fn guarded<T>(&self, lane: Lane, act: impl FnOnce() -> T) -> Result<T, AccessViolation> {
        let before = self.hooks.lock().guard.replace(lane);
        let restore = OnDrop(|| self.hooks.lock().guard = before);
        let done = act();
        drop(restore);
        match self.hooks.lock().violation.take() {
            Some(violation) => Err(violation),
            None => Ok(done),
        }
    }

    /// What a query reads, found out once and kept.
    ///
    /// # Errors
    /// [`SqliteError::ReadSet`] when the text is no query, is not determined by the tables, or reads what nobody
    /// records; else what SQLite says to the text.
    pub fn read_set(&self, sql: &str) -> Result<Arc<ReadSet>, SqliteError> {
        let catalog = self.catalog()?;
        if let Some(known) = self.read_sets.borrow().get(sql) {
            return Ok(Arc::clone(known));
        }
        let set = Arc::new(self.find_read_set(&catalog, sql)?);
        let mut known = self.read_sets.borrow_mut();
        if known.len() >= READ_SETS {
            known.clear();
        }
        known.insert(sql.to_owned(), Arc::clone(&set));
        Ok(set)
    }

    /// A table's columns, key and name.
    ///
    /// # Errors
    /// [`SqliteError`] when the structure can't be read.
    pub fn table(&self, name: &str) -> Result<Option<Arc<TableInfo>>, SqliteError> {
        Ok(self.catalog()?.table(name))
    }

    /// The structure of the database, read again after it changed.
    pub(super) fn catalog(&self) -> Result<Arc<Catalog>, SqliteError> {
        let mut kept = self.catalog.borrow_mut();
        let changed = self.hooks.lock().structure_changed;
        if let Some(catalog) = kept.as_ref().filter(|_| !changed) {
            return Ok(Arc::clone(catalog));
        }
        let catalog = Arc::new(Catalog::load(&self.conn)?);
        self.hooks.lock().structure_changed = false;
        self.read_sets.borrow_mut().clear();
        *kept = Some(Arc::clone(&catalog));
        Ok(catalog)
    }

    fn forget_rolled_back_structure(&self) -> Result<(), SqliteError> {
        let kept = self.catalog.borrow().as_ref().map(|catalog| catalog.version);
        if let Some(version) = kept
            && Catalog::version_of(&self.conn)? != version
        {
            self.hooks.lock().structure_changed = true;
        }
        Ok(())
    }

    /// The compiled program of a statement.
    pub(super) fn program(&self, sql: &str) -> rusqlite::Result<Vec<Instruction>> {
        let mut statement = self.conn.prepare(&format!("EXPLAIN {sql}"))?;
        let mut rows = statement.raw_query();
        let mut program = Vec::new();
        while let Some(row) = rows.next()? {
            program.push(Instruction {
                opcode: row.get(1)?,
                p1: row.get(2)?,
                p2: row.get(3)?,
                p3: row.get(4)?,
                p4: row.get_ref(5)?.as_str_or_null()?.map(str::to_owned),
                p5: row.get(6)?,
            });
        }
        Ok(program)
    }
}

/// Why a statement failed, before it is translated.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guard refused it.
    Access(AccessViolation),
    /// SQLite refused it, or could not do it.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for SqliteError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Access(violation) => violation.into(),
            Failure::Sqlite(error) => error.into(),
        }
    }
}

/// Whether a step ends a statement without taking back what it did: `OR ROLLBACK` (1) or `OR FAIL` (3).
fn leaves_half_a_statement(step: &Instruction) -> bool {
    const CONSTRAINT: i64 = 19;
    step.opcode == "Halt" && step.p1 & 0xff == CONSTRAINT && matches!(step.p2, 1 | 3)
}

/// Runs a closure when dropped, so that a panic in between leaves no switch on.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
