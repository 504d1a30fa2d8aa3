//! Many threads, callbacks that do what they like, and endings at bad moments: nothing hangs, nothing is lost.
//!
//! A hang is a failure: every test runs under the time-out of `.config/nextest.toml`.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::FutureExt;
use livestore_core::{CommitError, NotPersisted, Store, StoreOptions};
use support::{
    LocalEvent, Note, NoteEvent, Notes, Tag, added, close, eventually, files::released, ids,
    in_directory, memory, try_in_directory,
};
use tempfile::tempdir;

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
        assert!(begun.elapsed() < Duration::from_secs(2));
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
