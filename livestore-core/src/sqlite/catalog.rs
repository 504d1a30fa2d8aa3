//! [`Catalog`]: what a database's tables, indexes and views are, read from SQLite's own pragmas.
//!
//! Read once and kept until the structure changes. It never parses SQL: keys, rowids, generated columns and root pages
//! all come from SQLite. Only `main` counts; TEMP objects are ours and invisible here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension};

use super::{columns::ColumnSet, generated};

/// How a table's rows are addressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RowKey {
    /// `WITHOUT ROWID`: by the primary key's columns.
    Columns(Vec<usize>),
    /// By an `INTEGER PRIMARY KEY`.
    Alias(usize),
    /// By a rowid that no column shows, under a name that no column hides.
    Hidden(&'static str),
}

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// For a generated column: the columns it is computed from.
    pub(super) generated: Option<ColumnSet>,
}

/// A table of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableInfo {
    /// Its name, as declared.
    pub name: Arc<str>,
    pub(super) columns: Vec<ColumnInfo>,
    pub(super) key: RowKey,
    /// The primary key's columns in order, if the table has one.
    pub(super) primary_key: Vec<usize>,
    /// The order of the columns in the table's own b-tree.
    storage: Vec<usize>,
    /// The columns in which integers are kept as reals.
    pub(super) reals: Vec<usize>,
}

impl TableInfo {
    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Its columns, by index.
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// All columns and the hidden rowid.
    pub(super) fn everything(&self) -> ColumnSet {
        (0..=self.columns.len()).collect()
    }

    /// The columns that address a row; [`Self::rowid_slot`] stands for a hidden rowid.
    pub(super) fn key_columns(&self) -> ColumnSet {
        match &self.key {
            RowKey::Columns(columns) => columns.iter().copied().collect(),
            RowKey::Alias(column) => [*column].into_iter().collect(),
            RowKey::Hidden(_) => [self.rowid_slot()].into_iter().collect(),
        }
    }

    /// The index that stands for the hidden rowid: one past the last column.
    pub(super) fn rowid_slot(&self) -> usize {
        self.columns.len()
    }

    /// What reading a column reads: itself, or what it is generated from.
    pub(super) fn reads_of(&self, column: usize) -> ColumnSet {
        match &self.columns[column].generated {
            Some(bases) => bases.clone(),
            None => [column].into_iter().collect(),
        }
    }

    /// The column that stands at a place of the table's b-tree.
    pub(super) fn stored(&self, place: usize) -> Option<usize> {
        self.storage.get(place).copied()
    }
}

/// What a b-tree belongs to.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// A table's rows.
    Table(Arc<str>),
    /// An index of a table, and the columns it depends on.
    Index { table: Arc<str>, columns: ColumnSet },
    /// SQLite's own tables.
    System,
}

/// The structure of a database.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// SQLite's count of changes to the structure.
    pub(super) version: i64,
    pub(super) tables: HashMap<Arc<str>, Arc<TableInfo>>,
    pub(super) roots: HashMap<i64, Root>,
    pub(super) views: HashSet<String>,
    /// Virtual tables and the tables in which they keep their content.
    pub(super) virtual_tables: HashSet<String>,
    pub(super) shadow_tables: HashSet<String>,
    /// Whether writes fire triggers or foreign keys.
    pub(super) has_side_effects: bool,
}

impl Catalog {
    /// Reads the structure of `main`.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut catalog = Self { version: Self::version_of(conn)?, ..Self::default() };
        catalog.roots.insert(1, Root::System);
        let sql = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'";
        let listed = conn
            .prepare(sql)?
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<(String, String, bool)>>>()?;
        for (name, kind, without_rowid) in listed {
            match kind.as_str() {
                "view" => drop(catalog.views.insert(name)),
                "virtual" => drop(catalog.virtual_tables.insert(name)),
                "shadow" => drop(catalog.shadow_tables.insert(name)),
                _ if name.starts_with("sqlite_") => {}
                _ => {
                    let table = load_table(conn, &name, without_rowid)?;
                    catalog.tables.insert(Arc::clone(&table.name), Arc::new(table));
                }
            }
        }
        catalog.load_roots(conn)?;
        catalog.has_side_effects = has_side_effects(conn)?;
        Ok(catalog)
    }

    /// How often the structure has changed.
    pub(super) fn version_of(conn: &Connection) -> rusqlite::Result<i64> {
        conn.query_row("PRAGMA schema_version", (), |row| row.get(0))
    }

    /// A table by its name, in whatever case it was written.
    pub(super) fn table(&self, name: &str) -> Option<Arc<TableInfo>> {
        let same = |table: &&Arc<TableInfo>| table.name.eq_ignore_ascii_case(name);
        self.tables.get(name).or_else(|| self.tables.values().find(same)).cloned()
    }

    fn load_roots(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT rootpage, type, name, tbl_name FROM sqlite_schema WHERE rootpage > 0";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (page, kind, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let table = self.tables.get(row.get::<_, String>(3)?.as_str()).cloned();
            let root = match table {
                None => Root::System,
                Some(table) if kind == "index" => {
                    let columns = index_columns(conn, &table, &name)?;
                    Root::Index { table: Arc::clone(&table.name), columns }
                }
                Some(table) => Root::Table(Arc::clone(&table.name)),
            };
            self.roots.insert(page, root);
        }
        Ok(())
    }
}

fn load_table(conn: &Connection, name: &str, without_rowid: bool) -> rusqlite::Result<TableInfo> {
    let sql = "SELECT name, pk, hidden, type FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let listed = conn
        .prepare(sql)?
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<Vec<(String, i64, i64, String)>>>()?;
    let mut primary_key: Vec<(i64, usize)> = listed
        .iter()
        .enumerate()
        .filter_map(|(column, (_, position, ..))| (*position > 0).then_some((*position, column)))
        .collect();
    primary_key.sort_unstable();
    let primary_key: Vec<usize> = primary_key.into_iter().map(|(_, column)| column).collect();

    let sql = "SELECT name FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'";
    let key_index: Option<String> = conn.query_row(sql, [name], |row| row.get(0)).optional()?;
    let names: Vec<&str> = listed.iter().map(|(column, ..)| column.as_str()).collect();
    let (key, storage) = match (&key_index, without_rowid) {
        (Some(index), true) => (RowKey::Columns(primary_key.clone()), index_order(conn, index)?),
        _ => {
            let stored = listed.iter().enumerate().filter(|(_, (_, _, hidden, _))| *hidden != 2);
            let key = match (primary_key.as_slice(), key_index) {
                ([column], None) => RowKey::Alias(*column),
                _ => RowKey::Hidden(rowid_name(&names)),
            };
            (key, stored.map(|(column, _)| column).collect())
        }
    };
    let generated: Vec<usize> = listed
        .iter()
        .enumerate()
        .filter_map(|(column, (_, _, hidden, _))| matches!(hidden, 2 | 3).then_some(column))
        .collect();
    let mut bases = generated::bases(conn, name, &names, &generated)?;
    let columns = listed
        .iter()
        .enumerate()
        .map(|(column, (name, ..))| ColumnInfo {
            name: name.clone(),
            generated: bases.remove(&column),
        })
        .collect();
    let reals = listed.iter().enumerate().filter(|(_, (.., declared))| is_real(declared));
    let reals = reals.map(|(column, _)| column).collect();
    Ok(TableInfo { name: name.into(), columns, key, primary_key, storage, reals })
}

/// Whether a declared type has REAL affinity, by SQLite's rules.
fn is_real(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    !says(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"]) && says(&["REAL", "FLOA", "DOUB"])
}

/// A name for the rowid that no column hides. With all three taken nothing can address the row, and an undo will say
/// that it found another state.
fn rowid_name(columns: &[&str]) -> &'static str {
    let free = |name: &&&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].iter().find(free).copied().unwrap_or("rowid")
}

fn index_order(conn: &Connection, index: &str) -> rusqlite::Result<Vec<usize>> {
    let sql = "SELECT cid FROM pragma_index_xinfo(?1, 'main') ORDER BY seqno";
    let listed: Vec<i64> =
        conn.prepare(sql)?.query_map([index], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(listed.into_iter().filter_map(|column| usize::try_from(column).ok()).collect())
}

/// The columns an index depends on; of an index on expressions or on part of the rows nothing is known but the table.
fn index_columns(conn: &Connection, table: &TableInfo, index: &str) -> rusqlite::Result<ColumnSet> {
    let sql = "SELECT partial FROM pragma_index_list(?1, 'main') WHERE name = ?2";
    let partial: bool = conn
        .query_row(sql, [table.name.as_ref(), index], |row| row.get(0))
        .optional()?
        .unwrap_or(true);
    if partial {
        return Ok(table.everything());
    }
    let sql = "SELECT cid FROM pragma_index_xinfo(?1, 'main')";
    let listed: Vec<i64> =
        conn.prepare(sql)?.query_map([index], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut columns = table.key_columns();
    for cid in listed {
        match usize::try_from(cid) {
            Ok(column) => columns.extend(&table.reads_of(column)),
            Err(_) if cid == -1 => {}
            Err(_) => return Ok(table.everything()),
        }
    }
    Ok(columns)
}

fn has_side_effects(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger') OR EXISTS (
        SELECT 1 FROM pragma_table_list AS t, pragma_foreign_key_list(t.name, 'main')
        WHERE t.schema = 'main' AND t.type = 'table')";
    conn.query_row(sql, (), |row| row.get(0))
}
