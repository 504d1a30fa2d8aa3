//! States in files and on storage that fails: natively only, where there are files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use livestore_sync::{Head, Lane};
use rusqlite::Connection;

use super::fixture::{INSERT, commit, ran, rows, schema};
use crate::{
    sqlite::{Db, SqliteError},
    state::{ApplyError, State, StateProblem, Unit},
};

/// A directory that goes when the test does.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("livestore-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn open(file: &Path, journal: &str) -> Result<Db, SqliteError> {
    let conn = Connection::open(file)?;
    conn.execute_batch(&format!(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = {journal}"
    ))?;
    Db::new(conn)
}

fn written(file: &Path, journal: &str) -> Head {
    let (mut state, _) = State::open_or_create(open(file, journal).unwrap(), schema(1)).unwrap();
    state.apply(&ran(1, &[INSERT])).unwrap();
    for n in 2..60 {
        let sql = format!("INSERT INTO todos (id, text) VALUES ('{n}', '{}')", "x".repeat(500));
        state.apply(&ran(n, &[&sql])).unwrap();
    }
    state.heads().synced
}

#[test]
fn a_state_is_there_again_after_closing_in_every_journal_mode() {
    for journal in ["WAL", "DELETE", "TRUNCATE"] {
        let directory = Directory::new(&format!("again-{journal}"));
        let head = written(&directory.file(), journal);
        let state = State::open(open(&directory.file(), journal).unwrap(), schema(1)).unwrap();
        assert_eq!(state.heads().synced, head);
        assert_eq!(rows(&state, "SELECT count(*) FROM todos"), ["[Integer(59)]"]);
        let copy = State::from_bytes(&state.to_bytes().unwrap(), schema(1)).unwrap();
        let hash = state.content_hash(Lane::Synced).unwrap();
        assert_eq!(copy.content_hash(Lane::Synced).unwrap(), hash, "{journal}");
        let (state, problem) = State::open_or_create(state.into_db(), schema(2)).unwrap();
        assert!(matches!(problem, Some(StateProblem::OtherSchema { .. })), "{journal}");
        assert_eq!(state.heads().synced, Head::ZERO);
    }
}

fn check_damage(name: &str, damage: impl Fn(&mut Vec<u8>)) {
    let directory = Directory::new(name);
    let file = directory.file();
    written(&file, "DELETE");
    let mut bytes = fs::read(&file).unwrap();
    damage(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    let db = Db::open(&file, None).unwrap();
    let problem = State::open(db, schema(1)).map(|_| ()).unwrap_err();
    assert!(
        matches!(problem, StateProblem::Damaged(_) | StateProblem::Missing),
        "{name}: {problem}"
    );
    assert!(problem.wants_rebuild());
    // It can be made anew in place, and is sound then.
    let (mut state, problem) =
        State::open_or_create(Db::open(&file, None).unwrap(), schema(1)).unwrap();
    assert!(problem.is_some(), "{name}");
    state.replay(&[ran(1, &[INSERT])], Unit::Event).unwrap();
    state.check_integrity().unwrap();
}

#[test]
fn a_damaged_file_is_recognised_and_made_anew() {
    check_damage("empty", Vec::clear);
    check_damage("garbage", |bytes| bytes.fill(0x5a));
    check_damage("short", |bytes| bytes.truncate(50));
    check_damage("truncated", |bytes| bytes.truncate(bytes.len() / 2));
    check_damage("torn", |bytes| {
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
    });
    check_damage("header", |bytes| bytes[..16].fill(0));
}

#[test]
fn a_full_disk_is_nobodys_fault_and_passes() {
    let mut state = State::create(Db::open_in_memory().unwrap(), schema(1)).unwrap();
    state.apply(&ran(1, &[INSERT])).unwrap();
    let limit = |state: &State, pages: &str| {
        state.db().execute_batch(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    };
    limit(&state, "20");
    let before = (state.heads(), state.content_hash(Lane::Synced).unwrap());
    let big = "UPDATE todos SET text = hex(zeroblob(1000000))";
    for name in ["v1.Ran", "v1.RanCarelessly"] {
        for unit in [Unit::Commit, Unit::Event] {
            let commit = commit(name, 2, &[&[big]]);
            let error = state.apply_as(&commit, unit).unwrap_err();
            assert!(matches!(error, ApplyError::Storage(SqliteError::Full(_))), "{name}: {error}");
            assert_eq!((state.heads(), state.content_hash(Lane::Synced).unwrap()), before);
            assert!(state.replay(&[commit], unit).unwrap_err().is_storage_failure());
            assert_eq!((state.heads(), state.content_hash(Lane::Synced).unwrap()), before);
        }
    }
    limit(&state, "100000");
    state.apply(&ran(2, &[big])).unwrap();
}

#[test]
fn a_state_ahead_of_the_log_goes_back_to_the_newest_event_that_both_have() {
    let directory = Directory::new("ahead");
    let mut state = State::create(open(&directory.file(), "WAL").unwrap(), schema(1)).unwrap();
    let mut heads = vec![state.heads().synced];
    state.keep_undo(true);
    let mut hashes = vec![state.content_hash(Lane::Synced).unwrap()];
    for (n, sql) in [INSERT, "UPDATE todos SET done = 1", "DELETE FROM todos"].iter().enumerate() {
        state.apply(&ran(n as u64 + 1, &[sql])).unwrap();
        heads.push(state.heads().synced);
        hashes.push(state.content_hash(Lane::Synced).unwrap());
    }
    let mut state = State::open(state.into_db(), schema(1)).unwrap();
    let went = state.go_back(Lane::Synced, |head| Ok::<_, SqliteError>(head == heads[1])).unwrap();
    assert!(went);
    assert_eq!(state.heads().synced, heads[1]);
    assert_eq!(state.content_hash(Lane::Synced).unwrap(), hashes[1]);

    let went = state.go_back(Lane::Synced, |head| Ok::<_, SqliteError>(head == heads[3])).unwrap();
    assert!(!went, "nobody knows any of its heads");
    assert_eq!(state.content_hash(Lane::Synced).unwrap(), hashes[1]);
    assert!(state.go_back(Lane::Synced, |_| Ok::<_, SqliteError>(true)).unwrap());
}
