//! A session's unacknowledged commits, written where a synchronous write survives the page. Pages only.
//!
//! - One key per session in `localStorage`, written when the page hides, replaced by a placeholder when there is
//!   nothing to keep. The placeholder reserves the room: an app that fills `localStorage` later cannot take it.
//! - [`Journal::make_room`] says before a commit returns whether its journal would fit. It touches `localStorage` only
//!   when the reservation has to double.
//! - A journal whose session lock is free belongs to a dead session. Who adopts it holds that lock, so nobody else does;
//!   it stays until [`Adopted::forget`], so it survives the adopter too.
//!
//! What the bytes mean, and that no commit is taken twice (by its event ids), is the session's business.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use livestore_sync::{SessionId, StoreId};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Storage, StorageEvent};

use super::{
    identity::{local_storage, session_lock},
    local::Local,
    lock::{LockGuard, lock_exclusive, try_lock},
    page::{self, Listener},
};
use crate::platform::{JournalError, text};

/// Room reserved at the start, in code units: about 30 kB of journal.
const FIRST_UNITS: usize = 16 * 1024;

/// The most one session takes of the 5 Mi code units that the whole origin has.
const MOST_UNITS: usize = 1024 * 1024;

/// Begins a placeholder. No journal begins like this (`text.rs`).
const PLACEHOLDER: char = '\u{33ff}';

fn prefix(store: &StoreId) -> String {
    // A `.` is in no store id, so no store's prefix begins another's.
    format!("livestore-journal-{store}.")
}

/// This session's journal.
#[derive(Debug)]
pub struct Journal(Local<Rc<Inner>>);

struct Inner {
    storage: Option<Storage>,
    key: String,
    reserved: Cell<usize>,
    /// Whether a journal stands there instead of a placeholder.
    written: Cell<bool>,
    on_hide: RefCell<Option<Listener>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.written.get()
            && let Some(storage) = &self.storage
        {
            // Removing an item does not throw where reading the storage did not.
            let _ = storage.remove_item(&self.key);
        }
    }
}

impl Journal {
    /// Reserves room for this session's journal.
    pub fn open(store: &StoreId, session: SessionId) -> Self {
        let key = format!("{}{session}", prefix(store));
        let inner = Inner {
            storage: local_storage(),
            key,
            reserved: Cell::new(0),
            written: Cell::new(false),
            on_hide: RefCell::new(None),
        };
        inner.reserve(FIRST_UNITS);
        Self(Local::new(Rc::new(inner)))
    }

    /// Whenever the page may be at its end, `content` says what has to survive; None: nothing.
    pub fn on_hide(&self, mut content: impl FnMut() -> Option<Vec<u8>> + 'static) {
        let Some(inner) = self.0.get() else { return };
        let weak = Rc::downgrade(&inner);
        let listener = page::on_page_hidden(move || {
            if let Some(inner) = weak.upgrade() {
                inner.keep(content().as_deref());
            }
        });
        inner.on_hide.replace(Some(listener));
    }

    /// Whether the page is hidden, so that it may end without another event: a commit is journaled at once then.
    pub fn is_page_hidden(&self) -> bool {
        page::is_hidden()
    }

    /// Makes room for a journal of this many bytes; false if there is none: what is committed now is at risk until the
    /// leader acknowledges it.
    pub fn make_room(&self, bytes: usize) -> bool {
        self.0.get().is_some_and(|inner| inner.make_room(bytes))
    }

    /// How many bytes a journal may have now without more room being made.
    pub fn space(&self) -> usize {
        self.0.get().map_or(0, |inner| text::decoded_capacity(inner.reserved.get()))
    }

    /// Writes the journal now.
    pub fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        self.0.get().ok_or(JournalError::Unavailable)?.write(bytes)
    }

    /// Everything is acknowledged: the journal, if one was written, is not needed any more.
    pub fn clear(&self) {
        if let Some(inner) = self.0.get() {
            inner.clear();
        }
    }
}

impl Inner {
    /// Replaces what stands there with a placeholder of this many units, and says whether it fitted.
    fn reserve(&self, units: usize) -> bool {
        let Some(storage) = &self.storage else { return false };
        let mut placeholder = String::with_capacity(units * 3);
        placeholder.push(PLACEHOLDER);
        placeholder.extend(std::iter::repeat_n('\u{3400}', units.saturating_sub(1)));
        let fits = storage.set_item(&self.key, &placeholder).is_ok();
        if fits {
            self.reserved.set(units);
        }
        fits
    }

    fn make_room(&self, bytes: usize) -> bool {
        let wanted = text::encoded_len(bytes);
        if wanted <= self.reserved.get() {
            return true;
        }
        if wanted > MOST_UNITS || self.written.get() {
            // A journal that stands there is rewritten at the next hiding; its size is only known then.
            return false;
        }
        let doubled = wanted.next_power_of_two().clamp(FIRST_UNITS, MOST_UNITS);
        self.reserve(doubled) || self.reserve(wanted)
    }

    fn keep(&self, content: Option<&[u8]>) {
        match content {
            // `make_room` has said before that this may not fit; nobody is left to tell it now.
            Some(bytes) => drop(self.write(bytes)),
            None => self.clear(),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        let storage = self.storage.as_ref().ok_or(JournalError::Unavailable)?;
        let text = text::encode(bytes);
        storage.set_item(&self.key, &text).map_err(|_| JournalError::Full(bytes.len()))?;
        self.written.set(true);
        Ok(())
    }

    fn clear(&self) {
        if self.written.replace(false) {
            let before = self.reserved.replace(0);
            if !self.reserve(before.max(FIRST_UNITS)) && !self.reserve(FIRST_UNITS) {
                self.drop_item();
            }
        }
    }

    fn drop_item(&self) {
        if let Some(storage) = &self.storage {
            let _ = storage.remove_item(&self.key);
        }
    }
}

/// A dead session's journal, which nobody else adopts while this lives.
#[derive(Debug)]
pub struct Adopted {
    session: SessionId,
    bytes: Result<Vec<u8>, JournalError>,
    key: String,
    _lock: LockGuard,
}

impl Adopted {
    /// Whose it was.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What that session left; an error if it is not readable.
    pub fn bytes(&self) -> Result<&[u8], JournalError> {
        self.bytes.as_deref().map_err(Clone::clone)
    }

    /// All of it is in the leader's log: removes it.
    pub fn forget(self) {
        if let Some(storage) = local_storage() {
            let _ = storage.remove_item(&self.key);
        }
    }
}

/// Takes over the journals of this store's dead sessions. An earlier opening of this same tab is waited for: its page
/// is on its way out.
pub async fn adopt_journals(store: &StoreId, own: SessionId) -> Vec<Adopted> {
    let mut adopted = Vec::new();
    for session in journals(store) {
        if session == own {
            continue;
        }
        let name = session_lock(store, session);
        let lock = if session.tab == own.tab {
            lock_exclusive(&name).await.map(Some)
        } else {
            try_lock(&name).await
        };
        // Without locks nobody can tell that a session is dead, so nothing is adopted.
        if let Ok(Some(lock)) = lock {
            adopted.extend(read(store, session, lock));
        }
    }
    adopted
}

/// Adopts the journals of sessions that die while this one lives: when another page writes one, its lock is waited for.
pub fn watch_journals(
    store: &StoreId,
    own: SessionId,
    on_adopted: impl Fn(Adopted) + 'static,
) -> Listener {
    let (store, on_adopted) = (store.clone(), Rc::new(on_adopted));
    let waiting = Rc::new(RefCell::new(std::collections::BTreeSet::from([own])));
    let targets: Vec<_> =
        web_sys::window().map(|window| (window.into(), "storage")).into_iter().collect();
    page::listen(&targets, move |event| {
        let key = event.dyn_ref::<StorageEvent>().and_then(StorageEvent::key);
        let Some(session) =
            key.and_then(|key| key.strip_prefix(&prefix(&store))?.parse::<SessionId>().ok())
        else {
            return;
        };
        if !waiting.borrow_mut().insert(session) {
            return;
        }
        let (store, alive, on_adopted) =
            (store.clone(), Rc::downgrade(&waiting), Rc::clone(&on_adopted));
        spawn_local(async move {
            let lock = lock_exclusive(&session_lock(&store, session)).await;
            // Not if the listener was dropped in the meantime.
            if let (Ok(lock), Some(waiting)) = (lock, alive.upgrade()) {
                waiting.borrow_mut().remove(&session);
                if let Some(journal) = read(&store, session, lock) {
                    on_adopted(journal);
                }
            }
        });
    })
}

/// The sessions that have a journal or a placeholder.
fn journals(store: &StoreId) -> Vec<SessionId> {
    let Some(storage) = local_storage() else { return Vec::new() };
    let prefix = prefix(store);
    let keys =
        (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok().flatten());
    keys.filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect()
}

/// What a dead session left; a placeholder is removed.
fn read(store: &StoreId, session: SessionId, lock: LockGuard) -> Option<Adopted> {
    let storage = local_storage()?;
    let key = format!("{}{session}", prefix(store));
    let text = storage.get_item(&key).ok().flatten()?;
    if text.starts_with(PLACEHOLDER) {
        let _ = storage.remove_item(&key);
        return None;
    }
    let bytes = text::decode(&text).ok_or(JournalError::Damaged);
    Some(Adopted { session, bytes, key, _lock: lock })
}
