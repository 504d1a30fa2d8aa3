//! How far a store's session, its leader and their backend are, and how the connection stands.
//!
//! Both are read off the session's machine after everything that may have changed them, and are told like every other
//! status. Deliberately not here: what a status line makes of it.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_channel::mpsc;
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use livestore_sync::{BackendStatus, ConnectionStatus, Session};

use super::{
    any::{AnyStore, Shared, Status},
    callbacks::Subscription,
    options::OnBoot,
    questions::NotAnswered,
    status::{BootStatus, BootWarning},
};
use crate::{link::BackendWish, platform::sleep};

/// How far the synced events of a store are.
///
/// The numbers are counts of events: a session that is at 7 shows the first seven, its own pending ones included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncStatus {
    /// How far this session is.
    pub session: u64,
    /// How far its leader's log is, as far as this session knows.
    pub leader: u64,
    /// How far the backend's log is, as far as the leader knows; none without a backend.
    pub backend: Option<u64>,
    /// How many events here have yet to reach the backend; without one, the leader.
    pub pending: u64,
    /// How many events the backend is known to have that the leader's log lacks.
    pub behind: u64,
    /// The last thing that went wrong between leader and backend, until something goes right.
    pub error: Option<Arc<str>>,
    /// Whether the backend has everything that was committed here, and this session everything the backend has, as far
    /// as a connection that stands can tell. Never without a backend.
    pub is_synced: bool,
}

impl SyncStatus {
    /// What the machine says.
    pub(super) fn of(session: &Session) -> Self {
        let livestore_sync::SyncStatus { session, leader, confirmed, backend, is_synced } =
            session.sync_status();
        let behind = backend.as_ref().map_or(0, |backend| backend.behind);
        Self {
            session,
            leader,
            backend: confirmed.map(|confirmed| confirmed + behind),
            pending: session.saturating_sub(confirmed.unwrap_or(leader)),
            behind,
            error: backend.and_then(|backend| backend.error),
            is_synced,
        }
    }
}

/// How the connection to the backend stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NetworkStatus {
    /// The store has no backend.
    #[default]
    NoBackend,
    /// The app has paused it.
    Paused,
    /// Not there. It is tried again and again; [`SyncStatus::error`] says what is wrong.
    Offline,
    /// There, and what the backend has is being read.
    CatchingUp,
    /// There, and everything the backend had was read.
    Online,
    /// The backend has lost what it had confirmed, and the app wants to stop then
    /// ([`OnBackendChanged::Fail`](crate::OnBackendChanged)).
    Stopped,
}

impl NetworkStatus {
    pub(super) fn of(backend: Option<&BackendStatus>) -> Self {
        match backend.map(|backend| backend.connection) {
            None => Self::NoBackend,
            Some(ConnectionStatus::Paused) => Self::Paused,
            Some(ConnectionStatus::Offline) => Self::Offline,
            Some(ConnectionStatus::CatchingUp) => Self::CatchingUp,
            Some(ConnectionStatus::Current) => Self::Online,
            Some(ConnectionStatus::Stopped) => Self::Stopped,
        }
    }
}

impl fmt::Display for NetworkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBackend => "no backend",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::CatchingUp => "catching up",
            Self::Online => "online",
            Self::Stopped => "stopped: the backend has lost events",
        })
    }
}

impl AnyStore {
    /// How far session, leader and backend are. [`on_status`](Self::on_status) tells when it changes.
    ///
    /// ```
    /// # use livestore_core::AnyStore;
    /// fn line(store: &AnyStore) -> String {
    ///     let sync = store.sync_status();
    ///     match (sync.is_synced, sync.pending) {
    ///         (true, _) => "synced".to_owned(),
    ///         (false, 0) => store.network_status().to_string(),
    ///         (false, pending) => format!("{}, {pending} pending", store.network_status()),
    ///     }
    /// }
    /// ```
    pub fn sync_status(&self) -> SyncStatus {
        self.0.status().sync
    }

    /// How the leader's connection to the backend stands. [`on_status`](Self::on_status) tells when it changes.
    pub fn network_status(&self) -> NetworkStatus {
        self.0.status().network
    }

    /// Says nothing to the backend any more, for all sessions of this client, until [`resume_sync`](Self::resume_sync).
    /// Commits go on and stay pending. The next leader begins as its options say.
    pub fn pause_sync(&self) {
        self.0.connection.wish(BackendWish::Pause);
    }

    /// Talks to the backend again.
    pub fn resume_sync(&self) {
        self.0.connection.wish(BackendWish::Resume);
    }

    /// Connects to the backend anew, at once instead of when it would be tried next, with what the app's payload says now.
    /// In a browser that happens by itself when the network goes or is back.
    pub fn retry_sync(&self) {
        self.0.connection.wish(BackendWish::Retry);
    }
}

impl Shared {
    /// Waits until everything that the backend has is here, at most this long.
    pub(super) async fn catch_up(self: &Arc<Self>, at_most: Duration, on_boot: Option<&OnBoot>) {
        let is_here = |status: &Status| {
            // Told at least once, however fast it goes.
            if let Some(on_boot) = on_boot {
                on_boot(BootStatus::CatchingUp { behind: status.sync.behind });
            }
            status.network == NetworkStatus::Online && status.sync.behind == 0
        };
        let caught_up = pin!(self.until(is_here));
        if let Either::Right(_) = select(caught_up, pin!(sleep(at_most))).await {
            self.update_status(|status| {
                let error = status.sync.error.as_deref().map(|error| format!(": {error}"));
                let reason = format!("{}{}", status.network, error.unwrap_or_default());
                status.warnings.push(BootWarning::NotCaughtUp { reason });
            });
            self.settle();
        }
    }

    /// Resolves once the status is as wanted.
    ///
    /// # Errors
    /// The store was closed.
    pub(super) async fn until(
        self: &Arc<Self>,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<(), NotAnswered> {
        let (changed, mut changes) = mpsc::unbounded();
        let _subscription = Subscription::new(
            self,
            |store| &store.statuses,
            (),
            Arc::new(move || {
                // Whoever waits may have stopped.
                let _ = changed.unbounded_send(());
            }),
        );
        let mut closed = pin!(self.questions.closed());
        while !wanted(&self.status()) {
            if let Either::Right(_) = select(changes.next(), &mut closed).await {
                return Err(NotAnswered::Closed);
            }
        }
        Ok(())
    }
}
