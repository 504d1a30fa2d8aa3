//! Driving the leader machine: its reads come from the two databases, its groups and merges go into them.

use std::{sync::Arc, time::Duration};

use livestore_sync::{
    FromBackend, Leader, LeaderConfig as MachineConfig, Outgoing, Refused, SessionId, ToBackend,
    ToLeader,
};

use super::{
    LeaderConfig,
    boot::{Booted, boot, log_failure, open_log},
    collect::{note_session, wall_clock},
    databases::{Databases, NotRead, NotWritten},
};
use crate::{
    eventlog::Append,
    link::{Answer, Ask, BackendWish, DeleteRefused, LeaderReport, OpenFailure, Question, Said},
    platform::{Storage, random_u64},
    schema::SchemaDef,
    store::{BootWarning, StorageMode},
};

/// Bytes of the quarantine, or of the log, in one answer; a single larger commit is still given.
const PAGE: usize = 256 << 10;

/// The machine and its databases.
#[derive(Debug)]
pub(crate) struct Driver {
    machine: Leader,
    databases: Databases,
    mode: StorageMode,
    warnings: Vec<BootWarning>,
    /// It has mended something since that was last asked.
    mended: bool,
    /// What is wrong with the log, once that has shown.
    damage: Option<String>,
    /// Whether a damaged log is set aside.
    sets_aside: bool,
    ended: Option<Ended>,
}

/// Why a leader leads no more.
#[derive(Debug)]
pub(super) enum Ended {
    /// The store was deleted.
    Deleted,
    /// Its files are others now: the next leader opens them.
    Replaced(OpenFailure),
}

impl Driver {
    /// Opens the databases and starts the machine.
    pub(crate) fn open(
        config: &LeaderConfig,
        schema: &'static SchemaDef,
        storage: &Storage,
        progress: impl Fn(u64, u64),
    ) -> Result<Self, OpenFailure> {
        let Booted { files, log, state, warnings } = boot(config, schema, storage, progress)?;
        let mut machine =
            Leader::new(MachineConfig::new(config.client, config.schema, log.fence(), log.heads()));
        if let Some(backend) = &config.backend {
            let start = log.backend_start(backend.on_changed, random_u64()).map_err(log_failure)?;
            machine.set_backend(start);
            machine.pause_backend(backend.paused);
        }
        let mode = StorageMode::of(&storage.mode());
        let databases = Databases { storage: storage.clone(), files, schema, log, state };
        let sets_aside = config.sets_damaged_log_aside();
        let (mended, damage, ended) = (false, None, None);
        Ok(Self { machine, databases, mode, warnings, mended, damage, sets_aside, ended })
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
        self.note_not_read(&error);
        self.machine.could_not_read(from, error.to_string().into());
    }

    fn note_not_read(&mut self, error: &NotRead) {
        tracing::warn!(%error, "the leader could not read");
        match error {
            NotRead::Log(error) if error.is_damage() => self.stop(&error.to_string()),
            NotRead::State(error) if error.is_damage() => self.mend(&error.to_string()),
            NotRead::Log(_) | NotRead::State(_) => {}
        }
    }

    /// Serves no more. Adding to a damaged log could make it worse, and so could giving away half of it.
    fn stop(&mut self, reason: &str) {
        tracing::error!(reason, "the log is damaged; the leader stops");
        self.machine.stop(reason.into());
        self.damage.get_or_insert_with(|| reason.to_owned());
        if self.sets_aside && self.ended.is_none() {
            self.set_log_aside(reason);
        }
    }

    /// Makes the next log, which the next leader uses.
    fn set_log_aside(&mut self, reason: &str) {
        let Databases { storage, files, .. } = &self.databases;
        match open_log(storage, files.next()) {
            Ok(_) => self.ended = Some(Ended::Replaced(OpenFailure::LogDamaged(reason.to_owned()))),
            Err(error) => tracing::error!(%error, "the damaged log could not be set aside"),
        }
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, question: &Question) -> Answer {
        let log = &self.databases.log;
        let said = match (&self.damage, &question.ask) {
            (_, Ask::Delete { force }) => Ok(Said::Deleted(self.delete(question.from, *force))),
            (Some(reason), _) => Err(reason.clone()),
            (None, Ask::Quarantine { after }) => {
                log.quarantine(*after, PAGE).map(Said::Quarantine).map_err(|e| e.to_string())
            }
            (None, Ask::Dismiss { commit }) => {
                log.dismiss(*commit).map(|()| Said::Dismissed).map_err(|e| e.to_string())
            }
            (None, Ask::Events { after, names }) => log
                .confirmed_events(*after, names, PAGE)
                .map(Said::Events)
                .map_err(|e| e.to_string()),
        };
        Answer { number: question.number, said }
    }

    /// Deletes the databases, unless something would be lost with them, or somebody goes on with them. Nobody is led any
    /// more then.
    fn delete(&mut self, asker: SessionId, force: bool) -> Result<(), DeleteRefused> {
        let others = self.machine.present().filter(|session| *session != asker).count();
        if others > 0 {
            return Err(DeleteRefused::OtherSessions(others));
        }
        let unconfirmed = self.databases.unconfirmed();
        if unconfirmed > 0 && !force {
            return Err(DeleteRefused::Unconfirmed(unconfirmed));
        }
        let deleted = self.databases.delete();
        self.ended = Some(match &deleted {
            Ok(()) => Ended::Deleted,
            // The log goes last, so the next leader has all that is left of the store.
            Err(reason) => Ended::Replaced(OpenFailure::Storage(reason.clone())),
        });
        deleted.map_err(DeleteRefused::Storage)
    }

    /// Why nobody is led any more, once that is so.
    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Whether something has left the quarantine because the backend has it, since this was last asked.
    pub(super) fn has_released(&mut self) -> bool {
        self.databases.log.has_released()
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

    /// When to call [`poll_backend`](Self::poll_backend) and [`write`](Self::write) again though nothing has arrived.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    /// Writes what waits, as one merge and one group; false if nothing does. However much comes from the backend, what
    /// sessions push has its turn.
    pub(crate) fn write(&mut self, now: Duration) -> bool {
        let merged = self.write_merge(now);
        self.write_group(now) || merged
    }

    fn write_group(&mut self, now: Duration) -> bool {
        let Some(group) = self.machine.next_group(now) else { return false };
        let quarantined = group.quarantined.into_iter();
        let append = Append {
            quarantined: quarantined.map(|(c, reason)| (c, reason.to_string())).collect(),
            last: group.last,
            documents: group.documents,
            at_ms: at_ms(),
            ..Append::default()
        };
        let written = self.databases.write(group.commits, append);
        self.finish(now, written);
        true
    }

    fn write_merge(&mut self, now: Duration) -> bool {
        let Some(merge) = self.machine.next_merge(now) else { return false };
        let written = self.databases.merge(&merge, at_ms());
        self.finish(now, written);
        true
    }

    fn finish(&mut self, now: Duration, written: Result<Vec<Refused>, NotWritten>) {
        let (outcome, error) = match written {
            Ok(refused) => (Ok(refused), None),
            Err(error) => (Err(Arc::from(error.to_string())), Some(error)),
        };
        self.machine.finish(now, outcome);
        let Some(error) = error else { return };
        tracing::error!(%error, "what waits was not written");
        if error.is_log_damage() {
            self.stop(&error.to_string());
        } else if error.is_damage() {
            self.mend(&error.to_string());
        }
    }

    /// Folds the log into a new state in the place of a damaged one.
    fn mend(&mut self, reason: &str) {
        match self.databases.rebuild(self.databases.log.heads()) {
            Ok(()) => {}
            Err(OpenFailure::Log(reason) | OpenFailure::LogDamaged(reason)) => self.stop(&reason),
            Err(error) => tracing::error!(%error, "a damaged state could not be replaced"),
        }
        self.warnings.push(BootWarning::StateRebuilt { reason: reason.to_owned() });
        self.mended = true;
    }
}

/// The side towards the backend.
impl Driver {
    /// The next request to the backend. To be polled until `None` after everything that the machine takes, before
    /// [`write`](Self::write).
    pub(super) fn poll_backend(&mut self, now: Duration) -> Option<ToBackend> {
        self.machine.poll_backend(now)
    }

    /// Whether another page may be read.
    pub(super) fn has_room_for_pages(&self) -> bool {
        self.machine.has_room_for_pages()
    }

    /// Takes what was heard of the backend.
    pub(super) fn hear(&mut self, now: Duration, message: FromBackend) {
        // The machine asks the backend again by itself.
        if let Err(error) = self.machine.hear(now, message, &self.databases) {
            self.note_not_read(&error);
        }
    }

    /// Does what the app wants of the connection.
    pub(super) fn obey(&mut self, wish: BackendWish) {
        match wish {
            BackendWish::Pause => self.machine.pause_backend(true),
            BackendWish::Resume => self.machine.pause_backend(false),
            BackendWish::Retry => self.machine.retry_backend(),
        }
    }
}

fn at_ms() -> u64 {
    u64::try_from(wall_clock().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Driver {
    /// Both databases, to look at.
    pub(super) fn databases(&self) -> (&crate::eventlog::EventLog, &crate::state::State) {
        (&self.databases.log, &self.databases.state)
    }

    pub(super) fn has_snapshot(&self) -> bool {
        matches!(livestore_sync::LeaderStorage::snapshot(&self.databases), Ok(Some(_)))
    }

    /// Changes how much the log's storage takes.
    pub(super) fn log_storage(&self, pragma: &str) {
        self.databases.log.batch(pragma);
    }
}
