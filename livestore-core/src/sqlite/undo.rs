//! Undo: the inverse of recorded rows, newest first.
//!
//! Each record becomes one statement that must hit exactly one row; anything else means that the state is not the one
//! the record was made for. Pure: [`invert`] writes the statement, `Db` runs it, with triggers and foreign keys off,
//! because what they did is in the records already. Generated columns are left to SQLite.

use super::{
    catalog::{RowKey, TableInfo},
    record::{Record, RowImage},
};
use crate::{schema::quoted, value::Value};

/// A statement and its parameters.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Inverse {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// The statement that takes a record back; `None` if there is nothing to take back.
pub(super) fn invert(table: &TableInfo, record: &Record) -> Option<Inverse> {
    match (&record.old, &record.new) {
        (None, Some(new)) => Some(delete(table, new)),
        (Some(old), None) => Some(insert(table, old)),
        (Some(old), Some(new)) => update(table, old, new),
        (None, None) => None,
    }
}

fn delete(table: &TableInfo, row: &RowImage) -> Inverse {
    let mut values = Vec::new();
    let condition = address(table, row, &mut values);
    Inverse { sql: format!("DELETE FROM {} WHERE {condition}", quoted(&table.name)), values }
}

fn insert(table: &TableInfo, row: &RowImage) -> Inverse {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (column, value) in stored(table, row) {
        names.push(quoted(&table.columns[column].name));
        values.push(value.clone());
    }
    if let RowKey::Hidden(name) = table.key {
        names.push(name.to_owned());
        values.push(Value::Integer(row.rowid));
    }
    let places = vec!["?"; names.len()].join(", ");
    let names = names.join(", ");
    Inverse {
        sql: format!("INSERT INTO {} ({names}) VALUES ({places})", quoted(&table.name)),
        values,
    }
}

fn update(table: &TableInfo, old: &RowImage, new: &RowImage) -> Option<Inverse> {
    let (mut assignments, mut values) = (Vec::new(), Vec::new());
    for (column, value) in stored(table, old) {
        if new.values.get(column) != Some(value) {
            assignments.push(format!("{} = ?", quoted(&table.columns[column].name)));
            values.push(value.clone());
        }
    }
    if let RowKey::Hidden(name) = table.key
        && old.rowid != new.rowid
    {
        assignments.push(format!("{name} = ?"));
        values.push(Value::Integer(old.rowid));
    }
    if assignments.is_empty() {
        return None;
    }
    let condition = address(table, new, &mut values);
    let sql =
        format!("UPDATE {} SET {} WHERE {condition}", quoted(&table.name), assignments.join(", "));
    Some(Inverse { sql, values })
}

fn stored<'a>(table: &'a TableInfo, row: &'a RowImage) -> impl Iterator<Item = (usize, &'a Value)> {
    row.values.iter().enumerate().filter(|(column, _)| {
        table.columns.get(*column).is_some_and(|info| info.generated.is_none())
    })
}

/// The condition that finds the row, its values appended to `values`.
fn address(table: &TableInfo, row: &RowImage, values: &mut Vec<Value>) -> String {
    match &table.key {
        RowKey::Hidden(name) => {
            values.push(Value::Integer(row.rowid));
            format!("{name} = ?")
        }
        RowKey::Alias(column) => {
            values.push(Value::Integer(row.rowid));
            format!("{} = ?", quoted(&table.columns[*column].name))
        }
        RowKey::Columns(columns) => {
            let equal = columns.iter().map(|column| {
                values.push(row.values[*column].clone());
                format!("{} = ?", quoted(&table.columns[*column].name))
            });
            equal.collect::<Vec<_>>().join(" AND ")
        }
    }
}
