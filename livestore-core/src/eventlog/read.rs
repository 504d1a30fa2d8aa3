//! Reading: commits from a head on, whether a head is ours, how far an author is, quarantine.

use std::{num::NonZeroU64, ops::ControlFlow};

use livestore_sync::{
    Args, ChainHash, ClientId, Commit, Event, EventId, Head, Lane, Refused, SessionId, TabId,
};
use rusqlite::{OptionalExtension, Row, types::Type};

use super::{EventLog, LogError, from_sql, open::lane_number, to_sql};
use crate::link::{QuarantinePage, QuarantinedCommit};

/// A row of `events`.
struct Logged {
    event: Event,
    first_n: u64,
    head: Head,
}

impl EventLog {
    /// Whether the lane went through `head`: number and chain hash.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn contains(&self, lane: Lane, head: Head) -> Result<bool, LogError> {
        if head.number == 0 {
            return Ok(head == Head::ZERO);
        }
        if head.number > self.heads[lane].number {
            return Ok(false);
        }
        let hash: Option<[u8; 16]> = self
            .conn
            .prepare_cached("select hash from events where lane = ?1 and number = ?2")
            .and_then(|mut statement| {
                statement
                    .query_row((lane_number(lane), to_sql(head.number)), |row| row.get(0))
                    .optional()
            })
            .map_err(|source| self.storage(source))?;
        Ok(hash == Some(head.hash.0.to_le_bytes()))
    }

    /// The commits that follow `from`, which must be in the lane, until their arguments exceed `max_bytes`; at least
    /// one, if there is one.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when the rows contradict their hashes, [`LogError::Storage`].
    pub(crate) fn read(
        &self,
        lane: Lane,
        from: Head,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, LogError> {
        let mut commits = Vec::new();
        let mut open: Vec<Event> = Vec::new();
        let (mut open_first_n, mut last, mut bytes) = (0, from.number, 0);
        self.visit(lane, from, |logged| {
            // A backend may have an event twice, one after the other.
            let continues = open.last().is_some_and(|last| {
                last.id.session == logged.event.id.session
                    && open_first_n == logged.first_n
                    && last.id.n < logged.event.id.n
            });
            if !continues && !open.is_empty() {
                commits.push(self.close(lane, last, std::mem::take(&mut open))?);
                if bytes >= max_bytes {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if open.is_empty() && logged.first_n != logged.event.id.n.get() {
                let reason = "it is not the first of its commit, which is not before it";
                return Err(self.damaged(lane, logged.head.number, reason.to_owned()));
            }
            bytes += logged.event.bytes();
            last = logged.head.number;
            open_first_n = logged.first_n;
            open.push(logged.event);
            Ok(ControlFlow::Continue(()))
        })?;
        if !open.is_empty() {
            commits.push(self.close(lane, last, open)?);
        }
        Ok(commits)
    }

    /// The events that follow `from`, which must be in the lane and may be inside a commit, each with the place after
    /// it, until their arguments exceed `max_bytes`; at least one, if there is one.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub(super) fn read_events(
        &self,
        lane: Lane,
        from: Head,
        max_bytes: usize,
    ) -> Result<Vec<(Head, Event)>, LogError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        self.visit(lane, from, |logged| {
            if bytes >= max_bytes {
                return Ok(ControlFlow::Break(()));
            }
            bytes += logged.event.bytes();
            events.push((logged.head, logged.event));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(events)
    }

    /// Hands out what follows `from`, each event's place checked, until `visitor` has enough.
    fn visit(
        &self,
        lane: Lane,
        from: Head,
        mut visitor: impl FnMut(Logged) -> Result<ControlFlow<()>, LogError>,
    ) -> Result<(), LogError> {
        let mut head = from;
        let mut statement = self
            .conn
            .prepare_cached(
                "select client, tab, open, n, first_n, name, args, number, hash from events
                 where lane = ?1 and number > ?2 order by number",
            )
            .map_err(|source| self.storage(source))?;
        let mut rows = statement
            .query((lane_number(lane), to_sql(from.number)))
            .map_err(|source| self.storage(source))?;
        while let Some(row) = rows.next().map_err(|source| self.storage(source))? {
            let logged =
                decode(row).map_err(|reason| self.damaged(lane, head.number + 1, reason))?;
            head = head.then(&logged.event);
            if head != logged.head {
                let reason = "its chain hash does not fit".to_owned();
                return Err(self.damaged(lane, head.number, reason));
            }
            if visitor(logged)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The event that stands at this number, and the head there.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub(super) fn event_at(
        &self,
        lane: Lane,
        number: u64,
    ) -> Result<Option<(Event, Head)>, LogError> {
        let mut statement = self
            .conn
            .prepare_cached(
                "select client, tab, open, n, first_n, name, args, number, hash from events
                 where lane = ?1 and number = ?2",
            )
            .map_err(|source| self.storage(source))?;
        let mut rows = statement
            .query((lane_number(lane), to_sql(number)))
            .map_err(|source| self.storage(source))?;
        let row = rows.next().map_err(|source| self.storage(source))?;
        row.map(decode)
            .transpose()
            .map(|logged| logged.map(|logged| (logged.event, logged.head)))
            .map_err(|reason| self.damaged(lane, number, reason))
    }

    /// The highest `n` of a session's events here or in quarantine, 0 if there are none.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn last_n(&self, author: SessionId) -> Result<u64, LogError> {
        self.conn
            .prepare_cached("select last_n from sessions where tab = ?1 and open = ?2")
            .and_then(|mut statement| {
                let key = (to_sql(author.tab.0), to_sql(author.open));
                statement.query_row(key, |row| row.get(0).map(from_sql)).optional()
            })
            .map(Option::unwrap_or_default)
            .map_err(|source| self.storage(source))
    }

    /// What a backend has brought under a session's name after this `n`, and no session has pushed to this log.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub(crate) fn arrived(
        &self,
        author: SessionId,
        after: u64,
    ) -> Result<Vec<(u64, ChainHash)>, LogError> {
        let read = || -> rusqlite::Result<Vec<(u64, ChainHash)>> {
            self.conn
                .prepare_cached(
                    "select n, fingerprint from arrived where tab = ?1 and open = ?2 and n > ?3",
                )?
                .query_map((to_sql(author.tab.0), to_sql(author.open), to_sql(after)), |row| {
                    let fingerprint: [u8; 16] = row.get(1)?;
                    Ok((from_sql(row.get(0)?), ChainHash(u128::from_le_bytes(fingerprint))))
                })?
                .collect()
        };
        read().map_err(|source| self.storage(source))
    }

    /// `author`'s commits in quarantine with a first `n` of at least `from`.
    ///
    /// # Errors
    /// [`LogError::Storage`], also when a row is not what was written there.
    pub(crate) fn refused(&self, author: SessionId, from: u64) -> Result<Vec<Refused>, LogError> {
        let read = || -> rusqlite::Result<Vec<Refused>> {
            self.conn
                .prepare_cached(
                    "select client, first_n, reason from quarantine
                     where tab = ?1 and open = ?2 and first_n >= ?3 order by first_n",
                )?
                .query_map((to_sql(author.tab.0), to_sql(author.open), to_sql(from)), |row| {
                    let n = NonZeroU64::new(from_sql(row.get(1)?))
                        .ok_or(rusqlite::Error::IntegralValueOutOfRange(1, 0))?;
                    let client = ClientId(from_sql(row.get(0)?));
                    let reason: String = row.get(2)?;
                    Ok(Refused {
                        id: EventId { client, session: author, n },
                        reason: reason.into(),
                    })
                })?
                .collect()
        };
        read().map_err(|source| self.storage(source))
    }

    /// Commits in quarantine, in the order of their authors, after this one: as many as fit into `max_bytes`, at least
    /// one if there is one.
    ///
    /// # Errors
    /// [`LogError::Storage`], also when a row is not what was written there.
    pub(crate) fn quarantine(
        &self,
        after: Option<EventId>,
        max_bytes: usize,
    ) -> Result<QuarantinePage, LogError> {
        let read = || -> rusqlite::Result<QuarantinePage> {
            let mut statement = self.conn.prepare_cached(
                "select commit_json, reason, at_ms from quarantine
                 where ?1 is null or (tab, open, first_n) > (?1, ?2, ?3)
                 order by tab, open, first_n",
            )?;
            let session = after.map(|id| id.session);
            let mut rows = statement.query((
                session.map(|session| to_sql(session.tab.0)),
                session.map(|session| to_sql(session.open)),
                after.map(|id| to_sql(id.n.get())),
            ))?;
            let (mut commits, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                if bytes >= max_bytes && !commits.is_empty() {
                    return Ok(QuarantinePage { commits, more: true });
                }
                let (json, reason): (String, String) = (row.get(0)?, row.get(1)?);
                bytes += json.len() + reason.len();
                let commit = serde_json::from_str(&json).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
                })?;
                let at_ms = from_sql(row.get(2)?);
                commits.push(QuarantinedCommit { commit, reason, at_ms });
            }
            Ok(QuarantinePage { commits, more: false })
        };
        read().map_err(|source| self.storage(source))
    }

    fn close(&self, lane: Lane, number: u64, events: Vec<Event>) -> Result<Commit, LogError> {
        Commit::new(lane, events).map_err(|error| self.damaged(lane, number, error.to_string()))
    }

    pub(super) fn damaged(&self, lane: Lane, number: u64, reason: String) -> LogError {
        LogError::Damaged { file: self.file.clone(), lane, number, reason }
    }

    pub(super) fn storage(&self, source: rusqlite::Error) -> LogError {
        LogError::Storage { file: self.file.clone(), source }
    }
}

fn decode(row: &Row<'_>) -> Result<Logged, String> {
    let id =
        |index: usize| row.get::<_, i64>(index).map(from_sql).map_err(|error| error.to_string());
    let text = |index: usize| row.get::<_, String>(index).map_err(|error| error.to_string());
    let session = SessionId { tab: TabId(id(1)?), open: id(2)? };
    let n = NonZeroU64::new(id(3)?).ok_or("its n is 0")?;
    let hash: [u8; 16] = row.get(8).map_err(|error| error.to_string())?;
    Ok(Logged {
        event: Event {
            id: EventId { client: ClientId(id(0)?), session, n },
            name: text(5)?.into(),
            args: Args::try_from(text(6)?).map_err(|error| error.to_string())?,
        },
        first_n: id(4)?,
        head: Head { number: id(7)?, hash: ChainHash(u128::from_le_bytes(hash)) },
    })
}
