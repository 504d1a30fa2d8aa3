//! The SQL that makes a table: strict, keyed, and the same on every target.
//!
//! Tables are `STRICT`. Keys are `NOT NULL`. A table whose key is one integer has it as its rowid; every other table is
//! `WITHOUT ROWID`, so no row has a hidden number that differs between clients.

use std::fmt::Write as _;

use super::{
    def::{ColumnDef, DefaultDef, IndexDef, SqlType, TableDef},
    table::list,
};

/// A name as a quoted SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl TableDef {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&'static ColumnDef> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether its key is one integer, which SQLite then uses as the rowid.
    pub fn has_integer_key(&self) -> bool {
        match self.primary_key {
            [key] => self.column(key).is_some_and(|column| column.sql_type == SqlType::Integer),
            _ => false,
        }
    }

    /// The statements that make the table and its indexes, in order.
    pub fn ddl(&self) -> Vec<String> {
        let mut sql = format!("CREATE TABLE {} (", quoted(self.name));
        for column in self.columns {
            column.write_ddl(&mut sql);
        }
        let key = list(self.primary_key.iter().copied());
        let rowid = if self.has_integer_key() { "" } else { ", WITHOUT ROWID" };
        write!(sql, "PRIMARY KEY ({key})) STRICT{rowid}").expect("BUG: a String takes every write");
        let indexes = self.indexes.iter().map(|index| index.ddl(self.name));
        std::iter::once(sql).chain(indexes).collect()
    }
}

impl ColumnDef {
    fn write_ddl(&self, sql: &mut String) {
        let not_null = if self.nullable { "" } else { " NOT NULL" };
        let default = match self.default {
            None => String::new(),
            Some(DefaultDef::Integer(integer)) => format!(" DEFAULT ({integer})"),
            Some(DefaultDef::Real(real)) => format!(" DEFAULT ({real:?})"),
            Some(DefaultDef::Text(text)) => format!(" DEFAULT '{}'", text.replace('\'', "''")),
        };
        write!(sql, "{} {}{not_null}{default}, ", quoted(self.name), self.sql_type)
            .expect("BUG: a String takes every write");
    }
}

impl IndexDef {
    /// The index's name: no table can be called so, and each table, column list and kind gives another.
    pub fn name(&self, table: &str) -> String {
        let unique = if self.unique { " unique" } else { "" };
        format!("{table}({}){unique}", self.columns.join(","))
    }

    fn ddl(&self, table: &str) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let (name, columns) = (quoted(&self.name(table)), list(self.columns.iter().copied()));
        format!("CREATE {unique}INDEX {name} ON {} ({columns})", quoted(table))
    }
}
