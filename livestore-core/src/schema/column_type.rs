//! Column types: how Rust values become SQLite values and come back.
//!
//! Tables are `STRICT`, so a type names one storage class and a value of another class is an error, never a cast.
//! Nothing is lost silently: what a column can't hold (a `NaN`, a `u64` above `i64::MAX`) is refused when it is bound.

use std::{borrow::Cow, fmt, sync::Arc};

use rusqlite::types::ValueRef;
use serde::{Serialize, de::DeserializeOwned};

use super::{column_values::Json, def::SqlType};
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
pub(super) fn describe(value: ValueRef<'_>) -> String {
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value that SQLite can hold",
    label = "can't be stored or bound",
    note = "bind a column type or a reference to one; derive `ColumnType` for newtypes and enums without fields"
)]
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
