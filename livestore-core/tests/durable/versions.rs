//! Versions of the app that take turns on one log.

use std::time::{Duration, SystemTime};

use livestore_core::{BootWarning, OpenError, OpenFailure, Schema, WithoutEffect};
use rusqlite::Connection;

use super::{
    check_all_is_there, directory, rewrite,
    state_file::{check_rebuilt, in_state},
    support::{
        self, Note, Notes, Opened, added, close,
        files::{connect, log, released, remove, state},
        in_directory, try_version, version,
        versions::{Loud, NewEvent, NewNote, NewNotes, PanickingNotes, Quiet},
    },
    write_some,
};

#[test]
fn an_event_that_the_app_does_not_know_is_kept_and_applied_once_it_does() {
    let directory = directory();
    write_some(directory.path());
    let new = version::<NewNotes>(directory.path());
    new.commit((NewEvent::Pinned { id: 5 }, NewEvent::Starred { id: 5 })).expect("it applies");
    close(new);
    released(directory.path());

    let old = in_directory(directory.path());
    let unknown = BootWarning::UnknownEvents { names: vec!["v1.NotePinned".into()] };
    assert_eq!(old.boot_warnings(), std::slice::from_ref(&unknown));
    let starred = old.query(Note::query().filter(Note::STARS.eq(1)).columns(Note::ID));
    assert_eq!(starred.expect("the query runs"), [3, 5], "the rest of its commit counts");
    old.commit(added(21)).expect("it applies");
    close(old);
    released(directory.path());
    remove(&state::<Notes>(directory.path()));
    let old = in_directory(directory.path());
    assert!(old.boot_warnings().contains(&unknown), "after a rebuild, too");
    close(old);
    released(directory.path());

    let new = version::<NewNotes>(directory.path());
    let pinned = new.query(NewNote::query().filter(NewNote::PINNED.eq(true)).columns(NewNote::ID));
    assert_eq!(pinned.expect("the query runs"), [5]);
    assert_eq!(new.query(NewNote::query().count()).expect("the query runs"), 20);
    assert_eq!(new.boot_warnings(), []);
}

#[test]
fn a_state_that_skipped_an_event_is_rebuilt_once_the_app_knows_it() {
    check_rebuilt(
        "skipped events that the app knows by now: v1.NoteStarred",
        in_state("insert into livestore_skipped values ('v1.NoteStarred')"),
    );
}

#[test]
fn an_event_of_the_log_that_this_version_can_not_apply_is_listed_with_the_reason() {
    let directory = directory();
    let new = version::<NewNotes>(directory.path());
    // The older version refuses this text.
    let refused = NewEvent::Added { id: 1, text: "refuse me".into() };
    let id = new.commit(refused).expect("it applies here").id();
    new.commit(NewEvent::Added { id: 2, text: "fine".into() }).expect("it applies");
    assert_eq!(new.without_effect().expect("a list"), []);
    let listed = |store: &livestore_core::AnyStore| {
        let listed = store.without_effect().expect("a list");
        let [WithoutEffect { event, reason }] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!(
            (event.id, event.name.as_str(), reason.as_str()),
            (id, "v1.NoteAdded", "refused: as asked")
        );
        assert_eq!(event.args, r#"{"id":1,"text":"refuse me"}"#);
    };
    // Beside the new version's leader it folds the log itself.
    let old = in_directory(directory.path());
    listed(&old);
    close(old);
    close(new);
    released(directory.path());
    for reopened in ["it folds", "it has a state", "it rebuilds"] {
        if reopened == "it rebuilds" {
            remove(&state::<Notes>(directory.path()));
        }
        let old = in_directory(directory.path());
        listed(&old);
        let beside = in_directory(directory.path());
        listed(&beside);
        assert_eq!(support::ids(&beside), [2], "{reopened}");
        assert!(old.rejections().is_empty(), "it is confirmed");
        close(beside);
        close(old);
        released(directory.path());
    }
    assert_eq!(version::<NewNotes>(directory.path()).without_effect().expect("a list"), []);
}

#[test]
fn an_added_column_rebuilds_the_state_and_loses_nothing() {
    let directory = directory();
    write_some(directory.path());
    let new = version::<NewNotes>(directory.path());
    let warnings = new.boot_warnings();
    assert!(matches!(&warnings[..], [BootWarning::StateRebuilt { .. }]), "{warnings:?}");
    let notes = new.query(NewNote::query().order_by(NewNote::ID.asc())).expect("the query runs");
    assert_eq!(notes.len(), 19);
    let third = NewNote { id: 3, text: "note 3".into(), stars: 1, pinned: false };
    assert_eq!(notes[2], third);
    assert_eq!(new.query(Opened::query().columns(Opened::ID)).expect("the query runs"), [7]);
    close(new);
    released(directory.path());
    assert_eq!(version::<NewNotes>(directory.path()).boot_warnings(), [], "the second start");
}

#[test]
fn materializers_of_another_number_rebuild_the_state() {
    let directory = directory();
    let quiet = version::<Quiet>(directory.path());
    let event = support::versions::QuietEvent::Added { id: 1, text: "hush".into() };
    quiet.commit(event).expect("it applies");
    close(quiet);
    released(directory.path());
    let texts = |store: &livestore_core::AnyStore| {
        store.query(Note::query().columns(Note::TEXT)).expect("the query runs")
    };
    let loud = version::<Loud>(directory.path());
    assert_eq!(texts(&loud), ["HUSH"]);
    close(loud);
    released(directory.path());
    assert_eq!(texts(&version::<Quiet>(directory.path())), ["hush"]);
}

#[test]
fn states_of_other_schemas_go_after_a_week_without_use() {
    let directory = directory();
    write_some(directory.path());
    close(version::<Quiet>(directory.path()));
    close(version::<NewNotes>(directory.path()));
    released(directory.path());
    let there = || {
        [state::<Notes>, state::<Quiet>, state::<NewNotes>]
            .map(|file| file(directory.path()).exists())
    };
    assert_eq!(there(), [true; 3]);
    let age = |hash: u64, days: u64| {
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        let then = then.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        let changed = connect(&log(directory.path())).execute(
            "update states set opened_ms = ?2 where hash = ?1",
            (hash.cast_signed(), i64::try_from(then).expect("a date")),
        );
        assert_eq!(changed, Ok(1));
    };
    age(hash::<Notes>(), 8);
    age(hash::<Quiet>(), 6);
    age(hash::<NewNotes>(), 30);
    close(version::<NewNotes>(directory.path()));
    released(directory.path());
    assert_eq!(there(), [false, true, true], "the one in use stays, whatever its age");
    let store = in_directory(directory.path());
    check_all_is_there(&store);
    close(store);
    released(directory.path());
    assert_eq!(there(), [true; 3]);
}

fn hash<S: Schema>() -> u64 {
    S::def().expect("the schema is sound").hash()
}

#[test]
fn the_state_of_a_schema_stays_when_its_sessions_were_there_though_another_version_led() {
    let directory = directory();
    write_some(directory.path());
    close(version::<NewNotes>(directory.path()));
    released(directory.path());
    let age = |days: u64| {
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        let then = then.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        connect(&log(directory.path()))
            .execute("update states set opened_ms = ?1", [i64::try_from(then).expect("a date")])
            .expect("ok");
    };
    age(6);
    let old = in_directory(directory.path());
    let new = version::<NewNotes>(directory.path());
    close(new);
    close(old);
    released(directory.path());
    let opened: Vec<i64> = connect(&log(directory.path()))
        .prepare("select opened_ms from states order by opened_ms")
        .and_then(|mut states| states.query_map([], |row| row.get(0))?.collect())
        .expect("two states");
    let day = 24 * 60 * 60 * 1000;
    assert_eq!(opened.len(), 2);
    assert!(opened[1] - opened[0] < day, "both were in use today: {opened:?}");
}

#[test]
fn a_state_file_that_the_log_has_not_heard_of_ages_from_now_on() {
    let directory = directory();
    write_some(directory.path());
    close(version::<Quiet>(directory.path()));
    released(directory.path());
    connect(&log(directory.path())).execute_batch("delete from states").expect("ok");
    for _ in 0..2 {
        close(in_directory(directory.path()));
        released(directory.path());
        assert!(state::<Quiet>(directory.path()).exists());
    }
    let known: rusqlite::Result<i64> = Connection::open(log(directory.path()))
        .and_then(|log| log.query_row("select count(*) from states", [], |row| row.get(0)));
    assert_eq!(known, Ok(2));
}

#[test]
fn an_app_of_another_version_that_can_not_open_is_told_the_same() {
    let directory = directory();
    write_some(directory.path());
    rewrite(&log(directory.path()), |bytes| bytes.fill(0));
    let refused = try_version::<NewNotes>(directory.path());
    assert!(matches!(refused, Err(OpenError::Leader { .. })), "{refused:?}");
}

#[test]
fn a_version_that_panics_while_it_folds_the_log_fails_to_open_and_leaves_the_log_to_a_better_one() {
    let directory = directory();
    write_some(directory.path());
    let refused = try_version::<PanickingNotes>(directory.path()).expect_err("it panics");
    assert!(
        matches!(&refused, OpenError::Leader { failure: OpenFailure::Died(reason), .. }
            if reason.contains("nobody thought of note 1")),
        "{refused}"
    );
    released(directory.path());
    check_all_is_there(&in_directory(directory.path()));
}
