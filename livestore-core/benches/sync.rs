//! Sync as an app has it: two stores in files and a server between them, all in this process.
//!
//! `cargo bench -p livestore-core --bench sync` prints a table: how long a commit takes until another client shows it, and
//! what a rebase costs beside the same events without one.

#![allow(clippy::print_stdout, reason = "a benchmark speaks through its output")]
#![allow(dead_code, reason = "it uses a part of what the tests share")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use livestore_core::{Receipt, Store, StoreOptions, websocket};
use livestore_server::{Config, Server, SqliteLog};
use support::{Note, Notes, added, close, eventually};
use tempfile::TempDir;

const COMMITS: usize = 1_000;
const ROUNDS: usize = 9;
/// Events on each side of a rebase.
const EVENTS: i64 = 1_000;

fn main() {
    println!("| what | p50 | p99 |\n|---|--:|--:|");
    for apart in [Duration::ZERO, Duration::from_millis(5)] {
        let Times { p50, p99 } = commit_to_applied(apart);
        println!(
            "| commit on one store until another shows it, {} ms apart | {p50:.2} ms | {p99:.2} ms |",
            apart.as_millis()
        );
    }
    println!("\n| what, median of {ROUNDS} | time |\n|---|--:|");
    let (mut rebases, mut applies): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| rebase()).unzip();
    let (rebase, apply) = (times(&mut rebases).p50, times(&mut applies).p50);
    println!("| {EVENTS} pending rebased over {EVENTS} of another client | {rebase:.0} ms |");
    println!("| {} of another client applied | {apply:.0} ms |", 2 * EVENTS);
    println!("| the first by the second | {:.2} |", rebase / apply);
}

struct Times {
    p50: f64,
    p99: f64,
}

/// In milliseconds.
fn times(times: &mut [Duration]) -> Times {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    Times { p50: at(50), p99: at(99) }
}

/// A server in this process, for as long as that lives.
struct Backend {
    url: String,
    _directory: TempDir,
}

impl Backend {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a place for files");
        let log = SqliteLog::open(directory.path()).expect("the log opens");
        let (serving, serves) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                serving.send(listener.local_addr()).expect("somebody waits for it");
                let server = Server::new(Config::new(log));
                let router = server.router();
                server.serve(listener, router, std::future::pending()).await.expect("it serves");
            });
        });
        let address = serves.recv().expect("it starts").expect("an address");
        Self { url: format!("ws://{address}/sync"), _directory: directory }
    }
}

/// A client with files of its own.
struct Client {
    store: Store<Notes>,
    _directory: TempDir,
}

fn client(backend: &Backend) -> Client {
    let directory = tempfile::tempdir().expect("a place for files");
    let options =
        StoreOptions::new("notes").directory(directory.path()).sync(websocket(&backend.url));
    let store = block_on(Store::open(options)).expect("the store opens");
    eventually("it is connected", || store.sync_status().is_synced);
    Client { store, _directory: directory }
}

/// From `commit` on one store until a query of another one has the row; the next commit waits for that.
fn commit_to_applied(apart: Duration) -> Times {
    let backend = Backend::start();
    let (one, other) = (client(&backend), client(&backend));
    let (shown, shows) = mpsc::channel();
    let _subscription = other.store.subscribe(Note::query().count(), move |&count| {
        // The last rows may be shown when nobody waits any more.
        let _ = shown.send((count, Instant::now()));
    });
    let mut took = Vec::new();
    for id in 1..=COMMITS {
        std::thread::sleep(apart);
        let began = Instant::now();
        one.store.commit(added(id as i64)).expect("it applies");
        let (_, at) = shows.iter().find(|(count, _)| *count == id as u64).expect("it arrives");
        took.push(at - began);
    }
    close(one.store);
    close(other.store);
    times(&mut took)
}

/// How long it takes from the moment of going online until a client that is `EVENTS` ahead shows the other's `EVENTS`,
/// too, and until one that has nothing shows the two thousand that there are.
fn rebase() -> (Duration, Duration) {
    let backend = Backend::start();
    let (ahead, other, empty) = (client(&backend), client(&backend), client(&backend));
    for waits in [&ahead.store, &empty.store] {
        waits.pause_sync();
        eventually("it is paused", || !waits.sync_status().is_synced);
    }
    let add = |store: &Store<Notes>, ids: std::ops::Range<i64>| -> Receipt {
        let commit = |id| store.commit(added(id)).expect("it applies");
        ids.map(commit).reduce(|_, later| later).expect("there are some")
    };
    assert_eq!(block_on(add(&other.store, 0..EVENTS).confirmed()), Ok(()));
    assert_eq!(block_on(add(&ahead.store, EVENTS..2 * EVENTS).persisted()), Ok(()));
    let rebase = resume(&ahead.store);
    eventually("the other one has them", || other.store.sync_status().session == 2 * EVENTS as u64);
    eventually("all is quiet", || other.store.sync_status().is_synced);
    let apply = resume(&empty.store);
    [ahead, other, empty].into_iter().for_each(|client| close(client.store));
    (rebase, apply)
}

fn resume(store: &Store<Notes>) -> Duration {
    let (shown, shows) = mpsc::channel();
    let _subscription = store.subscribe(Note::query().count(), move |&count| {
        // As above.
        let _ = shown.send((count, Instant::now()));
    });
    let began = Instant::now();
    store.resume_sync();
    let all = shows.iter().find(|(count, _)| *count == 2 * EVENTS as u64);
    all.expect("all arrive").1 - began
}
