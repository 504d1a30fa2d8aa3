//! Journals natively: what a store that is dropped before its leader had everything leaves to the next one.
//!
//! A file beside the databases, written once, when the store closes. While a process runs, its leader takes commits
//! as they come and nothing is journaled: a killed process loses what `persisted()` had not promised. Only one process
//! has the files at a time, and a journal is written by a session that is ending, so every journal's author is dead.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use livestore_sync::SessionId;

use super::{
    page::Listener,
    storage::{directory, sync_directory},
};
use crate::platform::{JournalError, StoragePlace};

const PREFIX: &str = "journal-";

/// Where this session's journal would be.
#[derive(Debug)]
pub struct Journal {
    path: Option<PathBuf>,
    given_up: AtomicBool,
}

impl Journal {
    /// A journal is a file beside the log.
    pub const SHARES_STORAGE: bool = true;

    /// A place for a journal; without a place for files there is none.
    pub fn open(place: Option<&StoragePlace>, session: SessionId) -> Self {
        let path = place.map(|place| directory(place).join(format!("{PREFIX}{session}")));
        Self { path, given_up: AtomicBool::new(false) }
    }

    /// From now on nothing is kept: this session's commits go where nothing lasts.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Natively nothing hides.
    pub fn on_hide(&self, _keep: impl FnMut() -> bool + Send + 'static) {}

    /// No page, not hidden.
    pub fn is_page_hidden(&self) -> bool {
        false
    }

    /// A file has room for it.
    pub fn make_room(&self, _bytes: usize) -> bool {
        true
    }

    /// Makes this record the whole journal; it is there whole or not at all.
    pub fn write(&self, record: &[u8]) -> Result<(), JournalError> {
        let path = self.path.as_ref().filter(|_| !self.given_up.load(Ordering::Relaxed));
        let path = path.ok_or(JournalError::Unavailable)?;
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        // Synced by the handle that wrote: not every system syncs by one that may only read.
        fs::File::create(&beside)
            .and_then(|mut file| file.write_all(record).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, path))
            .and_then(|()| path.parent().map_or(Ok(()), sync_directory))
            .map_err(|_| JournalError::Full(record.len()))
    }

    /// Natively a journal is written once, at the end, so nothing is ever added to one.
    pub fn append(&self, _record: &[u8]) -> Result<(), JournalError> {
        Err(JournalError::Unavailable)
    }

    /// Nothing to clear: a journal is a session's last word.
    pub fn clear(&self) {}
}

/// A dead session's journal.
#[derive(Debug)]
pub struct Adopted {
    session: SessionId,
    path: PathBuf,
    record: Vec<u8>,
}

impl Adopted {
    /// Whose it was.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What that session left: one record.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, JournalError> {
        Ok(vec![self.record.clone()])
    }

    /// All of it is in the leader's log: removes it.
    pub fn forget(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            // It is adopted once more, and every commit of it is known by its id.
            tracing::debug!(%error, path = %self.path.display(), "a journal stays");
        }
    }
}

/// Takes over the journals in this place, in the order of their openings. Two sessions that do so at once both send them;
/// the leader takes each id once.
pub async fn adopt_journals(place: &StoragePlace, own: SessionId) -> Vec<Adopted> {
    let mut found: Vec<_> = journals(place).filter(|(session, _)| *session != own).collect();
    found.sort_by_key(|(session, _)| session.open);
    found.into_iter().filter_map(|(session, path)| read(session, path)).collect()
}

/// The sessions that left a journal here, and where.
pub(super) fn journals(place: &StoragePlace) -> impl Iterator<Item = (SessionId, PathBuf)> + use<> {
    let files = fs::read_dir(directory(place)).into_iter().flatten();
    files.filter_map(|file| {
        let path = file.ok()?.path();
        let session = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
        Some((session, path))
    })
}

fn read(session: SessionId, path: PathBuf) -> Option<Adopted> {
    let record = fs::read(&path)
        .inspect_err(
            |error| tracing::warn!(%error, path = %path.display(), "a journal can't be read"),
        )
        .ok()?;
    Some(Adopted { session, path, record })
}

/// Never calls back natively: journals are found when a store opens.
pub fn watch_journals(
    _place: &StoragePlace,
    _own: SessionId,
    _on_adopted: impl Fn(Adopted) + Send + 'static,
) -> Listener {
    Listener::none()
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use livestore_sync::{SessionId, TabId};

    use super::{Journal, StoragePlace, adopt_journals};

    #[test]
    fn a_journal_is_found_by_others_until_it_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = StoragePlace {
            store: "notes".parse().expect("an id"),
            directory: folder.path().to_str().map(str::to_owned),
        };
        std::fs::create_dir_all(folder.path().join("notes")).expect("a folder");
        let session = |open| SessionId { tab: TabId(7), open };
        Journal::open(Some(&place), session(1)).write(b"last words").expect("it is written");
        assert!(Journal::open(None, session(2)).write(b"lost").is_err());
        let given_up = Journal::open(Some(&place), session(3));
        given_up.give_up();
        assert!(given_up.write(b"in memory").is_err());
        assert!(block_on(adopt_journals(&place, session(1))).is_empty(), "not its own");
        for _ in 0..2 {
            let mut found = block_on(adopt_journals(&place, session(2)));
            assert_eq!(found.len(), 1);
            let journal = found.remove(0);
            assert_eq!(journal.session(), session(1));
            assert_eq!(journal.records(), Ok(vec![b"last words".to_vec()]));
        }
        block_on(adopt_journals(&place, session(2))).remove(0).forget();
        assert!(block_on(adopt_journals(&place, session(2))).is_empty());
    }

    #[test]
    fn journals_are_adopted_in_the_order_of_their_openings() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = StoragePlace {
            store: "notes".parse().expect("an id"),
            directory: folder.path().to_str().map(str::to_owned),
        };
        std::fs::create_dir_all(folder.path().join("notes")).expect("a folder");
        for open in [5, 2, 9, 1, 7, 3] {
            let session = SessionId { tab: TabId(100 - open), open };
            Journal::open(Some(&place), session).write(b"words").expect("it is written");
        }
        let own = SessionId { tab: TabId(1), open: 10 };
        let adopted = block_on(adopt_journals(&place, own));
        let order: Vec<u64> = adopted.iter().map(|journal| journal.session().open).collect();
        assert_eq!(order, [1, 2, 3, 5, 7, 9]);
    }
}
