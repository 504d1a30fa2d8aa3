//! Opening the two databases: the log as it is, the state brought to the log's head or rebuilt.
//!
//! A state is good if it opens, is of this schema, knows every event it once skipped, and its heads (hash included) are
//! in the log. Anything else is rebuilt from the log, in chunks whose head is written with their rows, so an
//! interrupted rebuild goes on where it was.

use livestore_sync::{Head, Lane, PerLane};

use super::{
    LeaderConfig,
    collect::{collect, is_state_file, state_file},
};
use crate::{
    eventlog::{EventLog, LogError},
    link::OpenFailure,
    platform::{Durability, Storage},
    schema::SchemaDef,
    sqlite::{Db, SqliteError},
    state::{State, StateProblem, Unit},
    store::BootWarning,
};

/// The log's file.
const LOG: &str = "eventlog.db";
/// Bytes of arguments folded in one transaction.
const CHUNK: usize = 1 << 20;

/// Both databases, in agreement.
pub(super) struct Booted {
    pub(super) log: EventLog,
    pub(super) state: State,
    pub(super) warnings: Vec<BootWarning>,
}

/// Opens both; `progress` hears how far folding has come: events done, events in all.
pub(super) fn boot(
    config: &LeaderConfig,
    schema: &'static SchemaDef,
    storage: &Storage,
    progress: impl Fn(u64, u64),
) -> Result<Booted, OpenFailure> {
    let file = storage.label(LOG);
    let mut log = open_log(storage, &file).map_err(log_failure)?;

    let mut warnings = Vec::new();
    let name = state_file(config.schema);
    let (mut state, problem) = open_state(storage, &name, schema, &log)?;
    if let Some(reason) = problem {
        tracing::warn!(store = %config.store, %reason, "rebuilding the state from the log");
        warnings.push(BootWarning::StateRebuilt { reason });
    }
    if let Err(error) = fold(&log, &mut state, &progress) {
        if !error.is_damage() {
            return Err(error.into());
        }
        // Damage that only showed where it was met.
        warnings.push(BootWarning::StateRebuilt { reason: error.to_string() });
        drop(state);
        state = rebuild(storage, schema, &log, progress)?;
    }
    collect(storage, &mut log, config.schema);
    let names = state.skipped().map_err(storage_failure)?;
    if !names.is_empty() {
        warnings.push(BootWarning::UnknownEvents { names });
    }
    Ok(Booted { log, state, warnings })
}

fn open_log(storage: &Storage, file: &str) -> Result<EventLog, LogError> {
    if storage.is_cut_short(LOG) {
        let reason = "the file is cut short".to_owned();
        return Err(LogError::NotALog { file: file.to_owned(), reason });
    }
    if let Some(state) = state_without_log(storage) {
        let reason = format!(
            "nothing is in it, though `{state}` was folded from it: put the log back, or delete the state to begin anew"
        );
        return Err(LogError::NotALog { file: file.to_owned(), reason });
    }
    let refused = |source| LogError::at_open(file, source);
    let conn = storage.connect(LOG).map_err(refused)?;
    EventLog::check(&conn, file)?;
    storage.configure(&conn, Durability::Log).map_err(refused)?;
    EventLog::open(conn, file)
}

/// A state whose log is gone or empty, and which is then the last copy of what the log held.
fn state_without_log(storage: &Storage) -> Option<String> {
    if !storage.is_empty(LOG) {
        return None;
    }
    // A directory that can't be listed can't be opened either, and that is reported.
    let states = storage.databases().unwrap_or_default();
    states.into_iter().find(|name| is_state_file(name)).map(|name| storage.label(&name))
}

/// Opens the state; a bad one is replaced by an empty one, with what was wrong.
fn open_state(
    storage: &Storage,
    name: &str,
    schema: &'static SchemaDef,
    log: &EventLog,
) -> Result<(State, Option<String>), OpenFailure> {
    let opened = match storage.is_cut_short(name) {
        true => Err(SqliteError::Corrupt("the file is cut short".to_owned())),
        false => connect_state(storage, name),
    };
    let db = match opened {
        Ok(db) => db,
        // Not a database at all: a state is disposable, and what was wrong is reported.
        Err(error) if error.is_damage() => {
            storage.delete_database(name).map_err(storage_failure)?;
            let db = connect_state(storage, name).map_err(storage_failure)?;
            let state = State::create(db, schema).map_err(storage_failure)?;
            return Ok((state, Some(error.to_string())));
        }
        Err(error) => return Err(storage_failure(error)),
    };
    let (state, problem) = State::open_or_create(db, schema).map_err(storage_failure)?;
    // No state beside no events is a new store.
    let is_new = log.heads() == PerLane::default();
    let problem = problem.filter(|problem| !(is_new && matches!(problem, StateProblem::Missing)));
    for lane in Lane::ALL {
        let head = state.heads()[lane];
        if !log.contains(lane, head).map_err(log_failure)? {
            let problem = format!("its {lane:?} head {head} is not in the log");
            let state = State::create(state.into_db(), schema).map_err(storage_failure)?;
            return Ok((state, Some(problem)));
        }
    }
    Ok((state, problem.map(|problem| problem.to_string())))
}

fn connect_state(storage: &Storage, name: &str) -> Result<Db, SqliteError> {
    Db::new(storage.open_database(name, Durability::State)?)
}

fn storage_failure(error: impl std::fmt::Display) -> OpenFailure {
    OpenFailure::Storage(error.to_string())
}

/// Folds the log into a new state in the place of one that is damaged; nobody has that one open any more.
pub(super) fn rebuild(
    storage: &Storage,
    schema: &'static SchemaDef,
    log: &EventLog,
    progress: impl Fn(u64, u64),
) -> Result<State, OpenFailure> {
    let name = state_file(schema.hash());
    storage.delete_database(&name).map_err(storage_failure)?;
    let db = connect_state(storage, &name).map_err(storage_failure)?;
    let mut state = State::create(db, schema).map_err(storage_failure)?;
    fold(log, &mut state, progress)?;
    Ok(state)
}

/// Why the state could not be brought to the log's head.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFolded {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state can't be written.
    #[error("the state could not be written: {0}")]
    State(#[from] SqliteError),
}

impl NotFolded {
    /// Whether the state is damaged, so that it has to be folded anew.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::State(error) if error.is_damage())
    }

    /// Whether the log is.
    pub(super) fn is_log_damage(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_damage())
    }
}

impl From<NotFolded> for OpenFailure {
    fn from(error: NotFolded) -> Self {
        match error {
            NotFolded::Log(error) => log_failure(error),
            NotFolded::State(error) => storage_failure(error),
        }
    }
}

/// Applies what the log has and the state has not.
pub(super) fn fold(
    log: &EventLog,
    state: &mut State,
    progress: impl Fn(u64, u64),
) -> Result<(), NotFolded> {
    let count = |heads: PerLane<Head>| heads.synced.number + heads.client_only.number;
    let total = count(log.heads());
    for lane in Lane::ALL {
        loop {
            let commits = log.read(lane, state.heads()[lane], CHUNK)?;
            if commits.is_empty() {
                break;
            }
            progress(count(state.heads()), total);
            state.replay(&commits, Unit::Event)?;
        }
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
pub(super) fn log_failure(error: LogError) -> OpenFailure {
    OpenFailure::Log(error.to_string())
}
