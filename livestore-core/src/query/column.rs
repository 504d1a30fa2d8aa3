//! Columns as constants: what predicates, orders and assignments are built from.

use std::{fmt, marker::PhantomData};

use super::predicate::{ColumnRef, Comparison, Node, Predicate};
use crate::{
    Value,
    schema::{ColumnError, ColumnType, IntoColumn, Storage as _, Table, TextStorage, TypeMismatch},
};

/// A column of the table `R` that holds a `T`; `#[derive(Table)]` makes a constant of each field.
///
/// Methods compare with Rust's meaning, not SQL's: `eq(None)` finds the rows without a value, `ne(5)` those too.
pub struct Column<R, T> {
    name: &'static str,
    types: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Clone for Column<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Column<R, T> {}

impl<R, T> fmt::Debug for Column<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({})", self.name)
    }
}

impl<R, T> Column<R, T> {
    /// Only the derive knows that the table has such a column.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// The column's name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<R: Table, T: ColumnType> Column<R, T> {
    fn column(self) -> ColumnRef {
        ColumnRef { name: self.name, nullable: T::NULLABLE, sql_type: T::Storage::SQL_TYPE }
    }

    fn mismatch(self, error: ColumnError) -> TypeMismatch {
        TypeMismatch::new(Some(R::DEF.name), self.name, error)
    }

    fn compare(self, comparison: Comparison, value: impl IntoColumn<T>) -> Predicate<R> {
        Predicate::from(match value.into_column() {
            Ok(value) => Node::Compare { column: self.column(), comparison, value },
            Err(error) => Node::Invalid(self.mismatch(error)),
        })
    }

    /// Rows whose value is this one; `None` means no value.
    pub fn eq(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Eq, value)
    }

    /// Rows whose value is not this one, rows without a value included.
    pub fn ne(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Ne, value)
    }

    /// Rows whose value is less. No value is not less than anything.
    pub fn lt(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Lt, value)
    }

    /// Rows whose value is less or the same.
    pub fn le(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Le, value)
    }

    /// Rows whose value is greater.
    pub fn gt(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Gt, value)
    }

    /// Rows whose value is greater or the same.
    pub fn ge(self, value: impl IntoColumn<T>) -> Predicate<R> {
        self.compare(Comparison::Ge, value)
    }

    /// Rows whose value is one of these; none for an empty list.
    pub fn in_<V: IntoColumn<T>>(self, values: impl IntoIterator<Item = V>) -> Predicate<R> {
        let values: Result<Vec<Value>, _> = values.into_iter().map(V::into_column).collect();
        Predicate::from(match values {
            Ok(values) => Node::In { column: self.column(), values },
            Err(error) => Node::Invalid(self.mismatch(error)),
        })
    }

    /// Rows without a value.
    pub fn is_null(self) -> Predicate<R> {
        Predicate::from(Node::Null { column: self.column(), is_null: true })
    }

    /// Rows with a value.
    pub fn is_not_null(self) -> Predicate<R> {
        Predicate::from(Node::Null { column: self.column(), is_null: false })
    }

    /// Smallest first; no value before all values.
    #[must_use]
    pub fn asc(self) -> Order<R> {
        Order { column: self.name, descending: false, table: PhantomData }
    }

    /// Largest first; no value after all values.
    #[must_use]
    pub fn desc(self) -> Order<R> {
        Order { column: self.name, descending: true, table: PhantomData }
    }

    /// An update's new value.
    pub fn set(self, value: impl IntoColumn<T>) -> Assignment<R> {
        let value = value.into_column().map_err(|error| self.mismatch(error));
        Assignment { column: self.name, value, table: PhantomData }
    }
}

impl<R: Table, T: ColumnType<Storage = TextStorage>> Column<R, T> {
    /// Rows whose text matches a pattern: `%` is any text, `_` any character, `\` takes the next one literally.
    /// ASCII letters match in both cases.
    pub fn like(self, pattern: &str) -> Predicate<R> {
        Predicate::from(Node::Like { column: self.column(), pattern: pattern.to_owned() })
    }

    /// Rows whose text contains this one, in either case of ASCII letters.
    pub fn contains(self, text: &str) -> Predicate<R> {
        self.like(&format!("%{}%", escape_like(text)))
    }

    /// Rows whose text starts with this one, in either case of ASCII letters.
    pub fn starts_with(self, text: &str) -> Predicate<R> {
        self.like(&format!("{}%", escape_like(text)))
    }

    /// Rows whose text ends with this one, in either case of ASCII letters.
    pub fn ends_with(self, text: &str) -> Predicate<R> {
        self.like(&format!("%{}", escape_like(text)))
    }
}

/// Text as a `like` pattern that matches just this text.
#[must_use]
pub fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A direction of a column, for `order_by`.
pub struct Order<R> {
    pub(crate) column: &'static str,
    pub(crate) descending: bool,
    table: PhantomData<fn() -> R>,
}

impl<R> Clone for Order<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Order<R> {}

impl<R> fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order({}{})", self.column, if self.descending { " desc" } else { "" })
    }
}

/// One order or several, the first weighing most.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an order of the table `{R}`",
    note = "use `column.asc()`, `column.desc()` or a tuple of them"
)]
pub trait IntoOrder<R> {
    /// The orders, first to last.
    fn into_orders(self) -> Vec<Order<R>>;
}

impl<R> IntoOrder<R> for Order<R> {
    fn into_orders(self) -> Vec<Self> {
        vec![self]
    }
}

impl<R> IntoOrder<R> for Vec<Order<R>> {
    fn into_orders(self) -> Self {
        self
    }
}

impl<R, const N: usize> IntoOrder<R> for [Order<R>; N] {
    fn into_orders(self) -> Vec<Order<R>> {
        self.into()
    }
}

/// A column and the value that an update gives it.
pub struct Assignment<R> {
    pub(crate) column: &'static str,
    pub(crate) value: Result<Value, TypeMismatch>,
    table: PhantomData<fn() -> R>,
}

impl<R> Clone for Assignment<R> {
    fn clone(&self) -> Self {
        Self { column: self.column, value: self.value.clone(), table: PhantomData }
    }
}

impl<R> fmt::Debug for Assignment<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment")
            .field("column", &self.column)
            .field("value", &self.value)
            .finish()
    }
}

/// One assignment or several: a tuple of up to eight, an array or a vector.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an assignment to columns of the table `{R}`",
    note = "use `column.set(value)` or a tuple of them"
)]
pub trait Assignments<R> {
    /// The assignments.
    fn into_assignments(self) -> Vec<Assignment<R>>;
}

impl<R> Assignments<R> for Assignment<R> {
    fn into_assignments(self) -> Vec<Self> {
        vec![self]
    }
}

impl<R> Assignments<R> for Vec<Assignment<R>> {
    fn into_assignments(self) -> Self {
        self
    }
}

impl<R, const N: usize> Assignments<R> for [Assignment<R>; N] {
    fn into_assignments(self) -> Vec<Assignment<R>> {
        self.into()
    }
}

macro_rules! tuples {
    ($(($($part:ident $index:tt),+))*) => {$(
        impl<R> IntoOrder<R> for ($(tuples!(@ $part Order<R>),)+) {
            fn into_orders(self) -> Vec<Order<R>> {
                vec![$(self.$index),+]
            }
        }

        impl<R> Assignments<R> for ($(tuples!(@ $part Assignment<R>),)+) {
            fn into_assignments(self) -> Vec<Assignment<R>> {
                vec![$(self.$index),+]
            }
        }
    )*};
    (@ $part:ident $ty:ty) => { $ty };
}

tuples! {
    (a 0)
    (a 0, b 1)
    (a 0, b 1, c 2)
    (a 0, b 1, c 2, d 3)
    (a 0, b 1, c 2, d 3, e 4)
    (a 0, b 1, c 2, d 3, e 4, f 5)
    (a 0, b 1, c 2, d 3, e 4, f 5, g 6)
    (a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7)
}
