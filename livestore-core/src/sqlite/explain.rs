//! What is found out once and kept: the structure of the database, and the read sets of queries.
//!
//! For a read set SQLite is asked what a query reads, and [`resolve`] decides.

use std::sync::Arc;

use super::{
    catalog::{Catalog, TableInfo},
    db::Db,
    error::SqliteError,
    hooks::Hooks,
    read_set::{Instruction, ReadSet, ReadSetError, Sighting, resolve},
};

/// How many read sets a connection keeps; beyond, it starts over.
const READ_SETS: usize = 2048;

impl Db {
    /// What a query reads, found out once and kept.
    ///
    /// # Errors
    /// [`SqliteError::ReadSet`] when the text is no query, is not determined by the tables, or reads what nobody
    /// records; else what SQLite says to the text.
    pub fn read_set(&self, sql: &str) -> Result<Arc<ReadSet>, SqliteError> {
        let catalog = self.catalog()?;
        if let Some(known) = self.read_sets.borrow().get(sql) {
            return Ok(Arc::clone(known));
        }
        let set = Arc::new(self.find_read_set(&catalog, sql)?);
        let mut known = self.read_sets.borrow_mut();
        if known.len() >= READ_SETS {
            known.clear();
        }
        known.insert(sql.to_owned(), Arc::clone(&set));
        Ok(set)
    }

    /// A table's columns, key and name.
    ///
    /// # Errors
    /// [`SqliteError`] when the structure can't be read.
    pub fn table(&self, name: &str) -> Result<Option<Arc<TableInfo>>, SqliteError> {
        Ok(self.catalog()?.table(name))
    }

    /// The structure of the database, read again after it changed.
    pub(super) fn catalog(&self) -> Result<Arc<Catalog>, SqliteError> {
        let mut kept = self.catalog.borrow_mut();
        let changed = self.hooks.lock().structure_changed;
        if let Some(catalog) = kept.as_ref().filter(|_| !changed) {
            return Ok(Arc::clone(catalog));
        }
        let catalog = Arc::new(Catalog::load(&self.conn)?);
        self.hooks.lock().structure_changed = false;
        self.read_sets.borrow_mut().clear();
        *kept = Some(Arc::clone(&catalog));
        Ok(catalog)
    }

    pub(super) fn forget_rolled_back_structure(&self) -> Result<(), SqliteError> {
        let kept = self.catalog.borrow().as_ref().map(|catalog| catalog.version);
        if let Some(version) = kept
            && Catalog::version_of(&self.conn)? != version
        {
            self.hooks.lock().structure_changed = true;
        }
        Ok(())
    }

    /// Prepares the query once under the eyes of the authorizer, and once for its program. Neither is run, and neither
    /// comes from the statement cache, which would keep the authorizer silent.
    pub(super) fn find_read_set(
        &self,
        catalog: &Catalog,
        sql: &str,
    ) -> Result<ReadSet, SqliteError> {
        let watch = Watch::start(&self.hooks);
        let prepared = self.conn.prepare(sql).map(|statement| {
            statement.readonly() && statement.is_explain() == 0 && statement.column_count() > 0
        });
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

    /// The compiled program of a statement.
    pub(super) fn program(&self, sql: &str) -> rusqlite::Result<Vec<Instruction>> {
        let mut statement = self.conn.prepare(&format!("EXPLAIN {sql}"))?;
        let mut rows = statement.raw_query();
        let mut program = Vec::new();
        while let Some(row) = rows.next()? {
            program.push(Instruction {
                opcode: row.get(1)?,
                p1: row.get(2)?,
                p2: row.get(3)?,
                p3: row.get(4)?,
                p4: row.get_ref(5)?.as_str_or_null()?.map(str::to_owned),
                p5: row.get(6)?,
            });
        }
        Ok(program)
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
