//! `#[serde(with = "livestore_core::as_string")]`: integers of any size as JSON strings.
//!
//! The path begins with the crate that the app depends on: with a binding it is `livestore_leptos::as_string`.
//! JSON numbers are exact up to ±(2⁵³−1) only. Reading also takes a JSON number, so a field can be marked later.

use std::{fmt, marker::PhantomData};

use serde::{Deserializer, Serializer, de};

mod sealed {
    pub trait Sealed {}
}

/// An integer, or an `Option` of one, that [`as_string`](self) can store.
pub trait AsString: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn to_text(&self) -> Option<String>;
    #[doc(hidden)]
    fn from_text(text: Option<&str>) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}

        impl AsString for $integer {
            fn to_text(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn from_text(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl<T: AsString> sealed::Sealed for Option<T> {}

impl<T: AsString> AsString for Option<T> {
    fn to_text(&self) -> Option<String> {
        self.as_ref()?.to_text()
    }

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(None),
            text => T::from_text(text).map(Some),
        }
    }
}

impl<T: AsString> sealed::Sealed for &T {}

/// The derives serialise borrowed fields.
impl<T: AsString> AsString for &T {
    fn to_text(&self) -> Option<String> {
        (**self).to_text()
    }

    fn from_text(_: Option<&str>) -> Option<Self> {
        None
    }
}

/// Writes the integer as a JSON string, `None` as `null`.
///
/// # Errors
/// The serializer's.
pub fn serialize<T: AsString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match value.to_text() {
        Some(text) => serializer.serialize_str(&text),
        None => serializer.serialize_none(),
    }
}

/// Reads the integer from a JSON string or number.
///
/// # Errors
/// The deserializer's, and for text that is no such integer.
pub fn deserialize<'de, T: AsString, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Visitor(PhantomData))
}

struct Visitor<T>(PhantomData<T>);

impl<T: AsString> Visitor<T> {
    fn read<E: de::Error>(self, text: Option<&str>) -> Result<T, E> {
        T::from_text(text)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text.unwrap_or("null")), &self))
    }
}

impl<T: AsString> de::Visitor<'_> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, as a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        self.read(Some(text))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.read(Some(&number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.read(Some(&number.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        self.read(None)
    }
}
