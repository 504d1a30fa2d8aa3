//! The column types that come with the crate: numbers, text, bytes, options and JSON.

use std::{ops::Deref, sync::Arc};

use rusqlite::types::ValueRef;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    column_type::{
        Bind, BlobStorage, ColumnError, ColumnType, IntegerStorage, RealStorage, TextStorage,
        describe,
    },
    json,
};
use crate::Value;

impl<T: Bind + ?Sized> Bind for &T {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        (**self).to_bind()
    }
}

impl Bind for Value {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(self.clone())
    }
}

impl Bind for str {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(Value::Text(self.to_owned()))
    }
}

impl Bind for [u8] {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(Value::Blob(self.to_vec()))
    }
}

impl<T: Bind> Bind for Option<T> {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        self.as_ref().map_or(Ok(Value::Null), Bind::to_bind)
    }
}

impl<T: ColumnType> ColumnType for Option<T> {
    type Storage = T::Storage;

    const NULLABLE: bool = {
        assert!(!T::NULLABLE, "an `Option` of an `Option` can't be a column: SQLite has one NULL");
        true
    };

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::from_column(value).map(Some),
        }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Bind for $integer {
            fn to_bind(&self) -> Result<Value, ColumnError> {
                i64::try_from(*self)
                    .map(Value::Integer)
                    .map_err(|_| ColumnError::new("an integer up to 2^63-1", self.to_string()))
            }
        }

        impl ColumnType for $integer {
            type Storage = IntegerStorage;

            fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
                let fits = match value {
                    ValueRef::Integer(integer) => Self::try_from(integer).ok(),
                    _ => None,
                };
                fits.ok_or_else(|| ColumnError::found(stringify!($integer), value))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Bind for bool {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(Value::Integer(i64::from(*self)))
    }
}

impl ColumnType for bool {
    type Storage = IntegerStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        match value {
            ValueRef::Integer(0) => Ok(false),
            ValueRef::Integer(1) => Ok(true),
            _ => Err(ColumnError::found("bool (0 or 1)", value)),
        }
    }
}

impl Bind for f64 {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        // SQLite would store NULL.
        if self.is_nan() {
            Err(ColumnError::new("a number", "NaN"))
        } else {
            Ok(Value::Real(*self))
        }
    }
}

impl ColumnType for f64 {
    type Storage = RealStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        match value {
            ValueRef::Real(real) => Ok(real),
            _ => Err(ColumnError::found("f64", value)),
        }
    }
}

impl Bind for f32 {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        f64::from(*self).to_bind()
    }
}

impl ColumnType for f32 {
    type Storage = RealStorage;

    #[allow(clippy::cast_possible_truncation)] // compared with the original right after
    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        match value {
            ValueRef::Real(real) if f64::from(real as Self) == real => Ok(real as Self),
            _ => Err(ColumnError::found("f32", value)),
        }
    }
}

fn text(value: ValueRef<'_>) -> Result<&str, ColumnError> {
    match value {
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| ColumnError::found("UTF-8 text", value))
        }
        _ => Err(ColumnError::found("text", value)),
    }
}

impl Bind for String {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(Value::Text(self.clone()))
    }
}

impl ColumnType for String {
    type Storage = TextStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        text(value).map(ToOwned::to_owned)
    }
}

impl Bind for Arc<str> {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        (**self).to_bind()
    }
}

impl ColumnType for Arc<str> {
    type Storage = TextStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        text(value).map(Into::into)
    }
}

impl Bind for Vec<u8> {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        Ok(Value::Blob(self.clone()))
    }
}

impl ColumnType for Vec<u8> {
    type Storage = BlobStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        match value {
            ValueRef::Blob(bytes) => Ok(bytes.to_vec()),
            _ => Err(ColumnError::found("bytes", value)),
        }
    }
}

/// A serde value in a `TEXT` column, as JSON with sorted keys; what `#[column(json)]` makes of a field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Bind for Json<T> {
    fn to_bind(&self) -> Result<Value, ColumnError> {
        json::to_sorted_string(&self.0)
            .map(Value::Text)
            .map_err(|error| ColumnError::new("JSON", error.to_string()))
    }
}

impl<T: Serialize + DeserializeOwned + 'static> ColumnType for Json<T> {
    type Storage = TextStorage;

    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError> {
        serde_json::from_str(text(value)?).map(Self).map_err(|error| {
            ColumnError::new(format!("JSON that decodes ({error})"), describe(value))
        })
    }
}
