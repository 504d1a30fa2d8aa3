//! What an app sees of sync, with a real server: who has what, what becomes of a commit, who is let in.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, too")]

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod server;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::{FutureExt, StreamExt, future::join};
use livestore_core::{
    BootStatus, BootWarning, CommitError, EventsError, Head, LoggedEvent, NetworkStatus,
    NotConfirmed, NotDeleted, NotRetried, OpenError, Store, StoreOptions, SyncOptions, SyncStatus,
    http_polling, websocket,
};
use server::Backend;
use support::{LocalEvent, NoteEvent, Notes, added, close, eventually, ids};
use tempfile::TempDir;

fn options(sync: SyncOptions) -> StoreOptions<Notes> {
    StoreOptions::new("notes").sync(sync)
}

fn open(options: StoreOptions<Notes>) -> Store<Notes> {
    block_on(Store::open(options)).expect("the store opens")
}

fn commit(store: &Store<Notes>, event: NoteEvent) -> livestore_core::Receipt {
    store.commit(event).expect("it applies")
}

/// Commits, and waits until the backend has it.
fn confirm(store: &Store<Notes>, event: NoteEvent) {
    assert_eq!(block_on(commit(store, event).confirmed()), Ok(()));
}

fn is_synced(store: &Store<Notes>) -> bool {
    store.sync_status().is_synced
}

#[test]
fn two_clients_see_each_others_commits_and_say_that_they_are_synced() {
    let backend = Backend::start();
    let (one, other) = (open(options(backend.options())), open(options(backend.options())));
    assert_ne!(one.sync_status().backend, None, "there is one");
    confirm(&one, added(1));
    eventually("it arrives", || ids(&other) == [1]);
    confirm(&other, added(2));
    eventually("it arrives", || ids(&one) == [1, 2]);
    for store in [&one, &other] {
        eventually("all is quiet", || is_synced(store));
        let everywhere = SyncStatus {
            session: 2,
            leader: 2,
            backend: Some(2),
            pending: 0,
            behind: 0,
            error: None,
            is_synced: true,
        };
        assert_eq!(store.sync_status(), everywhere);
        assert_eq!(store.network_status(), NetworkStatus::Online);
    }
}

#[test]
fn what_is_committed_offline_is_pending_until_the_backend_is_back() {
    let backend = Backend::start();
    let (one, other) = (open(options(backend.options())), open(options(backend.options())));
    confirm(&one, added(1));
    eventually("it arrives", || ids(&other) == [1]);
    let told = Arc::new(AtomicUsize::new(0));
    let _subscription = one.on_status({
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    backend.go_offline();
    eventually("it is noticed", || one.network_status() == NetworkStatus::Offline);
    assert_ne!(told.load(Ordering::Relaxed), 0, "and told");
    let receipts = [commit(&one, added(2)), commit(&one, added(3)), commit(&other, added(4))];
    assert_eq!(block_on(receipts[0].persisted()), Ok(()), "here it is safe");
    assert_eq!(receipts[0].confirmed().now_or_never(), None, "who waits for the backend waits");
    eventually("both are counted", || one.sync_status().pending == 2);
    assert_eq!(ids(&one), [1, 2, 3], "and show");
    assert!(!is_synced(&one));
    eventually("and why", || one.sync_status().error.is_some());
    backend.go_online();
    one.retry_sync();
    other.retry_sync();
    for store in [&one, &other] {
        eventually("all are everywhere", || ids(store) == [1, 2, 3, 4] && is_synced(store));
    }
    for receipt in receipts {
        assert_eq!(block_on(receipt.confirmed()), Ok(()));
    }
    assert_eq!(one.sync_status().error, None);
}

#[test]
fn a_commit_that_the_backend_refuses_is_taken_back_and_can_be_tried_again() {
    let backend = Backend::start();
    let store = open(options(backend.options()));
    *backend.refuses.text.lock().unwrap() = Some("bad");
    confirm(&store, added(1));
    store.pause_sync();
    let bad = commit(&store, NoteEvent::Added { id: 2, text: "bad".into() });
    let next = commit(&store, added(3));
    assert_eq!(ids(&store), [1, 2, 3]);
    store.resume_sync();
    let refused = block_on(bad.confirmed());
    assert!(
        matches!(&refused, Err(NotConfirmed::Refused(reason)) if reason.contains("not here")),
        "{refused:?}"
    );
    assert_eq!(block_on(next.confirmed()), Ok(()), "the store lives on");
    eventually("it is taken back", || ids(&store) == [1, 3]);
    eventually("it is listed", || store.rejections().len() == 1);
    let rejection = store.rejections()[0].clone();
    assert!(rejection.reason.contains("not here"), "{rejection:?}");
    assert_eq!(rejection.events[0].name, "v1.NoteAdded");
    assert_eq!(block_on(store.rejections_now()), Ok(vec![rejection.clone()]), "asked, too");
    *backend.refuses.text.lock().unwrap() = None;
    let (again, second) =
        block_on(async { join(store.retry(&rejection), store.retry(&rejection)).await });
    let again = again.expect("it applies");
    let once = matches!(second, Err(NotRetried::UnderWay | NotRetried::Gone));
    assert!(once, "a double click: {second:?}");
    assert!(matches!(block_on(store.retry(&rejection)), Err(NotRetried::Gone)));
    assert_eq!(block_on(again.confirmed()), Ok(()));
    assert_eq!(ids(&store), [1, 2, 3]);
    assert!(store.rejections().is_empty());
    assert_eq!(block_on(store.rejections_now()), Ok(vec![]));
}

#[test]
fn who_is_not_let_in_says_anew_who_it_is_without_opening_again() {
    let backend = Backend::start();
    backend.refuses.strangers.store(true, Ordering::Relaxed);
    let (asked, renewed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let payload = {
        let (asked, renewed) = (Arc::clone(&asked), Arc::clone(&renewed));
        move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let token = if renewed.load(Ordering::Relaxed) { "right" } else { "old" };
            async move { Some(serde_json::json!({ "token": token })) }
        }
    };
    let store = open(options(backend.options().payload(payload)));
    let receipt = commit(&store, added(1));
    eventually("it is refused", || {
        let error = store.sync_status().error;
        error.is_some_and(|error| error.contains("nobody knows you"))
            && store.network_status() == NetworkStatus::Offline
    });
    renewed.store(true, Ordering::Relaxed);
    store.retry_sync();
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
    assert!(asked.load(Ordering::Relaxed) >= 2, "at every connection");
}

#[test]
fn who_is_no_longer_let_in_says_anew_who_it_is_and_loses_nothing() {
    for over_http in [false, true] {
        let backend = Backend::start();
        let renewed = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&renewed);
        let payload = move || {
            let token = if asked.load(Ordering::Relaxed) { "right" } else { "old" };
            async move { Some(serde_json::json!({ "token": token })) }
        };
        let sync = match over_http {
            false => backend.options(),
            true => http_polling(backend.url().replacen("ws", "http", 1)),
        };
        let store = open(options(sync.payload(payload)));
        confirm(&store, added(1));
        // The token runs out while the connection stands.
        renewed.store(true, Ordering::Relaxed);
        backend.refuses.strangers.store(true, Ordering::Relaxed);
        confirm(&store, added(2));
        assert!(store.rejections().is_empty());
    }
}

#[test]
fn a_paused_store_says_nothing_to_the_backend_until_it_is_resumed() {
    let backend = Backend::start();
    let store = open(options(backend.options().paused()));
    let receipt = commit(&store, added(1));
    assert_eq!(block_on(receipt.persisted()), Ok(()));
    eventually("it says so", || store.network_status() == NetworkStatus::Paused);
    assert_eq!(store.sync_status().pending, 1);
    store.resume_sync();
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
    store.pause_sync();
    eventually("it says so", || store.network_status() == NetworkStatus::Paused);
    let receipt = commit(&store, added(2));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(receipt.confirmed().now_or_never(), None);
    store.resume_sync();
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
}

#[test]
fn a_store_that_gets_a_backend_gives_it_all_that_it_has() {
    let backend = Backend::start();
    let directory = tempfile::tempdir().unwrap();
    let here = || StoreOptions::new("notes").directory(directory.path());
    let store = open(here());
    let receipt = commit(&store, added(1));
    assert_eq!(block_on(receipt.persisted()), Ok(()));
    assert_eq!(block_on(receipt.confirmed()), Err(NotConfirmed::NoBackend));
    assert_eq!(store.network_status(), NetworkStatus::NoBackend);
    assert_eq!(store.sync_status().backend, None);
    assert!(!is_synced(&store));
    close(store);
    let other = open(options(backend.options()));
    confirm(&other, added(7));
    let store = open(here().sync(backend.options()));
    eventually("it has both", || ids(&store) == [1, 7] && is_synced(&store));
    eventually("so has the other", || ids(&other) == [1, 7]);
    // And without one again.
    close(store);
    assert_eq!(ids(&open(here())), [1, 7]);
}

#[test]
fn client_only_events_are_confirmed_by_their_leader() {
    let backend = Backend::start();
    for store in [open(options(backend.options().paused())), open(StoreOptions::new("notes"))] {
        let receipt = store.commit(LocalEvent::Opened { id: 1 }).expect("it applies");
        assert_eq!(block_on(receipt.confirmed()), Ok(()));
    }
}

fn numbers(events: &[LoggedEvent]) -> Vec<u64> {
    events.iter().map(|logged| logged.head.number).collect()
}

#[test]
fn confirmed_events_are_a_stream_that_can_be_taken_up_again() {
    let backend = Backend::start();
    let directory: TempDir = tempfile::tempdir().unwrap();
    let here = || options(backend.options()).directory(directory.path());
    let store = open(here());
    confirm(&store, added(1));
    confirm(&store, NoteEvent::Starred { id: 1 });
    let mut events = pin!(store.events(Head::ZERO, &[]));
    let mut next = || block_on(events.next()).expect("it goes on").expect("it can be read");
    let (first, second) = (next(), next());
    assert_eq!((first.event.name.as_str(), first.head.number), ("v1.NoteAdded", 1));
    assert_eq!(first.event.args, r#"{"id":1,"text":"note 1"}"#);
    assert_eq!((second.event.name.as_str(), second.head.number), ("v1.NoteStarred", 2));
    // What comes later, by whoever.
    let other = open(options(backend.options()));
    confirm(&other, added(2));
    assert_eq!(next().head.number, 3);
    confirm(&store, NoteEvent::Starred { id: 2 });
    let stars: Vec<LoggedEvent> = block_on(
        store
            .events(Head::ZERO, &["v1.NoteStarred", "v1.Tagged"])
            .take(2)
            .map(|event| event.expect("it can be read"))
            .collect(),
    );
    assert_eq!(numbers(&stars), [2, 4], "of these names only");
    close(store);
    assert_eq!(block_on(events.next()), None, "it ends with its store");

    let store = open(here());
    let left: Vec<_> = block_on(store.events(second.head, &[]).take(2).collect());
    let left: Vec<LoggedEvent> = left.into_iter().map(|event| event.expect("it reads")).collect();
    assert_eq!(numbers(&left), [3, 4]);
    // A place of another client's log.
    eventually("it is here", || is_synced(&other));
    let mut foreign = pin!(other.events(Head { number: 2, ..first.head }, &[]));
    let moved = Err(EventsError::Moved(Head { number: 2, ..first.head }));
    assert_eq!(block_on(foreign.next()), Some(moved));
    assert_eq!(block_on(foreign.next()), None);
}

#[test]
fn a_stream_of_events_can_be_taken_up_inside_a_commit() {
    let backend = Backend::start();
    let store = open(options(backend.options()));
    let receipt = store.commit([added(1), added(2), added(3)]).expect("it applies");
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
    let some = |since, count| -> Vec<LoggedEvent> {
        let events = store.events(since, &[]).take(count);
        block_on(events.map(|event| event.expect("it reads")).collect())
    };
    let all = some(Head::ZERO, 3);
    assert_eq!(numbers(&all), [1, 2, 3]);
    for (taken, logged) in all.iter().enumerate().take(2) {
        assert_eq!(some(logged.head, 2 - taken), all[taken + 1..]);
    }
}

#[test]
fn opening_can_wait_until_what_the_backend_has_is_here() {
    let backend = Backend::start();
    let other = open(options(backend.options()));
    for id in 0..300 {
        commit(&other, added(id));
    }
    confirm(&other, added(300));
    let boot = support::Seen::new();
    let store = open(options(backend.options().initial_sync(Duration::from_secs(10))).on_boot({
        let boot = boot.clone();
        move |status| boot.note(status)
    }));
    assert_eq!(ids(&store).len(), 301);
    assert_eq!(store.boot_warnings(), []);
    let boot = boot.take();
    assert!(boot.iter().any(|s| matches!(s, BootStatus::CatchingUp { .. })), "{boot:?}");
    assert_eq!(boot.last(), Some(&BootStatus::Ready));
}

#[test]
fn opening_does_not_wait_for_a_backend_that_is_not_there_longer_than_it_may() {
    let backend = Backend::start();
    backend.go_offline();
    let began = Instant::now();
    let store = open(options(backend.options().initial_sync(Duration::from_millis(300))));
    assert!(began.elapsed() >= Duration::from_millis(300));
    let warnings = store.boot_warnings();
    assert!(
        matches!(&warnings[..], [BootWarning::NotCaughtUp { reason }] if reason.contains("offline")),
        "{warnings:?}"
    );
    commit(&store, added(1));
    assert_eq!(ids(&store), [1], "it is open");
}

#[test]
fn an_address_that_can_not_be_used_is_an_error_when_the_store_is_opened() {
    let cases = [
        (websocket("http://localhost/sync"), "ws://"),
        (websocket("/sync"), "ws://"),
        (websocket("ws://"), ""),
        (websocket("not an address"), ""),
        (websocket("https://localhost/sync"), "wss://"),
        (websocket("wss:///sync"), ""),
        (http_polling("ws://localhost/sync"), "http://"),
        (http_polling("wss://localhost/sync"), "https://"),
        (websocket("ws://localhost/sync?store=mine"), "payload"),
    ];
    for (sync, why) in cases {
        let opened = block_on(Store::open(options(sync.clone())));
        assert!(
            matches!(&opened, Err(OpenError::SyncUrl { reason, .. }) if reason.contains(why)),
            "{sync:?}: {opened:?}"
        );
    }
}

/// What is in a store's directory, but for what belongs to nobody's data.
fn databases(directory: &TempDir) -> Vec<String> {
    let files = std::fs::read_dir(directory.path().join("notes")).expect("it is there");
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".db") || name.starts_with("journal")).collect()
}

#[test]
fn a_store_is_deleted_only_when_nothing_is_lost_with_it() {
    let backend = Backend::start();
    let directory = tempfile::tempdir().unwrap();
    let here = || options(backend.options()).directory(directory.path());
    let (store, second) = (open(here()), open(here()));
    confirm(&store, added(1));
    assert_eq!(block_on(store.delete()), Err(NotDeleted::OtherSessions(1)));
    close(second);
    store.pause_sync();
    eventually("it says so", || store.network_status() == NetworkStatus::Paused);
    let receipt = commit(&store, added(2));
    assert_eq!(block_on(store.delete()), Err(NotDeleted::Unconfirmed(1)));
    assert_eq!(ids(&store), [1, 2], "it lives on");
    store.resume_sync();
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
    assert_eq!(block_on(store.delete()), Ok(()));
    assert!(matches!(store.commit(added(3)), Err(CommitError::Closed)));
    drop(store);
    assert_eq!(databases(&directory), [""; 0]);
    // The backend still has it.
    let store = open(here().sync(backend.options().initial_sync(Duration::from_secs(10))));
    assert_eq!(ids(&store), [1, 2]);
    close(store);

    // Without a backend all of it would be lost.
    let store = open(StoreOptions::new("notes").directory(directory.path()));
    let receipt = commit(&store, added(3));
    assert_eq!(block_on(receipt.persisted()), Ok(()));
    assert_eq!(block_on(store.delete()), Err(NotDeleted::Unconfirmed(1)));
    assert_eq!(block_on(store.force_delete()), Ok(()));
    drop(store);
    assert_eq!(databases(&directory), [""; 0]);
    assert_eq!(ids(&open(StoreOptions::new("notes").directory(directory.path()))), [0; 0]);
}

#[test]
fn nothing_that_is_committed_beside_a_deletion_is_lost() {
    let backend = Backend::start();
    let open_whole = || open(options(backend.options().initial_sync(Duration::from_secs(60))));
    for _ in 0..5 {
        let store = open_whole();
        let deleted = AtomicBool::new(false);
        let taken = std::thread::scope(|threads| {
            let commits = threads.spawn(|| {
                let mut taken = ids(&store);
                loop {
                    let id = i64::try_from(taken.len()).unwrap();
                    match store.commit(added(id)) {
                        Ok(_) => taken.push(id),
                        Err(CommitError::Closed) if deleted.load(Ordering::Relaxed) => {
                            return taken;
                        }
                        // The deletion was refused: it is open again.
                        Err(CommitError::Closed) => {}
                        Err(error) => panic!("{error}"),
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            while let Err(refused) = block_on(store.delete()) {
                assert!(matches!(refused, NotDeleted::Unconfirmed(_)), "{refused}");
            }
            deleted.store(true, Ordering::Relaxed);
            commits.join().unwrap()
        });
        assert_eq!(ids(&open_whole()), taken);
    }
}
