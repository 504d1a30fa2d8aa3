//! One thread takes turns, others commit and deliver: what it follows moves in its turns only, and nothing waits for it
//! that others wait for.

mod support;

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures_executor::block_on;
use futures_util::FutureExt;
use livestore_core::{IntoQuery, LiveQuery, Store, Turns};
use support::{
    Draft, Note, NoteEvent, Notes, Seen, Theme, added, close, eventually, ids, in_directory, memory,
};
use tempfile::tempdir;

fn stars(store: &Store<Notes>, id: i64) -> LiveQuery<Option<i64>> {
    store.live(Note::query().filter(Note::ID.eq(id)).columns(Note::STARS).first())
}

fn count(store: &Store<Notes>) -> LiveQuery<u64> {
    store.live(Note::query().count().into_query())
}

/// A commit that moves both values of the pair.
fn both() -> [NoteEvent; 2] {
    [NoteEvent::Starred { id: 1 }, NoteEvent::Starred { id: 2 }]
}

/// A UI's event loop: takes its turns until `done`.
fn run_until(turns: &Turns, done: impl Fn() -> bool) {
    for _ in 0..2_000 {
        turns.take();
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("not in 10 s");
}

/// Threads that commit through clones and through another session, thousands of times, while this one renders.
#[test]
fn the_thread_that_takes_turns_never_sees_a_pair_mixed() {
    const BY_THREADS: i64 = 2_000;
    const BY_ANOTHER_SESSION: i64 = 500;
    let directory = tempdir().expect("a place for tests");
    let store = in_directory(directory.path());
    let other = in_directory(directory.path());
    store.commit([added(1), added(2)]).expect("it applies");
    eventually("both sessions have the notes", || ids(&other) == [1, 2]);
    let turns = store.turns();
    let (one, two) = (stars(&store, 1), stars(&store, 2));
    let sum = store.computed({
        let (one, two) = (one.node().cloned(), two.node().cloned());
        move |cx| {
            let (Some(one), Some(two)) = (&one, &two) else { return Ok(None) };
            Ok(Some((cx.get(one)?.unwrap_or(0), cx.get(two)?.unwrap_or(0))))
        }
    });
    let sum = sum.expect("not inside the store");
    let told = Arc::new(AtomicUsize::new(0));
    let here = thread::current().id();
    let _subscription = one.on_change({
        let told = Arc::clone(&told);
        move || {
            assert_eq!(thread::current().id(), here, "callbacks are called here only");
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    let total = BY_THREADS + BY_ANOTHER_SESSION;
    let (mut moments, mut seen) = (0, 0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let store = store.clone();
            scope.spawn(move || {
                for _ in 0..BY_THREADS / 2 {
                    store.commit(both()).expect("it applies");
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..BY_ANOTHER_SESSION {
                other.commit(both()).expect("it applies");
            }
        });
        while seen < total {
            assert!(block_on(turns.wanted()));
            turns.take();
            let pair = || {
                let read = |live: &LiveQuery<Option<i64>>| live.value().expect("the query runs");
                (read(&one).expect("it is there"), read(&two).expect("it is there"))
            };
            let moment = pair();
            assert_eq!(moment.0, moment.1, "one moment");
            // A render that takes its time.
            for _ in 0..50 {
                assert_eq!(pair(), moment, "between two turns nothing moves");
            }
            assert_eq!(*sum.value().expect("it computes"), Some(moment));
            if moment.0 != seen {
                (moments, seen) = (moments + 1, moment.0);
            }
        }
    });
    assert!(moments > 10, "it has rendered {moments} moments of {total}");
    assert_eq!(told.load(Ordering::Relaxed), moments, "told once for each");
    close(other);
    close(store);
}

#[test]
fn a_commit_of_another_thread_shows_there_at_once_and_here_in_the_next_turn() {
    let store = memory();
    let (count, seen) = (count(&store), Seen::new());
    let turns = store.turns();
    turns.take();
    let _subscription = store.subscribe(Note::query().count(), {
        let seen = seen.clone();
        move |count| seen.note((*count, thread::current().id()))
    });
    let here = thread::current().id();
    assert_eq!(seen.take(), [(0, here)]);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.commit(added(1)).expect("it applies");
            assert_eq!(*count.value().expect("it counts"), 1, "its own commit");
            assert_eq!(count.last().as_deref(), Some(&1));
            let draft = store.document::<Draft>().expect("the schema has it");
            draft.update(|draft| draft.text.push('x')).expect("it is JSON");
            assert_eq!(draft.get().text, "x");
        });
    });
    assert_eq!(*count.value().expect("it counts"), 0, "as of the last turn");
    assert_eq!(ids(&store), [1], "a query asks the state as it is");
    assert!(seen.take().is_empty());
    assert_eq!(turns.wanted().now_or_never(), Some(true));
    turns.take();
    assert_eq!(*count.value().expect("it counts"), 1);
    assert_eq!(seen.take(), [(1, here)]);
    store.commit(added(2)).expect("it applies");
    assert_eq!(*count.value().expect("it counts"), 2, "its own commit waits for no turn");
    assert_eq!(seen.take(), [(2, here)]);
}

#[test]
fn who_waits_for_a_turn_is_woken_and_hears_of_the_end() {
    let store = memory();
    let (counted, counts) = mpsc::channel();
    let ui = thread::spawn({
        let store = store.clone();
        move || {
            let turns = store.turns();
            let _subscription = store.subscribe(Note::query().count(), move |count| {
                counted.send(*count).expect("the test listens");
            });
            drop(store);
            block_on(async {
                while turns.wanted().await {
                    turns.take();
                }
            });
        }
    });
    assert_eq!(counts.recv(), Ok(0), "as it was");
    for (id, expected) in [(1, 1), (2, 2), (3, 3)] {
        store.commit(added(id)).expect("it applies");
        assert_eq!(counts.recv(), Ok(expected), "it is woken, and takes its turn");
    }
    drop(store);
    ui.join().expect("`wanted` is false once the store is gone");
}

#[test]
fn receipts_do_not_wait_for_a_thread_that_is_late_with_its_turn() {
    let directory = tempdir().expect("a place for tests");
    let (store, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let count = count(&store);
    let turns = store.turns();
    turns.take();
    let told = Rc::new(Cell::new(0));
    let _subscription = store.subscribe_local(Note::query().count(), {
        let told = Rc::clone(&told);
        move |count| told.set(*count)
    });
    let receipt = store.commit(added(1)).expect("it applies");
    block_on(receipt.persisted()).expect("the leader has it");
    other.commit(added(2)).expect("it applies");
    // The state moves on, as others may wait for it; what this thread follows does not.
    eventually("it is here", || ids(&store) == [1, 2]);
    assert_eq!((*count.value().expect("it counts"), told.get()), (1, 1));
    run_until(&turns, || *count.value().expect("it counts") == 2);
    assert_eq!(told.get(), 2);
}

#[test]
fn more_messages_than_may_wait_are_applied_without_a_turn() {
    let directory = tempdir().expect("a place for tests");
    let (store, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let count = count(&store);
    let turns = store.turns();
    turns.take();
    for id in 0..600 {
        block_on(other.commit(added(id)).expect("it applies").persisted()).expect("it is");
    }
    eventually("all are here", || ids(&store).len() == 600);
    assert_eq!(*count.value().expect("it counts"), 0, "before the turn");
    turns.take();
    assert_eq!(*count.value().expect("it counts"), 600);
}

#[test]
fn documents_and_statuses_come_in_turns_too() {
    let directory = tempdir().expect("a place for tests");
    let (store, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let theme = store.document::<Theme>().expect("the schema has it");
    let turns = store.turns();
    let seen = Seen::new();
    let _subscription = store.on_status({
        let seen = seen.clone();
        move || seen.note(thread::current().id())
    });
    let receipt = store.commit(added(1)).expect("it applies");
    assert_eq!(seen.take(), [thread::current().id()], "one event is pending");
    block_on(receipt.persisted()).expect("the leader has it");
    run_until(&turns, || store.pending() == 0 && !seen.take().is_empty());
    let dark = other.document::<Theme>().expect("the schema has it");
    dark.update(|theme| theme.dark = true).expect("it is JSON");
    thread::sleep(Duration::from_millis(100));
    assert!(!theme.get().dark, "no turn was taken");
    run_until(&turns, || theme.get().dark);
}

#[test]
fn when_nobody_takes_turns_any_more_what_waits_is_shown_without() {
    let directory = tempdir().expect("a place for tests");
    let (store, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let count = count(&store);
    let turns = store.turns();
    turns.take();
    other.commit(added(1)).expect("it applies");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(*count.value().expect("it counts"), 0);
    drop(turns);
    eventually("it shows", || *count.value().expect("it counts") == 1);
}

#[test]
fn turns_of_one_thread_are_shared_and_another_thread_takes_them_over() {
    let store = memory();
    let (first, second) = (store.turns(), store.turns());
    first.take();
    assert_eq!((first.wanted().now_or_never(), second.wanted().now_or_never()), (None, None));
    drop(first);
    let (asked, asks) = mpsc::channel();
    let (tell_end, end) = mpsc::channel::<()>();
    let there = thread::spawn({
        let store = store.clone();
        move || {
            let turns = store.turns();
            asked.send(()).expect("the test listens");
            end.recv().expect("the test tells");
            turns.take();
            let seen = ids(&store);
            drop(turns);
            seen
        }
    });
    asks.recv().expect("the thread asks");
    assert!(!block_on(second.wanted()), "it is another thread's turn");
    let count = count(&store);
    store.commit(added(1)).expect("it applies");
    assert_eq!(*count.value().expect("it counts"), 1, "its own commit");
    second.take();
    drop(second);
    tell_end.send(()).expect("the thread waits");
    assert_eq!(there.join().expect("no panic"), [1]);
}

#[test]
fn nothing_that_waits_for_a_turn_is_lost_when_the_store_ends() {
    let directory = tempdir().expect("a place for tests");
    let other = in_directory(directory.path());
    for round in 0..10 {
        let store = in_directory(directory.path());
        let turns = store.turns();
        other.commit(added(round * 10)).expect("it applies");
        let receipt = store.commit(added(round * 10 + 1)).expect("it applies");
        match round % 3 {
            // On the very thread whose turn it is.
            0 => {
                block_on(store.shutdown(Duration::from_secs(10)));
                assert_eq!(block_on(receipt.persisted()), Ok(()));
            }
            1 => drop(turns),
            _ => {}
        }
        drop(receipt);
        drop(store);
    }
    let store = in_directory(directory.path());
    let all = (0..10).flat_map(|round| [round * 10, round * 10 + 1]);
    let all: Vec<i64> = all.collect();
    eventually("all commits are there", || ids(&store) == all);
}

#[test]
fn a_batch_of_another_thread_is_one_turn() {
    let store = memory();
    let count = count(&store);
    let turns = store.turns();
    turns.take();
    let told = Seen::new();
    let _subscription = count.on_change({
        let (told, count) = (told.clone(), count.clone());
        move || told.note(*count.value().expect("it counts"))
    });
    let (began, begins) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let store = store.clone();
        scope.spawn(move || {
            store.batch(|| {
                store.commit(added(1)).expect("it applies");
                began.send(()).expect("the test listens");
                goes_on.recv().expect("the test says so");
                store.commit(added(2)).expect("it applies");
            });
        });
        begins.recv().expect("the thread commits");
        turns.take();
        assert_eq!(*count.value().expect("it counts"), 0, "nothing of a batch before all of it");
        go_on.send(()).expect("the thread waits");
    });
    turns.take();
    assert_eq!(told.take(), [2]);
}
