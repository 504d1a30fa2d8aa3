//! The files of a closed store, looked at from outside.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use livestore_core::{
    Schema,
    internals::{ContentHash, Db, State},
};
use livestore_sync::Lane;
use rusqlite::Connection;

use super::eventually;

/// A file of the store `notes` in this data directory.
pub(crate) fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join("notes").join(name)
}

/// The eventlog.
pub(crate) fn log(directory: &Path) -> PathBuf {
    file(directory, "eventlog.db")
}

/// The state of schema `S`.
pub(crate) fn state<S: Schema>(directory: &Path) -> PathBuf {
    let hash = S::def().expect("the schema is sound").hash();
    file(directory, &format!("state-{hash:016x}.db"))
}

/// Waits until no leader has the files: they may be read and damaged then.
pub(crate) fn released(directory: &Path) {
    let lock = file(directory, "lock");
    eventually("the files are free", || {
        File::open(&lock).is_ok_and(|lock| lock.try_lock().is_ok())
    });
}

/// Opens a database beside the store.
pub(crate) fn connect(path: &Path) -> Connection {
    Connection::open(path).expect("the file opens")
}

/// The content hashes of a closed store's state.
pub(crate) fn hashes<S: Schema>(directory: &Path) -> [ContentHash; 2] {
    released(directory);
    let db = Db::open(&state::<S>(directory), None).expect("the state opens");
    let state = State::open(db, S::def().expect("the schema is sound")).expect("the state is one");
    Lane::ALL.map(|lane| state.content_hash(lane).expect("the rows are readable"))
}

/// Removes a database with what belongs to it.
pub(crate) fn remove(path: &Path) {
    released(path.parent().and_then(Path::parent).expect("a file of a store"));
    for side in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(side);
        let gone = fs::remove_file(&name);
        assert!(gone.is_ok() || !side.is_empty(), "{}: {gone:?}", name.display());
    }
}

/// Every file of the store whose name begins like this, with its bytes.
pub(crate) fn bytes(directory: &Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(directory.join("notes"))
        .expect("the directory is there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("our names"))
        .filter(|name| name.starts_with(prefix))
        .map(|name| (name.clone(), fs::read(file(directory, &name)).expect("it is readable")))
        .collect()
}

/// What the log holds of commits that took effect, and the quarantine.
pub(crate) fn counts(directory: &Path) -> (i64, i64) {
    released(directory);
    let sql = "select (select count(*) from events), (select count(*) from quarantine)";
    connect(&log(directory))
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("the log is readable")
}
