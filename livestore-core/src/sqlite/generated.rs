//! Which columns a generated column is computed from, without parsing SQL.
//!
//! SQLite resolves generator expressions when a table is created and tells nobody. But it knows which indexes an
//! `UPDATE` of a column has to maintain: in an empty copy of the table, with an index on each generated column, the
//! index that `EXPLAIN UPDATE t SET base = NULL` opens for writing belongs to a column that depends on `base`.
//! If the copy can't be made, all columns count: that is always right, only coarser.

use std::collections::HashMap;

use rusqlite::{Connection, config::DbConfig};

use super::columns::ColumnSet;
use crate::schema::quoted;

/// For each generated column the columns it depends on.
pub(super) fn bases(
    conn: &Connection,
    table: &str,
    columns: &[&str],
    generated: &[usize],
) -> rusqlite::Result<HashMap<usize, ColumnSet>> {
    if generated.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let create: String = conn.query_row(sql, [table], |row| row.get(0))?;
    let all: ColumnSet = (0..columns.len()).filter(|column| !generated.contains(column)).collect();
    let found = probe(&create, table, columns, generated).unwrap_or_default();
    Ok(generated
        .iter()
        .map(|column| (*column, found.get(column).cloned().unwrap_or_else(|| all.clone())))
        .collect())
}

fn probe(
    create: &str,
    table: &str,
    columns: &[&str],
    generated: &[usize],
) -> rusqlite::Result<HashMap<usize, ColumnSet>> {
    let copy = Connection::open_in_memory()?;
    // The copy has no parent tables, and with foreign keys on SQLite would ask for them.
    copy.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    copy.execute_batch(create)?;
    let mut roots = HashMap::new();
    for column in generated {
        let (index, indexed) = (format!("__probe_{column}"), quoted(columns[*column]));
        copy.execute_batch(&format!("CREATE INDEX {index} ON {} ({indexed})", quoted(table)))?;
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        roots.insert(copy.query_row(sql, [&index], |row| row.get::<_, i64>(0))?, *column);
    }
    let mut found: HashMap<usize, ColumnSet> =
        generated.iter().map(|column| (*column, ColumnSet::default())).collect();
    for (base, name) in columns.iter().enumerate() {
        if generated.contains(&base) {
            continue;
        }
        let sql = format!("EXPLAIN UPDATE {} SET {} = NULL", quoted(table), quoted(name));
        let mut statement = copy.prepare(&sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (opcode, page): (String, i64) = (row.get(1)?, row.get(3)?);
            if opcode == "OpenWrite"
                && let Some(column) = roots.get(&page)
                && let Some(bases) = found.get_mut(column)
            {
                bases.insert(base);
            }
        }
    }
    Ok(found)
}
