//! The eventlog: a client's truth, one SQLite database that only its leader opens.
//!
//! Both lanes, the last `n` of every session, the latest value of every document and the quarantine live here and
//! change in one transaction ([`EventLog::append`]), so that after a crash they agree. The state is derived and lives
//! elsewhere.
//!
//! Invariants:
//! 1. A lane's numbers run from 1 without gaps; each row carries the chain hash of the lane up to it.
//! 2. A commit's rows are adjacent and carry the same first `n`.
//! 3. A session's last `n` is that of its last commit in the log or in quarantine, never falls and is never forgotten: a
//!    tab that comes back after years may send again what the log has, and the events themselves are kept, too.
//!    What a backend brings under a session's name moves it not, as anybody may have written that: what of it the session
//!    has not pushed to this log is kept beside, by its content.
//! 4. Up to `confirmed` the backend has the synced lane under the same numbers; no commit stands across it.
//! 5. A file that is no eventlog, or one of a newer format, is never written to nor deleted.

mod answers;
mod append;
mod backend;
mod documents;
mod error;
mod open;
mod read;
mod states;
#[cfg(test)]
mod tests;

pub(crate) use append::Append;
pub(crate) use backend::Merged;
pub use error::LogError;

use livestore_sync::{Fence, Head, PerLane};
use rusqlite::Connection;

/// The open eventlog.
#[derive(Debug)]
pub(crate) struct EventLog {
    conn: Connection,
    /// What error messages call it: a path or an OPFS name.
    file: String,
    heads: PerLane<Head>,
    fence: Fence,
    /// How far the backend has confirmed the synced lane.
    confirmed: u64,
    /// Something has left the quarantine because a backend has it, since that was last asked.
    released: bool,
}

impl EventLog {
    /// How far each lane has come.
    pub(crate) fn heads(&self) -> PerLane<Head> {
        self.heads
    }

    /// How far a backend has confirmed the synced lane; 0 if there never was one.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Whether something has left the quarantine because a backend has it, since this was last asked.
    pub(crate) fn has_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// The number of this opening, higher than all before it, and the log's epoch.
    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }
}

#[cfg(test)]
impl EventLog {
    /// Runs SQL on the log's database.
    pub(crate) fn batch(&self, sql: &str) {
        self.conn.execute_batch(sql).unwrap();
    }
}

/// An id as SQLite's signed integer, bit by bit.
fn to_sql(id: u64) -> i64 {
    i64::from_ne_bytes(id.to_ne_bytes())
}

/// The inverse of [`to_sql`].
fn from_sql(id: i64) -> u64 {
    u64::from_ne_bytes(id.to_ne_bytes())
}
