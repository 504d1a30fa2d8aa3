//! JSON that says what was meant: a walk over a serde value that refuses what JSON would change silently.
//!
//! `serde_json` writes `NaN` and infinities as `null`, and integers beyond ±(2⁵³−1) change in a JavaScript peer. The
//! walk finds both, and says in which field. It produces nothing; the JSON itself is written by `serde_json`.

use std::fmt::{self, Display};

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

const MAX_EXACT: u64 = (1 << 53) - 1;

/// A value that can't be JSON as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JsonError {
    /// A `NaN` or an infinity, in this field.
    NotFinite { field: String, number: String },
    /// An integer that a JavaScript peer would change, in this field.
    InexactInteger { field: String, number: String },
    /// The value's own `Serialize` failed.
    Other(String),
}

impl JsonError {
    /// The same error seen from one level further up.
    fn within(mut self, name: &str) -> Self {
        if let Self::NotFinite { field, .. } | Self::InexactInteger { field, .. } = &mut self {
            *field = if field.is_empty() { name.to_owned() } else { format!("{name}.{field}") };
        }
        self
    }
}

impl Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { field, number } => {
                write!(f, "{number} in `{field}` is not a JSON number")
            }
            Self::InexactInteger { field, number } => write!(
                f,
                "the integer {number} in `{field}` is beyond ±(2^53-1): store it as a string with `#[serde(with = \"…::as_string\")]`, where … is the livestore crate that the app depends on"
            ),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for JsonError {}

impl serde::ser::Error for JsonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

/// Whether integers must be exact in JavaScript too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integers {
    /// At most ±(2⁵³−1): event arguments.
    Exact,
    /// Whatever `serde_json` reads back: JSON that stays in SQLite.
    Any,
}

/// Walks `value` and refuses what JSON can't hold.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T, integers: Integers) -> Result<(), JsonError> {
    value.serialize(Walk { integers, key: None })
}

/// JSON text in which the order of a map's keys doesn't depend on the map.
pub(crate) fn to_sorted_string<T: Serialize + ?Sized>(value: &T) -> Result<String, JsonError> {
    check(value, Integers::Any)?;
    let mut json =
        serde_json::to_value(value).map_err(|error| JsonError::Other(error.to_string()))?;
    // Already sorted unless somebody in the build turned on serde_json's `preserve_order`.
    json.sort_all_objects();
    Ok(json.to_string())
}

struct Walk {
    integers: Integers,
    key: Option<String>,
}

impl Walk {
    fn child<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), JsonError> {
        check(value, self.integers).map_err(|error| error.within(name))
    }

    fn integer(&self, magnitude: Option<u64>, number: &dyn Display) -> Result<(), JsonError> {
        let limit = if self.integers == Integers::Exact { MAX_EXACT } else { u64::MAX };
        if magnitude.is_some_and(|magnitude| magnitude <= limit) {
            return Ok(());
        }
        Err(JsonError::InexactInteger { field: String::new(), number: number.to_string() })
    }
}

macro_rules! integers {
    ($($method:ident: $integer:ty),*) => {$(
        fn $method(self, value: $integer) -> Result<(), JsonError> {
            self.integer(u64::try_from(value).or_else(|_| u64::try_from(value.unsigned_abs())).ok(), &value)
        }
    )*};
}

macro_rules! nothing {
    ($($method:ident($($argument:ty),*)),* $(,)?) => {$(
        fn $method(self $(, _: $argument)*) -> Result<(), JsonError> {
            Ok(())
        }
    )*};
}

impl Serializer for Walk {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    integers!(serialize_i64: i64, serialize_i128: i128);

    nothing! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_u8(u8),
        serialize_u16(u16), serialize_u32(u32), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_none(), serialize_unit(), serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }

    fn serialize_u64(self, value: u64) -> Result<(), JsonError> {
        self.integer(Some(value), &value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), JsonError> {
        self.integer(u64::try_from(value).ok(), &value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), JsonError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), JsonError> {
        if value.is_finite() {
            return Ok(());
        }
        Err(JsonError::NotFinite { field: String::new(), number: value.to_string() })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        self.child(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, JsonError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, JsonError> {
        Ok(self)
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Walk {
            type Ok = ();
            type Error = JsonError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
                self.child("[]", value)
            }

            fn end(self) -> Result<(), JsonError> {
                Ok(())
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl $trait for Walk {
            type Ok = ();
            type Error = JsonError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), JsonError> {
                self.child(name, value)
            }

            fn end(self) -> Result<(), JsonError> {
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Walk {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonError> {
        // Keys become strings, so their numbers are exact; `serde_json` says which keys are none.
        self.key = serde_json::to_string(key).ok().map(|key| key.trim_matches('"').to_owned());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let key = self.key.take().unwrap_or_default();
        self.child(&key, value)
    }

    fn end(self) -> Result<(), JsonError> {
        Ok(())
    }
}
