//! A session's unacknowledged commits, written where a synchronous write survives the page. Pages only.
//!
//! - One key per session in `localStorage`, written when the page hides and filled up to a reserved length at all times,
//!   so that an app that fills `localStorage` later cannot take the room.
//! - [`Journal::make_room`] says before a commit returns whether its journal would fit. It touches `localStorage` only
//!   when the reservation has to double.
//!
//! What the bytes mean, and that no commit is taken twice (by its event ids), is the session's business.

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

/// Room reserved at the start, in code units: about 30 kB of journal.
const FIRST_UNITS: usize = 16 * 1024;

/// The most one session takes of the 5 Mi code units that the whole origin has.
const MOST_UNITS: usize = 1024 * 1024;

/// Ends the text of a journal and begins what fills up its room; no text has it (`text.rs`).
pub(super) const FILLER: char = '\u{33ff}';

pub(super) fn prefix(store: &StoreId) -> String {
    // A `.` is in no store id, so no store's prefix begins another's.
    format!("livestore-journal-{store}.")
}

pub(super) fn key(store: &StoreId, session: SessionId) -> String {
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
    ///
    /// Without a place nothing is kept anywhere, so nothing is journaled.
    pub fn open(place: Option<&StoragePlace>, session: SessionId) -> Self {
        let inner = Inner {
            storage: place.and_then(|_| local_storage()),
            key: place.map_or_else(String::new, |place| key(&place.store, session)),
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
