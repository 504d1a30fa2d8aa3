//! Who this session is. Pages only.
//!
//! The client lives in the origin's private file system, beside the log whose client it is, with a copy in
//! `localStorage` that is read without waiting: the app may use that up or clear it, and the client stays the same. The
//! tab lives in `sessionStorage`; both are per store. The open is minted at every open, greater than those before it.
//! Browsers copy `sessionStorage` into a duplicated tab, so a tab's id counts only with its Web Lock: who does not get
//! the lock mints a new id. Where storage is blocked everything is random and lasts as long as the page.

use std::{cell::Cell, future::pending, pin::pin, rc::Rc, time::Duration};

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::IteratorNext;
use livestore_sync::{ClientId, SessionId, StoreId, TabId};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, FileSystemGetDirectoryOptions, Storage};

use super::{
    adopt::journals,
    channel::Channel,
    lock::{LockGuard, lock_exclusive},
    page::{Listener, on_departure, on_page_shown},
    timer::sleep,
};
use crate::platform::{LockError, StoragePlace, opening::opening, random_u64};

/// How long to wait for the tab's lock: a reload's old page frees it within this. A duplicated tab's twin, which keeps
/// it, says so at once, unless it is frozen.
const TAB_PATIENCE: Duration = Duration::from_millis(1500);

/// A session's ids, and the locks that make them its own while it lives.
#[derive(Debug)]
pub struct Identity {
    client: ClientId,
    session: SessionId,
    lasting: bool,
    _tab: Option<TabHold>,
    _session: Option<LockGuard>,
}

/// What makes a tab's id this page's own.
#[derive(Debug)]
struct TabHold {
    _lock: LockGuard,
    _answering: Option<(Channel, [Listener; 2])>,
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
        let session = SessionId { tab: TabId(random_u64()), open: opening([]) };
        let client = ClientId(random_u64());
        return Identity { client, session, lasting: false, _tab: None, _session: None };
    };
    let client = keep_client(store).await;
    let (tab, hold) = keep_tab(store).await.unzip();
    // Only now: the page that had the tab before may have written a journal until its lock was free.
    let open = opening(journals(store));
    let session = SessionId { tab: tab.unwrap_or_else(|| TabId(random_u64())), open };
    // A fresh random name: nobody else asks for it before this session has it.
    let lock = lock_exclusive(&session_lock(store, session)).await.ok();
    Identity {
        client: client.unwrap_or_else(|| ClientId(random_u64())),
        session,
        lasting: client.is_some() && tab.is_some(),
        _tab: hold,
        _session: lock,
    }
}

async fn keep_client(store: &StoreId) -> Option<ClientId> {
    let storage = local_storage();
    let key = format!("livestore-client-{store}");
    let read = || storage.as_ref()?.get_item(&key).ok().flatten()?.parse::<ClientId>().ok();
    if let Some(client) = read() {
        return Some(client);
    }
    // Two tabs that open for the first time together must not mint two clients.
    let _minting = lock_exclusive(&key).await;
    if let Some(client) = read() {
        return Some(client);
    }
    let minted = ClientId(random_u64());
    let kept = keep_in_files(&key, minted).await;
    let client = kept.unwrap_or(minted);
    let copied = storage.as_ref().is_some_and(|s| s.set_item(&key, &client.to_string()).is_ok());
    (kept.is_some() || copied).then_some(client)
}

/// The client in the origin's private file system; `minted` if none is there. None where there is no such file system,
/// so that nothing else lasts there either. The id is the name of a directory: a page can't write into a file at once.
async fn keep_in_files(name: &str, minted: ClientId) -> Option<ClientId> {
    let window = web_sys::window().filter(web_sys::Window::is_secure_context)?;
    let create = FileSystemGetDirectoryOptions::new();
    create.set_create(true);
    let root = JsFuture::from(window.navigator().storage().get_directory()).await.ok()?;
    let root: FileSystemDirectoryHandle = root.dyn_into().ok()?;
    let place = JsFuture::from(root.get_directory_handle_with_options(name, &create)).await.ok()?;
    let place: FileSystemDirectoryHandle = place.dyn_into().ok()?;
    let names = place.keys();
    while let Ok(next) = JsFuture::from(names.next().ok()?).await {
        let next: IteratorNext = next.unchecked_into();
        if next.done() {
            break;
        }
        if let Some(client) = next.value().as_string().and_then(|name| name.parse().ok()) {
            return Some(client);
        }
    }
    let minted_name = minted.to_string();
    let made = place.get_directory_handle_with_options(&minted_name, &create);
    JsFuture::from(made).await.ok().map(|_| minted)
}

async fn keep_tab(store: &StoreId) -> Option<(TabId, TabHold)> {
    let storage = web_sys::window()?.session_storage().ok()??;
    let key = format!("livestore-tab-{store}");
    let known = storage
        .get_item(&key)
        .ok()
        .flatten()
        .and_then(|text| text.parse::<ClientId>().ok())
        .map(|id| TabId(id.0));
    if let Some(tab) = known
        && let Some(hold) = own(store, tab).await.ok()?
    {
        return Some((tab, hold));
    }
    let tab = TabId(random_u64());
    let hold = own(store, tab).await.ok()??;
    storage.set_item(&key, &tab.to_string()).ok()?;
    Some((tab, hold))
}

/// The tab's lock, None if another page keeps it.
async fn own(store: &StoreId, tab: TabId) -> Result<Option<TabHold>, LockError> {
    let name = format!("livestore-tab-{store}-{tab}");
    let (twin, answered) = oneshot::channel();
    let mut twin = Some(twin);
    // Without channels a twin is noticed by patience alone.
    let hears = Channel::open(&answers(&name), move |_| {
        let _ = twin.take().map(|twin| twin.send(()));
    });
    if let (Ok(_), Ok(asks)) = (&hears, Channel::open(&questions(&name), |_| {})) {
        let _ = asks.post(&[]);
    }
    let answered = async {
        if answered.await.is_err() {
            pending::<()>().await;
        }
    };
    let (answered, waited) = (pin!(answered), pin!(sleep(TAB_PATIENCE)));
    let refused = select(answered, waited);
    match select(pin!(lock_exclusive(&name)), refused).await {
        Either::Left((lock, _)) => Ok(Some(TabHold { _lock: lock?, _answering: answer(&name) })),
        Either::Right(_) => Ok(None),
    }
}

fn questions(name: &str) -> String {
    format!("{name}-whose")
}

fn answers(name: &str) -> String {
    format!("{name}-mine")
}

/// Tells whoever asks that the tab is this page's, until the page is left: then its next page may have it. A page that
/// the back button restores answers again.
fn answer(name: &str) -> Option<(Channel, [Listener; 2])> {
    let here = Rc::new(Cell::new(true));
    let (leaving, returning) = (Rc::clone(&here), Rc::clone(&here));
    let left = on_departure(move |event| {
        if event == "pagehide" {
            leaving.set(false);
        }
    });
    let restored = on_page_shown(move || returning.set(true));
    let answers = Channel::open(&answers(name), |_| {}).ok()?;
    let questions = Channel::open(&questions(name), move |_| {
        if here.get() {
            // Not answered, a twin waits a little longer.
            let _ = answers.post(&[]);
        }
    });
    Some((questions.ok()?, [left, restored]))
}
