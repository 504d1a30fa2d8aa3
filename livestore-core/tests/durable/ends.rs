//! Stores that end: reopened, dropped, shut down, alone or beside another one.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use futures_executor::block_on;
use livestore_core::{Durability, StorageMode};

use super::{
    check_all_is_there, directory,
    support::{Draft, NoteEvent, Theme, added, close, ids, in_directory},
    write_some,
};

#[test]
fn a_reopened_store_has_everything() {
    let directory = directory();
    write_some(directory.path());
    let store = in_directory(directory.path());
    assert_eq!(store.storage_mode(), StorageMode::Persisted { protected: true });
    check_all_is_there(&store);
    assert_eq!(store.boot_warnings(), []);
    let (tab, client) = (store.session().tab, store.commit(added(21)).expect("ok").id().client);
    let draft = store.document::<Draft>().expect("the schema has it");
    let theme = store.document::<Theme>().expect("the schema has it");
    draft.set(Draft { text: "half a thou".into() }).expect("it is JSON");
    draft.set(Draft { text: "half a thought".into() }).expect("it is JSON");
    theme.set(Theme { dark: true }).expect("it is JSON");
    drop((draft, theme));
    close(store);

    let store = in_directory(directory.path());
    assert_eq!(store.session().tab, tab, "the tab lasts, and with it its documents");
    assert_eq!(store.document::<Draft>().expect("known").get().text, "half a thought");
    assert!(store.document::<Theme>().expect("known").get().dark);
    assert_eq!(ids(&store).last(), Some(&21));
    assert_eq!(store.commit(added(22)).expect("it applies").id().client, client);
}

#[test]
fn a_store_that_is_dropped_without_a_shutdown_loses_nothing_that_was_posted() {
    for round in 0..10 {
        let directory = directory();
        let store = in_directory(directory.path());
        for id in 1..=50 {
            store.commit(added(id)).expect("it applies");
        }
        drop(store);
        let store = in_directory(directory.path());
        assert_eq!(ids(&store), (1..=50).collect::<Vec<i64>>(), "round {round}");
    }
}

#[test]
fn a_store_that_is_dropped_with_more_commits_than_may_be_on_the_way_loses_none() {
    let directory = directory();
    let store = in_directory(directory.path());
    // The first fills the window, so the others wait for its acknowledgement.
    store.commit((1..=4_200).map(added).collect::<Vec<_>>()).expect("it applies");
    store.commit(added(5_001)).expect("it applies");
    store.commit(added(5_002)).expect("it applies");
    drop(store);
    let store = in_directory(directory.path());
    assert_eq!(ids(&store).len(), 4_202);
}

#[test]
fn a_store_that_is_dropped_while_another_thread_delivers_to_it_has_ended_when_the_drop_returns() {
    let directory = directory();
    let store = in_directory(directory.path());
    let (test, tab) = (thread::current().id(), store.session().tab);
    let (enter, entered) = mpsc::channel();
    let (drop_is_done, dropped) = mpsc::channel();
    let dropped = Mutex::new(dropped);
    let subscription = store.on_status(move || {
        if thread::current().id() == test || enter.send(()).is_err() {
            return;
        }
        if dropped.lock().expect("one thread delivers").recv().is_ok() {
            thread::sleep(Duration::from_millis(300));
        }
    });
    // The first fills the window, so the others are in the journal only.
    store.commit((1..=4_200).map(added).collect::<Vec<_>>()).expect("it applies");
    store.commit(added(5_001)).expect("it applies");
    entered.recv().expect("the leader's word changes the status");
    drop((subscription, store));
    drop_is_done.send(()).expect("somebody delivers");
    drop((drop_is_done, entered));
    let store = in_directory(directory.path());
    assert_eq!(ids(&store).len(), 4_201);
    assert_eq!(store.session().tab, tab, "the tab is free again, and with it its documents");
}

#[test]
fn what_the_leader_does_not_have_is_safe_natively_because_a_file_holds_any_journal() {
    let directory = directory();
    let store = in_directory(directory.path());
    assert_eq!(store.durability(), Durability::Safe);
    let draft = store.document::<Draft>().expect("the schema has it");
    let text = "x".repeat(800_000);
    for id in 1..=5 {
        store.commit(NoteEvent::Added { id, text: text.clone() }).expect("it applies");
        assert_eq!(store.durability(), Durability::Safe);
    }
    draft.set(Draft { text: text.clone() }).expect("it is JSON");
    assert_eq!(store.durability(), Durability::Safe);
    drop((draft, store));
    let store = in_directory(directory.path());
    assert_eq!(ids(&store), [1, 2, 3, 4, 5]);
    assert_eq!(store.document::<Draft>().expect("known").get().text, text);
}

#[test]
fn a_shutdown_waits_for_the_last_commit() {
    let directory = directory();
    let store = in_directory(directory.path());
    let receipts: Vec<_> =
        (1..=200).map(|id| store.commit(added(id)).expect("it applies")).collect();
    block_on(store.shutdown(Duration::from_secs(20)));
    for receipt in receipts {
        assert_eq!(block_on(receipt.persisted()), Ok(()));
    }
    drop(store);
    assert_eq!(ids(&in_directory(directory.path())).len(), 200);
}

#[test]
fn of_two_stores_of_one_directory_that_end_one_after_the_other_nothing_is_lost() {
    for round in 0..10 {
        let directory = directory();
        let first = in_directory(directory.path());
        first.commit(added(1)).expect("it applies");
        let second = in_directory(directory.path());
        first.commit(added(2)).expect("it applies");
        // The first has the leader; the second must find another one, and gets no time for it.
        drop(first);
        second.commit(added(3)).expect("it applies");
        drop(second);
        let store = in_directory(directory.path());
        assert_eq!(ids(&store), [1, 2, 3], "round {round}");
        assert_eq!(store.boot_warnings(), [], "round {round}");
    }
}

#[test]
fn a_store_that_is_dropped_right_after_more_bytes_than_a_leader_queues_loses_none() {
    const COMMITS: i64 = 5;
    const EVENTS: i64 = 12;
    let directory = directory();
    let store = in_directory(directory.path());
    let text = "x".repeat(300_000);
    for commit in 0..COMMITS {
        let ids = commit * EVENTS..(commit + 1) * EVENTS;
        let events = ids.map(|id| NoteEvent::Added { id, text: text.clone() });
        store.commit(events.collect::<Vec<_>>()).expect("it applies");
    }
    drop(store);
    let store = in_directory(directory.path());
    assert_eq!(ids(&store), (0..COMMITS * EVENTS).collect::<Vec<i64>>());
}
