//! Many threads, callbacks that do what they like, and endings at bad moments: nothing hangs, nothing is lost.
//!
//! A hang is a failure: every test runs under the time-out of `.config/nextest.toml`.

mod support;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::FutureExt;
use livestore_core::{AnyStore, CommitError, NotPersisted, Receipt, Schema, Store, StoreOptions};
use support::{
    LocalEvent, Note, NoteEvent, Notes, Seen, Tag, added, close, eventually,
    files::{counts, hashes, released},
    ids, in_directory, memory, try_in_directory, version,
    versions::{NewEvent, NewNotes},
};
use tempfile::tempdir;

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn persisted(receipt: Receipt) {
    block_on(receipt.persisted()).expect("a leader has it");
}

fn notes(store: &AnyStore) -> Vec<Note> {
    store.query(Note::query().order_by(Note::ID.asc())).expect("the query runs")
}

#[test]
fn threads_that_commit_read_and_subscribe_get_along() {
    let directory = tempdir().expect("a place for tests");
    let store = in_directory(directory.path());
    let (done, told) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        let committing: Vec<_> = (0..4)
            .map(|worker| {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..50 {
                        let receipt = store.commit(added(worker * 1_000 + n)).expect("it applies");
                        if n % 10 == 0 {
                            block_on(receipt.persisted()).expect("the leader has it");
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let told = Arc::clone(&told);
                    let subscription = store.subscribe(Note::query().count(), move |_count| {
                        told.fetch_add(1, Ordering::Relaxed);
                    });
                    let live = store.live(Note::query().filter(Note::ID.eq(7)).first());
                    live.value().expect("it is there or not");
                    store.batch(|| ids(&store));
                    drop((live, subscription));
                }
            });
        }
        committing.into_iter().for_each(|worker| worker.join().expect("no panic"));
        done.store(true, Ordering::Relaxed);
    });
    assert!(told.load(Ordering::Relaxed) > 0);
    close(store);
    assert_eq!(ids(&in_directory(directory.path())).len(), 200);
}

#[test]
fn the_last_handle_may_be_dropped_in_a_callback_and_while_it_is_called() {
    let directory = tempdir().expect("a place for tests");
    let handle = Arc::new(Mutex::new(Some(in_directory(directory.path()))));
    let other = in_directory(directory.path());
    let subscription = {
        let guard = handle.lock().expect("no test panics here");
        let store = guard.as_ref().expect("put there above");
        let handle = Arc::clone(&handle);
        // Called on the thread that delivers the other session's commit.
        store.subscribe(Note::query().count(), move |count| {
            if *count > 0 {
                drop(handle.lock().expect("no test panics here").take());
            }
        })
    };
    other.commit(added(1)).expect("it applies");
    eventually("the handle is gone", || handle.lock().expect("no panic").is_none());
    drop(subscription);
    block_on(other.commit(added(2)).expect("it applies").persisted()).expect("the other one leads");
    close(other);
    released(directory.path());
    assert_eq!(ids(&in_directory(directory.path())), [1, 2]);
}

#[test]
fn a_shutdown_without_patience_is_quick_and_loses_nothing_that_was_committed() {
    let directory = tempdir().expect("a place for tests");
    for round in 0..5 {
        let store = in_directory(directory.path());
        let receipts: Vec<_> =
            (0..100).map(|n| store.commit(added(round * 100 + n)).expect("it applies")).collect();
        let begun = Instant::now();
        block_on(store.shutdown(Duration::ZERO));
        // The machine may be busy; what it must not do is wait for the leader.
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(matches!(store.commit(added(-1)), Err(CommitError::Closed)));
        for receipt in receipts {
            let outcome = receipt.persisted().now_or_never();
            let outcome = outcome.expect("a receipt of a closed store waits for nothing");
            assert!(matches!(outcome, Ok(()) | Err(NotPersisted::Closed)), "{outcome:?}");
        }
        drop(store);
        let again = in_directory(directory.path());
        assert_eq!(ids(&again).len() as i64, (round + 1) * 100);
        close(again);
    }
}

#[test]
fn a_receipt_that_waits_when_the_store_is_closed_is_told() {
    let store = memory();
    let receipt = store.commit(added(1)).expect("it applies");
    let waiting = thread::spawn(move || block_on(receipt.persisted()));
    block_on(store.shutdown(Duration::from_secs(5)));
    waiting.join().expect("no panic").expect("the shutdown has waited for it");
    let late = store.commit(LocalEvent::Opened { id: 1 });
    assert!(matches!(late, Err(CommitError::Closed)));
}

#[test]
fn shutdowns_may_be_asked_for_by_several_threads_while_others_commit() {
    let directory = tempdir().expect("a place for tests");
    let store = in_directory(directory.path());
    let committed = thread::scope(|scope| {
        let committing = scope.spawn(|| {
            (0..).map_while(|id| store.commit(added(id)).ok().map(|_receipt| id)).count()
        });
        thread::sleep(Duration::from_millis(50));
        for _ in 0..3 {
            scope.spawn(|| block_on(store.shutdown(Duration::from_secs(10))));
        }
        committing.join().expect("no panic")
    });
    block_on(store.shutdown(Duration::from_secs(10)));
    drop(store);
    assert_eq!(ids(&in_directory(directory.path())).len(), committed, "every Ok is there");
}

#[test]
fn an_opening_that_is_given_up_leaves_the_store_free() {
    let directory = tempdir().expect("a place for tests");
    close(in_directory(directory.path()));
    for _ in 0..5 {
        let opening = Store::<Notes>::open(StoreOptions::new("notes").directory(directory.path()));
        drop(opening.now_or_never());
    }
    let store = in_directory(directory.path());
    block_on(store.commit(added(1)).expect("it applies").persisted()).expect("the leader has it");
}

#[test]
fn openings_at_the_same_time_all_succeed() {
    let directory = tempdir().expect("a place for tests");
    let stores: Vec<Store<Notes>> = thread::scope(|scope| {
        let opening: Vec<_> =
            (0..6).map(|_| scope.spawn(|| in_directory(directory.path()))).collect();
        opening.into_iter().map(|opening| opening.join().expect("it opens")).collect()
    });
    for (id, store) in (0..).zip(&stores) {
        store.commit(added(id)).expect("it applies");
    }
    for store in &stores {
        eventually("all have all", || ids(store).len() == 6);
    }
}

#[test]
fn stores_of_one_name_in_different_directories_are_different_stores() {
    let (one, other) = (tempdir().expect("a place"), tempdir().expect("a place"));
    let (one, other) = (in_directory(one.path()), in_directory(other.path()));
    block_on(one.commit(added(1)).expect("it applies").persisted()).expect("ok");
    block_on(other.commit(NoteEvent::Tagged { name: "x".into() }).expect("ok").persisted())
        .expect("ok");
    assert_eq!((ids(&one), ids(&other)), (vec![1], vec![]));
    let tags = |store: &Store<Notes>| store.query(Tag::query().count()).expect("the query runs");
    assert_eq!((tags(&one), tags(&other)), (0, 1));
    let (memory, beside) = (memory(), memory());
    memory.commit(added(1)).expect("it applies");
    thread::sleep(Duration::from_millis(20));
    assert_eq!(ids(&beside), [0_i64; 0], "stores in memory share nothing");
}

#[test]
fn one_directory_by_two_paths_is_one_store() {
    let directory = tempdir().expect("a place for tests");
    let detour = directory.path().join("notes").join("..");
    let one = in_directory(directory.path());
    let other = try_in_directory(&detour).expect("the same process, the same store");
    one.commit(added(1)).expect("it applies");
    eventually("it is there, too", || ids(&other) == [1]);
}

#[test]
fn commits_made_while_nobody_leads_are_persisted_by_the_next_leader() {
    let directory = tempdir().expect("a place for tests");
    for round in 0..5_i64 {
        let first = in_directory(directory.path());
        let second = in_directory(directory.path());
        let start = round * 100;
        let receipts: Vec<Receipt> = thread::scope(|scope| {
            let committing = scope.spawn(|| {
                let commit = |id: i64| second.commit(added(start + id)).expect("it applies");
                (0..50).map(commit).collect()
            });
            drop(first);
            committing.join().expect("no panic")
        });
        receipts.into_iter().for_each(persisted);
        assert_eq!(ids(&second).len(), usize::try_from(round + 1).expect("small") * 50);
        close(second);
    }
}

#[test]
fn busy_sessions_converge() {
    let directory = tempdir().expect("a place for tests");
    let stores: Vec<_> = (0..3).map(|_| in_directory(directory.path())).collect();
    thread::scope(|scope| {
        for (session, store) in (0..).zip(&stores) {
            scope.spawn(move || {
                for n in 0..100 {
                    let id = session * 1_000 + n;
                    store.commit(added(id)).expect("it applies");
                    if n % 7 == 0 {
                        store.commit(NoteEvent::Starred { id }).expect("it applies");
                    }
                    // Everyone stars the same notes, so orders differ from session to session until they agree.
                    let _ = store.commit(NoteEvent::Starred { id: n });
                    if n % 10 == 0 {
                        let _ = store.commit(NoteEvent::Removed { id: n / 2 });
                        store.commit(LocalEvent::Opened { id }).expect("it applies");
                    }
                }
            });
        }
    });
    for store in &stores {
        eventually("the leader has everything", || store.pending() == 0);
    }
    let first = notes(&stores[0]);
    for store in &stores[1..] {
        eventually("all have the same rows", || notes(store) == first);
    }
    assert!(first.len() > 250, "{}", first.len());
    for store in stores {
        close(store);
    }
    let live = hashes::<Notes>(directory.path());
    support::files::remove(&support::files::state::<Notes>(directory.path()));
    let again = in_directory(directory.path());
    assert_eq!(notes(&again), first, "what the sessions showed is the fold of the log");
    close(again);
    assert_eq!(hashes::<Notes>(directory.path()), live);
}

#[test]
fn busy_sessions_survive_leaders_that_come_and_go() {
    let directory = tempdir().expect("a place for tests");
    let lasting = in_directory(directory.path());
    thread::scope(|scope| {
        let committing = scope.spawn(|| {
            (0..150)
                .map(|id| {
                    thread::sleep(Duration::from_millis(2));
                    lasting.commit(added(id)).expect("it applies")
                })
                .collect::<Vec<Receipt>>()
        });
        for round in 0..8 {
            let passing = in_directory(directory.path());
            for id in 0..5 {
                passing.commit(added(10_000 + round * 10 + id)).expect("it applies");
            }
            if round % 2 == 0 { close(passing) } else { drop(passing) }
        }
        committing.join().expect("no panic").into_iter().for_each(persisted);
    });
    eventually("everything is there", || ids(&lasting).len() == 150 + 40);
    close(lasting);
    assert_eq!(counts(directory.path()), (190, 0));
}

/// Opens, commits and closes by chance on several threads; at the end the log has every commit that was persisted.
#[test]
fn stores_opened_and_closed_all_over_the_place_lose_nothing_and_never_hang() {
    fn visit<S: Schema>(directory: &Path, round: i64, commit: impl Fn(&Store<S>, i64) -> Receipt) {
        let store = version::<S>(directory);
        let receipts: Vec<Receipt> = (0..5).map(|n| commit(&store, round * 10 + n)).collect();
        if round % 3 == 0 {
            receipts.into_iter().for_each(persisted);
        }
        if round % 2 == 0 { close(store) } else { drop(store) }
    }
    let directory = tempdir().expect("a place for tests");
    let path = directory.path();
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for round in 0..10 {
                    let round = worker * 100 + round;
                    if round % 2 == 0 {
                        visit::<Notes>(path, round, |store, id| {
                            store.commit(added(id)).expect("ok")
                        });
                    } else {
                        visit::<NewNotes>(path, round, |store, id| {
                            store.commit(NewEvent::Added { id, text: String::new() }).expect("ok")
                        });
                    }
                }
            });
        }
    });
    let store = in_directory(path);
    let there = ids(&store);
    for worker in 0..2 {
        for round in (0..10).map(|round| worker * 100 + round) {
            // Closed in order, or waited for.
            if round % 2 == 0 || round % 3 == 0 {
                for n in 0..5 {
                    assert!(there.contains(&(round * 10 + n)), "{round} {n}: {there:?}");
                }
            }
        }
    }
}

#[test]
fn local_callbacks_run_on_their_thread() {
    let store = memory();
    let seen = Seen::new();
    let here = thread::current().id();
    let subscription = store.subscribe_local(Note::query().count(), {
        let seen = seen.clone();
        move |count| seen.note((*count, thread::current().id()))
    });
    thread::scope(|scope| {
        scope.spawn(|| store.commit(added(1)).expect("it applies"));
    });
    assert_eq!(seen.take(), [(0, here)], "the change waits for this thread");
    store.deliver_local();
    assert_eq!(seen.take(), [(1, here)]);
    store.commit(added(2)).expect("it applies");
    assert_eq!(seen.take(), [(2, here)]);
    drop(subscription);
    store.commit(added(3)).expect("it applies");
    assert!(seen.take().is_empty());
}

#[test]
fn a_store_may_be_opened_on_one_thread_used_on_another_and_dropped_on_a_third() {
    let directory = tempdir().expect("a place for tests");
    let on_another = |store: Store<Notes>, id: i64, keep: bool| {
        let used = thread::spawn(move || {
            let subscription = store.subscribe(Note::query().count(), |_count| ());
            let turns = store.turns();
            store.commit(added(id)).expect("it applies");
            turns.take();
            drop((turns, subscription));
            keep.then_some(store)
        });
        used.join().expect("no panic")
    };
    for round in 0..5 {
        let opened = thread::spawn({
            let directory = directory.path().to_owned();
            move || in_directory(&directory)
        });
        let store = opened.join().expect("no panic");
        let store = on_another(store, round * 2, true).expect("it is handed back");
        assert!(on_another(store, round * 2 + 1, false).is_none(), "it ends there");
    }
    assert_eq!(ids(&in_directory(directory.path())), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_callback_that_panics_where_the_leaders_word_is_delivered_stops_nothing() {
    let directory = tempdir().expect("a place for tests");
    let (store, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let told = Arc::new(AtomicUsize::new(0));
    let count = store.live(Note::query().count());
    let bad = count.on_change(|| panic!("on purpose"));
    let good = count.on_change({
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    for (id, times) in [(1, 1), (2, 2), (3, 3)] {
        other.commit(added(id)).expect("it applies");
        eventually("it is told", || told.load(Ordering::Relaxed) == times);
    }
    assert_eq!(*count.value().expect("it counts"), 3);
    drop((bad, good));
    close(other);
    block_on(store.commit(added(4)).expect("it applies").persisted()).expect("it goes on");
}

#[test]
fn a_callback_on_the_thread_of_timers_may_drop_the_last_handle() {
    let directory = tempdir().expect("a place for tests");
    let handle = Arc::new(Mutex::new(Some(in_directory(directory.path()))));
    let store = handle.lock().expect("no panic").clone().expect("put there above");
    let subscription = store.subscribe(Note::query().count(), {
        let handle = Arc::clone(&handle);
        move |count| {
            if *count > 0 {
                drop(handle.lock().expect("no test panics here").take());
            }
        }
    });
    // What was left to a thread that took turns is told by the tick that follows.
    let turns = store.turns();
    thread::scope(|scope| {
        scope.spawn(|| store.commit(added(1)).expect("it applies"));
    });
    drop((turns, store));
    eventually("the handle is gone", || handle.lock().expect("no panic").is_none());
    drop(subscription);
    released(directory.path());
    assert_eq!(ids(&in_directory(directory.path())), [1]);
}
