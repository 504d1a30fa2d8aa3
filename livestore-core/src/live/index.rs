//! [`LiveIndex`]: which live queries a change touches.
//!
//! For each table that a query reads, it stands in the index either under the columns it reads and the existence of
//! rows, or, if the query sees only rows in which one column has certain values, under that column and these values. A
//! change looks up its columns, and for each of its rows the values it had and has: so the work grows with the change
//! and with what it touches, not with the number of queries.
//!
//! Values are compared as they are: a key's values are of its column's storage class (`KeyFilter` promises it), tables
//! are `STRICT`, and text is compared byte by byte. `NULL` is a value like any other here, for `IS NULL`.
//!
//! Invariant: what stands in the tables is exactly what the footprints say; nothing empty is kept.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use crate::{
    graph::NodeId,
    sqlite::{ChangeSet, ColumnSet, ReadSet, RowChange, TableChange},
    value::Value,
};

/// What a query read, and which rows of it it could see.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Footprint {
    pub(super) read: Arc<ReadSet>,
    pub(super) key: Option<Key>,
}

/// Of `table`, a query sees only rows whose `column` has one of these values. Without values it sees none.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Key {
    pub(super) table: Arc<str>,
    pub(super) column: usize,
    pub(super) values: Arc<[Value]>,
}

/// What a change touches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Touched {
    pub(super) nodes: BTreeSet<NodeId>,
    /// How many entries were looked at: what a commit costs.
    pub(super) visited: usize,
}

#[derive(Debug, Default)]
pub(super) struct LiveIndex {
    footprints: HashMap<NodeId, Footprint>,
    tables: HashMap<Arc<str>, TableIndex>,
}

#[derive(Debug, Default)]
struct TableIndex {
    existence: HashSet<NodeId>,
    columns: HashMap<usize, HashSet<NodeId>>,
    keys: HashMap<usize, HashMap<Value, HashSet<NodeId>>>,
}

impl LiveIndex {
    /// Puts a query in, or in other places than before.
    pub(super) fn insert(&mut self, node: NodeId, footprint: Footprint) {
        self.remove(node);
        for (table, columns) in footprint.read.tables() {
            let key = footprint.key(table);
            if key.is_some_and(|key| key.values.is_empty()) {
                continue;
            }
            let entry = match self.tables.get_mut(table) {
                Some(entry) => entry,
                None => self.tables.entry(Arc::from(table)).or_default(),
            };
            entry.insert(node, columns, key);
        }
        self.footprints.insert(node, footprint);
    }

    /// Takes a query out; does nothing for one that is not in.
    pub(super) fn remove(&mut self, node: NodeId) {
        let Some(footprint) = self.footprints.remove(&node) else { return };
        for (table, columns) in footprint.read.tables() {
            let Some(entry) = self.tables.get_mut(table) else { continue };
            entry.remove(node, columns, footprint.key(table));
            if entry.is_empty() {
                self.tables.remove(table);
            }
        }
    }

    /// The queries whose results may differ after `changes`.
    pub(super) fn touched(&self, changes: &ChangeSet) -> Touched {
        let mut touched = Touched::default();
        for change in changes.tables() {
            if let Some(table) = self.tables.get(change.name()) {
                table.touched_columns(change, &mut touched);
                self.touched_keys(table, change, &mut touched);
            }
        }
        touched
    }

    fn touched_keys(&self, table: &TableIndex, change: &TableChange, touched: &mut Touched) {
        for (&column, by_value) in &table.keys {
            for row in change.rows() {
                let before = row.old(column);
                let after = row.new(column).filter(|after| before != Some(after));
                for node in before
                    .into_iter()
                    .chain(after)
                    .filter_map(|value| by_value.get(value))
                    .flatten()
                {
                    touched.visited += 1;
                    let read = self
                        .footprints
                        .get(node)
                        .and_then(|footprint| footprint.read.columns(change.name()));
                    if read.is_some_and(|read| row_touches(row, column, read)) {
                        touched.nodes.insert(*node);
                    }
                }
            }
        }
    }

    /// The queries in the index.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.footprints.keys().copied()
    }

    /// Whether the query is in the index.
    #[cfg(test)]
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.footprints.contains_key(&node)
    }

    /// How many places nodes stand in.
    #[cfg(test)]
    pub(super) fn entry_count(&self) -> usize {
        self.tables.values().map(TableIndex::entry_count).sum()
    }

    /// Asserts the header's invariant.
    ///
    /// # Panics
    /// If it does not hold.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut expected = 0;
        for (node, footprint) in &self.footprints {
            for (table, columns) in footprint.read.tables() {
                let key = footprint.key(table);
                if !key.is_some_and(|key| key.values.is_empty()) {
                    let entry =
                        self.tables.get(table).expect("BUG: a table that is read is indexed");
                    expected += entry.check_contains(*node, columns, key);
                }
            }
        }
        assert_eq!(self.entry_count(), expected, "no entry without a footprint");
        assert!(self.tables.values().all(|table| !table.is_empty()), "no empty table is kept");
    }
}

impl Footprint {
    fn key(&self, table: &str) -> Option<&Key> {
        self.key.as_ref().filter(|key| *key.table == *table)
    }
}

impl TableIndex {
    fn insert(&mut self, node: NodeId, columns: &ColumnSet, key: Option<&Key>) {
        if let Some(key) = key {
            for value in key.values.iter() {
                let by_value = self.keys.entry(key.column).or_default();
                by_value.entry(value.clone()).or_default().insert(node);
            }
            return;
        }
        self.existence.insert(node);
        for column in columns.iter() {
            self.columns.entry(column).or_default().insert(node);
        }
    }

    fn remove(&mut self, node: NodeId, columns: &ColumnSet, key: Option<&Key>) {
        if let Some(key) = key {
            let Some(by_value) = self.keys.get_mut(&key.column) else { return };
            for value in key.values.iter() {
                take_out(by_value, value, node);
            }
            if by_value.is_empty() {
                self.keys.remove(&key.column);
            }
            return;
        }
        self.existence.remove(&node);
        for column in columns.iter() {
            take_out(&mut self.columns, &column, node);
        }
    }

    fn touched_columns(&self, change: &TableChange, touched: &mut Touched) {
        let existence = change.existence_changed().then_some(&self.existence);
        let columns =
            change.changed_columns().iter().filter_map(|column| self.columns.get(&column));
        for nodes in existence.into_iter().chain(columns) {
            touched.visited += nodes.len();
            touched.nodes.extend(nodes);
        }
    }

    fn is_empty(&self) -> bool {
        self.existence.is_empty() && self.columns.is_empty() && self.keys.is_empty()
    }

    #[cfg(test)]
    fn entry_count(&self) -> usize {
        let columns: usize = self.columns.values().map(HashSet::len).sum();
        let keys: usize = self.keys.values().flat_map(HashMap::values).map(HashSet::len).sum();
        self.existence.len() + columns + keys
    }

    /// Asserts that `node` stands where it should, and says in how many places.
    #[cfg(test)]
    fn check_contains(&self, node: NodeId, columns: &ColumnSet, key: Option<&Key>) -> usize {
        if let Some(key) = key {
            let contains = |value| self.keys[&key.column][value].contains(&node);
            assert!(key.values.iter().all(contains), "{node:?} stands under its key");
            return key.values.len();
        }
        assert!(self.existence.contains(&node), "{node:?} stands under the rows' existence");
        assert!(
            columns.iter().all(|column| self.columns[&column].contains(&node)),
            "{node:?} stands under its columns"
        );
        1 + columns.iter().count()
    }
}

/// Whether a row that a query sees, by `key`, before or after, differs in what the query reads.
fn row_touches(row: &RowChange, key: usize, read: &ColumnSet) -> bool {
    let differs = |column| row.old(column) != row.new(column);
    !row.stayed() || differs(key) || read.iter().any(differs)
}

fn take_out<K: Eq + Hash>(places: &mut HashMap<K, HashSet<NodeId>>, place: &K, node: NodeId) {
    if let Some(nodes) = places.get_mut(place) {
        nodes.remove(&node);
        if nodes.is_empty() {
            places.remove(place);
        }
    }
}
