//! An eventlog that is damaged, of something else or of a newer version: a typed error, and not a byte is changed.

use std::{fs, path::Path};

use livestore_core::{LeaderStatus, OpenError, OpenFailure};

use super::{
    check_all_is_there, directory, rewrite,
    support::{
        Notes, added, eventually,
        files::{bytes, connect, log, released, remove, state},
        ids, in_directory, try_in_directory, try_version,
        versions::NewNotes,
    },
    write_some,
};

/// Puts something else in the log's place: opening is refused, twice, and not a byte of log or state has changed.
fn check_log_refused(why: &str, damage: impl Fn(&Path)) {
    let directory = directory();
    write_some(directory.path());
    damage(&log(directory.path()));
    let before = (bytes(directory.path(), "eventlog"), bytes(directory.path(), "state"));
    for attempt in 1..=2 {
        let refused = try_in_directory(directory.path()).expect_err(why);
        let path = log(directory.path()).display().to_string();
        assert!(
            matches!(&refused, OpenError::Leader {
                failure: OpenFailure::LogDamaged(reason) | OpenFailure::Log(reason), ..
            } if reason.contains(&path) && reason.contains(why)),
            "{why}, attempt {attempt}: {refused}"
        );
        released(directory.path());
        let mut after = (bytes(directory.path(), "eventlog"), bytes(directory.path(), "state"));
        // SQLite makes an empty WAL beside a database that wants one.
        after.0.retain(|name, bytes| !bytes.is_empty() || before.0.contains_key(name));
        after.1.retain(|name, bytes| !bytes.is_empty() || before.1.contains_key(name));
        assert!(after == before, "{why}, attempt {attempt}: files have changed");
    }
}

#[test]
fn a_log_that_is_garbage_is_refused_and_left_alone() {
    check_log_refused("not a livestore eventlog", |log| {
        rewrite(log, |bytes| bytes.fill(0xa5));
    });
    check_log_refused("not a livestore eventlog", |log| {
        fs::write(log, "Dear diary").expect("it is writable");
    });
}

#[test]
fn a_log_that_is_cut_short_is_refused_and_left_alone() {
    check_log_refused("", |log| rewrite(log, |bytes| bytes.truncate(bytes.len() / 2)));
    check_log_refused("", |log| rewrite(log, |bytes| bytes.truncate(3000)));
}

#[test]
fn a_log_whose_last_events_are_garbage_is_refused_before_a_word_is_written() {
    check_log_refused("malformed", |log| {
        let sql = "select rootpage from sqlite_schema where name = 'events'";
        let root: i64 = connect(log).query_row(sql, [], |row| row.get(0)).expect("it is there");
        let at = usize::try_from(root - 1).expect("a page number") * 4096;
        rewrite(log, |bytes| bytes[at..at + 4096].fill(0xa5));
    });
}

#[test]
fn a_log_of_a_newer_format_is_refused_and_left_alone() {
    check_log_refused("eventlog format 99", |log| {
        connect(log).pragma_update(None, "user_version", 99).expect("ok");
    });
}

#[test]
fn another_applications_database_in_the_logs_place_is_refused_and_left_alone() {
    for journal in ["delete", "wal"] {
        check_log_refused("another application", |log| {
            remove(log);
            let other = connect(log);
            other.pragma_update(None, "journal_mode", journal).expect("ok");
            other.execute_batch("create table t (x); insert into t values (1)").expect("ok");
        });
    }
    // With a tail in its WAL that closing a connection would write back.
    check_log_refused("another application", |log| {
        remove(log);
        let other = connect(log);
        other.pragma_update(None, "journal_mode", "wal").expect("ok");
        other.execute_batch("create table t (x); insert into t values (1)").expect("ok");
        let wal = Path::new(&format!("{}-wal", log.display())).to_owned();
        let (main, tail) = (fs::read(log).expect("ok"), fs::read(&wal).expect("ok"));
        drop(other);
        fs::write(log, main).expect("ok");
        fs::write(wal, tail).expect("ok");
    });
}

#[test]
fn an_event_that_was_tampered_with_is_named_when_the_log_is_folded() {
    let directory = directory();
    write_some(directory.path());
    connect(&log(directory.path()))
        .execute_batch("update events set args = '{\"id\":5,\"text\":\"forged\"}' where lane = 0 and number = 5")
        .expect("ok");
    remove(&state::<Notes>(directory.path()));
    for _ in 0..2 {
        let refused = try_in_directory(directory.path()).expect_err("the chain hash does not fit");
        let text = refused.to_string();
        assert!(text.contains("eventlog.db") && text.contains("event 5 "), "{text}");
    }
    released(directory.path());
    let rows =
        connect(&log(directory.path()))
            .query_row("select count(*) from events", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows, Ok(24), "nothing was removed");
}

#[test]
fn a_log_that_is_gone_or_empty_leaves_the_state_alone_that_is_the_last_copy() {
    let why = "nothing is in it, though";
    check_log_refused(why, remove);
    check_log_refused(why, |log| {
        remove(log);
        fs::write(log, "").expect("ok");
    });
    // With a WAL, which SQLite would delete.
    check_log_refused(why, |log| {
        fs::write(log, "").expect("ok");
        fs::write(format!("{}-wal", log.display()), "the last words").expect("ok");
    });
    // As a killed process leaves it, whose events were all in a WAL that is damaged.
    check_log_refused(why, |log| {
        remove(log);
        connect(log).pragma_update(None, "journal_mode", "wal").expect("ok");
        assert_eq!(fs::metadata(log).expect("it is there").len(), 4096);
        fs::write(format!("{}-wal", log.display()), [0xa5; 10_000]).expect("ok");
    });
}

#[test]
fn a_store_is_begun_where_a_process_died_before_its_first_event() {
    let directory = directory();
    drop(in_directory(directory.path()));
    released(directory.path());
    for damage in ["", "pragma journal_mode = wal"] {
        for file in [log(directory.path()), state::<Notes>(directory.path())] {
            remove(&file);
            connect(&file).execute_batch(damage).expect("ok");
        }
        let store = in_directory(directory.path());
        assert_eq!(ids(&store), Vec::<i64>::new());
        drop(store);
        released(directory.path());
    }
}

#[test]
fn a_store_is_begun_anew_where_its_log_and_its_state_are_gone() {
    let directory = directory();
    write_some(directory.path());
    remove(&log(directory.path()));
    remove(&state::<Notes>(directory.path()));
    let store = in_directory(directory.path());
    assert!(ids(&store).is_empty());
    assert_eq!(store.boot_warnings(), []);
}

#[test]
fn damage_that_is_met_while_the_leader_serves_is_told_to_who_opens_and_to_who_is_there() {
    let directory = directory();
    write_some(directory.path());
    connect(&log(directory.path()))
        .execute_batch("update events set args = '{\"id\":5,\"text\":\"forged\"}' where lane = 0 and number = 5")
        .expect("ok");
    // Its state is whole, so the log is not read.
    let store = in_directory(directory.path());
    check_all_is_there(&store);
    let path = log(directory.path()).display().to_string();
    let names = |text: &str| text.contains(&path) && text.contains("event 5 ");
    for attempt in 1..=2 {
        // Another version of the app folds the log itself; the same one gets nothing of a damaged log either.
        let refused = match attempt {
            1 => try_version::<NewNotes>(directory.path()).map(drop),
            _ => try_in_directory(directory.path()).map(drop),
        };
        assert!(
            matches!(&refused, Err(OpenError::Leader { failure: OpenFailure::LogDamaged(reason), .. }) if names(reason)),
            "attempt {attempt}: {refused:?}"
        );
    }
    let receipt = store.commit(added(30)).expect("it applies here");
    eventually(
        "the session is told",
        || matches!(store.leader_status(), LeaderStatus::Stalled { reason } if names(&reason)),
    );
    assert_eq!(store.pending(), 1);
    drop((receipt, store));
    released(directory.path());
    let rows =
        connect(&log(directory.path()))
            .query_row("select count(*) from events", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows, Ok(24), "nothing was removed or added");
    assert_eq!(ids(&in_directory(directory.path())).last(), Some(&30), "the journal has it");
}
