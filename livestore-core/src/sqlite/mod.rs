//! SQLite, one API on every target: connection, recording of written rows, undo, read sets, change sets, snapshots.
//!
//! Invariants:
//! 1. The records of a recording are exactly the rows that were written: what failed is cut back.
//! 2. Undoing records, newest first, restores the content hash.
//! 3. If a query's result changed, the change set touches the query's read set.
//! 4. Under a guard no statement reads or writes a table of the other lane, however it was cached.
//!
//! It knows tables, rows and SQL, but no events and no heads: those are the state's.

mod bracket;
mod catalog;
mod change;
mod clock;
mod columns;
mod db;
mod error;
mod explain;
mod functions;
mod generated;
mod guard;
mod hash;
mod hooks;
mod read_set;
mod record;
mod recording;
mod roll_back;
mod snapshot;
mod undo;

#[cfg(test)]
mod tests;

pub use catalog::{ColumnInfo, TableInfo};
pub use change::{ChangeSet, RowChange, TableChange};
pub use columns::ColumnSet;
pub use db::Db;
pub use error::SqliteError;
pub use guard::AccessViolation;
pub use hash::ContentHash;
pub use read_set::{ReadSet, ReadSetError};
pub use record::{Mark, Record, RowImage};

pub(crate) use db::Failure;
