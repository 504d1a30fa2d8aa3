//! Opening what was written: snapshots, and databases that are no state.

use livestore_sync::Lane;

use super::fixture::{INSERT, commit, later_schema, ran, rows, schema, state};
use crate::{
    sqlite::{Db, SqliteError},
    state::{State, StateProblem},
    testing::test,
};

#[test]
fn a_snapshot_carries_rows_heads_skipped_events_and_undo() {
    let mut state = state();
    state.keep_undo(true);
    let first = state.apply(&ran(1, &[INSERT])).unwrap();
    state.apply(&ran(2, &["UPDATE todos SET done = 1"])).unwrap();
    state.apply(&commit("v2.Ran", 3, &[&[]])).unwrap();
    let bytes = state.to_bytes().unwrap();

    let mut copy = State::from_bytes(&bytes, schema(1)).unwrap();
    assert_eq!(copy.heads(), state.heads());
    assert_eq!(copy.content_hash(Lane::Synced).unwrap(), state.content_hash(Lane::Synced).unwrap());
    let undos = copy.kept_undo(Lane::Synced, first.undo.before).unwrap().unwrap();
    assert_eq!(undos.len(), 3);
    copy.roll_back(&undos).unwrap();
    assert!(rows(&copy, "SELECT 1 FROM todos").is_empty());
    assert_eq!(copy.kept_undo(Lane::Synced, first.undo.before).unwrap(), Some(vec![]));

    let known = State::from_bytes(&bytes, later_schema()).unwrap_err();
    assert!(matches!(known, StateProblem::OtherSchema { .. }), "{known}");
    assert!(matches!(State::from_bytes(&bytes, schema(2)), Err(StateProblem::OtherSchema { .. })));

    state.trim_undo(Lane::Synced, first.undo.after.number).unwrap();
    assert_eq!(state.kept_undo(Lane::Synced, first.undo.before).unwrap(), None);
    assert_eq!(
        state.kept_undo(Lane::Synced, first.undo.after).unwrap().map(|undos| undos.len()),
        Some(2)
    );
}

#[test]
fn garbage_is_refused_and_the_old_content_stays() {
    let mut state = state();
    state.apply(&ran(1, &[INSERT])).unwrap();
    let bytes = state.to_bytes().unwrap();
    let hash = state.content_hash(Lane::Synced).unwrap();
    let mut torn = bytes.clone();
    let half = torn.len() / 2;
    torn[half..].fill(0xa5);
    let cases: [(&str, Vec<u8>); 5] = [
        ("nothing", Vec::new()),
        ("short", bytes[..50].to_vec()),
        ("truncated", bytes[..half].to_vec()),
        ("torn", torn),
        ("garbage", vec![0x42; 16384]),
    ];
    let mut db = state.into_db();
    for (name, case) in cases {
        let error = db.load_bytes(&case).unwrap_err();
        assert!(
            matches!(error, SqliteError::NotADatabase(_) | SqliteError::Corrupt(_)),
            "{name}: {error}"
        );
        assert!(error.is_storage_failure() && error.is_damage());
        let tables = ["todos", "counters"];
        assert_eq!(db.content_hash(tables).unwrap(), hash, "{name}");
        assert!(State::from_bytes(&case, schema(1)).unwrap_err().wants_rebuild());
    }
    let mut other = Db::open_in_memory().unwrap();
    other.execute_batch("CREATE TABLE gone (x); INSERT INTO gone VALUES (1)").unwrap();
    assert!(other.read_set("SELECT * FROM gone").is_ok());
    other.load_bytes(&bytes).unwrap();
    assert!(other.read_set("SELECT * FROM gone").is_err());
    let mut state = State::open(other, schema(1)).unwrap();
    assert!(
        !state.apply(&ran(2, &["DELETE FROM todos"])).unwrap().changes.is_empty(),
        "hooks stay"
    );
}

#[test]
fn a_database_of_something_else_is_emptied_with_the_reason() {
    let foreign = Db::open_in_memory().unwrap();
    foreign.execute_batch("CREATE TABLE todos (x); CREATE TABLE theirs (y)").unwrap();
    let (state, problem) = State::open_or_create(foreign, schema(1)).unwrap();
    assert!(matches!(problem, Some(StateProblem::Missing)));
    assert!(state.db().table("theirs").unwrap().is_none());

    let (state, problem) = State::open_or_create(state.into_db(), schema(1)).unwrap();
    assert!(problem.is_none(), "{problem:?}");
    let (_, problem) = State::open_or_create(state.into_db(), schema(2)).unwrap();
    assert!(matches!(problem, Some(StateProblem::OtherSchema { .. })));
}

#[test]
fn a_state_that_skipped_what_is_known_now_is_rebuilt() {
    let mut state = State::create(Db::open_in_memory().unwrap(), later_schema()).unwrap();
    state.apply(&commit("v3.Ran", 1, &[&[]])).unwrap();
    state.db().conn().execute("UPDATE livestore_skipped SET name = 'v2.Ran'", ()).unwrap();
    let problem = State::open(state.into_db(), later_schema()).unwrap_err();
    assert!(matches!(problem, StateProblem::NowKnown { names } if names == ["v2.Ran"]));
}
