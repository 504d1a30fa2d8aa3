//! Column types: how Rust values become SQLite values and come back.
//!
//! Tables are `STRICT`, so a type names one storage class and a value of another class is an error, never a cast.
//! Nothing is lost silently: what a column can't hold (a `NaN`, a `u64` above `i64::MAX`) is refused when it is bound.

use std::{borrow::Cow, fmt, ops::Deref, sync::Arc};

use rusqlite::types::ValueRef;
use serde::{Serialize, de::DeserializeOwned};

use super::{def::SqlType, json};
use crate::Value;

/// A value that doesn't fit its column.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ColumnError {
    /// What the column type holds.
    pub expected: Cow<'static, str>,
    /// What was there instead.
    pub found: String,
}

impl ColumnError {
    /// An error that says what was expected and what was there.
    pub fn new(expected: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }

    /// The error for a stored value of the wrong class or content.
    pub fn found(expected: impl Into<Cow<'static, str>>, value: ValueRef<'_>) -> Self {
        Self::new(expected, describe(value))
    }
}

/// A short description of a stored value, for error messages.
fn describe(value: ValueRef<'_>) -> String {
    const SHOWN: usize = 40;
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(integer) => format!("the integer {integer}"),
        ValueRef::Real(real) => format!("the real {real:?}"),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let shown: String = text.chars().take(SHOWN).collect();
            let dots = if shown.len() < text.len() { "…" } else { "" };
            format!("the text {shown:?}{dots}")
        }
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A storage class as a type, so that methods such as `like` exist on text columns only.
pub trait Storage: sealed::Sealed + 'static {
    /// The class as data.
    const SQL_TYPE: SqlType;
}

macro_rules! storage {
    ($($(#[$doc:meta])* $name:ident = $sql_type:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Storage for $name {
            const SQL_TYPE: SqlType = SqlType::$sql_type;
        }
    )*};
}

storage! {
    /// Columns of type `INTEGER`.
    IntegerStorage = Integer;
    /// Columns of type `REAL`.
    RealStorage = Real;
    /// Columns of type `TEXT`.
    TextStorage = Text;
    /// Columns of type `BLOB`.
    BlobStorage = Blob;
}

/// A value that can be bound to a parameter of a statement.
pub trait Bind {
    /// The SQLite value.
    ///
    /// # Errors
    /// [`ColumnError`] when SQLite can't hold it, such as a `NaN`.
    fn to_bind(&self) -> Result<Value, ColumnError>;
}

/// A type that a column can have: numbers, text, bytes, `Option` of one, `#[derive(ColumnType)]` types and [`Json`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column type",
    label = "no column can hold this type",
    note = "a column holds an integer up to 64 bits, `f64`, `f32`, `bool`, `String`, `Vec<u8>`, an `Option` of one of these, or a type with `#[derive(ColumnType)]`",
    note = "any serde type can be stored as JSON: mark the field with `#[column(json)]`"
)]
pub trait ColumnType: Bind + Sized + 'static {
    /// The column's storage class.
    type Storage: Storage;

    /// Whether the column may hold `NULL`.
    const NULLABLE: bool = false;

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`ColumnError`] when the value is not one of this type.
    fn from_column(value: ValueRef<'_>) -> Result<Self, ColumnError>;
}

/// What can be compared with or assigned to a column of type `T`: a `T`, a `&T`, a `&str` for text, a `T` for `Option<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value for a column of type `{T}`",
    label = "the column's type is `{T}`"
)]
pub trait IntoColumn<T: ColumnType> {
    /// The value as the column stores it.
    ///
    /// # Errors
    /// [`ColumnError`] when SQLite can't hold it.
    fn into_column(self) -> Result<Value, ColumnError>;
}

impl<T: ColumnType> IntoColumn<T> for T {
    fn into_column(self) -> Result<Value, ColumnError> {
        self.to_bind()
    }
}

impl<T: ColumnType> IntoColumn<T> for &T {
    fn into_column(self) -> Result<Value, ColumnError> {
        self.to_bind()
    }
}

impl<T: ColumnType> IntoColumn<Option<T>> for T {
    fn into_column(self) -> Result<Value, ColumnError> {
        self.to_bind()
    }
}

impl<T: ColumnType> IntoColumn<Option<T>> for &T {
    fn into_column(self) -> Result<Value, ColumnError> {
        self.to_bind()
    }
}

impl<T: Serialize + DeserializeOwned + 'static> IntoColumn<Json<T>> for T {
    fn into_column(self) -> Result<Value, ColumnError> {
        Json(self).to_bind()
    }
}

macro_rules! borrowed {
    ($($borrowed:ty => $owned:ty;)*) => {$(
        impl IntoColumn<$owned> for $borrowed {
            fn into_column(self) -> Result<Value, ColumnError> {
                self.to_bind()
            }
        }

        impl IntoColumn<Option<$owned>> for $borrowed {
            fn into_column(self) -> Result<Value, ColumnError> {
                self.to_bind()
            }
        }
    )*};
}

borrowed! {
    &str => String;
    &str => Arc<str>;
    &[u8] => Vec<u8>;
}

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

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        })
    }
}
