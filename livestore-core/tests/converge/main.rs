//! Stores of several clients around our server, over real sockets: whatever happened in between, they come to the same
//! log and the same rows, and the rows are the fold of the log.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, outside of `#[test]` functions"
)]

#[path = "../support/mod.rs"]
mod support;

mod server;

use std::time::{Duration, Instant};

use futures_executor::block_on;
use livestore_core::{
    NetworkStatus, OnBackendChanged, Store, StoreOptions, SyncOptions, http_polling,
    internals::ContentHash, websocket,
};
use server::Backend;
use support::{
    LocalEvent, NoteEvent, Notes, added, close,
    files::{connect, hashes, log, remove, state},
    ids,
};
use tempfile::TempDir;

/// How long clients may take to agree.
const PATIENCE: Duration = Duration::from_secs(90);

struct Client {
    directory: TempDir,
    store: Option<Store<Notes>>,
    sync: SyncOptions,
}

impl Client {
    fn new(sync: SyncOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut client = Self { directory, store: None, sync };
        client.open();
        client
    }

    fn of(backend: &Backend) -> Self {
        Self::new(websocket(backend.url("ws")))
    }

    fn open(&mut self) {
        let options = StoreOptions::new("notes").directory(self.directory.path());
        self.store = Some(block_on(Store::open(options.sync(self.sync.clone()))).unwrap());
    }

    fn store(&self) -> &Store<Notes> {
        self.store.as_ref().unwrap()
    }

    fn add(&self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            self.store().commit(added(id)).unwrap();
        }
    }

    fn is_synced(&self) -> bool {
        self.store().sync_status().is_synced
    }

    fn shows(&self, rows: &[i64]) {
        eventually(&format!("{rows:?} is shown"), || {
            (ids(self.store()) == rows, format!("{:?}", ids(self.store())))
        });
    }

    /// The content of the synced tables, as it stands in the closed files, and folded anew.
    fn content(mut self) -> ContentHash {
        close(self.store.take().unwrap());
        let as_it_is = hashes::<Notes>(self.directory.path());
        remove(&state::<Notes>(self.directory.path()));
        let options = StoreOptions::new("notes").directory(self.directory.path());
        close(block_on(Store::<Notes>::open(options)).unwrap());
        assert_eq!(as_it_is, hashes::<Notes>(self.directory.path()), "the state is the fold");
        as_it_is[0]
    }

    /// Ids and arguments of the closed log's synced events.
    fn log(&self) -> Vec<(i64, i64, String)> {
        let log = connect(&log(self.directory.path()));
        let sql = "select open, n, args from events where lane = 0 order by number";
        let mut statement = log.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }
}

fn eventually(what: &str, mut done: impl FnMut() -> (bool, String)) {
    let start = Instant::now();
    loop {
        let (done, now) = done();
        if done {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "not in time: {what}; now {now}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn all_synced(clients: &[&Client]) {
    eventually("all are synced", || {
        let status = |client: &&Client| format!("{:?}", client.store().sync_status());
        let heads: Vec<_> = clients.iter().map(|c| c.store().sync_status().backend).collect();
        let equal = heads.windows(2).all(|pair| pair[0] == pair[1]);
        let synced = clients.iter().all(|client| client.is_synced());
        (equal && synced, clients.iter().map(status).collect())
    });
}

fn back_online(clients: &[&Client]) {
    clients.iter().for_each(|client| client.store().retry_sync());
}

/// Closes them: they have the same log and the same content.
fn assert_equal(mut clients: Vec<Client>) {
    all_synced(&clients.iter().collect::<Vec<_>>());
    for client in &mut clients {
        close(client.store.take().unwrap());
        support::files::released(client.directory.path());
    }
    let logs: Vec<_> = clients.iter().map(Client::log).collect();
    assert!(logs.windows(2).all(|pair| pair[0] == pair[1]), "the logs differ: {logs:?}");
    let contents = clients.into_iter().map(|mut client| {
        client.open();
        client.content()
    });
    let contents: Vec<_> = contents.collect();
    assert!(contents.windows(2).all(|pair| pair[0] == pair[1]), "the rows differ");
}

#[test]
fn what_was_committed_live_offline_and_over_a_restart_is_the_same_everywhere() {
    let mut backend = Backend::start();
    let (one, other) = (Client::of(&backend), Client::of(&backend));
    one.add([1, 2]);
    other.shows(&[1, 2]);
    other.add([3]);
    one.shows(&[1, 2, 3]);

    backend.go_offline();
    one.add([4, 5]);
    one.store().commit(LocalEvent::Opened { id: 1 }).unwrap();
    one.store().commit(NoteEvent::Starred { id: 3 }).unwrap();
    other.add([6]);
    other.store().commit(NoteEvent::Removed { id: 1 }).unwrap();
    other.store().commit(LocalEvent::Opened { id: 9 }).unwrap();
    one.shows(&[1, 2, 3, 4, 5]);
    other.shows(&[2, 3, 6]);
    backend.go_online();
    back_online(&[&one, &other]);
    one.shows(&[2, 3, 4, 5, 6]);
    other.shows(&[2, 3, 4, 5, 6]);
    assert_equal(vec![one, other]);
}

#[test]
fn over_http_clients_converge_too() {
    let backend = Backend::start();
    let (one, other) = (Client::new(http_polling(backend.url("http"))), Client::of(&backend));
    one.add(1..=150);
    other.add([1_000]);
    all_synced(&[&one, &other]);
    assert_equal(vec![one, other]);
}

#[test]
fn many_offline_events_meet_one_foreign_event() {
    for count in [400, 2_000] {
        let mut backend = Backend::start();
        let (one, other) = (Client::of(&backend), Client::of(&backend));
        all_synced(&[&one, &other]);
        backend.go_offline();
        one.add(1..=count);
        other.add([-1]);
        one.store().pause_sync();
        backend.go_online();
        back_online(&[&other]);
        eventually("the other is first", || (other.is_synced(), String::new()));
        let start = Instant::now();
        one.store().resume_sync();
        all_synced(&[&one, &other]);
        println!("{count} offline events against one: {:?}", start.elapsed());
        assert_eq!(ids(other.store()).len(), usize::try_from(count).unwrap() + 1);
        assert_equal(vec![one, other]);
    }
}

#[test]
fn two_writers_who_take_turns_and_do_not_wait_converge() {
    let backend = Backend::start();
    let (one, other) = (Client::of(&backend), Client::of(&backend));
    let start = Instant::now();
    for id in 0..1_000 {
        one.add([2 * id]);
        other.add([2 * id + 1]);
    }
    let all: Vec<i64> = (0..2_000).collect();
    one.shows(&all);
    other.shows(&all);
    all_synced(&[&one, &other]);
    println!("2,000 alternating inserts: {:?}", start.elapsed());
    assert_equal(vec![one, other]);
}

#[test]
fn a_constraint_that_fails_after_a_rebase_and_a_refused_event_go_to_quarantine_alone() {
    let mut backend = Backend::start();
    let (one, other) = (Client::of(&backend), Client::of(&backend));
    all_synced(&[&one, &other]);
    backend.go_offline();
    one.add([1, 2]);
    let second = [other.store().commit(added(5)), other.store().commit((added(6), added(1)))];
    let barred = NoteEvent::Added { id: 7, text: "barred".to_owned() };
    let barred = other.store().commit(barred).unwrap();
    other.add([8]);
    other.store().pause_sync();
    backend.go_online();
    back_online(&[&one]);
    eventually("the one is first", || (one.is_synced(), String::new()));
    other.store().resume_sync();
    let [kept, failed] = second.map(Result::unwrap);
    assert_eq!(block_on(kept.confirmed()), Ok(()));
    let failed = block_on(failed.confirmed()).expect_err("1 is the other's").to_string();
    assert!(failed.contains("UNIQUE"), "{failed}");
    let refused = block_on(barred.confirmed()).expect_err("the server refuses it").to_string();
    assert!(refused.contains("barred here"), "{refused}");
    one.shows(&[1, 2, 5, 8]);
    other.shows(&[1, 2, 5, 8]);
    assert_equal(vec![one, other]);
}

#[test]
fn clients_follow_a_server_that_was_wiped_or_brought_back_as_their_app_says() {
    for wiped in [true, false] {
        for (policy, rows) in [
            (OnBackendChanged::Reset, &[1, 9][..]),
            (OnBackendChanged::Keep, &[1, 2, 3, 9]),
            (OnBackendChanged::Fail, &[1, 2, 3]),
        ] {
            let what = format!("wiped: {wiped}, {policy:?}");
            let mut backend = Backend::start();
            let client = |backend: &Backend| {
                Client::new(websocket(backend.url("ws")).on_backend_changed(policy))
            };
            let one = client(&backend);
            one.add([1]);
            all_synced(&[&one]);
            backend.go_offline();
            let copy = backend.copy();
            backend.go_online();
            back_online(&[&one]);
            one.add([2]);
            all_synced(&[&one]);
            backend.go_offline();
            one.add([3]);
            backend.restore((!wiped).then_some(&copy));
            backend.go_online();
            let fresh = client(&backend);
            fresh.add(if wiped { vec![9, 1] } else { vec![9] });
            all_synced(&[&fresh]);
            back_online(&[&one]);
            if policy == OnBackendChanged::Fail {
                eventually(&what, || {
                    let status = one.store().network_status();
                    (status == NetworkStatus::Stopped, format!("{status:?}"))
                });
                assert_eq!(ids(one.store()), rows, "{what}");
                continue;
            }
            println!("{what}");
            one.shows(rows);
            fresh.shows(rows);
            assert_equal(vec![one, fresh]);
        }
    }
}
