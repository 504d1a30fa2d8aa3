//! Recorded rows: what the preupdate hook saw, in the order in which it happened.
//!
//! One recording serves undo and invalidation. A record holds whole rows, by column index; virtual generated columns,
//! which SQLite does not hand to the hook, are `NULL` in it and mean nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// A row as it stood before or after a write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RowImage {
    /// The rowid; 0 in a `WITHOUT ROWID` table.
    pub(crate) rowid: i64,
    /// One value for each column of the table.
    pub(crate) values: Arc<[Value]>,
}

/// One row that was inserted (no `old`), deleted (no `new`) or updated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub(crate) table: Arc<str>,
    pub(crate) old: Option<RowImage>,
    pub(crate) new: Option<RowImage>,
}

impl Record {
    /// The table that was written.
    pub fn table(&self) -> &str {
        &self.table
    }
}

impl RowImage {
    /// Makes integers in REAL columns the reals that they are: SQLite before 3.54 shows the hook its compact storage.
    pub(super) fn widen(&mut self, reals: &[usize]) {
        let narrow = |value: Option<&Value>| matches!(value, Some(Value::Integer(_)));
        if !reals.iter().any(|column| narrow(self.values.get(*column))) {
            return;
        }
        let mut values = self.values.to_vec();
        for column in reals {
            if let Some(Value::Integer(integer)) = values.get(*column) {
                // Only integers that a real holds exactly are stored compactly.
                values[*column] = Value::Real(*integer as f64);
            }
        }
        self.values = values.into();
    }
}

/// A place in the recording, to cut it back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(pub(super) usize);
