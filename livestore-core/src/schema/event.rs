//! Events as Rust types: encoding, decoding, and the call of the materializer.

use std::fmt;

use livestore_sync::{Args, Lane};
use serde::de::DeserializeOwned;

use super::{
    def::EventDef,
    encode::EncodeError,
    materialize::{MaterializeError, Writes},
};

/// How an event changes the state: a pure function of the event and of reads of the state.
///
/// It runs again on every client and at every rebuild, so it must not look at clocks, random numbers or anything else
/// that differs between them: put such values into the event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has events but no materializer",
    label = "`Materialize` is not implemented",
    note = "write `impl Materialize for {Self}` with a `match` over its variants"
)]
pub trait Materialize {
    /// Writes what the event means.
    ///
    /// # Errors
    /// Any error rolls the whole commit back.
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError>;
}

/// An event, ready for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncodedEvent {
    /// The versioned name.
    pub name: &'static str,
    /// Synced or client-only.
    pub lane: Lane,
    /// Canonical JSON.
    pub args: Args,
}

/// An enum of events; implemented by `#[derive(Event)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of events",
    note = "put `#[derive(Event)]` on the enum"
)]
pub trait EventSet: Materialize + Sized + 'static {
    /// What the events are called and how they are applied.
    const DEFS: &'static [EventDef];

    /// Name, lane and arguments.
    ///
    /// # Errors
    /// [`EncodeError`] when the arguments can't be JSON without a change.
    fn encode(&self) -> Result<EncodedEvent, EncodeError>;

    /// The event of this name, or nothing when the set has none of it.
    ///
    /// # Errors
    /// [`MaterializeError::Decode`] when the arguments don't fit.
    fn decode(name: &str, args: &str) -> Option<Result<Self, MaterializeError>>;
}

/// Decodes an event's arguments; `null` stands for "no fields" too, since absent and null arguments are equal.
pub(crate) fn decode_args<T: DeserializeOwned>(
    event: &str,
    args: &str,
) -> Result<T, MaterializeError> {
    let decoded = serde_json::from_str(args);
    let decoded = if args == "null" {
        decoded.or_else(|error| serde_json::from_str("{}").map_err(|_| error))
    } else {
        decoded
    };
    decoded.map_err(|error| MaterializeError::decode(event, error))
}

/// Decodes an event and applies it: what a derived [`EventDef::materialize`] does.
pub(crate) fn materialize_with<E: EventSet>(
    name: &'static str,
    args: &str,
    state: &mut Writes<'_>,
) -> Result<(), MaterializeError> {
    match E::decode(name, args) {
        Some(event) => event?.materialize(state),
        None => Err(MaterializeError::decode(name, "the event set has no such event")),
    }
}

impl MaterializeError {
    fn decode(event: &str, reason: impl fmt::Display) -> Self {
        Self::Decode { event: event.to_owned(), reason: reason.to_string() }
    }
}
