//! What a leader is told when it is started: plain bytes, because they cross into a worker.

use livestore_sync::{ClientId, OnBackendChanged, SessionId, StoreId, wire::Transport};
use serde::{Deserialize, Serialize};

use crate::{link::ChannelNames, platform::StoragePlace};

/// A leader's configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LeaderConfig {
    /// The store.
    pub(crate) store: StoreId,
    /// The client it leads.
    pub(crate) client: ClientId,
    /// The session that starts it, which hears how its opening goes.
    pub(crate) starter: SessionId,
    /// The schema's name, for messages.
    pub(crate) schema_name: String,
    /// The schema's hash, by which the worker finds it.
    pub(crate) schema: u64,
    /// Where the data is; None: in memory, for the starter alone.
    pub(crate) place: Option<StoragePlace>,
    /// The backend to sync with; None: what is committed stays with this client.
    pub(crate) backend: Option<BackendConfig>,
}

/// What a leader is told of its store's backend. Who this is, it asks its sessions at every connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BackendConfig {
    /// The address: `ws://…` or `http://…`, with their secure variants.
    pub(crate) url: String,
    /// How it is reached.
    pub(crate) transport: Transport,
    /// What to do when the backend has lost something.
    pub(crate) on_changed: OnBackendChanged,
    /// Whether it waits for the app before it connects.
    pub(crate) paused: bool,
    /// Whether the app says who this is; else nobody is asked.
    pub(crate) asks_payload: bool,
    /// Whether a damaged log is set aside, and all of it pulled again.
    pub(crate) sets_damaged_log_aside: bool,
}

impl LeaderConfig {
    /// The channels it serves. A leader without storage is its starter's own.
    pub(crate) fn channels(&self) -> ChannelNames {
        ChannelNames::new(match &self.place {
            Some(place) => Self::scope(place),
            None => format!("{}-{}", self.store, self.starter),
        })
    }

    /// The lock that makes it the only leader of its files.
    pub(crate) fn lock(place: &StoragePlace) -> String {
        format!("livestore-leader-{}", Self::scope(place))
    }

    /// Whether a damaged log is set aside; where no backend has the events it is their only copy, and never is.
    pub(super) fn sets_damaged_log_aside(&self) -> bool {
        self.backend.as_ref().is_some_and(|backend| backend.sets_damaged_log_aside)
    }

    /// Natively one process may have stores of one id in several directories.
    fn scope(place: &StoragePlace) -> String {
        match &place.directory {
            None => place.store.to_string(),
            Some(directory) => format!("{}@{directory}", place.store),
        }
    }
}
