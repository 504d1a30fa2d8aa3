//! The journals of sessions that are dead. Pages only.
//!
//! - A journal whose session lock is free belongs to a dead session. Who adopts it holds that lock, so nobody else does.
//! - It stays until [`Adopted::forget`], so it survives the adopter too. It can therefore come twice: commits that are
//!   known already are told by their event ids.
//! - Nothing is removed that was not seen first: see [`SETTLED`].

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use livestore_sync::{SessionId, StoreId};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::StorageEvent;

use super::{
    identity::{local_storage, session_lock},
    journal::{FILLER, key, prefix},
    lock::{LockGuard, lock_exclusive, try_lock},
    page::{self, Listener},
    timer::sleep,
};
use crate::platform::{JournalError, text};

/// Longer than a write to `localStorage` takes to be seen by the other pages: each has a copy of its own, so a lock can
/// be granted before the last words of who held it have arrived.
const SETTLED: Duration = Duration::from_millis(500);

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
