//! Tables as Rust types: a row is a struct, read by position and written by bound values.

use std::fmt::{self, Write as _};

use rusqlite::Row;

use super::{
    column_type::{ColumnError, ColumnType},
    ddl::quoted,
    def::TableDef,
    schema_def::Schema,
};
use crate::Value;

/// A stored value that is not one of its column's type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct TypeMismatch {
    /// The table; nothing for a raw query's column.
    pub table: Option<&'static str>,
    /// The column.
    pub column: String,
    /// What its type holds.
    pub expected: String,
    /// What was there instead.
    pub found: String,
}

impl TypeMismatch {
    pub(crate) fn new(table: Option<&'static str>, column: &str, error: ColumnError) -> Self {
        let ColumnError { expected, found } = error;
        Self { table, column: column.to_owned(), expected: expected.into_owned(), found }
    }
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, expected, found } = self;
        let dot = if table.is_some() { "." } else { "" };
        write!(
            f,
            "`{}{dot}{column}`: expected {expected}, found {found}",
            table.unwrap_or_default()
        )
    }
}

/// One row of a result, read by position.
#[derive(Debug)]
pub struct RowReader<'a> {
    row: &'a Row<'a>,
    table: Option<&'static TableDef>,
    /// Where a table's columns are in the result, when they are not first and in order.
    positions: Option<&'a [usize]>,
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(
        row: &'a Row<'a>,
        table: Option<&'static TableDef>,
        positions: Option<&'a [usize]>,
    ) -> Self {
        Self { row, table, positions }
    }

    /// The column at this position.
    ///
    /// # Errors
    /// [`TypeMismatch`] when there is no such column or it holds something else.
    pub fn get<T: ColumnType>(&self, index: usize) -> Result<T, TypeMismatch> {
        let position =
            self.positions.map_or(Some(index), |positions| positions.get(index).copied());
        let value = position.and_then(|position| self.row.get_ref(position).ok());
        let result = match value {
            Some(value) => T::from_column(value),
            None => Err(ColumnError::new("a column", "a result with fewer columns")),
        };
        result.map_err(|error| {
            let names: &rusqlite::Statement<'_> = self.row.as_ref();
            let name = position.and_then(|position| names.column_name(position).ok());
            TypeMismatch::new(self.table.map(|table| table.name), name.unwrap_or("?"), error)
        })
    }
}

/// What a raw query's rows can be: a column type, a tuple of up to eight, or a table's row.
#[diagnostic::on_unimplemented(
    message = "rows can't be read as `{Self}`",
    note = "a row is a column type, a tuple of up to eight of them, or a struct with `#[derive(Table)]`"
)]
pub trait FromRow: Sized + 'static {
    /// How many columns are read.
    const COLUMNS: usize;

    /// The table whose columns are looked up by name, if it is a table's row.
    const TABLE: Option<&'static TableDef> = None;

    /// Reads a row.
    ///
    /// # Errors
    /// [`TypeMismatch`] for the first column that doesn't fit.
    fn from_row(row: &RowReader<'_>) -> Result<Self, TypeMismatch>;
}

impl<T: ColumnType> FromRow for T {
    const COLUMNS: usize = 1;

    fn from_row(row: &RowReader<'_>) -> Result<Self, TypeMismatch> {
        row.get(0)
    }
}

macro_rules! tuples {
    ($($count:literal ($($name:ident $index:tt),+))*) => {$(
        impl<$($name: ColumnType),+> FromRow for ($($name,)+) {
            const COLUMNS: usize = $count;

            fn from_row(row: &RowReader<'_>) -> Result<Self, TypeMismatch> {
                Ok(($(row.get::<$name>($index)?,)+))
            }
        }
    )*};
}

tuples! {
    1 (A 0)
    2 (A 0, B 1)
    3 (A 0, B 1, C 2)
    4 (A 0, B 1, C 2, D 3)
    5 (A 0, B 1, C 2, D 3, E 4)
    6 (A 0, B 1, C 2, D 3, E 4, F 5)
    7 (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    8 (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// A table's row type; implemented by `#[derive(Table)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    note = "put `#[derive(Table)]` on the row struct"
)]
pub trait Table: FromRow + PartialEq + Send + Sync + 'static {
    /// The table as data.
    const DEF: &'static TableDef;

    /// The row's values, in the order of the columns.
    ///
    /// # Errors
    /// [`TypeMismatch`] when a value can't be stored.
    fn to_values(&self) -> Result<Vec<Value>, TypeMismatch>;

    /// The SQL of whole-row statements, written once per table.
    fn statements() -> &'static TableStatements;
}

/// A schema that has this table; implemented by `#[derive(Schema)]`.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not a table of the schema `{Self}`",
    note = "list it in `#[schema(tables(…))]` of `{Self}`"
)]
pub trait HasTable<T: Table>: Schema {}

/// The SQL of whole-row statements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableStatements {
    pub(crate) insert: String,
    pub(crate) insert_or_ignore: String,
    pub(crate) upsert: String,
    /// The quoted columns, separated by commas.
    pub(crate) columns: String,
}

impl TableStatements {
    /// Writes them for a table.
    pub fn new(table: &TableDef) -> Self {
        let columns = list(table.columns.iter().map(|column| column.name));
        let marks = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({columns}) VALUES ({marks})", quoted(table.name));
        let insert_or_ignore = format!("{insert} ON CONFLICT DO NOTHING");
        let key = list(table.primary_key.iter().copied());
        let mut assignments = String::new();
        for column in
            table.columns.iter().filter(|column| !table.primary_key.contains(&column.name))
        {
            let comma = if assignments.is_empty() { "" } else { ", " };
            let name = quoted(column.name);
            write!(assignments, "{comma}{name} = excluded.{name}")
                .expect("BUG: a String takes every write");
        }
        let action = if assignments.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {assignments}")
        };
        let upsert = format!("{insert} ON CONFLICT ({key}) DO {action}");
        Self { insert, insert_or_ignore, upsert, columns }
    }
}

/// Quoted names, separated by commas.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quoted).collect::<Vec<_>>().join(", ")
}
