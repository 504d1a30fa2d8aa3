//! What the log keeps of its backend: how far that has confirmed the synced lane, and its name; and what a merge
//! changes before anything is appended.

use livestore_sync::{
    BackendId, BackendStart, ChainHash, Commit, Event, EventId, Head, Lane, OnBackendChanged,
};
use rusqlite::{Connection, OptionalExtension, params, types::Type};

use super::{EventLog, LogError, append, from_sql, open::lane_number, to_sql};

/// What a backend has said, as the log takes it.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    /// What follows here in the synced lane goes.
    pub(crate) parent: Head,
    /// How far the lane is confirmed afterwards.
    pub(crate) confirmed: u64,
    /// The backend's name.
    pub(crate) backend: Option<BackendId>,
    /// How often the log was rolled back.
    pub(crate) epoch: u64,
    /// Events that leave the quarantine, if they are there with this content: the backend has them.
    pub(crate) arrived: Vec<(EventId, ChainHash)>,
}

impl EventLog {
    /// What a leader with a backend starts with.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when what is confirmed is not there, [`LogError::Storage`].
    pub(crate) fn backend_start(
        &self,
        on_changed: OnBackendChanged,
        seed: u64,
    ) -> Result<BackendStart, LogError> {
        let name = self
            .conn
            .query_row("select name from backend", [], |row| row.get::<_, Option<String>>(0))
            .map_err(|source| self.storage(source))?;
        let (confirmed, anchor) = match self.confirmed {
            0 => (Head::ZERO, None),
            number => match self.event_at(Lane::Synced, number)? {
                Some((event, head)) => (head, Some(event)),
                None => {
                    let reason = "it is confirmed, and not there".to_owned();
                    return Err(self.damaged(Lane::Synced, number, reason));
                }
            },
        };
        let pending = self.read(Lane::Synced, confirmed, usize::MAX)?;
        let backend = name.map(|name| BackendId(name.into()));
        Ok(BackendStart { on_changed, seed, backend, confirmed, anchor, pending })
    }
}

/// How far a backend has confirmed the synced lane.
pub(super) fn confirmed(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("select confirmed from backend", [], |row| row.get(0).map(from_sql))
}

/// Rolls the synced lane back and notes what the backend has said; whether that took anything out of quarantine.
pub(super) fn merge(conn: &Connection, merged: &Merged) -> rusqlite::Result<bool> {
    conn.prepare_cached("delete from events where lane = ?1 and number > ?2")?
        .execute((lane_number(Lane::Synced), to_sql(merged.parent.number)))?;
    conn.prepare_cached("update backend set name = ?1, confirmed = ?2")?
        .execute((merged.backend.as_ref().map(|backend| &*backend.0), to_sql(merged.confirmed)))?;
    conn.prepare_cached("update meta set value = ?1 where key = 'epoch'")?
        .execute([to_sql(merged.epoch)])?;
    release(conn, &merged.arrived)
}

/// Takes events out of quarantine. Of a commit of which only some have arrived the others stay, each by itself. Whether there were any.
fn release(conn: &Connection, arrived: &[(EventId, ChainHash)]) -> rusqlite::Result<bool> {
    let holds_any: bool =
        conn.query_row("select exists (select 1 from quarantine)", [], |row| row.get(0))?;
    let mut released = false;
    if !holds_any {
        return Ok(released);
    }
    for (id, fingerprint) in arrived {
        let Some((commit, reason, at_ms)) = quarantined(conn, *id, *fingerprint)? else {
            continue;
        };
        released = true;
        conn.prepare_cached(
            "delete from quarantine where tab = ?1 and open = ?2 and first_n = ?3",
        )?
        .execute(params![
            to_sql(id.session.tab.0),
            to_sql(id.session.open),
            to_sql(commit.first_n().get())
        ])?;
        for event in commit.events().iter().filter(|event| event.id != *id) {
            let single = Commit::single(commit.lane(), event.clone());
            append::quarantine(conn, &single, &reason, at_ms)?;
        }
    }
    Ok(released)
}

/// The commit in quarantine that holds an event, why it is there and since when.
fn quarantined(
    conn: &Connection,
    id: EventId,
    fingerprint: ChainHash,
) -> rusqlite::Result<Option<(Commit, String, u64)>> {
    let found: Option<(String, String, i64)> = conn
        .prepare_cached(
            "select commit_json, reason, at_ms from quarantine
             where tab = ?1 and open = ?2 and first_n <= ?3 order by first_n desc limit 1",
        )?
        .query_row(
            params![to_sql(id.session.tab.0), to_sql(id.session.open), to_sql(id.n.get())],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((json, reason, at_ms)) = found else { return Ok(None) };
    let commit: Commit = serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?;
    let is_it = |event: &Event| event.id == id && event.fingerprint() == fingerprint;
    let holds = commit.lane() == Lane::Synced && commit.events().iter().any(is_it);
    Ok(holds.then(|| (commit, reason, from_sql(at_ms))))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use livestore_sync::{
        Args, BackendId, ClientId, Commit, Event, EventId, Head, Lane, OnBackendChanged, SessionId,
        TabId,
    };
    use rusqlite::Connection;

    use super::{super::Append, EventLog, Merged};
    use crate::testing::test;

    fn id(n: u64) -> EventId {
        let session = SessionId { tab: TabId(1), open: u64::MAX - 1 };
        EventId { client: ClientId(1), session, n: NonZeroU64::new(n).unwrap() }
    }

    /// A commit whose events are numbered `first..=last`.
    fn commit(first: u64, last: u64) -> Commit {
        let args = |n| Args::parse(&format!("{{\"n\":{n}}}")).unwrap();
        let event = |n| Event { id: id(n), name: "v1.Done".into(), args: args(n) };
        Commit::new(Lane::Synced, (first..=last).map(event).collect()).unwrap()
    }

    fn log(commits: &[Commit]) -> EventLog {
        let mut log = EventLog::open(Connection::open_in_memory().unwrap(), "the log").unwrap();
        log.append(&Append { commits: commits.to_vec(), ..Append::default() }).unwrap();
        log
    }

    fn merged(parent: Head, confirmed: u64, arrived: &[u64]) -> Merged {
        let backend = Some(BackendId("b".into()));
        let one = |n: u64| (id(n), commit(n, n).events()[0].fingerprint());
        let arrived = arrived.iter().map(|n| one(*n)).collect();
        Merged { parent, confirmed, backend, epoch: 4, arrived }
    }

    fn quarantined(log: &EventLog) -> Vec<(u64, u64, String)> {
        let page = log.quarantine(None, usize::MAX).unwrap();
        let place = |commit: &Commit| (commit.first_n().get(), commit.last_n().get());
        let listed = page.commits.into_iter().map(|listed| (place(&listed.commit), listed.reason));
        listed.map(|((first, last), reason)| (first, last, reason)).collect()
    }

    #[test]
    fn a_merge_is_one_transaction_and_the_next_leader_starts_from_it() {
        let mut log = log(&[commit(1, 1), commit(2, 3), commit(4, 4)]);
        let parent = Head::ZERO.after(&commit(1, 1));
        let append = Append {
            merged: Some(merged(parent, 2, &[])),
            commits: vec![commit(9, 9), commit(2, 3)],
            quarantined: vec![(commit(4, 4), "refused".to_owned())],
            ..Append::default()
        };
        let before = (log.heads(), log.confirmed(), log.fence());
        log.batch(
            "create trigger no before insert on quarantine begin select raise(abort, 'no'); end",
        );
        log.append(&append).expect_err("the trigger refuses");
        assert_eq!((log.heads(), log.confirmed(), log.fence()), before);
        assert_eq!(log.read(Lane::Synced, Head::ZERO, usize::MAX).unwrap().len(), 3);

        log.batch("drop trigger no");
        log.append(&append).unwrap();
        let fence = log.fence();
        let log = EventLog::open(log.conn, "the log").unwrap();
        assert_eq!((log.confirmed(), log.fence().epoch, fence.epoch), (2, 4, 4));
        assert_eq!(quarantined(&log), [(4, 4, "refused".to_owned())]);
        let start = log.backend_start(OnBackendChanged::Keep, 5).unwrap();
        assert_eq!(start.confirmed, parent.after(&commit(9, 9)));
        assert_eq!(start.anchor.as_ref(), commit(9, 9).events().last());
        assert_eq!(
            (start.pending, start.backend),
            (vec![commit(2, 3)], Some(BackendId("b".into())))
        );
    }

    #[test]
    fn what_the_backend_has_leaves_the_quarantine_and_what_it_has_not_stays() {
        let refuse = |log: &mut EventLog| {
            let quarantined =
                vec![(commit(1, 3), "one".to_owned()), (commit(4, 4), "two".to_owned())];
            log.append(&Append { quarantined, ..Append::default() }).unwrap();
        };
        let one = |first, last| (first, last, "one".to_owned());
        let two = || (4, 4, "two".to_owned());
        for (arrived, left) in [
            (&[][..], vec![one(1, 3), two()]),
            (&[7], vec![one(1, 3), two()]),
            (&[4], vec![one(1, 3)]),
            (&[1], vec![one(2, 2), one(3, 3), two()]),
            (&[2, 4], vec![one(1, 1), one(3, 3)]),
            (&[1, 2, 3, 4], vec![]),
            (&[3, 2, 1], vec![two()]),
        ] {
            let mut log = log(&[]);
            refuse(&mut log);
            let merged = Some(merged(Head::ZERO, 0, arrived));
            log.append(&Append { merged, ..Append::default() }).unwrap();
            assert_eq!(quarantined(&log), left, "{arrived:?}");
        }
        // Somebody else's, under the name of what is in quarantine.
        let mut log = log(&[]);
        refuse(&mut log);
        let mut forged = merged(Head::ZERO, 0, &[1, 4]);
        forged.arrived.iter_mut().for_each(|(_, fingerprint)| *fingerprint = Head::ZERO.hash);
        log.append(&Append { merged: Some(forged), ..Append::default() }).unwrap();
        assert_eq!(quarantined(&log), [one(1, 3), two()]);
    }

    #[test]
    fn an_event_that_stands_twice_is_two_commits() {
        let log = log(&[commit(1, 2), commit(2, 2), commit(2, 2), commit(3, 3)]);
        let read = log.read(Lane::Synced, Head::ZERO, usize::MAX).unwrap();
        assert_eq!(read, [commit(1, 2), commit(2, 2), commit(2, 2), commit(3, 3)]);
    }

    #[test]
    fn a_log_of_format_2_is_taken_over_with_nothing_confirmed() {
        let log = log(&[commit(1, 2), commit(3, 3)]);
        log.batch("drop table backend; drop table arrived; pragma user_version = 2");
        let log = EventLog::open(log.conn, "the log").unwrap();
        let start = log.backend_start(OnBackendChanged::Reset, 0).unwrap();
        assert_eq!((start.confirmed, start.anchor, start.backend), (Head::ZERO, None, None));
        assert_eq!(start.pending, [commit(1, 2), commit(3, 3)]);
        EventLog::open(log.conn, "the log").unwrap();
    }

    #[test]
    fn what_is_confirmed_and_not_there_is_damage() {
        let log = log(&[commit(1, 1)]);
        log.batch("update backend set confirmed = 2");
        let log = EventLog::open(log.conn, "the log").unwrap();
        let damage = log.backend_start(OnBackendChanged::Reset, 0).expect_err("it is not there");
        assert!(damage.is_damage() && damage.to_string().contains("event 2 "), "{damage}");
    }
}
