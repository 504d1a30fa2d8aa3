//! Stores for tests that have threads and files, and so run natively only.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{path::Path, time::Duration};

use futures_executor::block_on;
use livestore_core::{OpenError, Schema, Store, StoreOptions};

use super::Notes;

pub(crate) fn memory() -> Store<Notes> {
    block_on(Store::open(StoreOptions::new("notes"))).expect("a store in memory opens")
}

pub(crate) fn in_directory(directory: &Path) -> Store<Notes> {
    try_in_directory(directory).expect("the store opens")
}

pub(crate) fn try_in_directory(directory: &Path) -> Result<Store<Notes>, OpenError> {
    try_version(directory)
}

/// Opens the store `notes` as another version of the app does.
pub(crate) fn version<S: Schema>(directory: &Path) -> Store<S> {
    try_version(directory).expect("the store opens")
}

pub(crate) fn try_version<S: Schema>(directory: &Path) -> Result<Store<S>, OpenError> {
    block_on(Store::open(StoreOptions::new("notes").directory(directory)))
}

/// Closes a store; its leader may have the files a moment longer.
pub(crate) fn close<S: Schema>(store: Store<S>) {
    block_on(store.shutdown(Duration::from_secs(10)));
    drop(store);
}

/// Waits until `done` says so.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not in 10 s: {what}");
}
