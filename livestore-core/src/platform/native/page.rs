//! What a process without pages answers where the engine asks about its page: nothing hides.

use crate::platform::Persistence;

/// Natively nothing is listened to.
#[derive(Debug)]
pub struct Listener(());

impl Listener {
    /// Nothing to listen to.
    pub(super) fn none() -> Self {
        Self(())
    }
}

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

/// Never calls back natively: nobody here says that the network is another one.
pub fn on_network_changed(_callback: impl FnMut() + Send + 'static) -> Listener {
    Listener(())
}

/// Files are not evicted.
pub fn ask_for_persistence(answered: impl FnOnce(Persistence) + 'static) {
    answered(Persistence::Granted);
}
