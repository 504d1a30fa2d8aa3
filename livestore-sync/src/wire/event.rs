//! Events as a backend has them, and the pages it hands out.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    author::Author,
    limits::{MAX_NUMBER, NAME_BYTES},
};
use crate::{Args, Event};

/// The arguments of an event as the JSON text that its author wrote; `None` when the author wrote none.
///
/// Not parsed any further: a server stores it, a client reads it with [`Args::parse`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RawArgs(pub Option<Arc<str>>);

impl RawArgs {
    /// The JSON text; absent arguments are `null`.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("null")
    }
}

impl From<&Args> for RawArgs {
    fn from(args: &Args) -> Self {
        Self(Some(args.as_str().into()))
    }
}

/// An event with its place in a backend's log. Its author may be any client, so it may have no [`crate::EventId`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConfirmedEvent {
    /// Its number, from 1 on.
    pub number: u64,
    /// The number of the event before it; 0 for the first.
    pub parent: u64,
    /// The versioned name.
    pub name: Arc<str>,
    /// The arguments.
    pub args: RawArgs,
    /// Who wrote it.
    pub author: Author,
}

impl ConfirmedEvent {
    /// One of our events at the place after `parent`.
    pub fn new(event: &Event, parent: u64) -> Self {
        Self {
            number: parent + 1,
            parent,
            name: Arc::clone(&event.name),
            args: RawArgs::from(&event.args),
            author: Author::from(event.id),
        }
    }

    /// Its size in bytes, about as it stands in a page.
    pub fn bytes(&self) -> usize {
        // Keys, numbers, punctuation and the time of arrival.
        const ENVELOPE: usize = 240;
        let names = self.name.len() + self.author.client.len() + self.author.session.len();
        ENVELOPE + names + self.args.as_str().len()
    }
}

/// How far somebody has seen the log of one backend.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    /// Which backend: a wiped and restored one has another id.
    pub backend: Arc<str>,
    /// The number of the last event seen.
    pub number: u64,
}

/// How much follows a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remaining {
    /// So many events; 0 ends the backlog.
    Known(u64),
    /// More, and the backend does not count.
    Unknown,
}

/// A stretch of a backend's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The events, ascending.
    pub events: Vec<ConfirmedEvent>,
    /// What follows them.
    pub remaining: Remaining,
    /// Which backend.
    pub backend: Arc<str>,
}

/// An event that no log can hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// A number no peer can hold.
    #[error("the number {0} is beyond 2^53-1")]
    Number(u64),
    /// A name, client or session that is too long.
    #[error("a name of {bytes} bytes: the limit is 1000")]
    Name {
        /// Its length.
        bytes: usize,
    },
}

/// The wire's `eventEncoded`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    name: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    seq_num: u64,
    parent_seq_num: u64,
    client_id: String,
    session_id: String,
}

/// A `null` that is there differs from one that is not: peers compare what they get back.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl TryFrom<WireEvent> for ConfirmedEvent {
    type Error = InvalidEvent;

    fn try_from(event: WireEvent) -> Result<Self, InvalidEvent> {
        if let Some(&number) =
            [event.seq_num, event.parent_seq_num].iter().find(|number| **number > MAX_NUMBER)
        {
            return Err(InvalidEvent::Number(number));
        }
        if let Some(long) = [&event.name, &event.client_id, &event.session_id]
            .into_iter()
            .find(|name| name.len() > NAME_BYTES)
        {
            return Err(InvalidEvent::Name { bytes: long.len() });
        }
        Ok(Self {
            number: event.seq_num,
            parent: event.parent_seq_num,
            name: event.name.into(),
            args: RawArgs(event.args.map(|args| Box::<str>::from(args).into())),
            author: Author { client: event.client_id.into(), session: event.session_id.into() },
        })
    }
}

impl Serialize for ConfirmedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let args = self.args.0.as_deref().map(|text| RawValue::from_string(text.to_owned()));
        WireEvent {
            name: self.name.as_ref().to_owned(),
            args: args.transpose().map_err(serde::ser::Error::custom)?,
            seq_num: self.number,
            parent_seq_num: self.parent,
            client_id: self.author.client.as_ref().to_owned(),
            session_id: self.author.session.as_ref().to_owned(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConfirmedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireEvent::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}
