//! Encoding: an event of the app becomes a name, a lane and canonical JSON, or a typed error.

use livestore_sync::{Args, InvalidArgs};
use serde::Serialize;

use super::json::{self, Integers, JsonError};

/// Why events can't be committed as they are.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// A `NaN` or an infinity.
    #[error("`{event}`: {number} in `{field}` is not a JSON number")]
    NotFinite {
        /// The event's name.
        event: &'static str,
        /// Where it is, as `field.field`.
        field: String,
        /// The number.
        number: String,
    },
    /// An integer that a JavaScript peer would change.
    #[error(
        "`{event}`: the integer {number} in `{field}` is beyond ±(2^53-1) and would change on the way to a JavaScript peer: mark the field `#[serde(with = \"…::as_string\")]`, where … is the livestore crate that the app depends on"
    )]
    InexactInteger {
        /// The event's name.
        event: &'static str,
        /// Where it is, as `field.field`.
        field: String,
        /// The number.
        number: String,
    },
    /// The arguments' own `Serialize` failed.
    #[error("`{event}` can't be encoded: {reason}")]
    Serialize {
        /// The event's name.
        event: &'static str,
        /// What it said.
        reason: String,
    },
    /// Too large, or not JSON that every peer can read.
    #[error("`{event}`: {reason}")]
    Args {
        /// The event's name.
        event: &'static str,
        /// What is wrong with them.
        reason: InvalidArgs,
    },
    /// Events of both lanes in one commit.
    #[error("`{synced}` is synced and `{client_only}` is client-only: one commit can't hold both")]
    MixedLanes {
        /// The first synced event's name.
        synced: &'static str,
        /// The first client-only event's name.
        client_only: &'static str,
    },
    /// No event at all.
    #[error("a commit needs at least one event")]
    Empty,
}

/// Encodes an event's arguments.
pub(crate) fn encode_args<T: Serialize + ?Sized>(
    event: &'static str,
    args: &T,
) -> Result<Args, EncodeError> {
    json::check(args, Integers::Exact).map_err(|error| match error {
        JsonError::NotFinite { field, number } => EncodeError::NotFinite { event, field, number },
        JsonError::InexactInteger { field, number } => {
            EncodeError::InexactInteger { event, field, number }
        }
        JsonError::Other(reason) => EncodeError::Serialize { event, reason },
    })?;
    let json = serde_json::to_string(args)
        .map_err(|error| EncodeError::Serialize { event, reason: error.to_string() })?;
    Args::parse(&json).map_err(|reason| EncodeError::Args { event, reason })
}
