//! Parameters of raw SQL: always bound, never part of the text.

use crate::{
    Value,
    schema::{Bind, ColumnError},
};

/// The parameters of a raw statement: `()`, a tuple of up to eight, an array, a slice or a vector.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the parameters of a statement",
    note = "pass `()`, a tuple such as `(id,)`, an array or a vector of values"
)]
pub trait Params {
    /// The values of `?1`, `?2` and so on.
    ///
    /// # Errors
    /// [`ColumnError`] for a value that SQLite can't hold.
    fn to_binds(&self) -> Result<Vec<Value>, ColumnError>;
}

impl<B: Bind> Params for [B] {
    fn to_binds(&self) -> Result<Vec<Value>, ColumnError> {
        self.iter().map(Bind::to_bind).collect()
    }
}

impl<B: Bind, const N: usize> Params for [B; N] {
    fn to_binds(&self) -> Result<Vec<Value>, ColumnError> {
        self.as_slice().to_binds()
    }
}

impl<B: Bind> Params for Vec<B> {
    fn to_binds(&self) -> Result<Vec<Value>, ColumnError> {
        self.as_slice().to_binds()
    }
}

impl<P: Params + ?Sized> Params for &P {
    fn to_binds(&self) -> Result<Vec<Value>, ColumnError> {
        (**self).to_binds()
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Bind),*> Params for ($($name,)*) {
            fn to_binds(&self) -> Result<Vec<Value>, ColumnError> {
                Ok(vec![$(self.$index.to_bind()?),*])
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
