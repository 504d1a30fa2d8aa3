//! Raw SQL with a typed result and bound parameters, for what the builder doesn't say: joins, aggregates, windows.

use std::marker::PhantomData;

use super::{
    decode::{AllRows, Decoder, FirstRow, OneRow, Raw},
    error::QueryError,
    params::Params,
    prepared::{IntoQuery, Query},
};
use crate::{
    Value,
    schema::{FromRow, TypeMismatch},
};

/// A raw statement on its way to a [`Query`].
#[derive(Clone, Debug)]
pub struct RawSelect<T> {
    sql: String,
    binds: Result<Vec<Value>, TypeMismatch>,
    row: PhantomData<fn() -> T>,
}

/// A query in SQL. Its rows are read as `T`: a column type, a tuple of up to eight, or a table's row (by column name).
///
/// ```
/// # use livestore_core::{Query, raw, IntoQuery};
/// let query: Query<Vec<(String, i64)>> =
///     raw::<(String, i64)>("SELECT text, at FROM todos WHERE at > ?1", (5,)).all();
/// # assert_eq!(query.binds().len(), 1);
/// ```
#[must_use]
pub fn raw<T: FromRow>(sql: &str, params: impl Params) -> RawSelect<T> {
    let binds = params.to_binds().map_err(|error| TypeMismatch::new(None, "parameter", error));
    RawSelect { sql: sql.to_owned(), binds, row: PhantomData }
}

impl<T: FromRow> RawSelect<T> {
    fn query<D: Decoder>(self) -> Query<D::Output> {
        let (binds, problem) = match self.binds {
            Ok(binds) => (binds, None),
            Err(mismatch) => (Vec::new(), Some(QueryError::Bind(mismatch))),
        };
        Query::new::<D>(self.sql, binds, None, None, problem)
    }

    /// All rows.
    #[must_use]
    pub fn all(self) -> Query<Vec<T>> {
        self.query::<AllRows<Raw<T>>>()
    }

    /// The first row, if there is one.
    #[must_use]
    pub fn first(self) -> Query<Option<T>> {
        self.query::<FirstRow<Raw<T>>>()
    }

    /// The only row; none or several are an error.
    #[must_use]
    pub fn one(self) -> Query<T> {
        self.query::<OneRow<Raw<T>>>()
    }
}

impl<T: FromRow> Query<Vec<T>> {
    /// All rows of a query in SQL: [`raw`] in one step.
    #[must_use]
    pub fn raw(sql: &str, params: impl Params) -> Self {
        raw(sql, params).all()
    }
}

impl<T: FromRow + PartialEq + Send + Sync> IntoQuery for RawSelect<T> {
    type Output = Vec<T>;

    fn into_query(self) -> Query<Vec<T>> {
        self.all()
    }
}
