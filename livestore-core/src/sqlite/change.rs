//! [`ChangeSet`]: what a commit, a merge or an undo changed, net.
//!
//! Rows are netted by key: an insert that is deleted again, or a rebase that ends where it began, is no change at all,
//! and an update to equal values is none either. Changing a row's key counts as removing one row and adding another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    catalog::{Catalog, RowKey, TableInfo},
    columns::ColumnSet,
    read_set::ReadSet,
    record::{Record, RowImage},
};
use crate::value::Value;

/// The rows that differ between before and after.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    tables: BTreeMap<Arc<str>, TableChange>,
}

/// The changed rows of one table.
#[derive(Clone, Debug)]
pub struct TableChange {
    table: Arc<TableInfo>,
    rows: HashMap<Key, RowChange>,
    existence: bool,
    columns: ColumnSet,
}

/// One row that differs: before, after, or both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowChange {
    old: Option<RowImage>,
    new: Option<RowImage>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Key {
    Rowid(i64),
    Columns(Vec<Value>),
}

impl ChangeSet {
    /// Nets recorded rows. Records of tables that no longer exist say nothing.
    pub(super) fn of(catalog: &Catalog, records: &[Record]) -> Self {
        let mut changes = Self::default();
        for record in records {
            let Some(table) = catalog.tables.get(&record.table) else { continue };
            let change = changes
                .tables
                .entry(Arc::clone(&table.name))
                .or_insert_with(|| TableChange::new(Arc::clone(table)));
            change.add(record.old.clone(), record.new.clone());
        }
        changes.settle();
        changes
    }

    /// Adds what changed after this.
    pub fn merge(&mut self, later: Self) {
        for (name, change) in later.tables {
            match self.tables.get_mut(&name) {
                Some(table) => {
                    change.rows.into_values().for_each(|row| table.add(row.old, row.new));
                }
                None => drop(self.tables.insert(name, change)),
            }
        }
        self.settle();
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The tables that changed.
    pub fn tables(&self) -> impl Iterator<Item = &TableChange> {
        self.tables.values()
    }

    /// What changed in a table.
    pub fn table(&self, name: &str) -> Option<&TableChange> {
        self.tables.get(name)
    }

    /// Whether a query that reads `set` may have another result now.
    pub fn touches(&self, set: &ReadSet) -> bool {
        self.tables.values().any(|change| {
            set.columns(change.name())
                .is_some_and(|read| change.existence || change.columns.intersects(read))
        })
    }

    fn settle(&mut self) {
        self.tables.retain(|_, change| {
            change.settle();
            !change.rows.is_empty()
        });
    }
}

impl TableChange {
    fn new(table: Arc<TableInfo>) -> Self {
        Self { table, rows: HashMap::new(), existence: false, columns: ColumnSet::default() }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// The table: its columns' names and indexes.
    pub fn table(&self) -> &TableInfo {
        &self.table
    }

    /// The rows that differ.
    pub fn rows(&self) -> impl Iterator<Item = &RowChange> {
        self.rows.values()
    }

    /// Whether rows were added or removed.
    pub fn existence_changed(&self) -> bool {
        self.existence
    }

    /// The columns in which rows that stayed differ; the index after the last column is a hidden rowid.
    pub fn changed_columns(&self) -> &ColumnSet {
        &self.columns
    }

    fn add(&mut self, old: Option<RowImage>, new: Option<RowImage>) {
        match (old.map(|row| (self.key(&row), row)), new.map(|row| (self.key(&row), row))) {
            (Some((key, old)), Some((same, new))) if key == same => {
                self.put(key, Some(old), Some(new));
            }
            (old, new) => {
                if let Some((key, row)) = old {
                    self.put(key, Some(row), None);
                }
                if let Some((key, row)) = new {
                    self.put(key, None, Some(row));
                }
            }
        }
    }

    fn put(&mut self, key: Key, old: Option<RowImage>, new: Option<RowImage>) {
        // The oldest `old` and the newest `new` are what is left of a row's history.
        self.rows
            .entry(key)
            .and_modify(|row| row.new.clone_from(&new))
            .or_insert(RowChange { old, new });
    }

    fn key(&self, row: &RowImage) -> Key {
        match &self.table.key {
            RowKey::Columns(columns) => {
                let value =
                    |column: &usize| row.values.get(*column).cloned().unwrap_or(Value::Null);
                Key::Columns(columns.iter().map(value).collect())
            }
            RowKey::Alias(_) | RowKey::Hidden(_) => Key::Rowid(row.rowid),
        }
    }

    fn settle(&mut self) {
        self.existence = false;
        self.columns = ColumnSet::default();
        let (width, columns, existence) =
            (self.table.columns.len(), &mut self.columns, &mut self.existence);
        self.rows.retain(|_, row| match (&row.old, &row.new) {
            (Some(old), Some(new)) => {
                let differs = |column: &usize| old.values.get(*column) != new.values.get(*column);
                let differing: ColumnSet = (0..width).filter(differs).collect();
                columns.extend(&differing);
                !differing.is_empty()
            }
            (None, None) => false,
            _ => {
                *existence = true;
                true
            }
        });
    }
}

impl RowChange {
    /// A column's value before; `None` if the row did not exist.
    pub fn old(&self, column: usize) -> Option<&Value> {
        self.old.as_ref().and_then(|row| row.values.get(column))
    }

    /// A column's value after; `None` if the row no longer exists.
    #[expect(clippy::new_ret_no_self, reason = "the counterpart of `old`; it makes no RowChange")]
    pub fn new(&self, column: usize) -> Option<&Value> {
        self.new.as_ref().and_then(|row| row.values.get(column))
    }

    /// Whether the row exists on both sides.
    pub fn stayed(&self) -> bool {
        self.old.is_some() && self.new.is_some()
    }
}
