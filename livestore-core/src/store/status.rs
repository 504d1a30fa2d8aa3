//! What a store says about itself: how far opening has come, where data is kept, whether commits are safe.

use std::fmt;

use crate::platform::{self, StorageRefused};

/// How far the opening of a store has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BootStatus {
    /// Starting the leader and loading the state.
    Loading,
    /// Another tab leads this store and does not answer (its page may be frozen); opening goes on when it does, or
    /// when it is closed.
    WaitingForAnotherTab,
    /// Another tab leads this store and is of a version of livestore with which this one can't talk: reload that tab.
    OtherVersion,
    /// The state is being folded anew from the eventlog.
    Rebuilding {
        /// Events folded so far.
        done: u64,
        /// Events in the log.
        total: u64,
    },
    /// What the backend has is being read; see [`SyncOptions::initial_sync`](super::SyncOptions::initial_sync).
    CatchingUp {
        /// How many events are known to be missing here.
        behind: u64,
    },
    /// The store is open.
    Ready,
    /// Opening failed; the error is that of `open`.
    Failed {
        /// The error's text.
        error: String,
    },
}

impl fmt::Display for BootStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => f.write_str("loading"),
            Self::WaitingForAnotherTab => f.write_str("waiting for another tab"),
            Self::OtherVersion => {
                f.write_str("another tab is of another version: reload it or close it")
            }
            Self::Rebuilding { done, total } => write!(f, "rebuilding, {done} of {total} events"),
            Self::CatchingUp { behind } => write!(f, "catching up, {behind} events behind"),
            Self::Ready => f.write_str("ready"),
            Self::Failed { error } => write!(f, "failed: {error}"),
        }
    }
}

/// Something that opening mended or worked around, and that the app may want to tell its user.
#[derive(Clone, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum BootWarning {
    /// The state was missing, damaged, of another schema or not the log's, and was rebuilt from the log.
    StateRebuilt {
        /// What was wrong with it.
        reason: String,
    },
    /// The log holds events that this version of the app does not know; they are kept and applied once it does.
    UnknownEvents {
        /// Their names.
        names: Vec<String>,
    },
    /// A damaged log was set aside, now or at an earlier opening: what it has and the backend has not is in this file
    /// only. Told at every opening until the file is gone. See
    /// [`SyncOptions::set_damaged_log_aside`](super::SyncOptions::set_damaged_log_aside).
    LogSetAside {
        /// The log, whose state files lie beside it.
        file: String,
    },
    /// Nothing is persisted although the app asked for it.
    NotPersisted {
        /// Why: private mode, no OPFS, a full quota.
        reason: String,
    },
    /// Not everything that the backend has was here in time; the rest comes later. See
    /// [`SyncOptions::initial_sync`](super::SyncOptions::initial_sync).
    NotCaughtUp {
        /// What was in the way.
        reason: String,
    },
}

impl fmt::Display for BootWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateRebuilt { reason } => {
                write!(f, "the state was rebuilt from the eventlog: {reason}")
            }
            Self::UnknownEvents { names } => {
                write!(
                    f,
                    "events unknown to this version of the app were kept but not applied: {}",
                    names.join(", ")
                )
            }
            Self::LogSetAside { file } => {
                write!(
                    f,
                    "a damaged eventlog was set aside, `{file}`: what no backend has of it is there only"
                )
            }
            Self::NotPersisted { reason } => write!(f, "nothing is persisted: {reason}"),
            Self::NotCaughtUp { reason } => {
                write!(f, "opened before everything was here that the backend has: {reason}")
            }
        }
    }
}

/// Where a store's data lives.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum StorageMode {
    /// On disk. In a browser `protected` tells whether it promised not to clear it under storage pressure
    /// (`navigator.storage.persist()`); natively it is true.
    Persisted {
        /// Whether the platform keeps the data until the user removes it.
        protected: bool,
    },
    /// In memory: gone when the page or process ends. `reason` is None when the app asked for it.
    InMemory {
        /// Why persistence was not possible.
        reason: Option<String>,
    },
}

impl fmt::Display for StorageMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Persisted { .. } => f.write_str("persisted"),
            Self::InMemory { reason: None } => f.write_str("in memory"),
            Self::InMemory { reason: Some(reason) } => write!(f, "in memory ({reason})"),
        }
    }
}

/// Whether the commits and documents of a session would survive the end of its page.
///
/// It is about a page that is left, reloaded or closed, natively about a store that is closed or dropped; what a killed
/// process leaves is what [`Receipt::persisted`](super::Receipt::persisted) had promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// What the leader has not taken yet fits into the journal, or there is nothing of that kind.
    Safe,
    /// There is more than the journal can hold: leaving the page now would lose it, and the browser asks before. Natively:
    /// the leader's storage refuses, and the journal would be written there, too. Once the leader has it, it is `Safe`
    /// again.
    AtRisk,
    /// Nothing survives: the store is in memory, because the app wants that or because nothing can be persisted here
    /// ([`StorageMode::InMemory`] says which). The browser does not ask.
    InMemory,
}

impl StorageMode {
    /// What a leader's storage means to a session; the page adds whether the browser has promised to keep it.
    pub(crate) fn of(mode: &platform::StorageMode) -> Self {
        match mode {
            platform::StorageMode::Persistent => Self::Persisted { protected: false },
            platform::StorageMode::InMemory(StorageRefused::Wished) => {
                Self::InMemory { reason: None }
            }
            platform::StorageMode::InMemory(refused) => {
                Self::InMemory { reason: Some(refused.to_string()) }
            }
        }
    }
}

impl LeaderStatus {
    /// The machine's word for it, without its clock.
    pub(super) fn of(status: livestore_sync::LeaderStatus) -> Self {
        use livestore_sync::LeaderStatus as Machine;
        match status {
            Machine::Attaching => Self::Attaching,
            Machine::Attached => Self::Attached,
            Machine::Silent { .. } => Self::Silent,
            Machine::OtherProtocol { protocol } => Self::OtherProtocol { leader: protocol },
            Machine::Stalled { reason } => Self::Stalled { reason: reason.to_string() },
        }
    }
}

/// Who persists this session's commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaderStatus {
    /// A leader answers.
    Attached,
    /// The session is looking for one.
    Attaching,
    /// No leader has answered for a while: commits are applied here and stay pending.
    Silent,
    /// The leader can't write; commits stay pending until it can.
    Stalled {
        /// What its storage says.
        reason: String,
    },
    /// The leader is of another version of the app and speaks another protocol: reload the older tab.
    OtherProtocol {
        /// The leader's protocol.
        leader: u32,
    },
}

impl fmt::Display for LeaderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached => f.write_str("attached"),
            Self::Attaching => f.write_str("attaching"),
            Self::Silent => f.write_str("waiting for another tab"),
            Self::Stalled { reason } => write!(f, "can't be written: {reason}"),
            Self::OtherProtocol { .. } => {
                f.write_str("another tab is of another version: reload the older one")
            }
        }
    }
}
