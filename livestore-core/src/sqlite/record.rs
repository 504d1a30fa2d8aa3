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

/// A place in the recording, to cut it back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(pub(super) usize);
