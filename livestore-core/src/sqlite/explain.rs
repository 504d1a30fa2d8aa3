//! Finding out a read set: asks SQLite what a query reads, and lets [`resolve`] decide.

use super::{
    catalog::Catalog,
    db::Db,
    error::SqliteError,
    hooks::Hooks,
    read_set::{ReadSet, ReadSetError, Sighting, resolve},
};

impl Db {
    /// Prepares the query once under the eyes of the authorizer, and once for its program. Neither is run, and neither
    /// comes from the statement cache, which would keep the authorizer silent.
    pub(super) fn find_read_set(
        &self,
        catalog: &Catalog,
        sql: &str,
    ) -> Result<ReadSet, SqliteError> {
        let watch = Watch::start(&self.hooks);
        let prepared = self
            .conn
            .prepare(sql)
            .map(|statement| statement.readonly() && statement.column_count() > 0);
        let sightings = watch.end();
        let is_query = match prepared {
            Err(rusqlite::Error::MultipleStatement) => false,
            prepared => prepared?,
        };
        if !is_query {
            return Err(ReadSetError::NotAQuery.into());
        }
        let program = self.program(sql)?;
        Ok(resolve(catalog, &self.full_text.borrow(), &sightings, &program)?)
    }
}

/// The time in which the authorizer's reports are collected.
struct Watch<'a>(&'a Hooks);

impl<'a> Watch<'a> {
    fn start(hooks: &'a Hooks) -> Self {
        hooks.lock().sightings = Some(Vec::new());
        Self(hooks)
    }

    fn end(self) -> Vec<Sighting> {
        self.0.lock().sightings.take().unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.lock().sightings = None;
    }
}
