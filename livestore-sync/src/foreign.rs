//! Events as a backend returns them: ours with their ids, and those of peers that give none.
//!
//! A peer's event gets an id made of what it has: its author's names (hashed) and its number. The same event has the
//! same one on every client, and none of ours can look like it. What can't be held here (arguments that are no text
//! for JSON's parsers, or too large) becomes an event of another name without arguments, so that it keeps its place.

use std::{num::NonZeroU64, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    event::{Args, Event},
    id::{ClientId, EventId, SessionId, TabId},
};

/// The `open` of every author that gives its events no id.
const FOREIGN: u64 = u64::MAX;

impl EventId {
    /// The id of event `number` of an author who gives none.
    pub fn foreign(client: &str, session: &str, number: NonZeroU64) -> Self {
        Self {
            client: ClientId(xxh3_64(client.as_bytes())),
            session: SessionId { tab: TabId(xxh3_64(session.as_bytes())), open: FOREIGN },
            n: number,
        }
    }

    /// Whether its author gave it no id: it has one only as long as its backend keeps its number.
    pub fn is_foreign(&self) -> bool {
        self.session.open == FOREIGN
    }
}

impl Event {
    /// The event that a backend has under `number`: `id` is what its author gave it, `args` JSON text.
    pub fn pulled(
        number: NonZeroU64,
        id: Option<EventId>,
        (client, session): (&str, &str),
        name: &str,
        args: &str,
    ) -> Self {
        let id = id
            .filter(|id| !id.is_foreign())
            .unwrap_or_else(|| EventId::foreign(client, session, number));
        match Args::pulled(args) {
            Ok(args) => Self { id, name: name.into(), args },
            Err(_) => {
                Self { id, name: Arc::from(format!("unreadable:{name}")), args: Args::none() }
            }
        }
    }
}
