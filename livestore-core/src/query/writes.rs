//! The part of [`Writes`] that speaks queries: update, delete and reads inside a materializer.

use super::{column::Assignments, predicate::Sql, prepared::IntoQuery, select::Select};
use crate::schema::{MaterializeError, Table, TypeMismatch, Writes, list};

impl Writes<'_> {
    /// Sets columns of the selected rows; with an order, a limit or an offset only of those.
    ///
    /// # Errors
    /// As every write: another lane's table, a constraint, a value that can't be stored, or a failure of the storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place and have no further use for it"
    )]
    pub fn update<R: Table>(
        &mut self,
        rows: Select<R>,
        assignments: impl Assignments<R>,
    ) -> Result<(), MaterializeError> {
        self.check_lane(R::DEF)?;
        let mut sql = Sql::default();
        sql.push("UPDATE ");
        sql.name(R::DEF.name);
        let assignments = assignments.into_assignments();
        if assignments.is_empty() {
            return Ok(());
        }
        for (index, assignment) in assignments.into_iter().enumerate() {
            sql.push(if index == 0 { " SET " } else { ", " });
            sql.name(assignment.column);
            sql.push(" = ");
            sql.bind(assignment.value?);
        }
        write_where(&rows, &mut sql)?;
        self.run(&sql.text, &sql.binds)
    }

    /// Deletes the selected rows; with an order, a limit or an offset only those.
    ///
    /// # Errors
    /// As every write: another lane's table, a constraint, or a failure of the storage.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place and have no further use for it"
    )]
    pub fn delete<R: Table>(&mut self, rows: Select<R>) -> Result<(), MaterializeError> {
        self.check_lane(R::DEF)?;
        let mut sql = Sql::default();
        sql.push("DELETE FROM ");
        sql.name(R::DEF.name);
        write_where(&rows, &mut sql)?;
        self.run(&sql.text, &sql.binds)
    }

    /// Reads the state, with everything that this event and the ones before it in its commit wrote.
    ///
    /// # Errors
    /// [`MaterializeError`] when the query fails, reads the other lane's tables, or is not pure.
    pub fn query<Q: IntoQuery>(&self, query: Q) -> Result<Q::Output, MaterializeError> {
        let query = query.into_query();
        if let Some(table) = query.table() {
            self.check_lane(table)?;
        }
        if let Some(problem) = query.problem() {
            return Err(problem.clone().into());
        }
        self.read(&query)
    }
}

/// The condition of an update or delete. It is never left out: SQLite empties a table without visiting its rows when a
/// `DELETE` has none, and each row must be recorded.
fn write_where<R: Table>(rows: &Select<R>, sql: &mut Sql) -> Result<(), TypeMismatch> {
    sql.push(" WHERE ");
    if !rows.is_bounded() {
        return rows.predicate.node.write(sql);
    }
    let key = R::DEF.primary_key;
    let columns = list(key.iter().copied());
    sql.push(&if key.len() == 1 { columns } else { format!("({columns})") });
    sql.push(" IN (");
    rows.write_keys(sql)?;
    sql.push(")");
    Ok(())
}

#[cfg(test)]
mod tests;
