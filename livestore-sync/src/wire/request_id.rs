//! The id of a request, which also tells which generation of the protocol its sender speaks.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::{MAX_NUMBER, REQUEST_ID_BYTES};

/// What a client calls its request; servers echo it unchanged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RequestId {
    /// Text, from LiveStore 0.4.0 and from us.
    Text(Arc<str>),
    /// A number, from its successor.
    Number(u64),
}

/// Which shapes the sender of a request understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// LiveStore 0.4.0 (Effect 3).
    V3,
    /// Its successor (Effect 4).
    V4,
}

impl RequestId {
    /// The generation of whoever uses such an id.
    pub fn generation(&self) -> Generation {
        match self {
            Self::Text(_) => Generation::V3,
            Self::Number(_) => Generation::V4,
        }
    }
}

impl From<u64> for RequestId {
    /// The id that our client gives its request number `n`.
    fn from(n: u64) -> Self {
        Self::Text(n.to_string().into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = RequestId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a request id: up to {REQUEST_ID_BYTES} characters or an integer from 0 to 2^53-1"
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestId, E> {
        if text.len() > REQUEST_ID_BYTES {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(RequestId::Text(text.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RequestId, E> {
        if number > MAX_NUMBER {
            return Err(E::invalid_value(de::Unexpected::Unsigned(number), &self));
        }
        Ok(RequestId::Number(number))
    }
}
