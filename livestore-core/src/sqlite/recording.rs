//! Switching the hooks: recording rows, and running a materializer under its guard.

use livestore_sync::Lane;

use super::{
    db::Db,
    error::SqliteError,
    record::{Mark, Record},
};

impl Db {
    /// Runs `act` while every written row is recorded; gives the records. It takes nothing back: see [`Db::savepoint`].
    ///
    /// # Errors
    /// Those of `act`; or out of memory, when a row could not be recorded.
    pub fn recorded<T, E: From<SqliteError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, Vec<Record>), E> {
        let (before, mark) = {
            let mut state = self.hooks.lock();
            (std::mem::replace(&mut state.recording, true), state.records.len())
        };
        let restore = OnDrop(|| self.hooks.lock().recording = before);
        let done = act();
        drop(restore);
        let (mut records, incomplete) = {
            let mut state = self.hooks.lock();
            let mark = mark.min(state.records.len());
            let records =
                if before { state.records[mark..].to_vec() } else { state.records.split_off(mark) };
            (records, std::mem::take(&mut state.incomplete))
        };
        let done = done?;
        if incomplete {
            let error = SqliteError::OutOfMemory("a written row could not be recorded".to_owned());
            return Err(error.into());
        }
        let catalog = self.catalog()?;
        // What full-text tables write behind the scenes follows from the rows.
        records.retain(|record| !catalog.shadow_tables.contains(record.table()));
        for record in &mut records {
            if let Some(table) = catalog.tables.get(&record.table)
                && !table.reals.is_empty()
            {
                let images = [&mut record.old, &mut record.new];
                images.into_iter().flatten().for_each(|image| image.widen(&table.reals));
            }
        }
        Ok((done, records))
    }

    /// Where the recording stands.
    pub fn mark(&self) -> Mark {
        Mark(self.hooks.lock().records.len())
    }

    /// Forgets the records since a mark: what they tell of did not happen after all.
    pub fn cut_back(&self, mark: Mark) {
        self.hooks.lock().records.truncate(mark.0);
    }

    /// Runs `act` as a materializer of a lane: it may read and write rows of that lane's tables, and nothing else.
    ///
    /// # Errors
    /// The first [`AccessViolation`](super::AccessViolation) or storage failure, even if `act` went on after it.
    pub fn guarded<T>(&self, lane: Lane, act: impl FnOnce() -> T) -> Result<T, SqliteError> {
        let before = self.hooks.lock().guard.replace(lane);
        let restore = OnDrop(|| self.hooks.lock().guard = before);
        let done = act();
        drop(restore);
        let mut state = self.hooks.lock();
        let (failure, violation) = (state.failure.take(), state.violation.take());
        match failure.or(violation.map(SqliteError::Access)) {
            Some(error) => Err(error),
            None => Ok(done),
        }
    }
}

/// Runs a closure when dropped, so that a panic in between leaves no switch on.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
