//! A state file that is missing, damaged, of something else or not the log's: brought back from the log, and said so.

use std::{fs, path::Path};

use futures_executor::block_on;
use livestore_core::{BootStatus, BootWarning, Store, StoreOptions};

use super::{
    check_all_is_there, directory, rewrite,
    support::{
        NoteEvent, Notes, Seen, added, close, eventually,
        files::{connect, hashes, log, released, remove, state},
        ids, in_directory, version,
        versions::NewNotes,
    },
    write_some,
};

/// Damages a closed store's state; the next opening says so and has everything, the one after has no complaint.
pub(crate) fn check_rebuilt(why: &str, damage: impl Fn(&Path)) {
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

pub(crate) fn in_state(sql: &'static str) -> impl Fn(&Path) {
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

#[test]
fn a_state_too_large_to_be_checked_when_it_is_opened_is_rebuilt_when_its_damage_shows() {
    let directory = directory();
    write_some(directory.path());
    // Padding in a table of nobody's: what is checked is bounded by pages.
    let pad = "create table padding (x blob);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 20)
        insert into padding select zeroblob(1000000) from n";
    connect(&state::<Notes>(directory.path())).execute_batch(pad).expect("the statement runs");
    let root: u32 = connect(&state::<Notes>(directory.path()))
        .query_row("select rootpage from sqlite_schema where name = 'notes'", [], |row| row.get(0))
        .expect("it is there");
    rewrite(&state::<Notes>(directory.path()), |bytes| {
        let page = 4096 * (root as usize - 1);
        bytes[page..page + 4096].fill(0xa5);
    });
    let store = in_directory(directory.path());
    check_all_is_there(&store);
    eventually("the session is told", || {
        matches!(&store.boot_warnings()[..], [BootWarning::StateRebuilt { .. }])
    });
    close(store);
    released(directory.path());
    let store = in_directory(directory.path());
    check_all_is_there(&store);
    assert_eq!(store.boot_warnings(), [], "mended for good");
}
