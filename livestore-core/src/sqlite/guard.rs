//! What a materializer may touch: the tables of its own lane, and nothing else.
//!
//! Pure: [`Guard::judge`] decides over one action that the authorizer reports. The authorizer only speaks when a
//! statement is prepared, so a statement prepared outside a guard must not be reused inside: [`tag`] makes the texts
//! of the statement cache differ by lane, and the recorder checks every written row again.

use std::collections::HashMap;

use livestore_sync::Lane;
use rusqlite::hooks::AuthAction;

use super::{functions, hooks::SYSTEM_PREFIX};

/// The tables a database declares, in lower case, and the lane each belongs to.
pub(super) type Lanes = HashMap<String, Lane>;

/// A materializer reached for what it must not touch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccessViolation {
    /// A table of the other lane.
    #[error(
        "a materializer of {by} events touched table `{table}`, which belongs to {of} events: a table is fed by one kind only",
        by = lane_name(*by), of = lane_name(*of)
    )]
    OtherLane {
        /// The table.
        table: String,
        /// The lane whose materializer ran.
        by: Lane,
        /// The lane the table belongs to.
        of: Lane,
    },
    /// A table the schema does not declare.
    #[error("a materializer of {by} events touched `{table}`, which is no table of the schema", by = lane_name(*by))]
    UnknownTable {
        /// The table.
        table: String,
        /// The lane whose materializer ran.
        by: Lane,
    },
    /// A statement that is no plain read or write of rows.
    #[error("a materializer may read and write rows only; it tried {what}")]
    Forbidden {
        /// The kind of statement.
        what: &'static str,
    },
    /// A function whose result is not determined by the event and the tables.
    #[error(
        "a materializer must be pure, and `{sql}` uses {function}, which gives another result on another run or machine: take the value where the event is committed, and put it into the event's arguments"
    )]
    Impure {
        /// The SQL function.
        function: String,
        /// The statement.
        sql: String,
    },
    /// `OR FAIL` and `OR ROLLBACK` leave half a statement behind, which can't be undone.
    #[error(
        "`OR FAIL` and `OR ROLLBACK` can't be undone: use `OR ABORT` (the default), `OR IGNORE` or `OR REPLACE`"
    )]
    ConflictClause,
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Synced => "synced",
        Lane::ClientOnly => "client-only",
    }
}

/// What the statement cache puts before a statement prepared under a lane's guard.
pub(super) fn tag(lane: Lane) -> &'static str {
    match lane {
        Lane::Synced => "/*guard:synced*/",
        Lane::ClientOnly => "/*guard:client-only*/",
    }
}

/// Decides what the materializers of one lane may do.
pub(super) struct Guard<'a> {
    pub(super) lane: Lane,
    pub(super) lanes: &'a Lanes,
}

impl Guard<'_> {
    /// Whether `action` is allowed; if not, why.
    pub(super) fn judge(&self, action: &AuthAction<'_>) -> Result<(), AccessViolation> {
        let forbidden = |what| Err(AccessViolation::Forbidden { what });
        match action {
            AuthAction::Read { table_name, column_name } => self.read(table_name, column_name),
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. } => {
                if table_name.starts_with("sqlite_") {
                    return forbidden("to change the database's structure");
                }
                self.table(table_name)
            }
            AuthAction::Function { function_name } if functions::is_impure(function_name) => {
                // The authorizer is not told the text; whoever prepares the statement adds it.
                let (function, sql) = (format!("{function_name}()"), String::new());
                Err(AccessViolation::Impure { function, sql })
            }
            AuthAction::Function { .. } | AuthAction::Select | AuthAction::Recursive => Ok(()),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => forbidden("ATTACH or DETACH"),
            AuthAction::Pragma { .. } => forbidden("a PRAGMA"),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                forbidden("to control a transaction")
            }
            _ => forbidden("to change the database's structure"),
        }
    }

    /// With no column SQLite reports a name as it was written, which may be that of a common table expression.
    fn read(&self, table: &str, column: &str) -> Result<(), AccessViolation> {
        let hidden = table.starts_with(SYSTEM_PREFIX) || table.starts_with("sqlite_");
        match self.table(table) {
            Err(AccessViolation::UnknownTable { .. })
                if functions::has_no_storage(table) || (column.is_empty() && !hidden) =>
            {
                Ok(())
            }
            judged => judged,
        }
    }

    /// Whether rows of `table` are this lane's to touch.
    pub(super) fn table(&self, table: &str) -> Result<(), AccessViolation> {
        let lane = self.lanes.get(table).or_else(|| self.lanes.get(&table.to_ascii_lowercase()));
        match lane {
            Some(lane) if *lane == self.lane => Ok(()),
            Some(lane) => Err(AccessViolation::OtherLane {
                table: table.to_owned(),
                by: self.lane,
                of: *lane,
            }),
            None => Err(AccessViolation::UnknownTable { table: table.to_owned(), by: self.lane }),
        }
    }
}
