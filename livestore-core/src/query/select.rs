//! [`Select`]: which rows of one table, in which order, and what of them.
//!
//! A result is a function of the table's content alone: where the orders leave rows equal, the primary key decides, so
//! two clients with the same rows see the same result whatever SQLite's planner does. (`one`, `count` and `exists` need
//! no order.)

use std::fmt;

use super::{
    column::{IntoOrder, Order},
    decode::{AllRows, Count, Decoder, Exists, FirstRow, OneRow, Projected},
    error::QueryError,
    predicate::{Predicate, Sql},
    prepared::{IntoQuery, Query},
    projection::{Projection, WholeRow},
};
use crate::{
    Value,
    schema::{Table, TypeMismatch},
};

/// A query of one table under construction. Every method returns a new one; clones share nothing.
///
/// ```
/// # use livestore_core::{Table, Query, IntoQuery};
/// #[derive(Table, Clone, PartialEq, Debug)]
/// #[table(name = "todos")]
/// struct Todo {
///     #[column(primary_key)]
///     id: String,
///     text: String,
///     completed: bool,
/// }
///
/// let open = Todo::query().filter(Todo::COMPLETED.eq(false));
/// let page: Query<Vec<Todo>> = open.clone().order_by(Todo::TEXT.asc()).limit(10).offset(20).all();
/// let texts: Query<Vec<String>> = open.clone().columns(Todo::TEXT).all();
/// let left: Query<u64> = open.count();
/// assert_eq!(left.sql(), r#"SELECT count(*) FROM "todos" WHERE "completed" = ?"#);
/// ```
pub struct Select<R, P = WholeRow> {
    pub(crate) predicate: Predicate<R>,
    orders: Vec<Order<R>>,
    limit: Option<u64>,
    offset: Option<u64>,
    projection: P,
}

impl<R, P: Clone> Clone for Select<R, P> {
    fn clone(&self) -> Self {
        Self {
            predicate: self.predicate.clone(),
            orders: self.orders.clone(),
            limit: self.limit,
            offset: self.offset,
            projection: self.projection.clone(),
        }
    }
}

impl<R, P> fmt::Debug for Select<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("predicate", &self.predicate)
            .field("orders", &self.orders)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl<R: Table> Default for Select<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Table> Select<R> {
    /// All rows; `Todo::query()` is the usual way to say it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            predicate: Predicate::all(),
            orders: Vec::new(),
            limit: None,
            offset: None,
            projection: WholeRow,
        }
    }

    /// Reads only these columns: one as its values, several as tuples.
    #[must_use]
    pub fn columns<P: Projection<R>>(self, projection: P) -> Select<R, P> {
        let Self { predicate, orders, limit, offset, .. } = self;
        Select { predicate, orders, limit, offset, projection }
    }
}

impl<R: Table, P: Projection<R>> Select<R, P> {
    /// Keeps the rows of a predicate; several filters all hold.
    #[must_use]
    pub fn filter(mut self, predicate: Predicate<R>) -> Self {
        self.predicate = self.predicate.and(predicate);
        self
    }

    /// Orders the rows; a further call orders what the earlier ones leave equal.
    #[must_use]
    pub fn order_by(mut self, orders: impl IntoOrder<R>) -> Self {
        self.orders.extend(orders.into_orders());
        self
    }

    /// At most this many rows.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Without the first so many rows.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// All rows it selects.
    #[must_use]
    pub fn all(self) -> Query<Vec<P::Output>> {
        let sql = self.rows(self.limit);
        self.query::<AllRows<Projected<R, P>>>(sql)
    }

    /// The first row, if there is one.
    #[must_use]
    pub fn first(self) -> Query<Option<P::Output>> {
        let sql = self.rows(Some(self.limit.map_or(1, |limit| limit.min(1))));
        self.query::<FirstRow<Projected<R, P>>>(sql)
    }

    /// The only row; none or several are an error.
    #[must_use]
    pub fn one(self) -> Query<P::Output> {
        let sql = self.rows(Some(self.limit.map_or(2, |limit| limit.min(2))));
        self.query::<OneRow<Projected<R, P>>>(sql)
    }

    /// How many rows it selects.
    #[must_use]
    pub fn count(self) -> Query<u64> {
        let sql = if self.is_bounded() {
            self.rest("SELECT count(*) FROM (SELECT 1 FROM ", false, self.limit).map(|mut sql| {
                sql.push(")");
                sql
            })
        } else {
            self.rest("SELECT count(*) FROM ", false, None)
        };
        self.query::<Count>(sql)
    }

    /// Whether it selects any row.
    #[must_use]
    pub fn exists(self) -> Query<bool> {
        let sql = self.rest("SELECT EXISTS (SELECT 1 FROM ", false, self.limit).map(|mut sql| {
            sql.push(")");
            sql
        });
        self.query::<Exists>(sql)
    }

    fn query<D: Decoder>(self, sql: Result<Sql, TypeMismatch>) -> Query<D::Output> {
        let (sql, problem) = match sql {
            Ok(sql) => (sql, None),
            Err(mismatch) => (Sql::default(), Some(QueryError::Bind(mismatch))),
        };
        let key = self.predicate.node.key(R::DEF);
        Query::new::<D>(sql.text, sql.binds, Some(R::DEF), key, problem)
    }

    fn rows(&self, limit: Option<u64>) -> Result<Sql, TypeMismatch> {
        let columns = crate::schema::list(self.projection.names().into_iter());
        self.rest(&format!("SELECT {columns} FROM "), true, limit)
    }

    /// Whether limit or offset leave rows out.
    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.is_some() || self.offset.is_some()
    }

    /// `SELECT key FROM …`, for writes that only touch the rows of a bounded select.
    pub(crate) fn write_keys(&self, sql: &mut Sql) -> Result<(), TypeMismatch> {
        let key = crate::schema::list(R::DEF.primary_key.iter().copied());
        let keys = self.rest(&format!("SELECT {key} FROM "), true, self.limit)?;
        sql.push(&keys.text);
        sql.binds.extend(keys.binds);
        Ok(())
    }

    /// The statement from the table's name on.
    fn rest(&self, select: &str, ordered: bool, limit: Option<u64>) -> Result<Sql, TypeMismatch> {
        let mut sql = Sql::default();
        sql.push(select);
        sql.name(R::DEF.name);
        if self.predicate != Predicate::all() {
            sql.push(" WHERE ");
            self.predicate.node.write(&mut sql)?;
        }
        if ordered {
            self.write_order(&mut sql);
        }
        if limit.is_some() || self.offset.is_some() {
            sql.push(" LIMIT ");
            // SQLite has no offset without a limit; -1 is none.
            sql.bind(Value::Integer(limit.map_or(-1, clamp)));
        }
        if let Some(offset) = self.offset {
            sql.push(" OFFSET ");
            sql.bind(Value::Integer(clamp(offset)));
        }
        Ok(sql)
    }

    /// The orders, then the key in the last one's direction, so that an index can serve both.
    fn write_order(&self, sql: &mut Sql) {
        let descending = self.orders.last().is_some_and(|order| order.descending);
        let ordered = self.orders.iter().map(|order| (order.column, order.descending));
        let key = R::DEF.primary_key.iter().map(|column| (*column, descending));
        let mut seen = Vec::new();
        for (column, descending) in ordered.chain(key) {
            if seen.contains(&column) {
                continue;
            }
            sql.push(if seen.is_empty() { " ORDER BY " } else { ", " });
            seen.push(column);
            sql.name(column);
            if descending {
                sql.push(" DESC");
            }
        }
    }
}

fn clamp(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

impl<R: Table, P: Projection<R>> IntoQuery for Select<R, P> {
    type Output = Vec<P::Output>;

    fn into_query(self) -> Query<Self::Output> {
        self.all()
    }
}
