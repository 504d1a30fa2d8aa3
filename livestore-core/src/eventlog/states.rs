//! Which state files there are and when each was opened last: the log outlives them, so it keeps the list.

use rusqlite::OptionalExtension;

use super::{EventLog, LogError, from_sql, to_sql};

impl EventLog {
    /// Notes that the state of this schema is in use at this time, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn note_state(&self, schema: u64, now_ms: u64) -> Result<(), LogError> {
        self.conn
            .execute(
                "insert into states (hash, opened_ms) values (?1, ?2)
                 on conflict (hash) do update set opened_ms = excluded.opened_ms",
                (to_sql(schema), to_sql(now_ms)),
            )
            .map(drop)
            .map_err(|source| self.storage(source))
    }

    /// The same for a state whose schema a live session has, if there is one; to the hour, so that it is seldom written.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn touch_state(&self, schema: u64, now_ms: u64) -> Result<(), LogError> {
        self.conn
            .execute(
                "update states set opened_ms = ?2 where hash = ?1 and opened_ms < ?2 - 3600000",
                (to_sql(schema), to_sql(now_ms)),
            )
            .map(drop)
            .map_err(|source| self.storage(source))
    }

    /// When the state of this schema was opened last; None if it never was.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn state_opened(&self, schema: u64) -> Result<Option<u64>, LogError> {
        self.conn
            .query_row("select opened_ms from states where hash = ?1", [to_sql(schema)], |row| {
                row.get(0).map(from_sql)
            })
            .optional()
            .map_err(|source| self.storage(source))
    }

    /// Forgets a state whose file is gone.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn forget_state(&self, schema: u64) -> Result<(), LogError> {
        self.conn
            .execute("delete from states where hash = ?1", [to_sql(schema)])
            .map(drop)
            .map_err(|source| self.storage(source))
    }
}
