//! The database's tables and how it is opened.
//!
//! One database for all stores of a data directory, so that one `fsync` makes the pushes of many stores durable. The
//! id of the backend belongs to the directory: whoever deletes it and starts anew has another backend.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::LogError;

/// The version of these tables.
const FORMAT: i64 = 1;

const TABLES: &str = "
    create table backend (one integer primary key check (one = 1), format integer not null, id text not null) strict;
    create table store (key integer primary key, name text not null unique, head integer not null) strict;
    create table event (
        store integer not null, number integer not null, name text not null, args text,
        client text not null, session text not null, created_at text not null,
        unique (store, number)
    ) strict;
";

/// Opens the database for writing, makes it if there is none, and says the backend's id.
pub(super) fn open(
    path: &Path,
    max_bytes: Option<u64>,
) -> Result<(Connection, Arc<str>), LogError> {
    let mut db = Connection::open(path)?;
    // FULL: a transaction is on the disk before its commit returns, WAL included.
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: i64 =
        transaction.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(TABLES)?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        transaction.execute("insert into backend values (1, ?, ?)", (FORMAT, id))?;
    }
    let (format, id): (i64, String) =
        transaction.query_row("select format, id from backend", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if format != FORMAT {
        return Err(LogError::Format { found: format, expected: FORMAT });
    }
    transaction.commit()?;
    if let Some(bytes) = max_bytes {
        let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        db.pragma_update(None, "max_page_count", to_sql(bytes.div_ceil(from_sql(page).max(1))))?;
    }
    Ok((db, id.into()))
}

/// Opens the database for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, LogError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(db)
}

/// A store's key and head.
pub(super) fn find_store(db: &Connection, name: &str) -> Result<Option<(i64, u64)>, LogError> {
    let mut statement = db.prepare_cached("select key, head from store where name = ?")?;
    Ok(statement.query_row([name], |row| Ok((row.get(0)?, from_sql(row.get(1)?)))).optional()?)
}

/// SQLite's integers are signed; the wire's numbers end at 2^53-1.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; a database holds no negative numbers.
pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
