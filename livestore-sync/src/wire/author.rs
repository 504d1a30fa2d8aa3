//! Who wrote an event, as the wire has it: two texts.
//!
//! Our events carry their [`EventId`] in them, in one fixed form that any sync-cf peer stores and returns. Whatever is
//! not exactly of that form, letter by letter, has no id.

use std::{num::NonZeroU64, sync::Arc};

use super::limits::MAX_NUMBER;
use crate::{ClientId, EventId, SessionId};

/// What our `sessionId`s begin with. Only something that we wrote may be read as an id.
const PREFIX: &str = "livestore:";

/// Whose event it is, in the words of the client that wrote it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Author {
    /// The wire's `clientId`.
    pub client: Arc<str>,
    /// The wire's `sessionId`.
    pub session: Arc<str>,
}

impl Author {
    /// The id of an event that one of our clients wrote.
    pub fn event_id(&self) -> Option<EventId> {
        let (session, n) = self.session.strip_prefix(PREFIX)?.split_once('~')?;
        let session: SessionId = session.parse().ok()?;
        let client: ClientId = self.client.parse().ok()?;
        let number: NonZeroU64 = n.parse().ok()?;
        // `+7` and `07` parse as numbers, but are not what we write; nor does anybody commit so often.
        let ours = number.to_string() == n && number.get() <= MAX_NUMBER;
        ours.then_some(EventId { client, session, n: number })
    }
}

impl From<EventId> for Author {
    fn from(id: EventId) -> Self {
        Self {
            client: id.client.to_string().into(),
            session: format!("{PREFIX}{}~{}", id.session, id.n).into(),
        }
    }
}
