//! How results are read: a row as a type, and rows as the result of a query.
//!
//! Each way is a type without values, so that its `TypeId` can be part of a query's identity.

use std::marker::PhantomData;

use rusqlite::{Rows, Statement};

use super::{
    error::{QueryError, SqlError},
    prepared::Plan,
    projection::Projection,
};
use crate::schema::{ColumnError, FromRow, RowReader, Table, TableDef, TypeMismatch};

/// How one row is read.
pub(crate) trait ReadRow: 'static {
    type Output: 'static;
    /// The table that mismatches are reported for.
    const TABLE: Option<&'static TableDef>;
    /// Whether the table's columns are to be looked up by name.
    const BY_NAME: bool;
    const COLUMNS: Option<usize>;

    fn read(row: &RowReader<'_>) -> Result<Self::Output, TypeMismatch>;
}

/// A builder's rows.
pub(crate) struct Projected<R, P>(PhantomData<fn() -> (R, P)>);

impl<R: Table, P: Projection<R>> ReadRow for Projected<R, P> {
    type Output = P::Output;
    const TABLE: Option<&'static TableDef> = Some(R::DEF);
    const BY_NAME: bool = false;
    const COLUMNS: Option<usize> = None;

    fn read(row: &RowReader<'_>) -> Result<P::Output, TypeMismatch> {
        P::read(row)
    }
}

/// Raw SQL's rows.
pub(crate) struct Raw<T>(PhantomData<fn() -> T>);

impl<T: FromRow> ReadRow for Raw<T> {
    type Output = T;
    const TABLE: Option<&'static TableDef> = T::TABLE;
    const BY_NAME: bool = T::TABLE.is_some();
    const COLUMNS: Option<usize> = Some(T::COLUMNS);

    fn read(row: &RowReader<'_>) -> Result<T, TypeMismatch> {
        T::from_row(row)
    }
}

/// How a whole result is read.
pub(crate) trait Decoder: 'static {
    type Row: ReadRow;
    type Output;

    fn decode(result: &mut Running<'_, '_, Self::Row>) -> Result<Self::Output, QueryError>;
}

pub(crate) struct AllRows<D>(PhantomData<fn() -> D>);
pub(crate) struct FirstRow<D>(PhantomData<fn() -> D>);
pub(crate) struct OneRow<D>(PhantomData<fn() -> D>);
pub(crate) struct Count;
pub(crate) struct Exists;

impl<D: ReadRow> Decoder for AllRows<D> {
    type Row = D;
    type Output = Vec<D::Output>;

    fn decode(result: &mut Running<'_, '_, D>) -> Result<Self::Output, QueryError> {
        let mut rows = Vec::new();
        while let Some(row) = result.next()? {
            rows.push(row);
        }
        Ok(rows)
    }
}

impl<D: ReadRow> Decoder for FirstRow<D> {
    type Row = D;
    type Output = Option<D::Output>;

    fn decode(result: &mut Running<'_, '_, D>) -> Result<Self::Output, QueryError> {
        result.next()
    }
}

impl<D: ReadRow> Decoder for OneRow<D> {
    type Row = D;
    type Output = D::Output;

    fn decode(result: &mut Running<'_, '_, D>) -> Result<Self::Output, QueryError> {
        let Some(row) = result.next()? else {
            return Err(QueryError::NoRow { sql: result.sql.to_owned() });
        };
        match result.next()? {
            None => Ok(row),
            Some(_) => Err(QueryError::SeveralRows { sql: result.sql.to_owned() }),
        }
    }
}

impl Decoder for Count {
    type Row = Raw<u64>;
    type Output = u64;

    fn decode(result: &mut Running<'_, '_, Raw<u64>>) -> Result<u64, QueryError> {
        OneRow::decode(result)
    }
}

impl Decoder for Exists {
    type Row = Raw<bool>;
    type Output = bool;

    fn decode(result: &mut Running<'_, '_, Raw<bool>>) -> Result<bool, QueryError> {
        OneRow::decode(result)
    }
}

/// The rows of a running statement.
pub(crate) struct Running<'a, 'statement, D> {
    rows: Rows<'statement>,
    sql: &'a str,
    positions: Option<&'a [usize]>,
    reader: PhantomData<D>,
}

impl<D: ReadRow> Running<'_, '_, D> {
    fn next(&mut self) -> Result<Option<D::Output>, QueryError> {
        let sql = self.sql;
        match self.rows.next().map_err(|error| SqlError::new(sql, &error))? {
            None => Ok(None),
            Some(row) => D::read(&RowReader::new(row, D::TABLE, self.positions))
                .map(Some)
                .map_err(|mismatch| QueryError::Type { sql: sql.to_owned(), mismatch }),
        }
    }
}

/// Runs a prepared statement and reads its result.
pub(super) fn read<D: Decoder>(
    plan: &Plan,
    statement: &mut Statement<'_>,
) -> Result<D::Output, QueryError> {
    let positions = positions::<D::Row>(&plan.sql, statement)?;
    if !statement.readonly() {
        return Err(QueryError::Writes { sql: plan.sql.clone() });
    }
    let rows = statement
        .query(rusqlite::params_from_iter(&plan.binds))
        .map_err(|error| SqlError::new(&plan.sql, &error))?;
    let positions = positions.as_deref();
    D::decode(&mut Running { rows, sql: &plan.sql, positions, reader: PhantomData })
}

/// Checks the result's columns; for a table's rows from raw SQL, says where each column is.
fn positions<D: ReadRow>(
    sql: &str,
    statement: &Statement<'_>,
) -> Result<Option<Vec<usize>>, QueryError> {
    let Some(expected) = D::COLUMNS else { return Ok(None) };
    let found = statement.column_count();
    let Some(table) = D::TABLE.filter(|_| D::BY_NAME) else {
        if found == expected {
            return Ok(None);
        }
        return Err(QueryError::Columns { sql: sql.to_owned(), expected, found });
    };
    let position = |name: &'static str| {
        statement.column_index(name).map_err(|_| QueryError::Type {
            sql: sql.to_owned(),
            mismatch: TypeMismatch::new(
                Some(table.name),
                name,
                ColumnError::new("a column of this name", "a result without it"),
            ),
        })
    };
    table.columns.iter().map(|column| position(column.name)).collect::<Result<_, _>>().map(Some)
}
