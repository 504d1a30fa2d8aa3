//! Who this session is. Pages only.
//!
//! The client lives in `localStorage`, the tab in `sessionStorage`, both per store; the open is random at every open.
//! Browsers copy `sessionStorage` into a duplicated tab, so a tab's id counts only with its Web Lock: who does not get
//! the lock mints a new id. Where storage is blocked everything is random and lasts as long as the page.

use std::time::Duration;

use futures_util::future::{Either, select};
use livestore_sync::{ClientId, SessionId, StoreId, TabId};
use web_sys::Storage;

use super::{
    lock::{LockGuard, lock_exclusive},
    timer::sleep,
};
use crate::platform::{LockError, StoragePlace, random_u64};

/// How long to wait for the tab's lock: a reload's old page frees it within this, a duplicated tab's twin never does.
const TAB_PATIENCE: Duration = Duration::from_millis(1500);

/// A session's ids, and the locks that make them its own while it lives.
#[derive(Debug)]
pub struct Identity {
    client: ClientId,
    session: SessionId,
    lasting: bool,
    _locks: Vec<LockGuard>,
}

impl Identity {
    /// The browser profile.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// This opening of the store.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Whether client and tab are found again after a reload.
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }
}

/// The lock that a session holds while it lives.
pub(super) fn session_lock(store: &StoreId, session: SessionId) -> String {
    format!("livestore-session-{store}-{session}")
}

/// `localStorage`, unless it is blocked.
pub(super) fn local_storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

/// Finds or mints the ids of a session of this page.
/// Without a place everything is random.
pub async fn identify(place: Option<&StoragePlace>) -> Identity {
    let Some(StoragePlace { store, .. }) = place else {
        let session = SessionId { tab: TabId(random_u64()), open: random_u64() };
        return Identity {
            client: ClientId(random_u64()),
            session,
            lasting: false,
            _locks: Vec::new(),
        };
    };
    let mut locks = Vec::new();
    let client = keep_client(store).await;
    let (tab, tab_lock) = keep_tab(store).await.unzip();
    locks.extend(tab_lock);
    let session = SessionId { tab: tab.unwrap_or_else(|| TabId(random_u64())), open: random_u64() };
    // A fresh random name: nobody else asks for it before this session has it.
    locks.extend(lock_exclusive(&session_lock(store, session)).await.ok());
    Identity {
        client: client.unwrap_or_else(|| ClientId(random_u64())),
        session,
        lasting: client.is_some() && tab.is_some(),
        _locks: locks,
    }
}

async fn keep_client(store: &StoreId) -> Option<ClientId> {
    let storage = local_storage()?;
    let key = format!("livestore-client-{store}");
    let read = || storage.get_item(&key).ok().flatten()?.parse::<ClientId>().ok();
    if let Some(client) = read() {
        return Some(client);
    }
    // Two tabs that open for the first time together must not mint two clients.
    let _minting = lock_exclusive(&key).await;
    if let Some(client) = read() {
        return Some(client);
    }
    let client = ClientId(random_u64());
    storage.set_item(&key, &client.to_string()).ok()?;
    Some(client)
}

async fn keep_tab(store: &StoreId) -> Option<(TabId, LockGuard)> {
    let storage = web_sys::window()?.session_storage().ok()??;
    let key = format!("livestore-tab-{store}");
    let known = storage
        .get_item(&key)
        .ok()
        .flatten()
        .and_then(|text| text.parse::<ClientId>().ok())
        .map(|id| TabId(id.0));
    if let Some(tab) = known
        && let Some(lock) = own(store, tab).await.ok()?
    {
        return Some((tab, lock));
    }
    let tab = TabId(random_u64());
    let lock = own(store, tab).await.ok()??;
    storage.set_item(&key, &tab.to_string()).ok()?;
    Some((tab, lock))
}

/// The tab's lock, None if another page keeps it.
async fn own(store: &StoreId, tab: TabId) -> Result<Option<LockGuard>, LockError> {
    let name = format!("livestore-tab-{store}-{tab}");
    let lock = std::pin::pin!(lock_exclusive(&name));
    match select(lock, std::pin::pin!(sleep(TAB_PATIENCE))).await {
        Either::Left((lock, _)) => lock.map(Some),
        Either::Right(_) => Ok(None),
    }
}
