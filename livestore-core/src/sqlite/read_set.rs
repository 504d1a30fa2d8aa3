//! [`ReadSet`]: which columns of which tables a query's result depends on.
//!
//! Two witnesses together: what the authorizer reports while SQLite prepares the query (column by column, but blind to
//! the columns of `USING` and `NATURAL`), and what the compiled program opens and reads (`EXPLAIN`: root pages and
//! `Column` instructions). SQL is never parsed. Pure: [`resolve`] decides; `Db` asks SQLite.
//!
//! Every table a query opens also depends on its rows' existence and, because rows come in its order, on its key.
//! A date function over a *stored* `'now'` is the one clock this can't see.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rusqlite::hooks::{AuthAction, AuthContext};

use super::{
    catalog::{Catalog, Root, TableInfo},
    clock::{self, Dates},
    columns::ColumnSet,
    functions,
    hooks::SYSTEM_PREFIX,
};
use crate::value::Value;

/// What a query reads: tables (always including the existence of their rows) and columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadSet {
    tables: BTreeMap<Arc<str>, ColumnSet>,
    uses_dates: bool,
}

impl ReadSet {
    /// The tables, each with its columns by index; the index after the last column is a hidden rowid.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &ColumnSet)> {
        self.tables.iter().map(|(table, columns)| (table.as_ref(), columns))
    }

    /// The columns it reads of a table; `None` if it does not even depend on the table's rows existing.
    pub fn columns(&self, table: &str) -> Option<&ColumnSet> {
        self.tables.get(table)
    }

    /// Checks the values bound to the query's parameters: a date function may be given `'now'` through them.
    ///
    /// # Errors
    /// [`ReadSetError::NonDeterministic`] when the result would depend on the clock.
    pub fn check_parameters(&self, values: &[Value]) -> Result<(), ReadSetError> {
        if self.uses_dates && clock::means_now(values) {
            return Err(ReadSetError::NonDeterministic {
                function: "a date function of 'now'".into(),
            });
        }
        Ok(())
    }

    fn add(&mut self, table: &TableInfo, columns: &ColumnSet) {
        self.tables.entry(Arc::clone(&table.name)).or_default().extend(columns);
    }
}

/// Why a query can't be live.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadSetError {
    /// Not a single statement that only reads rows.
    #[error("a live query must be one SELECT")]
    NotAQuery,
    /// The result changes although no table does.
    #[error(
        "a live query can't use {function}: its result changes although no table does; pass the value as a parameter"
    )]
    NonDeterministic {
        /// The function.
        function: String,
    },
    /// It reads something whose changes nobody records.
    #[error("what the query reads can't be known: it uses {what}")]
    Unknowable {
        /// The table, or what else it is.
        what: String,
    },
}

/// What the authorizer reported while a query was prepared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Sighting {
    Read { temp: bool, table: String, column: String },
    Function(String),
    NotAQuery,
}

impl Sighting {
    pub(super) fn of(context: &AuthContext<'_>) -> Option<Self> {
        match context.action {
            AuthAction::Select | AuthAction::Recursive => None,
            AuthAction::Read { table_name, column_name } => Some(Self::Read {
                temp: context.database_name == Some("temp"),
                table: table_name.to_owned(),
                column: column_name.to_owned(),
            }),
            AuthAction::Function { function_name } => {
                Some(Self::Function(function_name.to_owned()))
            }
            _ => Some(Self::NotAQuery),
        }
    }
}

/// One instruction of a compiled query, as `EXPLAIN` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instruction {
    pub(super) opcode: String,
    pub(super) p1: i64,
    pub(super) p2: i64,
    pub(super) p3: i64,
    pub(super) p4: Option<String>,
    pub(super) p5: i64,
}

/// Puts the two witnesses together. `content` names the table behind each full-text table.
pub(super) fn resolve(
    catalog: &Catalog,
    content: &HashMap<String, String>,
    sightings: &[Sighting],
    program: &[Instruction],
) -> Result<ReadSet, ReadSetError> {
    let mut resolver =
        Resolver { catalog, content, set: ReadSet::default(), virtual_seen: BTreeSet::new() };
    for sighting in sightings {
        resolver.sighting(sighting)?;
    }
    resolver.program(program)?;
    resolver.set.uses_dates = match clock::dates(program) {
        Dates::Unused => false,
        Dates::Given | Dates::Here(_) => true,
        Dates::Now(function) => {
            let function = format!("{function}() of the clock");
            return Err(ReadSetError::NonDeterministic { function });
        }
    };
    Ok(resolver.set)
}

struct Resolver<'a> {
    catalog: &'a Catalog,
    content: &'a HashMap<String, String>,
    set: ReadSet,
    virtual_seen: BTreeSet<String>,
}

impl Resolver<'_> {
    fn sighting(&mut self, sighting: &Sighting) -> Result<(), ReadSetError> {
        match sighting {
            Sighting::NotAQuery => Err(ReadSetError::NotAQuery),
            Sighting::Function(function) if functions::is_impure(function) => {
                Err(ReadSetError::NonDeterministic { function: format!("{function}()") })
            }
            Sighting::Function(_) => Ok(()),
            Sighting::Read { temp: true, table, .. } => Err(unknowable(table)),
            // With no column SQLite reports the name as it was written: a common table expression, too.
            Sighting::Read { table, column, .. } if column.is_empty() => {
                self.note_virtual(table);
                match self.table(table) {
                    Some(table) => self.read(&table, &ColumnSet::default()),
                    None => self.virtual_table(table),
                }
            }
            Sighting::Read { table, column, .. } => self.column(table, column),
        }
    }

    fn column(&mut self, name: &str, column: &str) -> Result<(), ReadSetError> {
        if let Some(table) = self.table(name) {
            let mut columns = ColumnSet::default();
            if column.eq_ignore_ascii_case("rowid") {
                columns.extend(&table.key_columns());
            }
            match table.column(column) {
                Some(column) => columns.extend(&table.reads_of(column)),
                None if columns.is_empty() => columns = table.everything(),
                None => {}
            }
            return self.read(&table, &columns);
        }
        self.note_virtual(name);
        let ignored = self.catalog.views.contains(name)
            || self.catalog.shadow_tables.contains(name)
            || functions::has_no_storage(name);
        if ignored {
            return Ok(());
        }
        if self.catalog.virtual_tables.contains(name) {
            return self.virtual_table(name);
        }
        Err(unknowable(name))
    }

    /// A full-text table counts as the table it indexes.
    fn virtual_table(&mut self, name: &str) -> Result<(), ReadSetError> {
        if !self.catalog.virtual_tables.contains(name) {
            return Ok(());
        }
        let table = self.content.get(name).and_then(|content| self.table(content));
        let table = table.ok_or_else(|| unknowable(name))?;
        self.read(&table, &table.everything())
    }

    fn note_virtual(&mut self, name: &str) {
        if self.catalog.virtual_tables.contains(name) || functions::has_no_storage(name) {
            self.virtual_seen.insert(name.to_ascii_lowercase());
        }
    }

    fn program(&mut self, program: &[Instruction]) -> Result<(), ReadSetError> {
        let mut cursors: HashMap<i64, Vec<Arc<TableInfo>>> = HashMap::new();
        let mut virtual_opened = 0;
        for step in program {
            match step.opcode.as_str() {
                "OpenRead" | "OpenWrite" | "ReopenIdx" => {
                    if let Some(table) = self.open(step, is_only_counted(program, step.p1))? {
                        cursors.entry(step.p1).or_default().push(table);
                    }
                }
                "VOpen" => virtual_opened += 1,
                _ => {}
            }
        }
        for step in program {
            let whole = match step.opcode.as_str() {
                "Column" => false,
                "RowData" | "RowCell" => true,
                _ => continue,
            };
            for table in cursors.get(&step.p1).into_iter().flatten() {
                let place = usize::try_from(step.p2).ok().filter(|_| !whole);
                let columns = match place.and_then(|place| table.stored(place)) {
                    Some(column) => table.reads_of(column),
                    None => table.everything(),
                };
                self.set.add(table, &columns);
            }
        }
        // A virtual table in a `USING` escapes the authorizer, and the program does not name it.
        if virtual_opened > self.virtual_seen.len() {
            let names: Vec<String> = self.catalog.virtual_tables.iter().cloned().collect();
            names.iter().try_for_each(|name| self.virtual_table(name))?;
        }
        Ok(())
    }

    /// Counts what a cursor opens; gives the table whose rows its `Column` instructions read. An index counts whole,
    /// unless nothing but the number of its entries is asked for.
    fn open(
        &mut self,
        step: &Instruction,
        only_counted: bool,
    ) -> Result<Option<Arc<TableInfo>>, ReadSetError> {
        const PAGE_IS_IN_A_REGISTER: i64 = 0x10;
        if step.p3 != 0 || step.p5 & PAGE_IS_IN_A_REGISTER != 0 {
            return Err(unknowable("a temporary or attached table"));
        }
        match self.catalog.roots.get(&step.p2) {
            None => Err(unknowable("a table that is not in the schema")),
            Some(Root::System) => Err(unknowable("SQLite's own tables")),
            Some(Root::Table(name)) => {
                let table = self.table(name).ok_or_else(|| unknowable(name))?;
                self.read(&table, &table.key_columns())?;
                Ok(Some(table))
            }
            Some(Root::Index { table, columns }) => {
                let table = self.table(table).ok_or_else(|| unknowable(table))?;
                let none = ColumnSet::default();
                self.read(&table, if only_counted { &none } else { columns })?;
                Ok(None)
            }
        }
    }

    fn read(&mut self, table: &TableInfo, columns: &ColumnSet) -> Result<(), ReadSetError> {
        if table.name.starts_with(SYSTEM_PREFIX) {
            return Err(unknowable(&table.name));
        }
        self.set.add(table, columns);
        Ok(())
    }

    fn table(&self, name: &str) -> Option<Arc<TableInfo>> {
        self.catalog.table(name)
    }
}

/// Whether a cursor serves a `count(*)` and is never moved.
fn is_only_counted(program: &[Instruction], cursor: i64) -> bool {
    let moves = |opcode: &str| {
        ["Seek", "Idx", "Found", "NotFound", "NoConflict", "DeferredSeek"]
            .iter()
            .any(|start| opcode.starts_with(start))
            || matches!(opcode, "Rewind" | "Last" | "Next" | "Prev" | "Column" | "Rowid")
    };
    let mut own = program.iter().filter(|step| step.p1 == cursor);
    own.clone().any(|step| step.opcode == "Count") && !own.any(|step| moves(&step.opcode))
}

fn unknowable(what: &str) -> ReadSetError {
    ReadSetError::Unknowable { what: what.to_owned() }
}
