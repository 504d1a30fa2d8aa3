//! The driver between a session machine and two databases in memory, with storage that fails at chosen places.

pub(crate) mod rows;
// With files and an executor of its own.
#[cfg(not(target_family = "wasm"))]
mod sync;

use std::time::Duration;

use livestore_core::Schema;
use livestore_sync::{
    Args, Commit, Event as SyncEvent, EventId, Head, Lane, LeaderStatus, Outcome, Outgoing,
    Recipients, Session, SessionConfig, SessionId, TabId,
};

use super::{boot::fold, driver::Driver};
use rows::{CLIENT, Rows, leader_of};

use crate::{
    sqlite::{ContentHash, Db},
    state::State,
    testing::test,
};

const SESSION: SessionId = SessionId { tab: TabId(2), open: 3 };

/// A leader with one session.
struct Pair {
    driver: Driver,
    session: Session,
    now: Duration,
    settled: Vec<(u64, Outcome)>,
}

impl Pair {
    fn new() -> Self {
        let schema = Rows::def().unwrap();
        let driver = leader_of::<Rows>(SESSION);
        let session = SessionConfig::new(CLIENT, SESSION, schema.hash());
        let mut pair = Self {
            driver,
            session: Session::new(session, Duration::ZERO),
            now: Duration::ZERO,
            settled: Vec::new(),
        };
        pair.settle();
        assert!(pair.session.is_open());
        pair
    }

    /// A session of another version of the app, which folds the log from its start.
    fn other_version(&self) -> Session {
        let id = SessionId { tab: TabId(7), open: 8 };
        Session::new(SessionConfig::new(CLIENT, id, 0), self.now)
    }

    /// Lets a session ask for this long; how often it did.
    fn ask(&mut self, session: &mut Session, seconds: u64) -> usize {
        let mut asked = 0;
        for _ in 0..seconds * 4 {
            self.now += Duration::from_millis(250);
            while let Some(message) = session.poll_send(self.now) {
                asked += 1;
                self.driver.receive(self.now, message);
            }
            self.driver.write(self.now);
            while let Some(Outgoing { to, message }) = self.driver.poll_send() {
                let Recipients::Sessions(to) = to else { continue };
                for receiver in [&mut *session, &mut self.session] {
                    if to.contains(&receiver.id()) {
                        receiver.receive(self.now, message.clone()).unwrap();
                    }
                }
            }
        }
        asked
    }

    /// Exchanges messages and writes groups until all is quiet.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(message) = self.session.poll_send(self.now) {
                self.driver.receive(self.now, message);
                quiet = false;
            }
            quiet &= !self.driver.write(self.now);
            while let Some(outgoing) = self.driver.poll_send() {
                self.session.receive(self.now, outgoing.message).unwrap();
                quiet = false;
            }
            while let Some(settled) = self.session.poll_settled() {
                self.settled.push((settled.last.n.get(), settled.outcome));
            }
            if quiet {
                return;
            }
        }
    }

    fn wait(&mut self) {
        self.now += Duration::from_secs(30);
        self.settle();
    }

    /// Commits one event for each row.
    fn commit(&mut self, rows: &[i64]) {
        let mut n = self.session.next_n();
        let mut events = Vec::new();
        for row in rows {
            let args = Args::parse(&format!("{{\"id\":{row}}}")).unwrap();
            let id = EventId { client: CLIENT, session: SESSION, n };
            events.push(SyncEvent { id, name: "v1.Inserted".into(), args });
            n = n.saturating_add(1);
        }
        self.session.commit(Commit::new(Lane::Synced, events).unwrap()).unwrap();
    }

    fn state(&self, sql: &str) {
        self.driver.databases().1.db().conn().execute_batch(sql).unwrap();
    }

    fn rows(&self) -> Vec<i64> {
        let conn = self.driver.databases().1.db().conn();
        let mut statement = conn.prepare("select id from rows order by id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn take_settled(&mut self) -> Vec<(u64, bool)> {
        let mut settled = std::mem::take(&mut self.settled);
        settled.sort_by_key(|(n, _)| *n);
        settled.into_iter().map(|(n, outcome)| (n, outcome == Outcome::Persisted)).collect()
    }

    /// The log is sound, and the state is its fold.
    fn check(&self) {
        let (log, state) = self.driver.databases();
        assert_eq!(state.heads(), log.heads());
        let db = Db::open_in_memory().unwrap();
        let mut rebuilt = State::create(db, Rows::def().unwrap()).unwrap();
        fold(log, &mut rebuilt, log.heads(), |_, _| {}).unwrap();
        let hash = |state: &State| -> ContentHash { state.content_hash(Lane::Synced).unwrap() };
        assert_eq!(hash(state), hash(&rebuilt));
    }
}

/// From here on, until `UNTRAP`, every transaction of the state that moves a head fails when it is committed: not before.
pub(super) const TRAP: &str = "
    create table parents (id integer primary key);
    create table trapped (x integer references parents (id) deferrable initially deferred);
    create trigger trap after insert on livestore_heads begin insert into trapped values (-7); end";
pub(super) const UNTRAP: &str = "drop trigger trap; drop table trapped; drop table parents";

#[test]
fn what_the_log_has_and_the_state_could_not_commit_is_folded_in_with_the_next_group() {
    let mut pair = Pair::new();
    pair.commit(&[1]);
    pair.settle();
    pair.state(TRAP);
    pair.commit(&[2, 3]);
    pair.settle();
    assert_eq!(pair.take_settled(), [(1, true), (3, true)], "the log has it, so it is persisted");
    let (log, state) = pair.driver.databases();
    assert_eq!((log.heads().synced.number, state.heads().synced.number), (3, 1));
    assert_eq!(pair.rows(), [1], "rows and head of the state belong together");
    assert!(!pair.driver.has_snapshot(), "a state behind the log is handed to nobody");

    pair.state(UNTRAP);
    pair.commit(&[4]);
    pair.settle();
    assert_eq!(pair.take_settled(), [(4, true)]);
    assert_eq!(pair.rows(), [1, 2, 3, 4]);
    assert!(pair.driver.has_snapshot());
    pair.check();
}

#[test]
fn while_the_state_can_not_catch_up_commits_wait_and_none_is_lost_or_doubled() {
    let mut pair = Pair::new();
    pair.state(TRAP);
    pair.commit(&[1]);
    pair.settle();
    assert_eq!(pair.take_settled(), [(1, true)]);
    for row in 2..5 {
        pair.commit(&[row]);
        pair.settle();
        pair.wait();
    }
    assert_eq!(pair.take_settled(), [], "nothing is accepted on a state that is not the log's");
    let stalled = pair.session.status(pair.now);
    assert!(matches!(stalled, LeaderStatus::Stalled { .. }), "{stalled:?}");
    assert_eq!(pair.driver.databases().0.heads().synced.number, 1);

    pair.state(UNTRAP);
    pair.wait();
    assert_eq!(pair.take_settled(), [(2, true), (3, true), (4, true)]);
    assert_eq!(pair.rows(), [1, 2, 3, 4]);
    assert_eq!(pair.session.status(pair.now), LeaderStatus::Attached);
    pair.check();
}

#[test]
fn a_log_that_can_not_be_written_leaves_the_state_as_it_was_and_is_tried_again() {
    let mut pair = Pair::new();
    pair.commit(&[1]);
    pair.settle();
    pair.driver.log_storage("pragma max_page_count = 1");
    let big: Vec<i64> = (10..1_000).collect();
    pair.commit(&[2]);
    pair.commit(&big);
    pair.settle();
    pair.wait();
    assert_eq!(pair.take_settled(), [(1, true)]);
    assert_eq!(pair.rows(), [1], "log first: no effect without it");
    let stalled = pair.session.status(pair.now);
    assert!(
        matches!(&stalled, LeaderStatus::Stalled { reason } if reason.contains("full")),
        "{stalled:?}"
    );
    pair.check();

    pair.driver.log_storage("pragma max_page_count = 100000");
    pair.wait();
    assert_eq!(pair.take_settled(), [(2, true), (992, true)]);
    assert_eq!(pair.rows().len(), 2 + big.len());
    pair.check();
}

#[test]
fn a_state_whose_damage_shows_while_the_leader_serves_is_folded_anew_and_nothing_is_lost() {
    let mut pair = Pair::new();
    pair.commit(&[1, 2]);
    pair.settle();
    // The table's root is a page that is not there: what a bad sector leaves behind.
    pair.state(
        "pragma writable_schema = on;
         update sqlite_schema set rootpage = 99999 where name = 'rows';
         pragma writable_schema = reset",
    );
    pair.commit(&[3]);
    pair.settle();
    pair.wait();
    assert_eq!(pair.take_settled(), [(2, true), (3, true)]);
    assert_eq!(pair.rows(), [1, 2, 3]);
    let serving = format!("{:?}", pair.driver.serving());
    assert!(serving.contains("StateRebuilt"), "{serving}");
    pair.check();
}

#[test]
fn of_a_group_only_what_fails_is_refused() {
    let mut pair = Pair::new();
    pair.commit(&[1]);
    pair.commit(&[2, 1]);
    pair.commit(&[3]);
    pair.commit(&[3]);
    pair.commit(&[2]);
    pair.settle();
    assert_eq!(pair.take_settled(), [(1, true), (3, false), (4, true), (5, false), (6, true)]);
    assert_eq!(pair.rows(), [1, 2, 3]);
    let (log, _) = pair.driver.databases();
    assert_eq!((log.heads().synced.number, log.last_n(SESSION).unwrap()), (3, 6));
    let refused: Vec<u64> =
        log.refused(SESSION, 1).unwrap().iter().map(|refused| refused.id.n.get()).collect();
    assert_eq!(refused, [2, 5]);
    pair.check();
}

#[test]
fn what_was_refused_is_not_taken_a_second_time() {
    let mut pair = Pair::new();
    pair.commit(&[1]);
    pair.settle();
    pair.commit(&[1]);
    pair.state(TRAP);
    pair.settle();
    pair.state(UNTRAP);
    pair.commit(&[2]);
    pair.settle();
    assert_eq!(pair.take_settled(), [(1, true), (2, false), (3, true)]);
    assert_eq!(pair.driver.databases().0.heads().synced.number, 2);
    assert_ne!(pair.driver.databases().0.heads().synced, Head::ZERO);
    pair.check();
}

/// Whether a status says that this row of the log is damaged.
fn names_damage(status: &LeaderStatus, event: u64) -> bool {
    let place = format!("is damaged at event {event} ");
    matches!(status, LeaderStatus::Stalled { reason } if reason.contains(&place))
}

#[test]
fn a_log_whose_damage_shows_while_the_leader_serves_stops_it_and_every_session_is_told() {
    for damage in [
        "update events set args = '{\"id\":9}' where number = 2",
        "update events set hash = x'00' where number = 2",
        "update events set args = 'no JSON' where number = 2",
    ] {
        let mut pair = Pair::new();
        pair.commit(&[1]);
        pair.commit(&[2]);
        pair.commit(&[3]);
        pair.settle();
        pair.take_settled();
        pair.driver.log_storage(damage);
        let mut other = pair.other_version();
        let asked = pair.ask(&mut other, 600);
        assert!((10..=60).contains(&asked), "{damage}: asked {asked} times in ten minutes");
        assert!(names_damage(&other.status(pair.now), 2), "{:?}", other.status(pair.now));
        assert!(!other.is_open());
        assert!(pair.driver.damage().is_some_and(|reason| reason.contains("event 2 ")), "{damage}");

        // Nothing is added to it, and what was there stays.
        pair.commit(&[4]);
        pair.settle();
        pair.wait();
        assert_eq!(pair.take_settled(), []);
        assert!(names_damage(&pair.session.status(pair.now), 2));
        assert_eq!(pair.session.pending().len(), 1);
        assert_eq!(pair.driver.databases().0.heads().synced.number, 3);
        assert_eq!(pair.rows(), [1, 2, 3]);
    }
}

#[test]
fn a_log_that_can_not_be_read_for_a_moment_is_read_again() {
    let mut pair = Pair::new();
    pair.commit(&[1]);
    pair.settle();
    pair.driver.log_storage("alter table events rename to elsewhere");
    let mut other = pair.other_version();
    pair.ask(&mut other, 30);
    let stalled = other.status(pair.now);
    assert!(
        matches!(&stalled, LeaderStatus::Stalled { reason } if reason.contains("no such table")),
        "{stalled:?}"
    );
    assert_eq!(pair.driver.damage(), None);
    pair.driver.log_storage("alter table elsewhere rename to events");
    pair.ask(&mut other, 30);
    assert_eq!((other.status(pair.now), other.is_open()), (LeaderStatus::Attached, true));
}
