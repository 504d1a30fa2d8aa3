//! What the derives' code calls. Not part of the API: it changes without notice.

pub use rusqlite::types::ValueRef;
pub use serde;

use livestore_sync::Args;
use serde::{Serialize, de::DeserializeOwned};

use crate::schema::{self, EncodeError, EventDef, EventSet, MaterializeError, Writes};

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

/// Fails the build when a name is there twice.
pub const fn assert_unique_names(what: &str, names: &[&str]) {
    schema::assert_unique_names(what, names);
}

/// Fails the build when an event's name is in two sets.
pub const fn assert_unique_events(sets: &[&[EventDef]]) {
    schema::assert_unique_events(sets);
}
