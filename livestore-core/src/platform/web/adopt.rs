//! The journals of sessions that are dead. Pages only.
//!
//! - A journal whose session lock is free belongs to a dead session. Who adopts it holds that lock, so nobody else does.
//! - It stays until [`Adopted::forget`], so it survives the adopter too. It can therefore come twice: commits that are
//!   known already are told by their event ids.
//! - Nothing is removed that was not seen first: see [`SETTLED`].

use std::{cell::RefCell, collections::BTreeSet, pin::pin, rc::Rc, time::Duration};

use futures_util::future::{Either, select};
use livestore_sync::{SessionId, StoreId};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::StorageEvent;

use super::{
    identity::{local_storage, session_lock},
    journal::{FILLER, prefix, read_chunks, records, remove_chunks},
    lock::{LockGuard, lock_exclusive, try_lock},
    page::{self, Listener},
    timer::sleep,
};
use crate::platform::{JournalError, StoragePlace};

/// Longer than a write to `localStorage` takes to be seen by the other pages: each has a copy of its own, so a lock can
/// be granted before the last words of who held it have arrived.
const SETTLED: Duration = Duration::from_millis(500);

/// How long an earlier opening of a reloaded tab is waited for. Its page is gone, or this one would not have the tab; but
/// another tab may be just sending what it left, and this session commits on top of that.
const ON_ITS_WAY_OUT: Duration = Duration::from_secs(5);

/// How long a reloaded tab has to take up its own journal before others do.
const COMING_BACK: Duration = Duration::from_secs(2);

/// A dead session's journal, which nobody else adopts while this lives.
#[derive(Debug)]
pub struct Adopted {
    store: StoreId,
    session: SessionId,
    chunks: Vec<String>,
    lock: LockGuard,
}

impl Adopted {
    /// Whose it was.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What that session left, record by record; an error if it is not readable.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, JournalError> {
        records(&self.chunks)
    }

    /// All of it is in the leader's log: removes it, a moment later. If the page ends before, it is adopted once more.
    pub fn forget(self) {
        spawn_local(async move {
            // What that session wrote last may still be under way; it must not be removed unseen.
            sleep(SETTLED).await;
            if let Some(storage) = local_storage()
                && read_chunks(&storage, &self.store, self.session) == self.chunks
            {
                remove_chunks(&storage, &self.store, self.session);
            }
            // Nor may the next who gets the lock still see what was removed.
            sleep(SETTLED).await;
            drop(self.lock);
        });
    }
}

/// Takes over the journals of this store's dead sessions, in the order of their openings. An earlier opening of this
/// same tab is waited for: its page is on its way out.
pub async fn adopt_journals(place: &StoragePlace, own: SessionId) -> Vec<Adopted> {
    let store = &place.store;
    let mut adopted = Vec::new();
    for session in journals(store) {
        if session == own {
            continue;
        }
        let name = session_lock(store, session);
        let lock = if session.tab == own.tab {
            let lock = pin!(lock_exclusive(&name));
            match select(lock, pin!(sleep(ON_ITS_WAY_OUT))).await {
                Either::Left((lock, _)) => lock.map(Some),
                // Another tab has it for long: nobody takes what it sends.
                Either::Right(_) => Ok(None),
            }
        } else {
            try_lock(&name).await
        };
        // Without locks nobody can tell that a session is dead, so nothing is adopted.
        if let Ok(Some(lock)) = lock
            && let Some(chunks) = read(store, session)
        {
            adopted.push(Adopted { store: store.clone(), session, chunks, lock });
        }
    }
    adopted
}

/// Adopts the journals of sessions that die while this one lives: the lock of each that has or writes a journal is
/// waited for, until the listener is dropped.
pub fn watch_journals(
    place: &StoragePlace,
    own: SessionId,
    on_adopted: impl Fn(Adopted) + 'static,
) -> Listener {
    let store = &place.store;
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
            loop {
                let Ok(freed) = lock_exclusive(&lock).await else { return };
                // If that page was only reloaded, its own tab takes the journal up before it shows anything: it gets the
                // lock first. By then, what was written last has arrived here, too.
                drop(freed);
                sleep(COMING_BACK).await;
                // Not if the listener was dropped in the meantime.
                let Some(watch) = weak.upgrade() else { return };
                match try_lock(&lock).await {
                    Ok(Some(lock)) => return watch.take(session, lock),
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// Hands over what the session left; if that is nothing, removes the room that it had reserved.
    fn take(&self, session: SessionId, lock: LockGuard) {
        self.waiting.borrow_mut().remove(&session);
        if let Some(chunks) = read(&self.store, session) {
            (self.on_adopted)(Adopted { store: self.store.clone(), session, chunks, lock });
        } else if let Some(storage) = local_storage() {
            remove_chunks(&storage, &self.store, session);
        }
    }
}

/// The sessions that have a journal, or room reserved for one, in the order of their openings.
pub(super) fn journals(store: &StoreId) -> Vec<SessionId> {
    let Some(storage) = local_storage() else { return Vec::new() };
    let prefix = prefix(store);
    let keys =
        (0..storage.length().unwrap_or(0)).filter_map(|index| storage.key(index).ok().flatten());
    let mut sessions: Vec<SessionId> =
        keys.filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect();
    sessions.sort_by_key(|session| session.open);
    sessions
}

/// What stands in a session's chunks, unless that is only room.
fn read(store: &StoreId, session: SessionId) -> Option<Vec<String>> {
    let chunks = read_chunks(&local_storage()?, store, session);
    chunks.iter().any(|chunk| !chunk.trim_end_matches(FILLER).is_empty()).then_some(chunks)
}
