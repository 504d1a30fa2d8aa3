//! What a leader is told when it is started: plain bytes, because they cross into a worker.

use livestore_sync::{ClientId, SessionId, StoreId};
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

    /// Natively one process may have stores of one id in several directories.
    fn scope(place: &StoragePlace) -> String {
        match &place.directory {
            None => place.store.to_string(),
            Some(directory) => format!("{}@{directory}", place.store),
        }
    }
}
