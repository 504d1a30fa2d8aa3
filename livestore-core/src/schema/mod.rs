//! Schemas: what tables, events and documents an app has, as Rust types above and as data below.
//!
//! The derives write the trait impls; [`SchemaDef`] is the same as data, validated, for the layers that know no types.
//! Nothing here opens a database: [`Writes`] borrows the connection of whoever applies an event.

mod column_type;
mod column_values;
mod commit;
mod ddl;
mod def;
mod document;
mod encode;
mod event;
mod json;
mod materialize;
mod schema_def;
mod schema_hash;
mod table;
mod unique;

#[cfg(test)]
mod tests;

pub mod as_string;

pub use column_type::{
    Bind, BlobStorage, ColumnError, ColumnType, IntegerStorage, IntoColumn, RealStorage, Storage,
    TextStorage,
};
pub use column_values::Json;
pub use commit::{EncodedCommit, HasEvents, IntoCommit};
pub use def::{
    ColumnDef, DefaultDef, DocumentDef, DocumentOwner, EventDef, IndexDef, MaterializeFn, SqlType,
    TableDef,
};
pub use document::{ClientDocument, HasDocument};
pub use encode::EncodeError;
pub use event::{EncodedEvent, EventSet, Materialize};
pub use materialize::{MaterializeError, Writes};
pub use schema_def::{Schema, SchemaDef, SchemaError};
pub use table::{FromRow, HasTable, RowReader, Table, TableStatements, TypeMismatch};

pub(crate) use ddl::quoted;
pub(crate) use encode::encode_args;
pub(crate) use event::{decode_args, materialize_with};
pub(crate) use materialize::access;
pub(crate) use table::list;
pub(crate) use unique::{assert_unique_documents, assert_unique_events, assert_unique_tables};
