//! What a schema is once it is data: tables, events and documents without their Rust types.
//!
//! The derives write the `static`s; everything below the typed API (state, leader, log) works on these alone, so none
//! of it is generic. A [`SchemaDef`] is validated when it is built and can't hold two tables, events or documents of
//! one name.

use livestore_sync::Lane;

use super::materialize::{MaterializeError, Writes};

/// The storage class a column declares; tables are `STRICT`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SqlType {
    /// 64-bit integers; also booleans.
    Integer,
    /// 64-bit floats.
    Real,
    /// UTF-8 text; also JSON and enums.
    Text,
    /// Bytes.
    Blob,
}

/// A column's default, as the DDL states it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum DefaultDef {
    /// An integer (booleans are 0 and 1).
    Integer(i64),
    /// A float.
    Real(f64),
    /// Text.
    Text(&'static str),
}

/// One column of a table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ColumnDef {
    /// The column's name in SQL.
    pub name: &'static str,
    /// Its storage class.
    pub sql_type: SqlType,
    /// Whether it may be `NULL`.
    pub nullable: bool,
    /// What an insert that leaves it out gets.
    pub default: Option<DefaultDef>,
}

/// An index of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexDef {
    /// The indexed columns, in order.
    pub columns: &'static [&'static str],
    /// Whether two rows may share the columns' values.
    pub unique: bool,
}

/// One table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TableDef {
    /// The table's name in SQL.
    pub name: &'static str,
    /// Which events may write it: a table is fed by synced events or by client-only ones, never both.
    pub lane: Lane,
    /// Its columns, in the order of the row type's fields.
    pub columns: &'static [ColumnDef],
    /// The primary key's columns, at least one.
    pub primary_key: &'static [&'static str],
    /// Its indexes.
    pub indexes: &'static [IndexDef],
}

/// Decodes an event's arguments (JSON text) and applies it.
pub type MaterializeFn = fn(args: &str, writes: &mut Writes<'_>) -> Result<(), MaterializeError>;

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct EventDef {
    /// The versioned name, such as `v1.TodoCreated`.
    pub name: &'static str,
    /// Synced or client-only.
    pub lane: Lane,
    /// How it changes the state.
    pub materialize: MaterializeFn,
}

/// Who owns the latest value of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentOwner {
    /// Each tab has its own; it outlives reloads.
    Tab,
    /// All tabs of the client share one.
    Client,
}

/// One client document.
#[derive(Clone, Copy, Debug)]
pub struct DocumentDef {
    /// Its name in the log database.
    pub name: &'static str,
    /// Whose value it is.
    pub owner: DocumentOwner,
}
