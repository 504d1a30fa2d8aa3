//! Who this session is: ids in files beside the databases.

use std::{fs, path::Path, sync::Mutex};

use livestore_sync::{ClientId, SessionId, TabId};

use super::{
    journal::journals,
    lock::{LockGuard, try_lock},
    locked,
    storage::directory,
};
use crate::platform::{StoragePlace, opening::opening, random_u64};

/// A session's ids, and the lock that makes its tab its own while it lives.
#[derive(Debug)]
pub struct Identity {
    client: ClientId,
    session: SessionId,
    lasting: bool,
    _tab: Option<LockGuard>,
}

impl Identity {
    /// The installation.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// This opening of the store.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Whether client and tab are found again by the next process.
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }
}

/// Finds or mints the ids of a session of this process. A second session beside the first gets a tab of its own, which
/// ends with it.
/// Without a place everything is random.
pub async fn identify(place: Option<&StoragePlace>) -> Identity {
    let kept = place.map(directory).and_then(|directory| {
        fs::create_dir_all(&directory).ok()?;
        Some((keep(&directory.join("client"))?, keep(&directory.join("tab"))?, directory))
    });
    let open = opening(place.into_iter().flat_map(journals).map(|(session, _)| session));
    let Some((client, tab, directory)) = kept else {
        let session = SessionId { tab: TabId(random_u64()), open };
        return Identity { client: ClientId(random_u64()), session, lasting: false, _tab: None };
    };
    let lock =
        try_lock(&format!("livestore-tab-{}-{tab:016x}", directory.display())).await.ok().flatten();
    let (tab, lasting) = if lock.is_some() { (tab, true) } else { (random_u64(), false) };
    Identity {
        client: ClientId(client),
        session: SessionId { tab: TabId(tab), open },
        lasting,
        _tab: lock,
    }
}

/// The id in this file, minted if there is none. All who ask get the same one, also those who find none together.
fn keep(path: &Path) -> Option<u64> {
    let read = || fs::read_to_string(path).ok()?.trim().parse::<ClientId>().ok().map(|id| id.0);
    read().or_else(|| {
        static MINTING: Mutex<()> = Mutex::new(());
        let _minting = locked(&MINTING);
        if let Some(id) = read() {
            return Some(id);
        }
        let id = random_u64();
        // Written beside, so that nobody reads half an id. A link never replaces what another process has put there;
        // a rename is for file systems without links, and for a file that holds no id.
        let beside = path.with_extension(format!("{id:016x}"));
        fs::write(&beside, ClientId(id).to_string()).ok()?;
        if fs::hard_link(&beside, path).is_err() && read().is_none() {
            fs::rename(&beside, path).ok()?;
        }
        // After a rename it is gone already.
        let _ = fs::remove_file(&beside);
        read()
    })
}

#[cfg(test)]
mod tests {
    use super::{StoragePlace, identify, keep};
    use futures_executor::block_on;
    use std::{collections::BTreeSet, fs, sync::Barrier, thread};

    #[test]
    fn who_asks_first_together_gets_the_same_id() {
        for _ in 0..50 {
            let directory = tempfile::tempdir().unwrap();
            let (path, start) = (directory.path().join("client"), Barrier::new(8));
            let ids: BTreeSet<u64> = thread::scope(|scope| {
                let ask = || {
                    start.wait();
                    keep(&path).unwrap()
                };
                let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|asking| asking.join().unwrap()).collect()
            });
            assert_eq!(ids.len(), 1);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left");
        }
    }

    #[test]
    fn a_file_without_an_id_gets_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client");
        fs::write(&path, "garbage").unwrap();
        let id = keep(&path).unwrap();
        assert_eq!(keep(&path), Some(id));
    }

    #[test]
    fn client_and_tab_last_the_open_does_not_and_a_second_session_has_its_own_tab() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().to_str().map(str::to_owned);
        let place = StoragePlace { store: "todos".parse().unwrap(), directory };
        let first = block_on(identify(Some(&place)));
        let beside = block_on(identify(Some(&place)));
        assert!(first.is_lasting() && !beside.is_lasting());
        assert_eq!(first.client(), beside.client());
        assert_ne!(first.session().tab, beside.session().tab);
        let (client, session) = (first.client(), first.session());
        drop(first);
        let again = block_on(identify(Some(&place)));
        assert_eq!((again.client(), again.session().tab), (client, session.tab));
        assert_ne!(again.session().open, session.open);
    }
}
