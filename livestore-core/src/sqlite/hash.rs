//! [`ContentHash`]: what tables hold, independent of pages, plans, targets and SQLite's version.
//!
//! xxh3 over the given tables in the order of their names, their columns' names and their rows in key order, every
//! value with a tag of its type and every text with its length. Stored, so the form must not change silently.

use std::fmt;

use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{
    catalog::{RowKey, TableInfo},
    db::Db,
    error::SqliteError,
};
use crate::schema::quoted;

/// The hash of some tables' rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ContentHash(pub u128);

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Db {
    /// Hashes the rows of some tables.
    ///
    /// # Errors
    /// [`SqliteError::Sql`] for a table that does not exist; else what SQLite says.
    pub fn content_hash<'a>(
        &self,
        tables: impl IntoIterator<Item = &'a str>,
    ) -> Result<ContentHash, SqliteError> {
        let mut names: Vec<&str> = tables.into_iter().collect();
        names.sort_unstable();
        let mut hasher = Xxh3::new();
        for name in names {
            let table = self.table(name)?;
            let table = table.ok_or_else(|| SqliteError::Sql(format!("no table `{name}`")))?;
            self.hash_table(&table, &mut hasher)?;
        }
        Ok(ContentHash(hasher.digest128()))
    }

    fn hash_table(&self, table: &TableInfo, hasher: &mut Xxh3) -> Result<(), SqliteError> {
        hash_bytes(hasher, b'T', table.name.as_bytes());
        // Virtual columns follow from the others, but they are read like any column, so they count.
        let mut columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let mut order: Vec<String> =
            table.primary_key.iter().map(|column| columns[*column].clone()).collect();
        if let RowKey::Hidden(name) = table.key {
            columns.push(name.to_owned());
            order.push(name.to_owned());
        }
        for column in &columns {
            hash_bytes(hasher, b'C', column.as_bytes());
        }
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            quoted(&table.name),
            order.join(", ")
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            hasher.update(b"R");
            for column in 0..columns.len() {
                hash_value(hasher, row.get_ref(column)?);
            }
        }
        Ok(())
    }
}

fn hash_value(hasher: &mut Xxh3, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hasher.update(b"n"),
        ValueRef::Integer(integer) => hash_bytes(hasher, b'i', &integer.to_le_bytes()),
        ValueRef::Real(real) => hash_bytes(hasher, b'r', &real.to_bits().to_le_bytes()),
        ValueRef::Text(text) => hash_bytes(hasher, b't', text),
        ValueRef::Blob(bytes) => hash_bytes(hasher, b'b', bytes),
    }
}

fn hash_bytes(hasher: &mut Xxh3, tag: u8, bytes: &[u8]) {
    hasher.update(&[tag]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
