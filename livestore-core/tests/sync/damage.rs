//! A synced store whose log is damaged: an error as ever, unless the app wants it set aside and all of it pulled again.

use std::{fs, path::Path, time::Duration};

use futures_executor::block_on;
use livestore_core::{
    BootWarning, LeaderStatus, OpenError, OpenFailure, Store, StoreOptions, SyncOptions,
};

use super::{
    close, commit, confirm, open, options,
    server::Backend,
    support::{
        Notes, added, eventually,
        files::{bytes, connect, log, released, remove},
        ids,
        versions::NewNotes,
    },
};

/// A store with two confirmed events, closed.
fn write_some(backend: &Backend, directory: &Path) {
    let store = open(options(backend.options()).directory(directory));
    confirm(&store, added(1));
    confirm(&store, added(2));
    close(store);
    released(directory);
}

fn set_aside(backend: &Backend, directory: &Path) -> StoreOptions<Notes> {
    options(whole(backend).set_damaged_log_aside()).directory(directory)
}

fn whole(backend: &Backend) -> SyncOptions {
    backend.options().initial_sync(Duration::from_secs(30))
}

fn try_open(options: StoreOptions<Notes>) -> Result<Store<Notes>, OpenFailure> {
    block_on(Store::open(options)).map_err(|error| match error {
        OpenError::Leader { failure, .. } => failure,
        error => panic!("{error}"),
    })
}

/// A log that is damaged like this is refused, set aside when that is wished, and all that the backend has is there.
fn check_set_aside(damage: impl Fn(&Path)) {
    let (backend, directory) = (Backend::start(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    write_some(&backend, directory);
    damage(&log(directory));
    let damaged = fs::read(log(directory)).ok();
    let refused = try_open(options(backend.options()).directory(directory));
    assert!(matches!(&refused, Err(OpenFailure::LogDamaged(_))), "{refused:?}");
    released(directory);

    let store = open(set_aside(&backend, directory));
    assert_eq!(ids(&store), [1, 2]);
    confirm(&store, added(3));
    let warned = || match damaged {
        Some(_) => vec![BootWarning::LogSetAside { file: log(directory).display().to_string() }],
        None => vec![],
    };
    assert_eq!(store.boot_warnings(), warned());
    close(store);
    released(directory);
    assert_eq!(fs::read(log(directory)).ok(), damaged, "not a byte of it has changed");

    // From now on it is a store like any other.
    let store = open(options(backend.options()).directory(directory));
    assert_eq!(ids(&store), [1, 2, 3]);
    assert_eq!(store.boot_warnings(), warned());
    eventually("all is quiet", || store.sync_status().is_synced);
    assert_eq!(block_on(store.delete()), Ok(()));
    drop(store);
    released(directory);
    assert_eq!(bytes(directory, "eventlog").len() + bytes(directory, "state").len(), 0);
}

#[test]
fn a_log_that_is_garbage_is_set_aside() {
    check_set_aside(|log| fs::write(log, vec![0xa5; 10_000]).unwrap());
}

#[test]
fn a_log_that_is_cut_short_is_set_aside() {
    check_set_aside(|log| fs::write(log, &fs::read(log).unwrap()[..5_000]).unwrap());
}

#[test]
fn the_state_of_a_log_that_is_gone_is_set_aside() {
    check_set_aside(remove);
}

#[test]
fn a_log_of_a_newer_version_is_not_damaged() {
    let (backend, directory) = (Backend::start(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    write_some(&backend, directory);
    connect(&log(directory)).pragma_update(None, "user_version", 99).unwrap();
    let refused = try_open(set_aside(&backend, directory));
    assert!(
        matches!(&refused, Err(OpenFailure::Log(reason)) if reason.contains("99")),
        "{refused:?}"
    );
    released(directory);
    assert_eq!(bytes(directory, "eventlog-").len(), 0);
}

#[test]
fn a_log_whose_damage_shows_while_it_is_used_is_set_aside_under_its_sessions() {
    let (backend, directory) = (Backend::start(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    write_some(&backend, directory);
    let forged =
        "update events set args = '{\"id\":7,\"text\":\"forged\"}' where lane = 0 and number = 1";
    connect(&log(directory)).execute_batch(forged).unwrap();
    // Its state is whole, so the log is not read.
    let store = open(set_aside(&backend, directory));
    assert_eq!(store.boot_warnings(), []);
    store.pause_sync();
    let pending = commit(&store, added(3));
    assert_eq!(block_on(pending.persisted()), Ok(()));
    store.resume_sync();
    assert_eq!(block_on(pending.confirmed()), Ok(()));
    // Another version of the app has its leader fold the log.
    let sync = backend.options().set_damaged_log_aside();
    let newer = StoreOptions::<NewNotes>::new("notes").directory(directory).sync(sync);
    let newer = block_on(Store::open(newer));
    assert!(
        newer.is_ok()
            || matches!(&newer, Err(OpenError::Leader { failure: OpenFailure::LogDamaged(_), .. })),
        "{newer:?}"
    );
    drop(newer);
    eventually("it is pulled again", || {
        store.leader_status() == LeaderStatus::Attached
            && ids(&store) == [1, 2, 3]
            && store.boot_warnings().iter().any(|w| matches!(w, BootWarning::LogSetAside { .. }))
    });
    confirm(&store, added(4));
    assert_eq!(ids(&store), [1, 2, 3, 4]);
}
