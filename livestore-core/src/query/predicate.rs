//! Predicates: which rows. Two-valued, as in Rust: every row is either in `p` or in `!p`, also where a value is missing.
//!
//! A predicate is typed by its table and holds plain data below. Values that can't be stored stay in it as an error and
//! come out when the query runs, so that building stays free of `?`.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    marker::PhantomData,
    ops::{BitAnd, BitOr, Not},
};

use crate::{
    Value,
    schema::{SqlType, TableDef, TypeMismatch, quoted},
};

/// Which rows of the table `R`.
pub struct Predicate<R> {
    pub(crate) node: Node,
    table: PhantomData<fn() -> R>,
}

/// Every row of a query has one of these values in this column.
///
/// Values are of the column's storage class, in no particular order, without repetition. `NULL` is among them where the
/// query asks for rows without a value. There may be none: the query then has no rows, whatever is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFilter {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The values.
    pub values: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct ColumnRef {
    pub(crate) name: &'static str,
    pub(crate) nullable: bool,
    pub(crate) sql_type: SqlType,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    Always(bool),
    Compare { column: ColumnRef, comparison: Comparison, value: Value },
    In { column: ColumnRef, values: Vec<Value> },
    Like { column: ColumnRef, pattern: String },
    Null { column: ColumnRef, is_null: bool },
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Invalid(TypeMismatch),
}

impl<R> From<Node> for Predicate<R> {
    fn from(node: Node) -> Self {
        Self { node, table: PhantomData }
    }
}

impl<R> Clone for Predicate<R> {
    fn clone(&self) -> Self {
        self.node.clone().into()
    }
}

impl<R> PartialEq for Predicate<R> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<R> fmt::Debug for Predicate<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl<R> Predicate<R> {
    /// Every row: for a filter that is off.
    #[must_use]
    pub fn all() -> Self {
        Node::Always(true).into()
    }

    /// No row.
    #[must_use]
    pub fn none() -> Self {
        Node::Always(false).into()
    }

    /// Rows that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.node, other.node) {
            (Node::Always(true), node) | (node, Node::Always(true)) => node,
            (Node::All(mut nodes), Node::All(others)) => {
                nodes.extend(others);
                Node::All(nodes)
            }
            (Node::All(mut nodes), node) => {
                nodes.push(node);
                Node::All(nodes)
            }
            (left, right) => Node::All(vec![left, right]),
        }
        .into()
    }

    /// Rows that are in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self.node, other.node) {
            (Node::Always(false), node) | (node, Node::Always(false)) => node,
            (Node::Any(mut nodes), Node::Any(others)) => {
                nodes.extend(others);
                Node::Any(nodes)
            }
            (Node::Any(mut nodes), node) => {
                nodes.push(node);
                Node::Any(nodes)
            }
            (left, right) => Node::Any(vec![left, right]),
        }
        .into()
    }

    /// All other rows; `!predicate` is the same.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // it does; the method reads better in a chain
    pub fn not(self) -> Self {
        match self.node {
            Node::Always(always) => Node::Always(!always),
            Node::Compare { column, comparison: Comparison::Eq, value } => {
                Node::Compare { column, comparison: Comparison::Ne, value }
            }
            Node::Compare { column, comparison: Comparison::Ne, value } => {
                Node::Compare { column, comparison: Comparison::Eq, value }
            }
            Node::Null { column, is_null } => Node::Null { column, is_null: !is_null },
            Node::Not(node) => *node,
            node => Node::Not(Box::new(node)),
        }
        .into()
    }
}

impl<R> Not for Predicate<R> {
    type Output = Self;

    fn not(self) -> Self {
        Self::not(self)
    }
}

impl<R> BitAnd for Predicate<R> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl<R> BitOr for Predicate<R> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

/// SQL text and the values of its parameters, growing together.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) binds: Vec<Value>,
}

impl Sql {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn name(&mut self, name: &str) {
        write!(self.text, "{}", quoted(name)).expect("BUG: a String takes every write");
    }

    pub(crate) fn bind(&mut self, value: Value) {
        self.text.push('?');
        self.binds.push(value);
    }
}

impl Node {
    /// Appends the node as a SQL expression that is never `NULL` where a negation could see it.
    pub(crate) fn write(&self, sql: &mut Sql) -> Result<(), TypeMismatch> {
        match self {
            Self::Always(always) => sql.push(if *always { "1" } else { "0" }),
            Self::Compare { column, comparison, value } => {
                sql.name(column.name);
                sql.push(comparison.operator(column.nullable));
                sql.bind(value.clone());
            }
            Self::In { column, values } => write_in(sql, *column, values),
            Self::Like { column, pattern } => {
                sql.name(column.name);
                sql.push(" LIKE ");
                sql.bind(Value::Text(pattern.clone()));
                sql.push(" ESCAPE '\\'");
            }
            Self::Null { column, is_null } => {
                sql.name(column.name);
                sql.push(if *is_null { " IS NULL" } else { " IS NOT NULL" });
            }
            Self::All(nodes) => write_joined(sql, nodes, " AND ")?,
            Self::Any(nodes) => write_joined(sql, nodes, " OR ")?,
            Self::Not(node) => {
                sql.push("(");
                node.write(sql)?;
                sql.push(") IS NOT TRUE");
            }
            Self::Invalid(mismatch) => return Err(mismatch.clone()),
        }
        Ok(())
    }

    /// The columns that this node binds every row to, with their values.
    fn keys<'a>(&'a self, found: &mut Vec<(ColumnRef, &'a [Value])>) {
        match self {
            Self::Compare { column, comparison: Comparison::Eq, value } => {
                found.push((*column, std::slice::from_ref(value)));
            }
            Self::In { column, values } => found.push((*column, values)),
            Self::All(nodes) => nodes.iter().for_each(|node| node.keys(found)),
            _ => {}
        }
    }

    /// The best column that binds every row: the key before a unique column before any other.
    pub(crate) fn key(&self, table: &TableDef) -> Option<KeyFilter> {
        /// A query of more values than this is not worth a place in the index for each.
        const MOST: usize = 256;
        let rank = |name: &str| {
            let unique = table.indexes.iter().any(|index| index.unique && index.columns == [name]);
            let key = table.primary_key;
            if key == [name] {
                0
            } else if unique {
                1
            } else if key.contains(&name) {
                2
            } else {
                3
            }
        };
        let mut found = Vec::new();
        self.keys(&mut found);
        // SQLite may hold a whole real as an integer, so reals have no one form to be looked up by.
        found.retain(|(column, values)| column.sql_type != SqlType::Real && values.len() <= MOST);
        let (column, values) =
            found.into_iter().min_by_key(|(column, values)| (rank(column.name), values.len()))?;
        let mut seen = HashSet::new();
        let values = values.iter().filter(|value| seen.insert(*value)).cloned().collect();
        Some(KeyFilter { table: table.name, column: column.name, values })
    }
}

impl Comparison {
    fn operator(self, nullable: bool) -> &'static str {
        match (self, nullable) {
            (Self::Eq, false) => " = ",
            (Self::Eq, true) => " IS ",
            (Self::Ne, false) => " <> ",
            (Self::Ne, true) => " IS NOT ",
            (Self::Lt, _) => " < ",
            (Self::Le, _) => " <= ",
            (Self::Gt, _) => " > ",
            (Self::Ge, _) => " >= ",
        }
    }
}

fn write_in(sql: &mut Sql, column: ColumnRef, values: &[Value]) {
    let with_null = values.contains(&Value::Null);
    if with_null {
        sql.push("(");
    }
    sql.name(column.name);
    sql.push(" IN (");
    for (index, value) in values.iter().filter(|value| **value != Value::Null).enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind(value.clone());
    }
    sql.push(")");
    if with_null {
        sql.push(" OR ");
        sql.name(column.name);
        sql.push(" IS NULL)");
    }
}

fn write_joined(sql: &mut Sql, nodes: &[Node], word: &str) -> Result<(), TypeMismatch> {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            sql.push(word);
        }
        let nested = matches!(node, Node::All(_) | Node::Any(_) | Node::Not(_));
        if nested {
            sql.push("(");
        }
        node.write(sql)?;
        if nested {
            sql.push(")");
        }
    }
    Ok(())
}
