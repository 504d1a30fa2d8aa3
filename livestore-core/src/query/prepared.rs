//! [`Query`]: SQL, values and a way to read the result, ready to run and to be compared.
//!
//! Two queries are the same when their SQL, their values and their way of reading are. The way of reading is a type, so
//! its `TypeId` says it exactly; addresses of functions would not.

use std::{
    any::TypeId,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    sync::Arc,
};

use rusqlite::{Connection, Rows, Statement};

use super::{
    error::{QueryError, SqlError},
    predicate::KeyFilter,
    projection::Projection,
};
use crate::{
    Value,
    schema::{ColumnError, FromRow, RowReader, Table, TableDef, TypeMismatch},
};

/// A query whose result is a `T`: cheap to clone, comparable, and bound to no connection.
pub struct Query<T> {
    plan: Arc<Plan>,
    read: fn(&Plan, &mut Statement<'_>) -> Result<T, QueryError>,
}

/// What a query is, as data.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    pub(crate) binds: Vec<Value>,
    /// The only table of a builder query; raw SQL may read any.
    pub(crate) table: Option<&'static TableDef>,
    pub(crate) key: Option<KeyFilter>,
    /// Why it can't run, found while it was built.
    pub(crate) problem: Option<QueryError>,
    decoder: TypeId,
}

/// What makes two queries the same: SQL, values, and how the result is read.
#[derive(Clone)]
pub struct QueryId(Arc<Plan>);

impl PartialEq for QueryId {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (&self.0, &other.0);
        Arc::ptr_eq(left, right)
            || (left.decoder == right.decoder
                && left.sql == right.sql
                && left.binds == right.binds
                && left.problem == right.problem)
    }
}

impl Eq for QueryId {}

impl Hash for QueryId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.decoder.hash(state);
        self.0.sql.hash(state);
        self.0.binds.hash(state);
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryId({} {:?})", self.0.sql, self.0.binds)
    }
}

impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        Self { plan: Arc::clone(&self.plan), read: self.read }
    }
}

impl<T> PartialEq for Query<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<T> Eq for Query<T> {}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("sql", &self.plan.sql)
            .field("binds", &self.plan.binds)
            .finish()
    }
}

impl<T> Query<T> {
    pub(crate) fn new<D: Decoder<Output = T>>(
        sql: String,
        binds: Vec<Value>,
        table: Option<&'static TableDef>,
        key: Option<KeyFilter>,
        problem: Option<QueryError>,
    ) -> Self {
        let plan = Plan { sql, binds, table, key, problem, decoder: TypeId::of::<D>() };
        Self { plan: Arc::new(plan), read: read::<D> }
    }

    /// The SQL text.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.plan.sql
    }

    /// The values of its parameters.
    #[must_use]
    pub fn binds(&self) -> &[Value] {
        &self.plan.binds
    }

    /// What identifies it among all queries.
    #[must_use]
    pub fn id(&self) -> QueryId {
        QueryId(Arc::clone(&self.plan))
    }

    /// A column and the values to which the query binds every row, if it does.
    #[must_use]
    pub fn key(&self) -> Option<&KeyFilter> {
        self.plan.key.as_ref()
    }

    /// Why it can't run, if that showed while it was built.
    pub(crate) fn problem(&self) -> Option<&QueryError> {
        self.plan.problem.as_ref()
    }

    pub(crate) fn table(&self) -> Option<&'static TableDef> {
        self.plan.table
    }

    /// Runs it and reads the whole result.
    ///
    /// # Errors
    /// [`QueryError`], with the SQL.
    pub fn run(&self, connection: &Connection) -> Result<T, QueryError> {
        let sql = self.sql();
        if let Some(problem) = self.problem() {
            return Err(problem.clone());
        }
        let mut statement =
            connection.prepare_cached(sql).map_err(|error| SqlError::new(sql, &error))?;
        self.read(&mut statement)
    }

    /// Runs it as a statement that was prepared from its SQL.
    pub(crate) fn read(&self, statement: &mut Statement<'_>) -> Result<T, QueryError> {
        (self.read)(&self.plan, statement)
    }
}

/// What hooks and `store.query` take: a [`Query`], or a builder that becomes one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    note = "use `Todo::query()…`, `raw(…)` or a `Query<T>`"
)]
pub trait IntoQuery {
    /// The result.
    type Output: PartialEq + Send + Sync + 'static;

    /// The query.
    fn into_query(self) -> Query<Self::Output>;
}

impl<T: PartialEq + Send + Sync + 'static> IntoQuery for Query<T> {
    type Output = T;

    fn into_query(self) -> Self {
        self
    }
}

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

fn read<D: Decoder>(plan: &Plan, statement: &mut Statement<'_>) -> Result<D::Output, QueryError> {
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
