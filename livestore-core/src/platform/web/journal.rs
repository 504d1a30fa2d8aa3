//! A session's unacknowledged commits, written where a synchronous write survives the page. Pages only.
//!
//! - One key per session in `localStorage`, written when the page hides and filled up to a reserved length at all times,
//!   so that an app that fills `localStorage` later cannot take the room.
//! - [`Journal::make_room`] says before a commit returns whether its journal would fit. It touches `localStorage` only
//!   when the reservation has to double.
//! - A journal whose session lock is free belongs to a dead session. Who adopts it holds that lock, so nobody else does;
//!   it stays until [`Adopted::forget`], so it survives the adopter too.
//!
//! What the bytes mean, and that no commit is taken twice (by its event ids), is the session's business.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    time::Duration,
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
    timer::sleep,
};
use crate::platform::{JournalError, text};

/// Room reserved at the start, in code units: about 30 kB of journal.
const FIRST_UNITS: usize = 16 * 1024;

/// The most one session takes of the 5 Mi code units that the whole origin has.
const MOST_UNITS: usize = 1024 * 1024;

/// Ends the text of a journal and begins what fills up its room; no text has it (`text.rs`).
const FILLER: char = '\u{33ff}';

/// Longer than a write to `localStorage` takes to be seen by the other pages: each has a copy of its own, so a lock can
/// be granted before the last words of who held it have arrived.
const SETTLED: Duration = Duration::from_millis(500);

fn prefix(store: &StoreId) -> String {
    // A `.` is in no store id, so no store's prefix begins another's.
    format!("livestore-journal-{store}.")
}

fn key(store: &StoreId, session: SessionId) -> String {
    format!("{}{session}", prefix(store))
}

/// This session's journal.
#[derive(Debug)]
pub struct Journal(Local<Rc<Inner>>);

struct Inner {
    storage: Option<Storage>,
    key: String,
    /// How many code units stand at the key, filler included.
    reserved: Cell<usize>,
    /// Whether they hold a journal.
    written: Cell<bool>,
    on_hide: RefCell<Option<Listener>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.written.get() {
            self.release();
        }
    }
}

impl Journal {
    /// Reserves room for this session's journal.
    pub fn open(store: &StoreId, session: SessionId) -> Self {
        let inner = Inner {
            storage: local_storage(),
            key: key(store, session),
            reserved: Cell::new(0),
            written: Cell::new(false),
            on_hide: RefCell::new(None),
        };
        inner.set("", FIRST_UNITS);
        Self(Local::new(Rc::new(inner)))
    }

    /// Whenever the page may be at its end, `content` says what has to survive; None: nothing.
    pub fn on_hide(&self, mut content: impl FnMut() -> Option<Vec<u8>> + 'static) {
        let Some(inner) = self.0.get() else { return };
        let weak = Rc::downgrade(&inner);
        let listener = page::on_departure(move |event| {
            let Some(inner) = weak.upgrade() else { return };
            match content() {
                // `make_room` has said before that this may not fit; nobody is left to tell it now.
                Some(bytes) => drop(inner.write(&bytes)),
                None if event == "pagehide" => inner.release(),
                None => inner.shrink(),
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
        if let Some(inner) = self.0.get()
            && inner.written.replace(false)
        {
            inner.set("", inner.reserved.get().max(FIRST_UNITS));
        }
    }
}

impl Inner {
    /// Sets the text and fills up to this many code units; says whether it fitted. If not, what stood there stays.
    fn set(&self, text: &str, units: usize) -> bool {
        let Some(storage) = &self.storage else { return false };
        let length = text.chars().count();
        let mut value = String::with_capacity(text.len() + units.saturating_sub(length) * 3);
        value.push_str(text);
        // Of the same kind as a text's units: browsers store, and perhaps count, Latin-1 differently.
        value.extend(std::iter::repeat_n(FILLER, units.saturating_sub(length)));
        let fits = storage.set_item(&self.key, &value).is_ok();
        if fits {
            self.reserved.set(units.max(length));
        }
        fits
    }

    fn make_room(&self, bytes: usize) -> bool {
        let wanted = text::encoded_len(bytes);
        if wanted <= self.reserved.get() {
            return true;
        }
        if wanted > MOST_UNITS {
            return false;
        }
        let written = if self.written.get() { self.written_text() } else { String::new() };
        let doubled = wanted.next_power_of_two().clamp(FIRST_UNITS, MOST_UNITS);
        self.set(&written, doubled) || self.set(&written, wanted)
    }

    fn written_text(&self) -> String {
        let value =
            self.storage.as_ref().and_then(|storage| storage.get_item(&self.key).ok().flatten());
        value.unwrap_or_default().trim_end_matches(FILLER).to_owned()
    }

    fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        if self.storage.is_none() {
            return Err(JournalError::Unavailable);
        }
        let text = text::encode(bytes);
        let fits = self.set(&text, self.reserved.get()) || self.set(&text, 0);
        if fits {
            self.written.set(true);
        }
        fits.then_some(()).ok_or(JournalError::Full(bytes.len()))
    }

    /// Nothing has to survive, but the page may come back: the usual room is enough.
    fn shrink(&self) {
        if self.written.replace(false) || self.reserved.get() > FIRST_UNITS {
            self.set("", FIRST_UNITS);
        }
    }

    /// Nothing has to survive the page, so nothing is left behind. If it comes back, the next `make_room` reserves anew.
    fn release(&self) {
        self.written.set(false);
        self.reserved.set(0);
        if let Some(storage) = &self.storage {
            // Removing an item does not throw where reading the storage did not.
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
    value: String,
    lock: LockGuard,
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

    /// All of it is in the leader's log: removes it, a moment later. If the page ends before, it is adopted once more.
    pub fn forget(self) {
        spawn_local(async move {
            // What that session wrote last may still be under way; it must not be removed unseen.
            sleep(SETTLED).await;
            if let Some(storage) = local_storage()
                && storage.get_item(&self.key).ok().flatten().as_ref() == Some(&self.value)
            {
                let _ = storage.remove_item(&self.key);
            }
            // Nor may the next who gets the lock still see what was removed.
            sleep(SETTLED).await;
            drop(self.lock);
        });
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
        if let Ok(Some(lock)) = lock
            && let Some(value) = read(store, session)
        {
            adopted.push(adopt(store, session, value, lock));
        }
    }
    adopted
}

/// Adopts the journals of sessions that die while this one lives: the lock of each that has or writes a journal is
/// waited for, until the listener is dropped.
pub fn watch_journals(
    store: &StoreId,
    own: SessionId,
    on_adopted: impl Fn(Adopted) + 'static,
) -> Listener {
    let watch = Rc::new(Watch {
        store: store.clone(),
        waiting: RefCell::new(BTreeSet::from([own])),
        on_adopted: Box::new(on_adopted),
    });
    for session in journals(store) {
        watch.wait_for(session);
    }
    let targets: Vec<_> =
        web_sys::window().map(|window| (window.into(), "storage")).into_iter().collect();
    page::listen(&targets, move |event| {
        let Some(event) = event.dyn_ref::<StorageEvent>().filter(|e| e.new_value().is_some())
        else {
            return;
        };
        let session = |key: String| key.strip_prefix(&prefix(&watch.store))?.parse().ok();
        if let Some(session) = event.key().and_then(session) {
            watch.wait_for(session);
        }
    })
}

struct Watch {
    store: StoreId,
    waiting: RefCell<BTreeSet<SessionId>>,
    on_adopted: Box<dyn Fn(Adopted)>,
}

impl Watch {
    fn wait_for(self: &Rc<Self>, session: SessionId) {
        if !self.waiting.borrow_mut().insert(session) {
            return;
        }
        let lock = session_lock(&self.store, session);
        let weak = Rc::downgrade(self);
        spawn_local(async move {
            let Ok(lock) = lock_exclusive(&lock).await else { return };
            for wait in [SETTLED, 3 * SETTLED] {
                sleep(wait).await;
                // Not if the listener was dropped in the meantime.
                let Some(watch) = weak.upgrade() else { return };
                if let Some(value) = read(&watch.store, session) {
                    watch.waiting.borrow_mut().remove(&session);
                    return (watch.on_adopted)(adopt(&watch.store, session, value, lock));
                }
            }
            if let (Some(watch), Some(storage)) = (weak.upgrade(), local_storage()) {
                // Only room was reserved, and nothing came.
                let _ = storage.remove_item(&key(&watch.store, session));
                watch.waiting.borrow_mut().remove(&session);
            }
        });
    }
}

/// The sessions that have a journal, or room reserved for one.
fn journals(store: &StoreId) -> Vec<SessionId> {
    let Some(storage) = local_storage() else { return Vec::new() };
    let prefix = prefix(store);
    let keys =
        (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok().flatten());
    keys.filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect()
}

/// What stands at a session's key, unless that is only room.
fn read(store: &StoreId, session: SessionId) -> Option<String> {
    let value = local_storage()?.get_item(&key(store, session)).ok().flatten()?;
    (!value.trim_end_matches(FILLER).is_empty()).then_some(value)
}

fn adopt(store: &StoreId, session: SessionId, value: String, lock: LockGuard) -> Adopted {
    let bytes = text::decode(value.trim_end_matches(FILLER)).ok_or(JournalError::Damaged);
    Adopted { session, bytes, key: key(store, session), value, lock }
}
