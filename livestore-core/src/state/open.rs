//! Making a state, and judging one that is there.

use livestore_sync::{Head, PerLane};
use rusqlite::config::DbConfig;

use super::{State, StateProblem, system};
use crate::{
    schema::SchemaDef,
    sqlite::{Db, SqliteError},
};

/// Up to this many pages a database is checked whole when it is opened; of a larger one SQLite checks the header and
/// the size, and damage shows as [`SqliteError::Corrupt`] where it is met.
const CHECKED_PAGES: i64 = 4096;

impl State {
    /// Empties a database, whatever it holds, and makes the schema's tables in it, with no event applied.
    ///
    /// # Errors
    /// [`SqliteError`] of the storage, or of definitions that SQLite does not take.
    pub fn create(db: Db, schema: &'static SchemaDef) -> Result<Self, SqliteError> {
        wipe(&db)?;
        db.transaction(|| {
            let conn = db.conn();
            db.execute_batch(system::TABLES)?;
            schema.ddl().iter().try_for_each(|sql| db.execute_batch(sql))?;
            system::write_meta(conn, "format", system::FORMAT)?;
            system::write_meta(conn, "schema", schema.hash().cast_signed())
        })?;
        Ok(Self::new(db, schema, PerLane::default()))
    }

    /// Takes a database that holds a state of this schema.
    ///
    /// # Errors
    /// [`StateProblem`]: why it has to be rebuilt, or that the storage failed.
    pub fn open(db: Db, schema: &'static SchemaDef) -> Result<Self, StateProblem> {
        let heads = judge(&db, schema)?;
        Ok(Self::new(db, schema, heads))
    }

    /// Takes a database that holds a state of this schema; one that does not is emptied, with the reason.
    ///
    /// # Errors
    /// [`SqliteError`] when the storage fails. Nothing is emptied then.
    pub fn open_or_create(
        db: Db,
        schema: &'static SchemaDef,
    ) -> Result<(Self, Option<StateProblem>), SqliteError> {
        match judge(&db, schema) {
            Ok(heads) => Ok((Self::new(db, schema, heads), None)),
            Err(StateProblem::Storage(error)) => Err(error),
            Err(problem) => Ok((Self::create(db, schema)?, Some(problem))),
        }
    }

    /// Makes a state in memory from a snapshot.
    ///
    /// # Errors
    /// [`StateProblem`] when the bytes are no state of this schema.
    pub fn from_bytes(bytes: &[u8], schema: &'static SchemaDef) -> Result<Self, StateProblem> {
        let mut db = Db::open_in_memory()?;
        db.load_bytes(bytes)?;
        Self::open(db, schema)
    }

    /// Gives the database back.
    pub fn into_db(self) -> Db {
        self.db
    }

    /// Checks the whole database, however large.
    ///
    /// # Errors
    /// [`SqliteError::Corrupt`] with SQLite's verdict.
    pub fn check_integrity(&self) -> Result<(), SqliteError> {
        check(&self.db, "PRAGMA integrity_check(1)")
    }

    fn new(db: Db, schema: &'static SchemaDef, heads: PerLane<Head>) -> Self {
        db.declare(schema.tables().iter().map(|table| (table.name, table.lane)));
        Self { db, schema, heads, keeps_undo: false }
    }
}

fn judge(db: &Db, schema: &SchemaDef) -> Result<PerLane<Head>, StateProblem> {
    let conn = db.conn();
    let first =
        |sql| conn.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(SqliteError::from);
    let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'livestore_meta'";
    if first(made)? == 0 {
        return Err(StateProblem::Missing);
    }
    if first("PRAGMA page_count")? <= CHECKED_PAGES {
        check(db, "PRAGMA quick_check(1)")?;
    }
    let meta = |key| system::read_meta(conn, key)?.ok_or(StateProblem::Missing);
    let (format, hash) = (meta("format")?, meta("schema")?.cast_unsigned());
    if format != system::FORMAT {
        return Err(StateProblem::OtherFormat { found: format, expected: system::FORMAT });
    }
    if hash != schema.hash() {
        return Err(StateProblem::OtherSchema { found: hash, expected: schema.hash() });
    }
    let mut names = system::skipped(conn)?;
    names.retain(|name| schema.event(name).is_some());
    if !names.is_empty() {
        return Err(StateProblem::NowKnown { names });
    }
    Ok(system::read_heads(conn)?)
}

fn check(db: &Db, sql: &str) -> Result<(), SqliteError> {
    let verdict: String = db.conn().query_row(sql, (), |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(SqliteError::Corrupt(verdict)) }
}

/// Empties a database, even one that is no database: SQLite's own way to reset a file.
fn wipe(db: &Db) -> Result<(), SqliteError> {
    let conn = db.conn();
    conn.flush_prepared_statement_cache();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
    let wiped = conn.execute_batch("VACUUM");
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
    Ok(wiped?)
}
