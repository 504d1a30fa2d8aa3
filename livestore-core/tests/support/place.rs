//! What tests that run on both targets share: their `#[test]`, and where their stores keep the data.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

use std::time::Duration;

/// An asynchronous test: natively a thread runs it, in the browser the page's event loop.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use futures_test::test;
pub(crate) use livestore_core::platform::sleep;
use livestore_core::{Schema, Store, StoreOptions};
/// An asynchronous test: natively a thread runs it, in the browser the page's event loop.
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

use super::Notes;

/// Where one test's stores keep their data: natively a directory that is removed after it, in the browser OPFS, under an
/// id that no other test has.
pub(crate) struct Place {
    #[cfg(not(target_arch = "wasm32"))]
    directory: tempfile::TempDir,
    #[cfg(target_arch = "wasm32")]
    id: String,
}

#[cfg(not(target_arch = "wasm32"))]
impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a place for tests") }
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn options<S: Schema>(&self) -> StoreOptions<S> {
        StoreOptions::new("notes").directory(self.directory.path())
    }
}

#[cfg(target_arch = "wasm32")]
impl Place {
    pub(crate) fn new() -> Self {
        Self { id: livestore_core::new_id() }
    }

    fn options<S: Schema>(&self) -> StoreOptions<S> {
        StoreOptions::new(&self.id).persisted()
    }
}

impl Place {
    /// Opens the store.
    pub(crate) async fn open(&self) -> Store<Notes> {
        self.version().await
    }

    /// Opens the store as another version of the app does.
    pub(crate) async fn version<S: Schema>(&self) -> Store<S> {
        Store::open(self.options()).await.expect("the store opens")
    }
}

/// A store of its own in memory.
pub(crate) async fn memory() -> Store<Notes> {
    Store::open(StoreOptions::new("notes")).await.expect("a store in memory opens")
}

/// Closes a store; its leader may lead a moment longer.
pub(crate) async fn close<S: Schema>(store: Store<S>) {
    store.shutdown(Duration::from_secs(10)).await;
    drop(store);
}

/// Waits until `done` says so.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("not in 10 s: {what}");
}
