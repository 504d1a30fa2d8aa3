//! Who this session is: ids in files beside the databases.

use std::{fs, path::Path};

use livestore_sync::{ClientId, SessionId, TabId};

use super::{
    lock::{LockGuard, try_lock},
    storage::directory,
};
use crate::platform::{StoragePlace, random_u64};

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
    let open = random_u64();
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

/// The id in this file, minted if there is none.
fn keep(path: &Path) -> Option<u64> {
    let read = || fs::read_to_string(path).ok()?.trim().parse::<ClientId>().ok().map(|id| id.0);
    read().or_else(|| {
        let id = random_u64();
        // Written beside and renamed, so that nobody reads half an id; who renames first does not matter after a read.
        let beside = path.with_extension(format!("{id:016x}"));
        fs::write(&beside, ClientId(id).to_string())
            .and_then(|()| fs::rename(&beside, path))
            .ok()?;
        read()
    })
}

#[cfg(test)]
mod tests {
    use super::{StoragePlace, identify};
    use futures_executor::block_on;

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
