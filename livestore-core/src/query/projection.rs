//! What a query reads of each row: all of it, one column, or several as a tuple.

use super::column::Column;
use crate::schema::{ColumnType, RowReader, Table, TypeMismatch};

/// What is read of each row of `R`: [`WholeRow`], a column, or a tuple of up to eight columns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a choice of columns of the table `{R}`",
    note = "use a column such as `Todo::ID`, or a tuple of up to eight"
)]
pub trait Projection<R: Table>: Copy + Send + Sync + 'static {
    /// What a row becomes.
    type Output: PartialEq + Send + Sync + 'static;

    /// The columns' names, in order.
    fn names(&self) -> Vec<&'static str>;

    /// Reads a row.
    ///
    /// # Errors
    /// [`TypeMismatch`] for the first column that doesn't fit.
    fn read(row: &RowReader<'_>) -> Result<Self::Output, TypeMismatch>;
}

/// Every column: the row type itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WholeRow;

impl<R: Table> Projection<R> for WholeRow {
    type Output = R;

    fn names(&self) -> Vec<&'static str> {
        R::DEF.columns.iter().map(|column| column.name).collect()
    }

    fn read(row: &RowReader<'_>) -> Result<R, TypeMismatch> {
        R::from_row(row)
    }
}

impl<R: Table, T: ColumnType + PartialEq + Send + Sync> Projection<R> for Column<R, T> {
    type Output = T;

    fn names(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    fn read(row: &RowReader<'_>) -> Result<T, TypeMismatch> {
        row.get(0)
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<R: Table, $($name: ColumnType + PartialEq + Send + Sync),+> Projection<R> for ($(Column<R, $name>,)+) {
            type Output = ($($name,)+);

            fn names(&self) -> Vec<&'static str> {
                vec![$(self.$index.name()),+]
            }

            fn read(row: &RowReader<'_>) -> Result<Self::Output, TypeMismatch> {
                Ok(($(row.get::<$name>($index)?,)+))
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
