//! Opening: recognise the file, create its tables when it is new, and begin a term.

use livestore_sync::{ChainHash, Fence, Head, Lane, PerLane};
use rusqlite::{Connection, OptionalExtension, config::DbConfig};

use super::{EventLog, LogError, backend::confirmed, from_sql};

/// "lslg": marks the file as an eventlog of livestore in SQLite's header.
const APPLICATION_ID: i64 = 0x6c73_6c67;
/// The format this version writes; also the newest it reads.
const FORMAT: i64 = 4;

const TABLES: &str = "
    create table events (
        lane integer not null, number integer not null,
        client integer not null, tab integer not null, open integer not null, n integer not null,
        first_n integer not null, name text not null, args text not null, hash blob not null,
        primary key (lane, number)
    ) strict, without rowid;
    create table sessions (
        tab integer not null, open integer not null, last_n integer not null, primary key (tab, open)
    ) strict, without rowid;
    create table documents (
        owner text not null, name text not null, json text not null, primary key (owner, name)
    ) strict, without rowid;
    create table tabs (owner text primary key, day integer not null) strict, without rowid;
    create table quarantine (
        client integer not null, tab integer not null, open integer not null, first_n integer not null,
        lane integer not null, commit_json text not null, reason text not null,
        at_ms integer not null default 0,
        primary key (tab, open, first_n)
    ) strict, without rowid;
    create table states (hash integer primary key, opened_ms integer not null) strict;
    create table meta (key text primary key not null, value integer not null) strict, without rowid;
    insert into meta values ('term', 0), ('epoch', 0), ('day', 0), ('date', 0);
    create table backend (
        one integer primary key check (one = 1), name text, confirmed integer not null
    ) strict;
    insert into backend values (1, null, 0);
    create table arrived (
        tab integer not null, open integer not null, n integer not null, fingerprint blob not null,
        primary key (tab, open, n)
    ) strict, without rowid;
";

/// Brings a log of format 1 to format 2.
const FROM_1: &str = "
    alter table sessions rename to sessions_1;
    create table sessions (
        tab integer not null, open integer not null, last_n integer not null, primary key (tab, open)
    ) strict, without rowid;
    insert into sessions select tab, open, last_n from sessions_1;
    drop table sessions_1;
    create table tabs (owner text primary key, day integer not null) strict, without rowid;
    insert into tabs select distinct owner, 0 from documents where owner <> 'client';
    alter table quarantine add column at_ms integer not null default 0;
    insert into meta values ('day', 0), ('date', 0);
";

/// Brings a log of format 2 to format 3.
const FROM_2: &str = "
    create table backend (
        one integer primary key check (one = 1), name text, confirmed integer not null
    ) strict;
    insert into backend values (1, null, 0);
";

/// Brings a log of format 3 to format 4.
const FROM_3: &str = "
    create table arrived (
        tab integer not null, open integer not null, n integer not null, fingerprint blob not null,
        primary key (tab, open, n)
    ) strict, without rowid;
";

/// What a database holds that may be used as an eventlog.
enum Found {
    Eventlog,
    /// What brings it to this format, one step after the other.
    Older(&'static [&'static str]),
    Nothing,
}

impl EventLog {
    /// Looks whether `conn` may be opened as a log, and whether any event is in it or ever was. Reads only: even a change of the
    /// journal mode would write to a file that is somebody else's, or damaged.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(crate) fn check(conn: &Connection, file: &str) -> Result<bool, LogError> {
        let keep = |on| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
        let refused = |source| LogError::at_open(file, source);
        keep(true).map_err(refused)?;
        let is_used = match recognise(conn, file)? {
            Found::Eventlog | Found::Older(_) => {
                heads(conn).map_err(refused)? != PerLane::default()
                    || had_events(conn).map_err(refused)?
            }
            Found::Nothing => false,
        };
        Ok(is_used)
    }

    /// A log that was looked at may be written from now on, also when it is closed.
    pub(crate) fn accept(conn: &Connection, file: &str) -> Result<(), LogError> {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map(drop)
            .map_err(|source| LogError::at_open(file, source))
    }

    /// Opens the log in `conn`, a database that nobody else has open, and begins a new term.
    ///
    /// # Errors
    /// [`LogError`] when it is not an eventlog, of a newer format, damaged, or when the storage refuses.
    pub(crate) fn open(conn: Connection, file: &str) -> Result<Self, LogError> {
        let refused = |source: rusqlite::Error| LogError::at_open(file, source);
        match recognise(&conn, file)? {
            Found::Eventlog => {}
            Found::Older(steps) => make(&conn, steps).map_err(refused)?,
            Found::Nothing => make(&conn, &[TABLES]).map_err(refused)?,
        }
        let fence = begin_term(&conn).map_err(refused)?;
        let heads = heads(&conn).map_err(refused)?;
        let confirmed = confirmed(&conn).map_err(refused)?;
        Ok(Self { conn, file: file.to_owned(), heads, fence, confirmed, released: false })
    }
}

fn recognise(conn: &Connection, file: &str) -> Result<Found, LogError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            number("pragma application_id")?,
            number("pragma user_version")?,
            number("select count(*) from sqlite_schema")?,
        ))
    };
    let (application, format, objects) =
        read().map_err(|source| LogError::at_open(file, source))?;
    match (application, format, objects) {
        (APPLICATION_ID, FORMAT, _) => Ok(Found::Eventlog),
        (APPLICATION_ID, 1, _) => Ok(Found::Older(&[FROM_1, FROM_2, FROM_3])),
        (APPLICATION_ID, 2, _) => Ok(Found::Older(&[FROM_2, FROM_3])),
        (APPLICATION_ID, 3, _) => Ok(Found::Older(&[FROM_3])),
        (APPLICATION_ID, found, _) if found > FORMAT => {
            Err(LogError::NewerFormat { file: file.to_owned(), found, known: FORMAT })
        }
        (APPLICATION_ID, found, _) => Err(LogError::NotALog {
            file: file.to_owned(),
            reason: format!("it claims a format {found}, which never was"),
        }),
        (0, 0, 0) => Ok(Found::Nothing),
        _ => Err(LogError::NotALog {
            file: file.to_owned(),
            reason: format!("a SQLite database of another application ({application:#x})"),
        }),
    }
}

/// Makes the tables of this format, in one transaction with the format's number.
fn make(conn: &Connection, steps: &[&str]) -> rusqlite::Result<()> {
    conn.execute_batch("begin immediate")?;
    let created = steps.iter().try_for_each(|sql| conn.execute_batch(sql)).and_then(|()| {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        conn.pragma_update(None, "user_version", FORMAT)
    });
    match created {
        Ok(()) => conn.execute_batch("commit"),
        Err(error) => {
            conn.execute_batch("rollback")?;
            Err(error)
        }
    }
}

fn begin_term(conn: &Connection) -> rusqlite::Result<Fence> {
    // The clock as well: a log that has lost its tail with the power must not begin a term that was there already.
    let term: i64 = conn.query_row(
        "update meta set value = max(value + 1, cast(unixepoch('subsec') * 1000 as integer))
         where key = 'term' returning value",
        [],
        |row| row.get(0),
    )?;
    let epoch: i64 =
        conn.query_row("select value from meta where key = 'epoch'", [], |row| row.get(0))?;
    Ok(Fence { term: from_sql(term), epoch: from_sql(epoch) })
}

/// Whether the log has had events that are gone: a backend may take all of them back, which steps the epoch.
fn had_events(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "select exists (select 1 from sessions) or (select value from meta where key = 'epoch') > 0";
    conn.query_row(sql, [], |row| row.get(0))
}

fn heads(conn: &Connection) -> rusqlite::Result<PerLane<Head>> {
    Ok(PerLane { synced: head(conn, Lane::Synced)?, client_only: head(conn, Lane::ClientOnly)? })
}

fn head(conn: &Connection, lane: Lane) -> rusqlite::Result<Head> {
    conn.query_row(
        "select number, hash from events where lane = ?1 order by number desc limit 1",
        [lane_number(lane)],
        |row| {
            Ok(Head {
                number: from_sql(row.get(0)?),
                hash: ChainHash(u128::from_le_bytes(row.get(1)?)),
            })
        },
    )
    .optional()
    .map(Option::unwrap_or_default)
}

/// A lane as it is stored.
pub(super) fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Synced => 0,
        Lane::ClientOnly => 1,
    }
}
