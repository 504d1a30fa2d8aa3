//! Opening the two databases: the log as it is, the state brought to the log's head or rebuilt.
//!
//! A state is good if it opens, is of this schema, knows every event it once skipped, and its heads (hash included) are
//! in the log. One whose head the log has rolled back goes back along its undo records. Anything else is rebuilt from
//! the log, in chunks whose head is written with their rows, so an interrupted rebuild goes on where it was.

use livestore_sync::{Commit, Head, Lane, PerLane};
use rusqlite::config::DbConfig;

use super::{LeaderConfig, collect::collect, files::Files};
use crate::{
    eventlog::{EventLog, LogError},
    link::OpenFailure,
    platform::{Durability, Storage},
    schema::SchemaDef,
    sqlite::{Db, SqliteError},
    state::{ApplyError, State, StateProblem, Unit},
    store::BootWarning,
};

/// Bytes of arguments folded in one transaction.
const CHUNK: usize = 1 << 20;

/// Both databases, in agreement.
pub(super) struct Booted {
    pub(super) files: Files,
    pub(super) log: EventLog,
    pub(super) state: State,
    pub(super) warnings: Vec<BootWarning>,
}

/// Opens both; `progress` hears how far folding has come: events done, events in all. A damaged log is set aside if the
/// app has asked for that.
pub(super) fn boot(
    config: &LeaderConfig,
    schema: &'static SchemaDef,
    storage: &Storage,
    progress: impl Fn(u64, u64),
) -> Result<Booted, OpenFailure> {
    let files = Files::in_use(&storage.databases().map_err(storage_failure)?);
    let mut booted = match boot_files(config, schema, storage, files, &progress) {
        Err(OpenFailure::LogDamaged(reason)) if config.sets_damaged_log_aside() => {
            tracing::warn!(store = %config.store, reason, "the log is set aside");
            boot_files(config, schema, storage, files.next(), &progress)?
        }
        booted => booted?,
    };
    let names = storage.databases().map_err(storage_failure)?;
    let set_aside = booted.files.set_aside(&names);
    let warnings = set_aside.map(|log| BootWarning::LogSetAside { file: storage.label(log) });
    booted.warnings.extend(warnings);
    Ok(booted)
}

fn boot_files(
    config: &LeaderConfig,
    schema: &'static SchemaDef,
    storage: &Storage,
    files: Files,
    progress: impl Fn(u64, u64),
) -> Result<Booted, OpenFailure> {
    let mut log = open_log(storage, files).map_err(log_failure)?;

    let mut warnings = Vec::new();
    let (mut state, problem) = open_state(storage, files, schema, &log)?;
    if let Some(reason) = problem {
        tracing::warn!(store = %config.store, %reason, "rebuilding the state from the log");
        warnings.push(BootWarning::StateRebuilt { reason });
    }
    let keeps_undo = config.backend.is_some();
    state.keep_undo(keeps_undo);
    let lost = match catch_up(&log, &mut state, &progress) {
        Ok(()) => None,
        // Damage that only showed where it was met.
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    if let Some(reason) = lost {
        tracing::warn!(store = %config.store, %reason, "rebuilding the state from the log");
        warnings.push(BootWarning::StateRebuilt { reason });
        drop(state);
        let heads = log.heads();
        state = rebuild(storage, files, schema, &log, keeps_undo, heads, progress)?;
    }
    state.trim_undo(Lane::Synced, log.confirmed()).map_err(storage_failure)?;
    collect(storage, files, &mut log, config.schema);
    let names = state.skipped().map_err(storage_failure)?;
    if !names.is_empty() {
        warnings.push(BootWarning::UnknownEvents { names });
    }
    Ok(Booted { files, log, state, warnings })
}

pub(super) fn open_log(storage: &Storage, files: Files) -> Result<EventLog, LogError> {
    let name = &files.log();
    let file = &storage.label(name);
    if storage.is_cut_short(name) {
        let reason = "the file is cut short".to_owned();
        return Err(LogError::NotALog { file: file.to_owned(), reason });
    }
    // Opened, an empty file would lose its WAL.
    if storage.is_empty(name) {
        refuse_to_empty_states(storage, files)?;
    }
    let refused = |source| LogError::at_open(file, source);
    let conn = storage.connect(name).map_err(refused)?;
    if !EventLog::check(&conn, file)? {
        refuse_to_empty_states(storage, files)?;
    }
    EventLog::accept(&conn, file)?;
    storage.configure(&conn, Durability::Log).map_err(refused)?;
    EventLog::open(conn, file)
}

/// A log without events, now and ever, is a new one. But where a state has folded some, their log is gone, or was in a WAL that is, and
/// the state is their last copy.
fn refuse_to_empty_states(storage: &Storage, files: Files) -> Result<(), LogError> {
    // A directory that can't be listed can't be opened either, and that is reported.
    let states = storage.databases().unwrap_or_default();
    let folded = |name: &String| {
        files.schema_of(name).is_some()
            && match heads_of_state(storage, name) {
                Ok(heads) => heads != PerLane::default(),
                // A damaged one may have held anything; one without our tables was never folded into.
                Err(error) => error.is_damage(),
            }
    };
    let Some(state) = states.into_iter().find(folded) else { return Ok(()) };
    let reason = format!(
        "nothing is in it, though `{}` was folded from it: put the log back, or delete the state to begin anew",
        storage.label(&state)
    );
    Err(LogError::NotALog { file: storage.label(&files.log()), reason })
}

/// How far a state goes, without writing to it.
fn heads_of_state(storage: &Storage, name: &str) -> Result<PerLane<Head>, SqliteError> {
    let conn = storage.connect(name)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    State::heads_in(&conn)
}

/// Opens the state; a bad one is replaced by an empty one, with what was wrong.
fn open_state(
    storage: &Storage,
    files: Files,
    schema: &'static SchemaDef,
    log: &EventLog,
) -> Result<(State, Option<String>), OpenFailure> {
    let name = &files.state(schema.hash());
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
    Ok((state, problem.map(|problem| problem.to_string())))
}

fn connect_state(storage: &Storage, name: &str) -> Result<Db, SqliteError> {
    Db::new(storage.open_database(name, Durability::State)?)
}

fn storage_failure(error: impl std::fmt::Display) -> OpenFailure {
    OpenFailure::Storage(error.to_string())
}

/// Folds the log up to `to` into a new state in the place of one that is no good; nobody has that one open any more.
pub(super) fn rebuild(
    storage: &Storage,
    files: Files,
    schema: &'static SchemaDef,
    log: &EventLog,
    keeps_undo: bool,
    to: PerLane<Head>,
    progress: impl Fn(u64, u64),
) -> Result<State, OpenFailure> {
    let name = files.state(schema.hash());
    storage.delete_database(&name).map_err(storage_failure)?;
    let db = connect_state(storage, &name).map_err(storage_failure)?;
    let mut state = State::create(db, schema).map_err(storage_failure)?;
    state.keep_undo(keeps_undo);
    fold(log, &mut state, to, progress)?;
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
    /// The state is not of this log, and there is no way back to where it was.
    #[error("its {lane:?} head {head} is not in the log")]
    Strayed {
        /// Which lane.
        lane: Lane,
        /// Where the state is.
        head: Head,
    },
}

impl NotFolded {
    /// Whether the state is damaged, so that it has to be folded anew.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Log(_) => false,
            Self::State(error) => error.is_damage(),
            Self::Strayed { .. } => true,
        }
    }

    /// Whether the log is.
    pub(super) fn is_log_damage(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_damage())
    }
}

impl From<ApplyError> for NotFolded {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Storage(error) => Self::State(error),
            // Event by event nothing fails but the storage.
            ApplyError::Event(failed) => Self::State(SqliteError::Corrupt(failed.to_string())),
        }
    }
}

impl From<NotFolded> for OpenFailure {
    fn from(error: NotFolded) -> Self {
        match error {
            NotFolded::Log(error) => log_failure(error),
            error => storage_failure(error),
        }
    }
}

/// Brings the state to the log's heads: back to where the log was rolled back, then over what it lacks.
///
/// # Errors
/// [`NotFolded`]; after [`NotFolded::Strayed`] the state has to be rebuilt.
pub(super) fn catch_up(
    log: &EventLog,
    state: &mut State,
    progress: impl Fn(u64, u64),
) -> Result<(), NotFolded> {
    for lane in Lane::ALL {
        let head = state.heads()[lane];
        if !state.go_back(lane, |head| Ok::<_, NotFolded>(log.contains(lane, head)?))? {
            return Err(NotFolded::Strayed { lane, head });
        }
    }
    fold(log, state, log.heads(), progress)
}

/// Applies what the log has up to `to` and the state has not; the state stands somewhere in the log.
pub(super) fn fold(
    log: &EventLog,
    state: &mut State,
    to: PerLane<Head>,
    progress: impl Fn(u64, u64),
) -> Result<(), NotFolded> {
    let count = |heads: PerLane<Head>| heads.synced.number + heads.client_only.number;
    let total = count(to);
    for lane in Lane::ALL {
        while state.heads()[lane].number < to[lane].number {
            let mut number = state.heads()[lane].number;
            let mut commits = log.read(lane, state.heads()[lane], CHUNK)?;
            commits.retain(|commit| {
                number += commit.events().len() as u64;
                number <= to[lane].number
            });
            if commits.is_empty() {
                break;
            }
            progress(count(state.heads()), total);
            advance(state, lane, &commits, log.confirmed())?;
        }
    }
    Ok(())
}

/// Applies commits of the log. Of what a backend may yet move the state keeps undo records, if it keeps any.
fn advance(
    state: &mut State,
    lane: Lane,
    commits: &[Commit],
    confirmed: u64,
) -> Result<(), NotFolded> {
    let mut number = state.heads()[lane].number;
    let is_final = |commit: &&Commit| {
        number += commit.events().len() as u64;
        number <= confirmed
    };
    let settled = match lane {
        Lane::Synced if state.keeps_undo() => commits.iter().take_while(is_final).count(),
        Lane::Synced | Lane::ClientOnly => commits.len(),
    };
    let (settled, pending) = commits.split_at(settled);
    if !settled.is_empty() {
        state.replay(settled, Unit::Event)?;
    }
    if !pending.is_empty() {
        state.transaction(|state| {
            pending.iter().try_for_each(|commit| state.apply_as(commit, Unit::Event).map(drop))
        })?;
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
pub(super) fn log_failure(error: LogError) -> OpenFailure {
    match error.is_damage() && !matches!(error, LogError::NewerFormat { .. }) {
        true => OpenFailure::LogDamaged(error.to_string()),
        false => OpenFailure::Log(error.to_string()),
    }
}
