//! Driving the leader machine: its reads come from the two databases, its groups go into them.

use std::{sync::Arc, time::Duration};

use livestore_sync::{
    Commit, Document, Head, Lane, Leader, LeaderConfig as MachineConfig, LeaderStorage, Outgoing,
    Refused, SessionId, ToLeader,
};

use super::{
    LeaderConfig,
    boot::{Booted, NotFolded, boot, fold, rebuild},
    collect::{note_session, wall_clock},
};
use crate::{
    eventlog::{Append, EventLog, LogError},
    link::{Answer, LeaderReport, OpenFailure, Question},
    platform::Storage,
    schema::SchemaDef,
    sqlite::{Db, SqliteError},
    state::{ApplyError, State},
    store::{BootWarning, StorageMode},
};

/// Bytes of the quarantine in one answer; a single larger commit is still listed.
const PAGE: usize = 256 << 10;

/// The machine and its databases.
#[derive(Debug)]
pub(crate) struct Driver {
    storage: Storage,
    schema: &'static SchemaDef,
    machine: Leader,
    databases: Databases,
    mode: StorageMode,
    warnings: Vec<BootWarning>,
    /// It has mended something since that was last asked.
    mended: bool,
    /// What is wrong with the log, once that has shown.
    damage: Option<String>,
}

#[derive(Debug)]
struct Databases {
    log: EventLog,
    state: State,
}

/// Why a group was not written.
#[derive(Debug, thiserror::Error)]
enum NotWritten {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the state could not be written: {0}")]
    State(#[from] SqliteError),
    #[error(transparent)]
    Behind(#[from] NotFolded),
}

impl NotWritten {
    /// Whether the state is damaged.
    fn is_damage(&self) -> bool {
        match self {
            Self::Log(_) => false,
            Self::State(error) => error.is_damage(),
            Self::Behind(error) => error.is_damage(),
        }
    }

    fn is_log_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::State(_) => false,
            Self::Behind(error) => error.is_log_damage(),
        }
    }
}

impl Driver {
    /// Opens the databases and starts the machine.
    pub(crate) fn open(
        config: &LeaderConfig,
        schema: &'static SchemaDef,
        storage: &Storage,
        progress: impl Fn(u64, u64),
    ) -> Result<Self, OpenFailure> {
        let Booted { log, state, warnings } = boot(config, schema, storage, progress)?;
        let machine =
            Leader::new(MachineConfig::new(config.client, config.schema, log.fence(), log.heads()));
        let mode = StorageMode::of(&storage.mode());
        let (storage, databases) = (storage.clone(), Databases { log, state });
        let (mended, damage) = (false, None);
        Ok(Self { storage, schema, machine, databases, mode, warnings, mended, damage })
    }

    /// How the opening went, for sessions.
    pub(super) fn serving(&self) -> LeaderReport {
        LeaderReport::Serving { mode: self.mode.clone(), warnings: self.warnings.clone() }
    }

    /// Whether sessions should hear of [`serving`](Self::serving) again.
    pub(super) fn has_mended(&mut self) -> bool {
        std::mem::take(&mut self.mended)
    }

    /// What is wrong with the log, once that has shown; nobody is served any more then.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Takes a session's message.
    pub(crate) fn receive(&mut self, now: Duration, message: ToLeader) {
        let from = message.from();
        let Err(error) = self.machine.receive(now, message, &self.databases) else { return };
        // The message counts as lost; its sender asks again.
        tracing::warn!(%error, "the leader could not read");
        match &error {
            NotRead::Log(error) if error.is_damage() => self.stop(&error.to_string()),
            NotRead::State(error) if error.is_damage() => self.mend(&error.to_string()),
            NotRead::Log(_) | NotRead::State(_) => {}
        }
        self.machine.could_not_read(from, error.to_string().into());
    }

    /// Serves no more. Adding to a damaged log could make it worse, and so could giving away half of it.
    fn stop(&mut self, reason: &str) {
        tracing::error!(reason, "the log is damaged; the leader stops");
        self.machine.stop(reason.into());
        self.damage.get_or_insert_with(|| reason.to_owned());
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, question: &Question) -> Answer {
        let page = match &self.damage {
            Some(reason) => Err(reason.clone()),
            None => self
                .databases
                .log
                .quarantine(question.after, PAGE)
                .map_err(|error| error.to_string()),
        };
        Answer { number: question.number, page }
    }

    /// Notes that a session is there, so that what it may come back to is not collected.
    pub(super) fn note_session(&self, session: SessionId, schema: u64) {
        if self.damage.is_none() {
            note_session(&self.databases.log, session.tab, schema);
        }
    }

    /// The sessions that are told news.
    pub(super) fn attached(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.machine.attached()
    }

    /// The next message to send.
    pub(crate) fn poll_send(&mut self) -> Option<Outgoing> {
        self.machine.poll_send()
    }

    /// When to call [`write_group`](Self::write_group) again though nothing has arrived.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    /// Writes what waits, as one group; false if nothing does.
    pub(crate) fn write_group(&mut self, now: Duration) -> bool {
        let Some(group) = self.machine.next_group(now) else { return false };
        let at_ms = u64::try_from(wall_clock().as_millis()).unwrap_or(u64::MAX);
        let append =
            Append { last: group.last, documents: group.documents, at_ms, ..Append::default() };
        let written = self.databases.write(group.commits, append);
        let (outcome, error) = match written {
            Ok(refused) => (Ok(refused), None),
            Err(error) => (Err(Arc::from(error.to_string())), Some(error)),
        };
        self.machine.finish(now, outcome);
        if let Some(error) = error {
            tracing::error!(%error, "a group was not written");
            if error.is_log_damage() {
                self.stop(&error.to_string());
            } else if error.is_damage() {
                self.mend(&error.to_string());
            }
        }
        true
    }
}

impl Driver {
    /// Folds the log into a new state in the place of a damaged one. If that fails too, the leader goes on with a state
    /// in memory, and the next opening folds a new one: the log is whole.
    fn mend(&mut self, reason: &str) {
        let Self { storage, schema, databases, .. } = self;
        let in_memory = Db::open_in_memory().and_then(|db| State::create(db, schema));
        let Ok(in_memory) = in_memory else { return };
        // The damaged one is closed before its file is deleted.
        drop(std::mem::replace(&mut databases.state, in_memory));
        match rebuild(storage, schema, &databases.log, |_, _| {}) {
            Ok(state) => databases.state = state,
            Err(OpenFailure::Log(reason)) => self.stop(&reason),
            Err(error) => tracing::error!(%error, "a damaged state could not be replaced"),
        }
        self.warnings.push(BootWarning::StateRebuilt { reason: reason.to_owned() });
        self.mended = true;
    }
}

#[cfg(test)]
impl Driver {
    /// Both databases, to look at.
    pub(super) fn databases(&self) -> (&EventLog, &State) {
        (&self.databases.log, &self.databases.state)
    }

    pub(super) fn has_snapshot(&self) -> bool {
        matches!(self.databases.snapshot(), Ok(Some(_)))
    }

    /// Changes how much the log's storage takes.
    pub(super) fn log_storage(&self, pragma: &str) {
        self.databases.log.batch(pragma);
    }
}

impl Databases {
    /// Applies the commits to the state, writes the log, commits the state. What fails deterministically is refused.
    fn write(
        &mut self,
        commits: Vec<Commit>,
        mut append: Append,
    ) -> Result<Vec<Refused>, NotWritten> {
        if self.state.heads() != self.log.heads() {
            // The state's own commit failed after the log's.
            fold(&self.log, &mut self.state, |_, _| {})?;
        }
        let Self { log, state } = self;
        let mut refused = Vec::new();
        let mut logged = false;
        let done = state.transaction(|state| -> Result<(), NotWritten> {
            for commit in commits {
                match state.apply(&commit) {
                    Ok(_) => append.commits.push(commit),
                    Err(ApplyError::Storage(error)) => return Err(error.into()),
                    Err(error) => {
                        let reason = error.to_string();
                        tracing::warn!(id = %commit.id(), reason, "a commit goes to quarantine");
                        refused.push(Refused { id: commit.id(), reason: reason.as_str().into() });
                        append.quarantined.push((commit, reason));
                    }
                }
            }
            log.append(&append)?;
            logged = true;
            Ok(())
        });
        match done {
            Err(error) if !logged => Err(error),
            // The log has it, so it is accepted; the next group folds it into the state first.
            Err(error) => {
                tracing::error!(%error, "the state is behind the log");
                Ok(refused)
            }
            Ok(()) => Ok(refused),
        }
    }
}

impl LeaderStorage for Databases {
    type Error = NotRead;

    fn last_n(&self, author: SessionId) -> Result<u64, NotRead> {
        Ok(self.log.last_n(author)?)
    }

    fn holds(&self, lane: Lane, head: Head) -> Result<bool, NotRead> {
        Ok(self.log.contains(lane, head)?)
    }

    fn tail(&self, lane: Lane, head: Head, max_bytes: usize) -> Result<Vec<Commit>, NotRead> {
        Ok(self.log.read(lane, head, max_bytes)?)
    }

    fn refused(&self, author: SessionId, from: u64) -> Result<Vec<Refused>, NotRead> {
        Ok(self.log.refused(author, from)?)
    }

    fn documents(&self, session: SessionId) -> Result<Vec<Document>, NotRead> {
        Ok(self.log.documents(session.tab)?)
    }

    fn snapshot(&self) -> Result<Option<Arc<[u8]>>, NotRead> {
        if self.state.heads() != self.log.heads() {
            return Ok(None);
        }
        Ok(Some(self.state.to_bytes()?.into()))
    }
}

/// Why the machine could not read.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    State(#[from] SqliteError),
}
