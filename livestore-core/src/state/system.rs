//! Our own tables in a state database: heads, format and schema, skipped and failed events, undo records.
//!
//! They are written in the transaction that writes the rows. They are not part of the content hash, no query may read
//! them and no materializer reaches them.

use livestore_sync::{ChainHash, Event, Head, Lane, PerLane};
use rusqlite::{Connection, OptionalExtension};

use crate::sqlite::SqliteError;

/// Stepped when these tables change, or how the app's tables are made.
pub(super) const FORMAT: i64 = 2;

/// The statements that make our tables.
pub(super) const TABLES: &str = "
    CREATE TABLE livestore_meta (key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE livestore_heads (lane INTEGER PRIMARY KEY, number INTEGER NOT NULL,
        hash BLOB NOT NULL) STRICT;
    CREATE TABLE livestore_skipped (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE livestore_failed (lane INTEGER NOT NULL, number INTEGER NOT NULL,
        event TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (lane, number)) STRICT, WITHOUT ROWID;
    CREATE TABLE livestore_undo (lane INTEGER NOT NULL, number INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (lane, number)) STRICT, WITHOUT ROWID;
";

pub(super) fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Synced => 0,
        Lane::ClientOnly => 1,
    }
}

/// Numbers of events fit SQLite's integers: a log of 2⁶³ events does not exist.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn write_meta(conn: &Connection, key: &str, value: i64) -> Result<(), SqliteError> {
    let sql = "INSERT OR REPLACE INTO livestore_meta (key, value) VALUES (?1, ?2)";
    conn.prepare_cached(sql)?.execute((key, value))?;
    Ok(())
}

pub(super) fn read_meta(conn: &Connection, key: &str) -> Result<Option<i64>, SqliteError> {
    let sql = "SELECT value FROM livestore_meta WHERE key = ?1";
    Ok(conn.query_row(sql, [key], |row| row.get(0)).optional()?)
}

pub(super) fn write_head(conn: &Connection, lane: Lane, head: Head) -> Result<(), SqliteError> {
    let sql = "INSERT OR REPLACE INTO livestore_heads (lane, number, hash) VALUES (?1, ?2, ?3)";
    let hash = head.hash.0.to_le_bytes();
    conn.prepare_cached(sql)?.execute((lane_number(lane), number(head.number), hash.as_slice()))?;
    Ok(())
}

pub(super) fn read_heads(conn: &Connection) -> Result<PerLane<Head>, SqliteError> {
    let mut heads = PerLane::<Head>::default();
    for lane in Lane::ALL {
        let sql = "SELECT number, hash FROM livestore_heads WHERE lane = ?1";
        let row = conn.query_row(sql, [lane_number(lane)], |row| Ok((row.get(0)?, row.get(1)?)));
        if let Some((number, hash)) = row.optional()? {
            let number: i64 = number;
            heads[lane] =
                Head { number: number.cast_unsigned(), hash: ChainHash(u128::from_le_bytes(hash)) };
        }
    }
    Ok(heads)
}

pub(super) fn skip(conn: &Connection, name: &str) -> Result<(), SqliteError> {
    let sql = "INSERT OR IGNORE INTO livestore_skipped (name) VALUES (?1)";
    conn.prepare_cached(sql)?.execute([name])?;
    Ok(())
}

pub(super) fn skipped(conn: &Connection) -> Result<Vec<String>, SqliteError> {
    let mut statement = conn.prepare_cached("SELECT name FROM livestore_skipped ORDER BY name")?;
    let names = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Lists an event of the log that has no effect.
pub(super) fn fail(
    conn: &Connection,
    lane: Lane,
    place: u64,
    event: &Event,
    reason: &str,
) -> Result<(), SqliteError> {
    let json =
        serde_json::to_string(event).map_err(|error| SqliteError::Conversion(error.to_string()))?;
    let sql = "INSERT OR REPLACE INTO livestore_failed (lane, number, event, reason)
               VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(sql)?.execute((lane_number(lane), number(place), json, reason))?;
    Ok(())
}

/// The listed events, in the order of the log; at most this many.
pub(super) fn failed(conn: &Connection, most: u32) -> Result<Vec<(Event, String)>, SqliteError> {
    let sql = "SELECT event, reason FROM livestore_failed ORDER BY lane, number LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut failed = Vec::new();
    for row in rows {
        let (json, reason): (String, String) = row?;
        let event = serde_json::from_str(&json)
            .map_err(|error| SqliteError::Conversion(error.to_string()))?;
        failed.push((event, reason));
    }
    Ok(failed)
}

/// Forgets the listed events after a place: they were rolled back.
pub(super) fn forget_failed(conn: &Connection, lane: Lane, place: u64) -> Result<(), SqliteError> {
    let sql = "DELETE FROM livestore_failed WHERE lane = ?1 AND number > ?2";
    conn.prepare_cached(sql)?.execute((lane_number(lane), number(place)))?;
    Ok(())
}
