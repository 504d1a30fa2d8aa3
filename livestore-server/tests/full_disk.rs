//! A disk that takes no more, under a real process: a limit on the size of its files, which SQLite meets as a write that
//! fails in the middle of a transaction. (`tests/wire.rs` has the database that may grow no more.)
#![cfg(unix)]

mod support;

use std::path::Path;

use livestore_sync::wire::{Exit, Extensions, Failure};
use support::{Client, Process, event};

async fn client(server: &Process, store: &str) -> Client {
    Client::connect(&server.address, store, Extensions::NONE).await.expect("the server serves")
}

async fn numbers(server: &Process, store: &str) -> Vec<u64> {
    let log = client(server, store).await.log().await.expect("reads go on");
    log.into_iter().map(|event| event.number).collect()
}

async fn push(server: &Process, store: &str, number: u64, args: &str) -> Exit {
    let pushed = client(server, store).await.push(vec![event(number, args)]).await;
    pushed.expect("the socket lives")
}

/// Pushes until the server refuses; how many it took.
async fn fill(data: &Path) -> u64 {
    // A process whose file would grow beyond the limit gets a signal, and if it ignores that, an error.
    let server = Process::start_after("ulimit -f 2048; trap '' XFSZ", data);
    assert_eq!(push(&server, "other", 1, "{}").await, Exit::Pushed);
    let args = format!("\"{}\"", "x".repeat(100_000));
    let mut taken = 0;
    while push(&server, "s", taken + 1, &args).await == Exit::Pushed {
        taken += 1;
        assert!(taken < 100, "there is a limit");
    }
    for store in ["s", "another"] {
        let number = if store == "s" { taken + 1 } else { 1 };
        let refused = push(&server, store, number, &args).await;
        assert!(matches!(refused, Exit::Failed(Failure::Unknown(_))), "{refused:?}");
    }
    assert_eq!(numbers(&server, "s").await, (1..=taken).collect::<Vec<_>>());
    assert_eq!(numbers(&server, "other").await, [1]);
    assert_eq!(numbers(&server, "another").await, [0; 0]);
    taken
}

#[tokio::test]
async fn a_full_disk_refuses_pushes_serves_reads_and_takes_pushes_again_once_there_is_room() {
    let data = tempfile::tempdir().expect("a directory");
    let taken = fill(data.path()).await;
    assert!(taken > 3, "{taken} were taken before");
    let server = Process::start(data.path());
    assert_eq!(
        numbers(&server, "s").await,
        (1..=taken).collect::<Vec<_>>(),
        "what was acknowledged"
    );
    assert_eq!(push(&server, "s", taken + 1, "{}").await, Exit::Pushed);
    assert_eq!(push(&server, "another", 1, "{}").await, Exit::Pushed);
}
