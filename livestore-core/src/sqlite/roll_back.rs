//! Taking recorded rows back, and what that changed.

use rusqlite::config::DbConfig;

use super::{change::ChangeSet, db::Db, error::SqliteError, record::Record, undo::invert};

impl Db {
    /// What recorded rows changed, net.
    ///
    /// # Errors
    /// [`SqliteError`] when the structure can't be read.
    pub fn changes(&self, records: &[Record]) -> Result<ChangeSet, SqliteError> {
        Ok(ChangeSet::of(self.catalog()?.as_ref(), records))
    }

    /// Takes records back: the batches as given, newest first, and each batch from its end. All of it or nothing.
    ///
    /// # Errors
    /// [`SqliteError::UndoMismatch`] when a record does not fit the rows it finds; else what SQLite says.
    pub fn undo<'a>(
        &self,
        newest_first: impl IntoIterator<Item = &'a [Record]>,
    ) -> Result<ChangeSet, SqliteError> {
        self.savepoint(|| {
            let ((), records) = self.recorded(|| {
                self.without_side_effects(|| {
                    newest_first
                        .into_iter()
                        .flat_map(|batch| batch.iter().rev())
                        .try_for_each(|record| self.undo_one(record))
                })
            })?;
            self.changes(&records)
        })
    }

    fn undo_one(&self, record: &Record) -> Result<(), SqliteError> {
        let mismatch = || SqliteError::UndoMismatch { table: record.table().to_owned() };
        let table = self.catalog()?.table(record.table()).ok_or_else(mismatch)?;
        let width = table.columns.len();
        let images = [&record.old, &record.new];
        if images.into_iter().flatten().any(|image| image.values.len() != width) {
            return Err(mismatch());
        }
        let Some(inverse) = invert(&table, record) else { return Ok(()) };
        match self.execute(&inverse.sql, &inverse.values) {
            Ok(1) => Ok(()),
            Ok(_) | Err(SqliteError::Constraint(_)) => Err(mismatch()),
            Err(error) => Err(error),
        }
    }

    /// Triggers and foreign keys off: what they wrote is in the records. The pragma would be ignored inside a
    /// transaction; the switch expires prepared statements, so it is left alone when there is nothing to switch off.
    fn without_side_effects<T>(
        &self,
        act: impl FnOnce() -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        if !self.catalog()?.has_side_effects {
            return act();
        }
        let switches =
            [DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER];
        let mut before = Vec::new();
        for switch in switches {
            before.push((switch, self.conn.db_config(switch)?));
            self.conn.set_db_config(switch, false)?;
        }
        let done = act();
        for (switch, on) in before {
            self.conn.set_db_config(switch, on)?;
        }
        done
    }
}
