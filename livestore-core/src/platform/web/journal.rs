//! A session's unacknowledged commits, written where a synchronous write survives the page. Pages only.
//!
//! - A journal is a sequence of records. Their text, each with [`END`] behind it, stands in *chunks*: keys of
//!   `localStorage` with values of one length. So a record is added by writing the last chunk, whatever stands before it.
//! - What is not text yet is [`FILLER`], at all times: an app that fills `localStorage` later cannot take the room.
//! - [`Journal::make_room`] says before a commit returns whether its journal would fit. It touches `localStorage` only
//!   when another chunk is needed.
//! - Text goes in from the first chunk to the last and out from the last to the first, so a page that dies in between
//!   leaves a journal whose last record may be cut off, never one of two halves.
//!
//! What the records mean, when they are written, and that no commit is taken twice (by its event ids), is the session's
//! business.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use livestore_sync::{SessionId, StoreId};
use web_sys::Storage;

use super::{
    identity::local_storage,
    local::Local,
    page::{self, Listener},
};
use crate::platform::{JournalError, StoragePlace, text};

/// The length of a chunk in code units: about 30 kB of journal.
pub(super) const CHUNK: usize = 16 * 1024;

/// The most one session takes: 1 Mi of the 5 Mi code units that the whole origin has.
const MOST_CHUNKS: usize = 64;

/// Ends a record; no text has it (`text.rs`).
pub(super) const END: char = '\u{33fe}';

/// Fills up a chunk; no text has it (`text.rs`).
pub(super) const FILLER: char = '\u{33ff}';

/// All units of a chunk, [`END`] and [`FILLER`] among them, have this many bytes in a Rust string. Browsers store, and
/// perhaps count, Latin-1 differently, so filler is of the same kind as text.
const UNIT_BYTES: usize = FILLER.len_utf8();

pub(super) fn prefix(store: &StoreId) -> String {
    // A `.` is in no store id, so no store's prefix begins another's.
    format!("livestore-journal-{store}.")
}

/// The key of a session's chunk. That of the first is the only one that names a session and nothing else.
pub(super) fn chunk_key(store: &StoreId, session: SessionId, chunk: usize) -> String {
    chunk_of(&format!("{}{session}", prefix(store)), chunk)
}

fn chunk_of(key: &str, chunk: usize) -> String {
    if chunk == 0 { key.to_owned() } else { format!("{key}/{chunk}") }
}

/// This session's journal.
#[derive(Debug)]
pub struct Journal(Local<Rc<Inner>>);

struct Inner {
    storage: Option<Storage>,
    given_up: Cell<bool>,
    key: String,
    /// How many chunks stand there.
    room: Cell<usize>,
    written: RefCell<Written>,
    on_hide: RefCell<Option<Listener>>,
}

/// Where the journal's text ends.
#[derive(Clone, Default)]
struct Written {
    /// Chunks that are full of text.
    full: usize,
    /// The text in the chunk after them.
    tail: String,
}

impl Written {
    fn is_empty(&self) -> bool {
        self.full == 0 && self.tail.is_empty()
    }

    fn units(&self) -> usize {
        self.full * CHUNK + self.tail.len() / UNIT_BYTES
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.written.borrow().is_empty() {
            self.give_back(0);
        }
    }
}

impl Journal {
    /// `localStorage` has room of its own.
    pub const SHARES_STORAGE: bool = false;

    /// Reserves room for this session's journal.
    ///
    /// Without a place nothing is kept anywhere, so nothing is journaled.
    pub fn open(place: Option<&StoragePlace>, session: SessionId) -> Self {
        let inner = Inner {
            storage: place.and_then(|_| local_storage()),
            key: place.map_or_else(String::new, |place| chunk_key(&place.store, session, 0)),
            given_up: Cell::new(false),
            room: Cell::new(0),
            written: RefCell::default(),
            on_hide: RefCell::new(None),
        };
        inner.reserve(1);
        Self(Local::new(Rc::new(inner)))
    }

    /// From now on nothing is kept, and no room is taken: this session's commits go where nothing lasts, and a journal
    /// would bring some of them back without those they build on.
    pub fn give_up(&self) {
        if let Some(inner) = self.0.get() {
            inner.clear();
            inner.give_back(0);
            inner.given_up.set(true);
        }
    }

    /// Whenever the page may be at its end, `keep` writes what has to survive; false: nothing has to.
    pub fn on_hide(&self, mut keep: impl FnMut() -> bool + 'static) {
        let Some(inner) = self.0.get() else { return };
        let weak = Rc::downgrade(&inner);
        let listener = page::on_departure(move |event| {
            if keep() {
                return;
            }
            let Some(inner) = weak.upgrade() else { return };
            inner.clear();
            // A page that is left may come back all the same: the next `make_room` reserves anew then.
            inner.give_back(if event == "pagehide" { 0 } else { 1 });
        });
        inner.on_hide.replace(Some(listener));
    }

    /// Whether the page is hidden, so that it may end without another event: a commit is journaled at once then.
    pub fn is_page_hidden(&self) -> bool {
        page::is_hidden()
    }

    /// Makes room for a journal of one record of this many bytes; false if there is none: what is committed now is at
    /// risk until the leader acknowledges it.
    pub fn make_room(&self, bytes: usize) -> bool {
        self.0.get().is_some_and(|inner| inner.reserve(units_of(bytes).div_ceil(CHUNK)))
    }

    /// Makes this record the whole journal; if there is no room for it, the journal is as before.
    pub fn write(&self, record: &[u8]) -> Result<(), JournalError> {
        let inner = self.0.get().filter(|inner| inner.storage().is_some());
        let inner = inner.ok_or(JournalError::Unavailable)?;
        if !inner.reserve(units_of(record.len()).div_ceil(CHUNK)) {
            return Err(JournalError::Full(record.len()));
        }
        inner.clear();
        inner.append(record)
    }

    /// Adds a record; on an error the journal is as before.
    pub fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        self.0.get().ok_or(JournalError::Unavailable)?.append(record)
    }

    /// Everything is acknowledged: the journal, if one was written, is not needed any more.
    pub fn clear(&self) {
        if let Some(inner) = self.0.get() {
            inner.clear();
        }
    }
}

/// How many code units a record takes.
fn units_of(bytes: usize) -> usize {
    text::encoded_len(bytes) + 1
}

impl Inner {
    fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref().filter(|_| !self.given_up.get())
    }

    /// Sets a chunk to this text and filler; says whether that was possible. If not, what stood there stays.
    fn set(&self, chunk: usize, text: &str) -> bool {
        let Some(storage) = self.storage() else { return false };
        let mut value = String::with_capacity(CHUNK * UNIT_BYTES);
        value.push_str(text);
        value.extend(std::iter::repeat_n(FILLER, CHUNK - text.len() / UNIT_BYTES));
        storage.set_item(&chunk_of(&self.key, chunk), &value).is_ok()
    }

    /// Makes sure of this many chunks.
    fn reserve(&self, chunks: usize) -> bool {
        while self.room.get() < chunks {
            if chunks > MOST_CHUNKS || !self.set(self.room.get(), "") {
                return false;
            }
            self.room.set(self.room.get() + 1);
        }
        true
    }

    fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        if self.storage().is_none() {
            return Err(JournalError::Unavailable);
        }
        let full = || JournalError::Full(record.len());
        let mut written = self.written.borrow().clone();
        if !self.reserve((written.units() + units_of(record.len())).div_ceil(CHUNK)) {
            return Err(full());
        }
        let mut text = text::encode(record);
        text.push(END);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let space = CHUNK * UNIT_BYTES - written.tail.len();
            let (now, later) = rest.split_at(space.min(rest.len()));
            written.tail.push_str(now);
            rest = later;
            if !self.set(written.full, &written.tail) {
                // The room is reserved, so this is a storage that was taken away. What stands there now has no end, and
                // is overwritten by the next record.
                return Err(full());
            }
            if written.tail.len() == CHUNK * UNIT_BYTES {
                written.full += 1;
                written.tail.clear();
            }
        }
        self.written.replace(written);
        Ok(())
    }

    /// Makes all of it room again.
    fn clear(&self) {
        let written = self.written.take();
        for chunk in (0..written.units().div_ceil(CHUNK)).rev() {
            self.set(chunk, "");
        }
    }

    /// Keeps this many chunks.
    fn give_back(&self, keep: usize) {
        let Some(storage) = self.storage() else { return };
        for chunk in (keep..self.room.get()).rev() {
            // Removing an item does not throw where reading the storage did not.
            let _ = storage.remove_item(&chunk_of(&self.key, chunk));
        }
        self.room.set(self.room.get().min(keep));
    }
}

/// What stands in a session's chunks.
pub(super) fn read_chunks(storage: &Storage, store: &StoreId, session: SessionId) -> Vec<String> {
    (0..)
        .map_while(|chunk| storage.get_item(&chunk_key(store, session, chunk)).ok().flatten())
        .collect()
}

/// Removes a session's chunks.
pub(super) fn remove_chunks(storage: &Storage, store: &StoreId, session: SessionId) {
    for chunk in (0..read_chunks(storage, store, session).len()).rev() {
        // As in `give_back`.
        let _ = storage.remove_item(&chunk_key(store, session, chunk));
    }
}

/// The records in a session's chunks; one that was not written to its end is not among them.
pub(super) fn records(chunks: &[String]) -> Result<Vec<Vec<u8>>, JournalError> {
    let text: String = chunks.iter().map(|chunk| chunk.trim_end_matches(FILLER)).collect();
    let (whole, _cut_off) = match text.rsplit_once(END) {
        Some(parts) => parts,
        None if text.is_empty() => return Ok(Vec::new()),
        None => return Err(JournalError::Damaged),
    };
    whole.split(END).map(|record| text::decode(record).ok_or(JournalError::Damaged)).collect()
}
