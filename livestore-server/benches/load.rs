//! Load on this machine: pushes and fan-out at 1, 100 and 1,000 live sockets, and the memory of an idle socket.
//!
//! `cargo bench -p livestore-server --bench load` prints tables, in half a minute. Server and clients are processes of
//! their own and share the machine, so the rates are of both together; the server's own share is in the column of its
//! processor time.

#![allow(clippy::print_stdout, reason = "a benchmark speaks through its output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use livestore_sync::wire::{Exit, Extensions};
use support::{Client, Process, event};
use tokio::sync::mpsc;

const TIME: Duration = Duration::from_secs(3);
const SOCKETS: usize = 1_000;

#[tokio::main]
async fn main() {
    assert_files_suffice();
    println!(
        "| live sockets | events a push | events/s pushed | events/s handed out | server's processor time for an event handed out | acknowledged p50 | p99 | seen p50 | p99 |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for sockets in [1, 100, SOCKETS] {
        for batch in [1, 100] {
            fan_out(sockets, batch).await;
        }
    }
    println!("\n| writers, each of its own store | pushes/s | acknowledged p50 | p99 |");
    println!("|--:|--:|--:|--:|");
    stores_beside_each_other(64).await;
    println!("\n| idle sockets with a live pull | memory of the server for each | without them |");
    println!("|--:|--:|--:|");
    idle(SOCKETS).await;
}

/// Each socket is an open file of the server and one of the clients, and so are a few other things.
fn assert_files_suffice() {
    let limits = fs::read_to_string("/proc/self/limits").expect("a Linux");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).expect("a limit");
    let suffices = soft.parse().map_or(soft == "unlimited", |soft: usize| soft >= SOCKETS + 100);
    assert!(suffices, "a process may open {soft} files: `ulimit -n 4096`, and then again");
}

/// One writer, `sockets` live readers of the same store.
async fn fan_out(sockets: usize, batch: u64) {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path());
    let start = Instant::now();
    let (seen, mut all_seen) = mpsc::unbounded_channel();
    for _ in 0..sockets {
        let mut reader = connect(&server, "s").await;
        reader.pull(None, true).await.expect("a pull");
        reader.page().await.expect("the empty page");
        let seen = seen.clone();
        tokio::spawn(async move {
            while let Some(page) = reader.page().await {
                let last = page.events.last().map_or(0, |event| event.number);
                // The writer ends first.
                let _ = seen.send((last, start.elapsed()));
            }
        });
    }
    drop(seen);
    let mut writer = connect(&server, "s").await;
    let busy = processor_time(&server);
    let (mut pushed, mut acknowledged, mut arrived) = (Vec::new(), Vec::new(), Vec::new());
    let mut head = 0;
    let began = Instant::now();
    while began.elapsed() < TIME {
        let at = start.elapsed();
        let events = (head + 1..=head + batch)
            .map(|number| event(number, r#"{"id":"0123456789","text":"buy milk"}"#));
        assert_eq!(writer.push(events.collect()).await, Some(Exit::Pushed));
        head += batch;
        acknowledged.push(start.elapsed() - at);
        pushed.push(at);
        // All sockets have it before the next push, so that a latency is one push's.
        let mut behind = sockets;
        while behind > 0 {
            let (number, when) = all_seen.recv().await.expect("the readers read");
            if number == head {
                arrived.push(when - at);
                behind -= 1;
            }
        }
    }
    let time = began.elapsed().as_secs_f64();
    let busy = (processor_time(&server) - busy).as_secs_f64() * 1e6;
    let handed_out = head as f64 * sockets as f64;
    println!(
        "| {sockets} | {batch} | {:.0} | {:.0} | {:.2} µs | {} | {} |",
        head as f64 / time,
        handed_out / time,
        busy / handed_out,
        percentiles(&mut acknowledged),
        percentiles(&mut arrived),
    );
}

/// Writers of many stores, whose pushes share the server's transactions.
async fn stores_beside_each_other(stores: usize) {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path());
    let began = Instant::now();
    let mut writers = Vec::new();
    for store in 0..stores {
        let mut writer = connect(&server, &format!("s{store}")).await;
        writers.push(tokio::spawn(async move {
            let (mut head, mut times) = (0, Vec::new());
            while began.elapsed() < TIME {
                let at = Instant::now();
                assert_eq!(writer.push(vec![event(head + 1, "{}")]).await, Some(Exit::Pushed));
                head += 1;
                times.push(at.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await.expect("a writer"));
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    println!("| {stores} | {rate:.0} | {} |", percentiles(&mut times));
}

/// What an idle socket with a live pull costs the server.
async fn idle(sockets: usize) {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path());
    let mut clients = vec![connect(&server, "s").await];
    let before = resident(&server);
    while clients.len() <= sockets {
        let mut client = connect(&server, "s").await;
        client.pull(None, true).await.expect("a pull");
        client.page().await.expect("the empty page");
        clients.push(client);
    }
    let after = resident(&server);
    let each = (after - before) as f64 / sockets as f64;
    println!("| {sockets} | {each:.1} KiB | {before} KiB |");
}

/// Resident memory in KiB.
fn resident(server: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a number")
}

/// What the server has used of the processors, in user's and system's time; Linux tells it in hundredths of a second.
fn processor_time(server: &Process) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("a Linux");
    // The program's name, in brackets, may hold blanks; user's and system's time are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>());
    Duration::from_millis(10 * ticks.map(|ticks| ticks.expect("a number")).sum::<u64>())
}

async fn connect(server: &Process, store: &str) -> Client {
    Client::connect(&server.address, store, Extensions::NONE).await.expect("the server serves")
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    format!("{:.1} ms | {:.1} ms", at(50), at(99))
}
