//! The two hooks of a connection: the preupdate hook that records rows, and the authorizer.
//!
//! Both are installed once, before any statement is prepared, because installing an authorizer expires every prepared
//! statement and a bare `DELETE` prepared without a preupdate hook escapes it. What they do is switched in
//! [`HookState`], which the closures share with the [`Db`](super::Db).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use livestore_sync::Lane;
use rusqlite::{
    Connection,
    hooks::{
        Action, AuthAction, AuthContext, Authorization, PreUpdateCase, PreUpdateNewValueAccessor,
        PreUpdateOldValueAccessor,
    },
};

use super::{
    error::SqliteError,
    guard::{AccessViolation, Guard, Lanes},
    read_set::Sighting,
    record::{Record, RowImage},
};
use crate::value::Value;

/// Tables of ours in a state database; never recorded, never hashed, never read by a query.
pub(crate) const SYSTEM_PREFIX: &str = "livestore_";

/// What the hooks do at the moment, and what they have seen.
#[derive(Default)]
pub(super) struct HookState {
    /// Whether written rows are recorded.
    pub(super) recording: bool,
    /// The rows written since recording was last emptied.
    pub(super) records: Vec<Record>,
    /// A row could not be read in the hook, so the records are not the truth.
    pub(super) incomplete: bool,
    /// Each table's name once, for the records to share.
    names: HashSet<Arc<str>>,
    /// The lane whose materializer runs.
    pub(super) guard: Option<Lane>,
    /// The declared tables.
    pub(super) lanes: Lanes,
    /// The first forbidden access under the current guard.
    pub(super) violation: Option<AccessViolation>,
    /// The first storage failure under the current guard.
    pub(super) failure: Option<SqliteError>,
    /// A statement was prepared under the guard since this was last taken.
    pub(super) prepared: bool,
    /// While a read set is found out: what the authorizer reported.
    pub(super) sightings: Option<Vec<Sighting>>,
    /// The structure of the database may have changed.
    pub(super) structure_changed: bool,
}

/// The state of the hooks, shared between the closures and the connection's owner.
#[derive(Clone, Default)]
pub(super) struct Hooks(Arc<Mutex<HookState>>);

impl Hooks {
    /// Both closures run on the thread of the connection's owner, so this never waits.
    pub(super) fn lock(&self) -> MutexGuard<'_, HookState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs both hooks on a fresh connection.
    pub(super) fn install(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let hooks = self.clone();
        conn.authorizer(Some(move |context: AuthContext<'_>| hooks.lock().authorize(&context)))?;
        let hooks = self.clone();
        conn.preupdate_hook(Some(
            move |_: Action, database: &str, table: &str, case: &PreUpdateCase| {
                hooks.lock().record(database, table, case);
            },
        ))
    }
}

impl HookState {
    fn authorize(&mut self, context: &AuthContext<'_>) -> Authorization {
        if changes_structure(&context.action) {
            self.structure_changed = true;
        }
        if let Some(sightings) = &mut self.sightings {
            sightings.extend(Sighting::of(context));
        }
        let Some(lane) = self.guard else { return Authorization::Allow };
        self.prepared = true;
        match (Guard { lane, lanes: &self.lanes }).judge(&context.action) {
            Ok(()) => Authorization::Allow,
            Err(violation) => {
                self.violation.get_or_insert(violation);
                Authorization::Deny
            }
        }
    }

    fn record(&mut self, database: &str, table: &str, case: &PreUpdateCase) {
        let ours = table.starts_with(SYSTEM_PREFIX) || table.starts_with("sqlite_");
        if database != "main" || ours || !(self.recording || self.guard.is_some()) {
            return;
        }
        // A statement that was prepared outside the guard was never judged.
        if let Some(lane) = self.guard
            && let Err(violation) = (Guard { lane, lanes: &self.lanes }).table(table)
        {
            self.violation.get_or_insert(violation);
        }
        if !self.recording {
            return;
        }
        let (old, new) = match case {
            PreUpdateCase::Insert(new) => (None, Some(new_image(new))),
            PreUpdateCase::Delete(old) => (Some(old_image(old)), None),
            PreUpdateCase::Update { old_value_accessor, new_value_accessor } => {
                (Some(old_image(old_value_accessor)), Some(new_image(new_value_accessor)))
            }
            PreUpdateCase::Unknown => {
                self.incomplete = true;
                return;
            }
        };
        match (old.transpose(), new.transpose()) {
            (Ok(old), Ok(new)) => {
                let table = self.name(table);
                self.records.push(Record { table, old, new });
            }
            _ => self.incomplete = true,
        }
    }

    fn name(&mut self, table: &str) -> Arc<str> {
        if let Some(name) = self.names.get(table) {
            return Arc::clone(name);
        }
        let name: Arc<str> = table.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}

fn old_image(row: &PreUpdateOldValueAccessor) -> rusqlite::Result<RowImage> {
    let values = (0..row.get_column_count()).map(|column| value(row.get_old_column_value(column)));
    Ok(RowImage { rowid: row.get_old_row_id(), values: values.collect::<Result<_, _>>()? })
}

fn new_image(row: &PreUpdateNewValueAccessor) -> rusqlite::Result<RowImage> {
    let values = (0..row.get_column_count()).map(|column| value(row.get_new_column_value(column)));
    Ok(RowImage { rowid: row.get_new_row_id(), values: values.collect::<Result<_, _>>()? })
}

/// Virtual generated columns are not stored, so SQLite answers that they are out of range.
fn value(value: rusqlite::Result<rusqlite::types::ValueRef<'_>>) -> rusqlite::Result<Value> {
    match value {
        Ok(value) => Ok(value.into()),
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if failure.extended_code == rusqlite::ffi::SQLITE_RANGE =>
        {
            Ok(Value::Null)
        }
        Err(error) => Err(error),
    }
}

fn changes_structure(action: &AuthAction<'_>) -> bool {
    !matches!(
        action,
        AuthAction::Select
            | AuthAction::Read { .. }
            | AuthAction::Insert { .. }
            | AuthAction::Update { .. }
            | AuthAction::Delete { .. }
            | AuthAction::Function { .. }
            | AuthAction::Savepoint { .. }
            | AuthAction::Transaction { .. }
            | AuthAction::Recursive
            | AuthAction::Pragma { .. }
            | AuthAction::Analyze { .. }
    )
}
