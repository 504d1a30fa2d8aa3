//! What a store's files survive: a reopening, damage, other versions of the app, a second process, storage that
//! refuses. Nothing that was stored is lost or hidden, and whoever opens is told.

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use futures_executor::block_on;
use livestore_core::{
    BootStatus, BootWarning, LeaderStatus, OpenError, OpenFailure, Schema, StorageMode, Store,
    StoreOptions,
};
use rusqlite::Connection;
use support::{
    Draft, LocalEvent, Note, NoteEvent, Notes, Opened, Seen, Tag, Theme, added, close, eventually,
    files::{bytes, connect, file, hashes, log, released, remove, state},
    ids, in_directory,
    process::{Process, child_directory, say},
    try_in_directory, try_version, version,
    versions::{Loud, NewEvent, NewNote, NewNotes, Quiet},
};
use tempfile::{TempDir, tempdir};

fn directory() -> TempDir {
    tempdir().expect("a place for tests")
}

/// Some of everything, in both lanes; returns when it is on disk and the files are free.
fn write_some(directory: &Path) {
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

fn check_all_is_there(store: &Store<Notes>) {
    assert_eq!(ids(store), (1..=20).filter(|id| *id != 4).collect::<Vec<i64>>());
    let starred = store.query(Note::query().filter(Note::STARS.eq(1)).columns(Note::ID));
    assert_eq!(starred.expect("the query runs"), [3]);
    assert_eq!(store.query(Opened::query().columns(Opened::ID)).expect("the query runs"), [7]);
    assert_eq!(store.query(Tag::query().columns(Tag::NAME)).expect("the query runs"), ["late"]);
}

#[test]
fn a_reopened_store_has_everything() {
    let directory = directory();
    write_some(directory.path());
    let store = in_directory(directory.path());
    assert_eq!(store.storage_mode(), StorageMode::Persisted { protected: true });
    check_all_is_there(&store);
    assert_eq!(store.boot_warnings(), []);
    let (tab, client) = (store.session().tab, store.commit(added(21)).expect("ok").id().client);
    let draft = store.document::<Draft>().expect("the schema has it");
    let theme = store.document::<Theme>().expect("the schema has it");
    draft.set(Draft { text: "half a thou".into() }).expect("it is JSON");
    draft.set(Draft { text: "half a thought".into() }).expect("it is JSON");
    theme.set(Theme { dark: true }).expect("it is JSON");
    drop((draft, theme));
    close(store);

    let store = in_directory(directory.path());
    assert_eq!(store.session().tab, tab, "the tab lasts, and with it its documents");
    assert_eq!(store.document::<Draft>().expect("known").get().text, "half a thought");
    assert!(store.document::<Theme>().expect("known").get().dark);
    assert_eq!(ids(&store).last(), Some(&21));
    assert_eq!(store.commit(added(22)).expect("it applies").id().client, client);
}

#[test]
fn a_store_that_is_dropped_without_a_shutdown_loses_nothing_that_was_posted() {
    for round in 0..10 {
        let directory = directory();
        let store = in_directory(directory.path());
        for id in 1..=50 {
            store.commit(added(id)).expect("it applies");
        }
        drop(store);
        let store = in_directory(directory.path());
        assert_eq!(ids(&store), (1..=50).collect::<Vec<i64>>(), "round {round}");
    }
}

#[test]
fn a_store_that_is_dropped_with_more_commits_than_may_be_on_the_way_loses_none() {
    let directory = directory();
    let store = in_directory(directory.path());
    // The first fills the window, so the others wait for its acknowledgement.
    store.commit((1..=4_200).map(added).collect::<Vec<_>>()).expect("it applies");
    store.commit(added(5_001)).expect("it applies");
    store.commit(added(5_002)).expect("it applies");
    drop(store);
    assert_eq!(ids(&in_directory(directory.path())).len(), 4_202);
}

#[test]
fn a_shutdown_waits_for_the_last_commit() {
    let directory = directory();
    let store = in_directory(directory.path());
    let receipts: Vec<_> =
        (1..=200).map(|id| store.commit(added(id)).expect("it applies")).collect();
    block_on(store.shutdown(Duration::from_secs(20)));
    for receipt in receipts {
        assert_eq!(block_on(receipt.persisted()), Ok(()));
    }
    drop(store);
    assert_eq!(ids(&in_directory(directory.path())).len(), 200);
}

// --- the state file -------------------------------------------------------------------------------------------------

/// Damages a closed store's state; the next opening says so and has everything, the one after has no complaint.
fn check_rebuilt(why: &str, damage: impl Fn(&Path)) {
    let directory = directory();
    write_some(directory.path());
    let before = hashes::<Notes>(directory.path());
    let log_before = connect(&log(directory.path())).query_row(
        "select count(*), max(number) from events",
        [],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    );
    damage(directory.path());

    let store = in_directory(directory.path());
    check_all_is_there(&store);
    let warnings = store.boot_warnings();
    assert!(
        matches!(&warnings[..], [BootWarning::StateRebuilt { reason }] if reason.contains(why)),
        "{why}: {warnings:?}"
    );
    close(store);
    assert_eq!(hashes::<Notes>(directory.path()), before, "{why}");
    let log_after = connect(&log(directory.path())).query_row(
        "select count(*), max(number) from events",
        [],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    );
    assert_eq!(log_after, log_before, "{why}");
    let store = in_directory(directory.path());
    check_all_is_there(&store);
    assert_eq!(store.boot_warnings(), [], "{why}: mended for good");
}

fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is readable");
    change(&mut bytes);
    fs::write(path, bytes).expect("it is writable");
}

fn in_state(sql: &'static str) -> impl Fn(&Path) {
    move |directory| {
        let state = connect(&state::<Notes>(directory));
        state.execute_batch(sql).expect("the statement runs");
    }
}

#[test]
fn a_state_that_is_missing_is_rebuilt() {
    check_rebuilt("no state yet", |directory| remove(&state::<Notes>(directory)));
}

#[test]
fn a_state_that_is_empty_is_rebuilt() {
    check_rebuilt("no state yet", |directory| rewrite(&state::<Notes>(directory), Vec::clear));
}

#[test]
fn a_state_that_is_cut_short_is_rebuilt() {
    for keep in [0.02, 0.5, 0.95] {
        check_rebuilt("", |directory| {
            rewrite(&state::<Notes>(directory), |bytes| {
                let len = bytes.len() as f64 * keep;
                bytes.truncate(len as usize);
            });
        });
    }
}

#[test]
fn a_state_that_is_garbage_is_rebuilt() {
    check_rebuilt("not a database", |directory| {
        rewrite(&state::<Notes>(directory), |bytes| bytes.fill(0xa5));
    });
    check_rebuilt("", |directory| {
        rewrite(&state::<Notes>(directory), |bytes| bytes[4096..].fill(0xa5));
    });
    check_rebuilt("", |directory| {
        rewrite(&state::<Notes>(directory), |bytes| {
            let half = bytes.len() / 2;
            bytes[half..half + 4096].fill(0);
        });
    });
}

#[test]
fn a_state_with_garbage_beside_it_is_as_it_was() {
    let directory = directory();
    write_some(directory.path());
    let mut wal = state::<Notes>(directory.path()).into_os_string();
    wal.push("-wal");
    fs::write(wal, vec![0xa5; 10_000]).expect("it is writable");
    check_all_is_there(&in_directory(directory.path()));
}

#[test]
fn a_state_that_is_another_database_is_rebuilt() {
    check_rebuilt("no state yet", |directory| {
        remove(&state::<Notes>(directory));
        let other = connect(&state::<Notes>(directory));
        other.execute_batch("create table notes (x); insert into notes values (1)").expect("ok");
    });
}

#[test]
fn a_state_of_another_schema_under_this_ones_name_is_rebuilt() {
    check_rebuilt("of schema", |directory| {
        close(version::<NewNotes>(directory));
        released(directory);
        fs::copy(state::<NewNotes>(directory), state::<Notes>(directory)).expect("it is copied");
        remove(&state::<NewNotes>(directory));
    });
}

#[test]
fn a_state_of_another_format_is_rebuilt() {
    check_rebuilt(
        "of format 99",
        in_state("update livestore_meta set value = 99 where key = 'format'"),
    );
}

#[test]
fn a_state_whose_head_is_not_in_the_log_is_rebuilt_by_number_and_by_hash() {
    for sql in [
        "update livestore_heads set number = number + 1 where lane = 0",
        "update livestore_heads set hash = zeroblob(16) where lane = 0",
        "update livestore_heads set hash = zeroblob(16) where lane = 1",
        "update livestore_heads set number = number - 1 where lane = 0",
    ] {
        check_rebuilt("is not in the log", in_state(sql));
    }
}

#[test]
fn a_state_ahead_of_a_log_that_has_lost_its_tail_is_rebuilt() {
    let directory = directory();
    write_some(directory.path());
    connect(&log(directory.path()))
        .execute_batch("delete from events where lane = 0 and number > 10")
        .expect("the tail is lost");
    let store = in_directory(directory.path());
    assert_eq!(ids(&store), (1..=10).collect::<Vec<i64>>());
    let warnings = store.boot_warnings();
    assert!(matches!(&warnings[..], [BootWarning::StateRebuilt { .. }]), "{warnings:?}");
    store.commit(added(30)).expect("numbers go on");
}

#[test]
fn a_state_behind_the_log_catches_up_without_a_word() {
    let directory = directory();
    write_some(directory.path());
    let old = fs::read(state::<Notes>(directory.path())).expect("it is readable");
    let store = in_directory(directory.path());
    block_on(store.commit(added(30)).expect("it applies").persisted()).expect("the leader has it");
    close(store);
    let new = hashes::<Notes>(directory.path());
    fs::write(state::<Notes>(directory.path()), old).expect("it is writable");
    let store = in_directory(directory.path());
    assert_eq!(ids(&store).last(), Some(&30));
    assert_eq!(store.boot_warnings(), []);
    close(store);
    assert_eq!(hashes::<Notes>(directory.path()), new);
}

#[test]
fn a_long_rebuild_tells_how_far_it_is() {
    let directory = directory();
    let store = in_directory(directory.path());
    for id in 1..=40 {
        let text = "x".repeat(100_000);
        store.commit(NoteEvent::Added { id, text }).expect("it applies");
    }
    close(store);
    remove(&state::<Notes>(directory.path()));
    let seen = Seen::new();
    let options = StoreOptions::<Notes>::new("notes").directory(directory.path()).on_boot({
        let seen = seen.clone();
        move |status| seen.note(status)
    });
    let store = block_on(Store::open(options)).expect("it opens");
    let seen = seen.take();
    let done: Vec<u64> = seen
        .iter()
        .filter_map(|status| match status {
            BootStatus::Rebuilding { done, total: 40 } => Some(*done),
            _ => None,
        })
        .collect();
    assert!(done.len() > 2 && done.is_sorted() && done[0] == 0, "{seen:?}");
    assert_eq!((seen.first(), seen.last()), (Some(&BootStatus::Loading), Some(&BootStatus::Ready)));
    assert_eq!(ids(&store).len(), 40);
}

// --- the eventlog ---------------------------------------------------------------------------------------------------

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
            matches!(&refused, OpenError::Leader { failure: OpenFailure::Log(reason), .. }
                if reason.contains(&path) && reason.contains(why)),
            "{why}, attempt {attempt}: {refused}"
        );
        released(directory.path());
        let mut after = (bytes(directory.path(), "eventlog"), bytes(directory.path(), "state"));
        // SQLite makes an empty WAL beside a database that wants one.
        after.0.retain(|name, bytes| !bytes.is_empty() || before.0.contains_key(name));
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
fn a_log_that_was_deleted_under_its_state_does_not_go_unnoticed() {
    let directory = directory();
    write_some(directory.path());
    remove(&log(directory.path()));
    let store = in_directory(directory.path());
    assert!(ids(&store).is_empty(), "the state is the fold of the log");
    let warnings = store.boot_warnings();
    assert!(matches!(&warnings[..], [BootWarning::StateRebuilt { .. }]), "{warnings:?}");
}

// --- storage that refuses -------------------------------------------------------------------------------------------

fn check_storage_refused(block: impl Fn(&Path) -> std::path::PathBuf) {
    let directory = directory();
    let blocked = block(directory.path());
    let refused = try_in_directory(directory.path()).expect_err("the storage refuses");
    let OpenError::Leader { failure, .. } = &refused else { panic!("{refused:?}") };
    assert!(
        matches!(failure, OpenFailure::Storage(_) | OpenFailure::Log(_)),
        "no fall-back to memory: {refused:?}"
    );
    let text = refused.to_string();
    assert!(text.contains(&blocked.display().to_string()), "{text}");
}

#[test]
fn storage_that_refuses_is_a_typed_error_that_names_the_path() {
    check_storage_refused(|directory| {
        let path = directory.join("notes");
        fs::write(&path, "a file").expect("ok");
        path
    });
    for name in ["lock", "eventlog.db"] {
        check_storage_refused(|directory| {
            let path = file(directory, name);
            fs::create_dir_all(&path).expect("ok");
            path
        });
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_is_a_typed_error_and_no_store_in_memory() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    write_some(directory.path());
    let inner = directory.path().join("notes");
    let permit = |mode| {
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).expect("ours");
        for name in bytes(directory.path(), "").keys() {
            let permissions = fs::Permissions::from_mode(mode & 0o666);
            fs::set_permissions(file(directory.path(), name), permissions).expect("ours");
        }
    };
    permit(0o555);
    let ignored = fs::write(inner.join("probe"), "").is_ok();
    if !ignored {
        let refused = try_in_directory(directory.path()).expect_err("it is read-only");
        assert!(refused.to_string().contains("notes"), "{refused}");
        assert!(
            matches!(&refused, OpenError::Leader { failure: OpenFailure::Storage(_), .. }),
            "{refused:?}"
        );
    }
    permit(0o777);
    check_all_is_there(&in_directory(directory.path()));
}

/// Run as a process of its own with a limit on the size of its files: commits until the storage refuses.
#[test]
#[ignore = "a process that another test starts"]
fn commits_until_the_disk_is_full() {
    let Some(directory) = child_directory() else { return };
    let store = in_directory(&directory);
    for id in 1.. {
        let text = "x".repeat(10_000);
        let receipt = store.commit(NoteEvent::Added { id, text }).expect("it applies in memory");
        let stalled = || matches!(store.leader_status(), LeaderStatus::Stalled { ref reason } if !reason.is_empty());
        let mut waiting = Box::pin(receipt.persisted());
        let mut persisted = None;
        eventually("it is persisted or the leader stalls", || {
            persisted = futures_util::FutureExt::now_or_never(&mut waiting);
            persisted.is_some() || stalled()
        });
        match persisted {
            Some(outcome) => {
                outcome.expect("it is not refused");
                say(&format!("persisted {id}"));
            }
            None => {
                store.commit(added(id + 1)).expect("commits go on in memory");
                assert_eq!(ids(&store).len() as i64, id + 1);
                say(&format!("stalled at {id}"));
                return;
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_stalls_the_leader_and_loses_nothing_that_was_acknowledged() {
    let directory = directory();
    let limit = "ulimit -f 1024; trap '' XFSZ";
    let mut child = Process::start("commits_until_the_disk_is_full", directory.path(), limit);
    let mut persisted = Vec::new();
    let stalled = loop {
        let line = child.line().expect("the child says where it stalled");
        match line.strip_prefix("persisted ") {
            Some(id) => persisted.push(id.parse::<i64>().expect("a number")),
            None => break line,
        }
    };
    assert!(stalled.starts_with("stalled") && persisted.len() > 10, "{stalled} {persisted:?}");
    child.kill();
    let store = in_directory(directory.path());
    let there = ids(&store);
    assert!(there.starts_with(&persisted), "{persisted:?} {there:?}");
    block_on(store.commit(added(1_000)).expect("it applies").persisted()).expect("space again");
}

// --- a second process -----------------------------------------------------------------------------------------------

/// Run as a process of its own: has the store open until it is killed.
#[test]
#[ignore = "a process that another test starts"]
fn holds_the_store() {
    let Some(directory) = child_directory() else { return };
    let store = in_directory(&directory);
    block_on(store.commit(added(1)).expect("it applies").persisted()).expect("it is the leader");
    say("holds");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let directory = directory();
    let mut child = Process::start("holds_the_store", directory.path(), "");
    child.expect("holds");
    let refused = try_in_directory(directory.path()).expect_err("another process has it");
    assert!(
        matches!(&refused, OpenError::Leader { failure: OpenFailure::Held { holder }, .. }
            if holder.contains(&format!("process {}", child.id()))),
        "{refused}"
    );
    child.kill();
    assert_eq!(ids(&in_directory(directory.path())), [1], "free as soon as it is dead");
}

// --- versions of the app --------------------------------------------------------------------------------------------

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
