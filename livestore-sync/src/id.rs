//! Names of stores, clients, sessions and events.
//!
//! Ids are minted outside (this crate has no randomness) and only parsed, compared and printed here.
//! A [`ClientId`] or [`SessionId`] prints as lower-case hex, so it fits `localStorage` keys, lock names and
//! channel names without escaping.

use std::{fmt, num::NonZeroU64, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of a store: 1 to 100 characters of `[A-Za-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreId(Arc<str>);

impl StoreId {
    /// The longest store id, in characters.
    pub const MAX_LEN: usize = 100;

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.chars().all(allowed) {
            return Err(InvalidId::Store(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for StoreId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<StoreId> for String {
    fn from(id: StoreId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An installation: a browser profile or a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// One UI of a client: `TAB.OPEN`. The tab outlives reloads and owns documents; the open is minted anew every time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SessionId {
    /// The tab (window, process) that survives reloads.
    pub tab: TabId,
    /// The one opening of the store in that tab.
    pub open: u64,
}

/// A tab, window or process across its reloads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TabId(pub u64);

/// Who committed an event, and which of that session's events it is; given at commit and never changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct EventId {
    /// The author's client.
    pub client: ClientId,
    /// The author's session.
    pub session: SessionId,
    /// The session's counter: 1 for the first event of an open, without gaps.
    pub n: NonZeroU64,
}

/// Text that is not the id it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidId {
    /// Not a store id.
    #[error("`{0}` is not a store id: use 1 to 100 characters of [A-Za-z0-9_-]")]
    Store(String),
    /// Not a client id.
    #[error("`{0}` is not a client id: 16 hex digits were expected")]
    Client(String),
    /// Not a session id.
    #[error("`{0}` is not a session id: TAB.OPEN, 16 hex digits each, was expected")]
    Session(String),
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits { u64::from_str_radix(text, 16).ok() } else { None }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ClientId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        hex(text).map(Self).ok_or_else(|| InvalidId::Client(text.to_owned()))
    }
}

impl fmt::Display for TabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.tab, self.open)
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parts = text.split_once('.').and_then(|(tab, open)| Some((hex(tab)?, hex(open)?)));
        let (tab, open) = parts.ok_or_else(|| InvalidId::Session(text.to_owned()))?;
        Ok(Self { tab: TabId(tab), open })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.client, self.session, self.n)
    }
}
