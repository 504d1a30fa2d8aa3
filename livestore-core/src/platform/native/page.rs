//! What a process without pages answers where the engine asks about its page: nothing hides, nothing is journaled.

use livestore_sync::{SessionId, StoreId};

use crate::platform::{JournalError, Persistence};

/// Natively nothing is listened to.
#[derive(Debug)]
pub struct Listener(());

/// Natively nobody leaves a page.
#[derive(Debug, Default)]
pub struct LeaveWarning(());

impl LeaveWarning {
    /// A warning that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has no effect natively.
    pub fn set(&mut self, _on: bool) {}
}

/// Never calls back natively.
pub fn on_page_hidden(_callback: impl FnMut() + Send + 'static) -> Listener {
    Listener(())
}

/// Never calls back natively.
pub fn on_page_shown(_callback: impl FnMut() + Send + 'static) -> Listener {
    Listener(())
}

/// Files are not evicted.
pub async fn request_persistence() -> Persistence {
    Persistence::Granted
}

/// Natively a session and its leader end together, so there is nobody to leave a journal to.
#[derive(Debug)]
pub struct Journal(());

impl Journal {
    /// Nothing is reserved natively.
    pub fn open(_store: &StoreId, _session: SessionId) -> Self {
        Self(())
    }

    /// Never asks for the content natively.
    pub fn on_hide(&self, _content: impl FnMut() -> Option<Vec<u8>> + Send + 'static) {}

    /// No page, not hidden.
    pub fn is_page_hidden(&self) -> bool {
        false
    }

    /// Always: natively a commit is as safe as `persisted()` says, whatever its size.
    pub fn make_room(&self, _bytes: usize) -> bool {
        true
    }

    /// Without limit.
    pub fn space(&self) -> usize {
        usize::MAX
    }

    /// There is no journal natively.
    pub fn write(&self, _bytes: &[u8]) -> Result<(), JournalError> {
        Err(JournalError::Unavailable)
    }

    /// Nothing to clear.
    pub fn clear(&self) {}
}

/// Exists in the browser only.
#[derive(Debug)]
pub enum Adopted {}

impl Adopted {
    /// Whose it was.
    pub fn session(&self) -> SessionId {
        match *self {}
    }

    /// What that session left.
    pub fn bytes(&self) -> Result<&[u8], JournalError> {
        match *self {}
    }

    /// Removes it.
    pub fn forget(self) {
        match self {}
    }
}

/// Natively nobody leaves a journal.
pub async fn adopt_journals(_store: &StoreId, _own: SessionId) -> Vec<Adopted> {
    Vec::new()
}

/// Never calls back natively.
pub fn watch_journals(
    _store: &StoreId,
    _own: SessionId,
    _on_adopted: impl Fn(Adopted) + Send + 'static,
) -> Listener {
    Listener(())
}
