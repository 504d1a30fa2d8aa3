//! `kill -9` at random moments while committing: what was acknowledged is in the log, commits are there whole or not at
//! all, and the state is the fold of the log.
//!
//! A child (this binary, started again) commits and says what it was promised; the parent kills it and looks.
//! `LIVESTORE_KILL_SEED=N` repeats the moments of a run, `LIVESTORE_KILLS=N` sets how many there are.

mod support;

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use livestore_core::{BootWarning, Receipt};
use support::{
    LocalEvent, NoteEvent, Notes, close,
    files::{connect, hashes, log, remove, state},
    ids, in_directory,
    process::{Process, child_directory, say},
};
use tempfile::tempdir;

/// How many stores are killed side by side.
const STORES: u64 = 2;
/// A new store after so many kills: rebuilding a long log takes its time.
const KILLS_PER_STORE: u64 = 10;

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn from_env(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Run as a process of its own: commits until it is killed.
#[test]
#[ignore = "a process that another test starts"]
fn commits_until_it_is_killed() {
    let Some(directory) = child_directory() else { return };
    let store = in_directory(&directory);
    let mut next = ids(&store).last().map_or(1, |last| last + 1);
    let (committed, receipts) = mpsc::channel::<Receipt>();
    thread::spawn(move || {
        for receipt in receipts {
            block_on(receipt.persisted()).expect("nothing is refused");
            let id = receipt.id();
            say(&format!("persisted {} {} {}", id.session.tab, id.session.open, id.n));
        }
    });
    say("commits");
    let mut chance = Chance(std::process::id().into());
    loop {
        // A note's text begins with the number of its commit's events.
        let note = |id, text: &str| NoteEvent::Added { id, text: text.to_owned() };
        let receipt = match chance.below(8) {
            0 => store.commit(LocalEvent::Opened { id: next }),
            1 => store.commit((note(next, "2"), NoteEvent::Starred { id: next })),
            2 => store.commit([0, 1, 2].map(|more| note(next + more, "3"))),
            3 => {
                let long = format!("2 {}", "x".repeat(20_000));
                store.commit((note(next, &long), NoteEvent::Removed { id: next }))
            }
            _ => store.commit(note(next, "1")),
        };
        committed.send(receipt.expect("it applies")).expect("somebody waits");
        next += 3;
        // Now and then the leader comes to rest, so that kills find it idle, too.
        if chance.below(20) == 0 {
            thread::sleep(Duration::from_millis(chance.below(10)));
        }
    }
}

/// `(tab, open)` of a session, and how far it was acknowledged.
type Promises = BTreeMap<(String, u64), u64>;

/// Lets a child commit for a while after it has begun (or, at times, after it was started: then it is killed while it
/// opens the store), kills it, and adds to `promises` what it said.
fn kill_one(directory: &Path, begun: bool, after: Duration, promises: &mut Promises) {
    let mut child = Process::start("commits_until_it_is_killed", directory, "");
    if begun {
        child.expect("commits");
    }
    thread::sleep(after);
    child.kill();
    // What it had said before it died is still in the pipe.
    while let Some(line) = child.line() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["persisted", tab, open, n] = words[..] else { continue };
        let number = |word: &str| word.parse::<u64>().expect("a number");
        let last = promises.entry((tab.to_owned(), number(open))).or_default();
        *last = (*last).max(number(n));
    }
}

/// Looks at what is left, opens it, and compares the state with one that is rebuilt from nothing.
fn check(directory: &Path, promises: &Promises) -> (u64, bool) {
    let mut logged: BTreeMap<u64, VecDeque<(u64, u64)>> = BTreeMap::new();
    let store = in_directory(directory);
    let mended = store
        .boot_warnings()
        .iter()
        .inspect(|warning| {
            assert!(matches!(warning, BootWarning::StateRebuilt { .. }), "{warning}");
        })
        .count();
    close(store);
    let reopened = hashes::<Notes>(directory);
    let connection = connect(&log(directory));
    let mut rows = connection
        .prepare("select open, n, first_n from events order by open, n")
        .expect("the log is readable");
    let read = rows.query_map([], |row| {
        let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
        Ok((number(0)?, number(1)?, number(2)?))
    });
    for row in read.expect("the log is readable") {
        let (open, n, first_n) = row.expect("a row");
        logged.entry(open).or_default().push_back((n, first_n));
    }
    let mut total = 0;
    for (open, events) in &logged {
        let numbers: Vec<u64> = events.iter().map(|(n, _)| *n).collect();
        let whole: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, whole, "session {open:016x}: every event once, no gap");
        total += numbers.len() as u64;
    }
    for ((tab, open), n) in promises {
        let has = logged.get(open).and_then(|events| events.back()).map_or(0, |(n, _)| *n);
        assert!(has >= *n, "{tab}.{open:016x} was promised {n} events, the log has {has}");
    }
    let halves = "select count(*) from (
        select count(*) as has, coalesce(max(cast(json_extract(args, '$.text') as integer)), 1) as needs
        from events group by tab, open, first_n) where has <> needs";
    let halves = connection.query_row(halves, [], |row| row.get::<_, i64>(0));
    assert_eq!(halves, Ok(0), "no commit is there in part");
    drop(rows);
    drop(connection);
    remove(&state::<Notes>(directory));
    close(in_directory(directory));
    assert_eq!(hashes::<Notes>(directory), reopened, "the state is the fold of the log");
    (total, mended > 0)
}

/// Kills stores one after the other; says what it came to.
fn kill_many(seed: u64, kills: u64) -> String {
    let mut chance = Chance(seed);
    let (mut done, mut promised, mut logged, mut mended) = (0, 0, 0, 0);
    while done < kills {
        let directory = tempdir().expect("a place for tests");
        let mut promises = Promises::new();
        let mut total = 0;
        for _ in 0..KILLS_PER_STORE.min(kills - done) {
            if total > 0 && chance.below(5) == 0 {
                remove(&state::<Notes>(directory.path()));
            }
            let (begun, after) = (chance.below(5) > 0, Duration::from_micros(chance.below(60_000)));
            kill_one(directory.path(), begun, after, &mut promises);
            let (events, rebuilt) = check(directory.path(), &promises);
            assert!(events >= total, "nothing of earlier rounds is gone");
            total = events;
            mended += u64::from(rebuilt);
            done += 1;
        }
        promised += promises.values().sum::<u64>();
        logged += total;
    }
    format!(
        "{done} kills, {promised} events promised, {logged} in the logs, {mended} states rebuilt"
    )
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let seed = from_env("LIVESTORE_KILL_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        now.expect("after 1970").as_micros() as u64
    });
    let kills = from_env("LIVESTORE_KILLS").unwrap_or(200);
    println!("LIVESTORE_KILL_SEED={seed}");
    let begun = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..STORES)
            .map(|worker| scope.spawn(move || kill_many(seed ^ (worker << 60), kills / STORES)))
            .collect();
        for worker in workers {
            println!("{}", worker.join().expect("see above, and the seed"));
        }
    });
    println!("in {:?}", begun.elapsed());
}
