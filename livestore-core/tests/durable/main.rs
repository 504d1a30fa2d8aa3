//! What a store's files survive: an end of any kind, damage, other versions of the app, a second process, storage that
//! refuses. Nothing that was stored is lost or hidden, and whoever opens is told.

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod log_file;
mod state_file;
mod storage;
mod versions;

use std::{fs, path::Path};

use futures_executor::block_on;
use livestore_core::Store;
use support::{
    LocalEvent, Note, NoteEvent, Notes, Opened, Tag, added, close, files::released, ids,
    in_directory,
};
use tempfile::{TempDir, tempdir};

pub(crate) fn directory() -> TempDir {
    tempdir().expect("a place for tests")
}

/// Some of everything, in both lanes; returns when it is on disk and the files are free.
pub(crate) fn write_some(directory: &Path) {
    let store = in_directory(directory);
    for id in 1..=20 {
        store.commit(added(id)).expect("it applies");
    }
    let receipts = [
        store.commit((NoteEvent::Starred { id: 3 }, NoteEvent::Removed { id: 4 })),
        store.commit(LocalEvent::Opened { id: 7 }),
        store.commit(NoteEvent::Tagged { name: "late".into() }),
    ];
    for receipt in receipts {
        block_on(receipt.expect("it applies").persisted()).expect("the leader has it");
    }
    close(store);
    released(directory);
}

pub(crate) fn check_all_is_there(store: &Store<Notes>) {
    assert_eq!(ids(store), (1..=20).filter(|id| *id != 4).collect::<Vec<i64>>());
    let starred = store.query(Note::query().filter(Note::STARS.eq(1)).columns(Note::ID));
    assert_eq!(starred.expect("the query runs"), [3]);
    assert_eq!(store.query(Opened::query().columns(Opened::ID)).expect("the query runs"), [7]);
    assert_eq!(store.query(Tag::query().columns(Tag::NAME)).expect("the query runs"), ["late"]);
}

pub(crate) fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is readable");
    change(&mut bytes);
    fs::write(path, bytes).expect("it is writable");
}
