//! [`Query`]: SQL, values and a way to read the result, ready to run and to be compared.
//!
//! Two queries are the same when their SQL, their values and their way of reading are. The way of reading is a type, so
//! its `TypeId` says it exactly; addresses of functions would not.

use std::{
    any::TypeId,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use rusqlite::{Connection, Statement};

use super::{
    decode::{self, Decoder},
    error::{QueryError, SqlError},
    predicate::KeyFilter,
};
use crate::{Value, schema::TableDef};

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
        Self { plan: Arc::new(plan), read: decode::read::<D> }
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
