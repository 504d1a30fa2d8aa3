//! What sessions ask of the log beside the machines' business: confirmed events, and to drop what is in quarantine.

use livestore_sync::{EventId, Head, Lane};

use super::{EventLog, LogError, to_sql};
use crate::link::EventsPage;

impl EventLog {
    /// Takes a commit out of the quarantine. Its author's last `n` stays, so it is not taken for a new one later.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn dismiss(&self, commit: EventId) -> Result<(), LogError> {
        let author = commit.session;
        let key = (to_sql(author.tab.0), to_sql(author.open), to_sql(commit.n.get()));
        self.conn
            .execute("delete from quarantine where tab = ?1 and open = ?2 and first_n = ?3", key)
            .map(drop)
            .map_err(|source| self.storage(source))
    }

    /// The confirmed events after a place, of these names, or of all if there are none; looks at no more of the log than
    /// `max_bytes`. Nothing if the log does not go through that place.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub(crate) fn confirmed_events(
        &self,
        after: Head,
        names: &[String],
        max_bytes: usize,
    ) -> Result<Option<EventsPage>, LogError> {
        let confirmed = self.confirmed();
        if !self.contains(Lane::Synced, after)? {
            return Ok(None);
        }
        // A backend that was restored from an older copy confirms less than it did, of what is kept here.
        if after.number >= confirmed {
            return Ok(Some(EventsPage { events: Vec::new(), end: after, more: false }));
        }
        let mut events = self.read_events(Lane::Synced, after, max_bytes)?;
        events.retain(|(head, _)| head.number <= confirmed);
        let end = events.last().map_or(after, |(head, _)| *head);
        if !names.is_empty() {
            events.retain(|(_, event)| names.iter().any(|name| **name == *event.name));
        }
        Ok(Some(EventsPage { events, end, more: end.number < confirmed }))
    }
}
