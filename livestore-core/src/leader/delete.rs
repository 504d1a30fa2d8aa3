//! How a leader's databases are deleted, and what would be lost with them.

use super::{databases::Databases, files::is_log};
use crate::{
    eventlog::EventLog,
    platform::{Storage, StorageRefused},
    sqlite::Db,
    state::State,
};

impl Databases {
    /// How many events of the log no backend has.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.log.heads().synced.number.saturating_sub(self.log.confirmed())
    }

    /// Deletes all databases of the store. What is open from now on is in memory.
    pub(super) fn delete(&mut self) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let memory = Storage::in_memory(StorageRefused::Wished);
        let state = Db::open_in_memory().and_then(|db| State::create(db, self.schema));
        let log = memory.connect("").map_err(|error| text(&error))?;
        let log = EventLog::open(log, "the deleted log").map_err(|error| text(&error))?;
        // What is closed can be deleted.
        self.state = state.map_err(|error| text(&error))?;
        self.log = log;
        let mut names = self.storage.databases().map_err(|error| text(&error))?;
        // Logs last: a state without its log would be taken for the last copy of what was in it.
        names.sort_by_key(|name| is_log(name));
        for name in names {
            self.storage.delete_database(&name).map_err(|error| text(&error))?;
        }
        Ok(())
    }
}
