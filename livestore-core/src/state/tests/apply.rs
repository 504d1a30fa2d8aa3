//! Applying, failing, rolling back, replaying.

use livestore_sync::{Commit, Head, Lane};

use super::fixture::{INSERT, commit, ran, rows, state};
use crate::{
    schema::MaterializeError,
    sqlite::{AccessViolation, SqliteError},
    state::{ApplyError, State, Unit},
    testing::test,
};

const ALL: &str = "SELECT id, text, done FROM todos ORDER BY id";

fn hashes(state: &State) -> (crate::sqlite::ContentHash, crate::sqlite::ContentHash) {
    (state.content_hash(Lane::Synced).unwrap(), state.content_hash(Lane::ClientOnly).unwrap())
}

#[test]
fn a_commit_writes_rows_and_moves_the_head_of_its_lane() {
    let mut state = state();
    let first = ran(1, &[INSERT, "UPDATE todos SET done = 1"]);
    let here = commit("v1.RanHere", 2, &[&["INSERT INTO drafts VALUES ('top', 1, x'00')"]]);
    let applied = state.apply(&first).unwrap();
    let changes: Vec<_> = applied.changes.tables().map(|t| t.name().to_owned()).collect();
    assert_eq!(changes, ["todos"]);
    state.apply(&here).unwrap();
    assert_eq!(state.heads().synced, Head::ZERO.after(&first));
    assert_eq!(state.heads().client_only, Head::ZERO.after(&here));
    assert_eq!(
        rows(&state, "SELECT id, done, weight FROM todos"),
        ["[Text(\"a\"), Integer(1), Real(0.5)]"]
    );
}

/// The literals are the same in every build: a hash is stored, and a tab of another target or version compares it.
#[test]
fn the_content_hash_of_the_same_commits_is_the_same_on_every_target() {
    let mut state = state();
    for commit in [
        ran(1, &[INSERT, "INSERT INTO todos (id, text) VALUES ('ß', 'Grüße 🥛')"]),
        ran(
            2,
            &["INSERT INTO todos VALUES ('b', '', 1, -1.5e-7), ('c', 'x', -9007199254740991, 3)"],
        ),
        ran(3, &["INSERT INTO counters VALUES (9223372036854775807, -1), (-5, 0)"]),
        commit(
            "v1.RanHere",
            4,
            &[&["INSERT INTO drafts VALUES ('top', 1, x'00ff'), ('', 0, x'')"]],
        ),
    ] {
        state.apply(&commit).unwrap();
    }
    assert_eq!(
        format!("{:?}", hashes(&state)),
        "(3c97119d8fdc4f980d271fd0dedd8386, e588a0dc1c68a1e0faccce62cf1e5e95)"
    );
}

#[test]
fn rolling_back_restores_rows_and_heads_in_any_interleaving_of_lanes() {
    let mut state = state();
    let start = (state.heads(), hashes(&state));
    let commits = [
        ran(1, &[INSERT]),
        commit("v1.RanHere", 2, &[&["INSERT INTO drafts VALUES ('top', 1, x'00')"]]),
        ran(
            3,
            &[
                "INSERT OR REPLACE INTO todos (id, text) VALUES ('a', 'honey')",
                "INSERT INTO counters VALUES (7, 1)",
            ],
        ),
        commit("v1.RanHere", 4, &[&["UPDATE drafts SET body = x'01'"], &["DELETE FROM drafts"]]),
        ran(6, &["UPDATE counters SET id = 8, n = n + 1", "DELETE FROM todos"]),
    ];
    let mut undos = Vec::new();
    for commit in &commits {
        undos.push(state.apply(commit).unwrap().undo);
    }
    let end = (state.heads(), hashes(&state));
    let wrong = state.roll_back(&[undos[3].clone(), undos[2].clone()]).unwrap_err();
    assert!(matches!(wrong, SqliteError::UndoMismatch { .. }), "{wrong}");
    assert_eq!((state.heads(), hashes(&state)), end, "a refused roll-back changes nothing");

    undos.reverse();
    let changes = state.roll_back(&undos).unwrap();
    assert!(!changes.is_empty() || rows(&state, ALL).is_empty());
    assert_eq!((state.heads(), hashes(&state)), start);
    for commit in &commits {
        state.apply(commit).unwrap();
    }
    assert_eq!((state.heads(), hashes(&state)), end);
    state.check_integrity().unwrap();
}

fn check_failure(commit: &Commit, expected: impl Fn(&MaterializeError) -> bool) {
    let mut state = state();
    state.apply(&ran(1, &[INSERT])).unwrap();
    let before = (state.heads(), hashes(&state));
    let error = state.apply(commit).unwrap_err();
    assert!(error.is_deterministic(), "{error}");
    let ApplyError::Event(failed) = &error else { panic!("{error}") };
    assert!(expected(&failed.error), "{failed:?}");
    assert_eq!((state.heads(), hashes(&state)), before, "{error}");
    state.apply(&ran(9, &["UPDATE todos SET done = 1"])).expect("the state lives on");
}

#[test]
fn a_commit_that_fails_changes_nothing_and_says_why() {
    let constraint = |error: &MaterializeError| matches!(error, MaterializeError::Sqlite(sql) if sql.is_constraint());
    check_failure(&ran(2, &["UPDATE todos SET text = 'x'", INSERT]), constraint);
    check_failure(
        &commit(
            "v1.Ran",
            2,
            &[&["UPDATE todos SET text = 'x'"], &["INSERT INTO todos (id) VALUES ('b')"]],
        ),
        constraint,
    );
    check_failure(&ran(2, &["UPDATE todos SET done = 'not a number'"]), constraint);
    check_failure(&ran(2, &["SELECT FROM"]), |error| matches!(error, MaterializeError::Sqlite(_)));
    check_failure(
        &ran(2, &["INSERT INTO drafts VALUES ('top', 1, x'00')"]),
        |error| matches!(error, MaterializeError::OtherLane { lane: Lane::Synced, table: Some(table), .. } if table == "drafts"),
    );
    check_failure(
        &commit("v1.RanHere", 2, &[&["INSERT INTO drafts SELECT id, 1, '' FROM todos"]]),
        |error| matches!(error, MaterializeError::OtherLane { table: Some(table), .. } if table == "todos"),
    );
    check_failure(&ran(2, &["DELETE FROM livestore_heads"]), |error| {
        matches!(
            error,
            MaterializeError::Access { violation: AccessViolation::UnknownTable { .. }, .. }
        )
    });
    check_failure(&ran(2, &["COMMIT"]), |error| {
        matches!(
            error,
            MaterializeError::Access { violation: AccessViolation::Forbidden { .. }, .. }
        )
    });
    // An access that the materializer swallows is refused all the same.
    check_failure(
        &commit("v1.RanCarelessly", 2, &[&["DELETE FROM drafts", "UPDATE todos SET text = 'x'"]]),
        |error| matches!(error, MaterializeError::OtherLane { .. }),
    );
}

#[test]
fn a_failing_statement_that_the_materializer_survives_can_be_undone() {
    let mut state = state();
    state.apply(&ran(1, &[INSERT, "INSERT INTO counters VALUES (1, 1), (2, 2)"])).unwrap();
    let before = hashes(&state);
    let careless = commit(
        "v1.RanCarelessly",
        2,
        &[&[
            "INSERT INTO todos (id, text) VALUES ('b', 'b'), ('c', 'c'), ('a', 'taken')",
            "UPDATE counters SET id = 3",
            "UPDATE todos SET text = 'changed'",
        ]],
    );
    let applied = state.apply(&careless).unwrap();
    assert_eq!(rows(&state, "SELECT id, text FROM todos"), ["[Text(\"a\"), Text(\"changed\")]"]);
    state.roll_back(&[applied.undo]).unwrap();
    assert_eq!(hashes(&state), before);
}

/// On wasm32 a panic ends the module, and the state in it.
#[cfg(panic = "unwind")]
#[test]
fn a_panic_in_a_materializer_leaves_the_state_as_it_was() {
    let mut state = state();
    state.apply(&ran(1, &[INSERT])).unwrap();
    let before = (state.heads(), hashes(&state));
    let apply = |state: &mut State| state.apply(&commit("v1.Panicked", 2, &[&[]])).is_ok();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| apply(&mut state)));
    assert!(caught.is_err());
    assert_eq!((state.heads(), hashes(&state)), before);
    state.apply(&ran(2, &["DELETE FROM todos"])).unwrap();
}

#[test]
fn an_unknown_event_is_skipped_and_a_confirmed_one_fails_alone() {
    let mut state = state();
    let unknown = commit("v2.Ran", 1, &[&[INSERT]]);
    let applied = state.apply(&unknown).unwrap();
    assert_eq!(applied.skipped.len(), 1);
    assert!(applied.changes.is_empty());
    assert_eq!(state.heads().synced.number, 1);

    let three = commit("v1.Ran", 2, &[&[INSERT], &[INSERT], &["UPDATE todos SET done = 1"]]);
    assert!(state.apply(&three).is_err());
    let applied = state.apply_as(&three, Unit::Event).unwrap();
    assert_eq!(applied.failed.len(), 1);
    assert_eq!(applied.failed[0].id.n.get(), 3);
    let listed = state.failed().unwrap();
    assert_eq!((listed.len(), &listed[0].0), (1, &three.events()[1]));
    assert!(listed[0].1.contains("UNIQUE"), "{listed:?}");
    state.roll_back(&[applied.undo]).unwrap();
    assert_eq!(state.failed().unwrap(), [], "it is not in the log any more");
    state.apply_as(&three, Unit::Event).unwrap();
    assert_eq!(state.failed().unwrap(), listed);
    assert_eq!(state.heads().synced.number, 4);
    assert_eq!(rows(&state, ALL), ["[Text(\"a\"), Text(\"milk\"), Integer(1)]"]);

    let applied = state.pass_over(&ran(5, &["DELETE FROM todos"])).unwrap();
    assert!(applied.changes.is_empty());
    assert_eq!(state.heads().synced.number, 5);
    assert_eq!(rows(&state, ALL).len(), 1);
}

#[test]
fn replaying_gives_what_applying_gave() {
    let commits = [
        ran(1, &[INSERT]),
        commit("v1.RanHere", 2, &[&["INSERT INTO drafts VALUES ('top', 1, x'00')"]]),
        ran(3, &[INSERT]),                              // fails
        commit("v2.Ran", 4, &[&["DELETE FROM todos"]]), // unknown
        ran(5, &["INSERT INTO counters VALUES (1, 1)"]),
    ];
    let mut applied = state();
    for commit in &commits {
        if applied.apply(commit).is_err() {
            applied.pass_over(commit).unwrap();
        }
    }
    let mut replayed = state();
    let (first, rest) = commits.split_at(3);
    let outcome = replayed.replay(first, Unit::Commit).unwrap();
    assert_eq!((outcome.failed.len(), outcome.skipped.len()), (1, 0));
    let outcome = replayed.replay(rest, Unit::Event).unwrap();
    assert_eq!((outcome.failed.len(), outcome.skipped.len()), (0, 1));
    assert_eq!((replayed.heads(), hashes(&replayed)), (applied.heads(), hashes(&applied)));
}

#[test]
fn a_transaction_that_fails_takes_its_commits_back() {
    let mut state = state();
    state.apply(&ran(1, &[INSERT])).unwrap();
    let before = (state.heads(), hashes(&state));
    let failed: Result<(), ApplyError> = state.transaction(|state| {
        state.apply(&ran(2, &["DELETE FROM todos"]))?;
        state.apply(&ran(3, &["SELECT FROM"]))?;
        Ok(())
    });
    assert!(failed.is_err());
    assert_eq!((state.heads(), hashes(&state)), before);
}

#[test]
fn the_content_hash_is_the_same_on_every_target() {
    let mut state = state();
    state
        .apply(&ran(1, &[
            "INSERT INTO todos (id, text, done, weight) VALUES ('ä', 'ünï', 1, 1.0), ('b', '', 0, NULL),
                ('B', '2', -9007199254740993, -0.0), ('c', 'x', 3, 1e300)",
            "INSERT INTO counters VALUES (-5, 1), (3, 9223372036854775807)",
            "DELETE FROM todos WHERE id = 'b'",
        ]))
        .unwrap();
    let hash = state.content_hash(Lane::Synced).unwrap();
    assert_eq!(format!("{hash:?}"), "45444abf15de8e050847b22840ba0be1");
}
