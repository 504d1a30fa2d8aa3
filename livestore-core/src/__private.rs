//! What the derives' code calls. Not part of the API: it changes without notice.

pub use livestore_sync::Lane;
pub use rusqlite::types::ValueRef;
pub use serde;

pub use crate::{
    Bind, ClientDocument, Column, ColumnDef, ColumnError, ColumnType, DefaultDef, DocumentDef,
    DocumentOwner, EncodeError, EncodedEvent, EventDef, EventSet, FromRow, HasDocument, HasEvents,
    HasTable, IndexDef, Json, MaterializeError, RowReader, Schema, SchemaDef, SchemaError, Select,
    Storage, Table, TableDef, TableStatements, TextStorage, TypeMismatch, Value,
};

use livestore_sync::Args;
use serde::{Serialize, de::DeserializeOwned};

use crate::{SqlType, Writes, schema};

/// Encodes an event's arguments.
pub fn encode_args<T: Serialize + ?Sized>(
    event: &'static str,
    args: &T,
) -> Result<Args, EncodeError> {
    schema::encode_args(event, args)
}

/// Decodes an event's arguments.
pub fn decode_args<T: DeserializeOwned>(event: &str, args: &str) -> Result<T, MaterializeError> {
    schema::decode_args(event, args)
}

/// Decodes and applies an event.
pub fn materialize<E: EventSet>(
    name: &'static str,
    args: &str,
    state: &mut Writes<'_>,
) -> Result<(), MaterializeError> {
    schema::materialize_with::<E>(name, args, state)
}

/// The value that the column at this place stores.
pub fn to_value<T: Table>(index: usize, value: &impl Bind) -> Result<Value, TypeMismatch> {
    value
        .to_bind()
        .map_err(|error| TypeMismatch::new(Some(T::DEF.name), T::DEF.columns[index].name, error))
}

/// Whether a default is of a column's storage class.
pub const fn default_fits(sql_type: SqlType, default: DefaultDef) -> bool {
    matches!(
        (sql_type, default),
        (SqlType::Integer, DefaultDef::Integer(_))
            | (SqlType::Real, DefaultDef::Real(_))
            | (SqlType::Text, DefaultDef::Text(_))
    )
}

/// Fails the build when a table's name is there twice.
pub const fn assert_unique_tables(tables: &[&TableDef]) {
    schema::assert_unique_tables(tables);
}

/// Fails the build when a document's name is there twice.
pub const fn assert_unique_documents(documents: &[&DocumentDef]) {
    schema::assert_unique_documents(documents);
}

/// Fails the build when an event's name is in two sets.
pub const fn assert_unique_events(sets: &[&[EventDef]]) {
    schema::assert_unique_events(sets);
}
