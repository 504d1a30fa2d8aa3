//! Storage that refuses, is full, or is another process's.

use std::{fs, path::Path};

use futures_executor::block_on;
use livestore_core::{Durability, LeaderStatus, OpenError, OpenFailure};

use super::{
    check_all_is_there, directory,
    support::{
        NoteEvent, added, eventually,
        files::{bytes, file},
        ids, in_directory,
        process::{Process, child_directory, say},
        try_in_directory,
    },
    write_some,
};

fn check_storage_refused(block: impl Fn(&Path) -> std::path::PathBuf) {
    let directory = directory();
    let blocked = block(directory.path());
    let refused = try_in_directory(directory.path()).expect_err("the storage refuses");
    let OpenError::Leader { failure, .. } = &refused else { panic!("{refused:?}") };
    assert!(
        matches!(
            failure,
            OpenFailure::Storage(_) | OpenFailure::Log(_) | OpenFailure::LogDamaged(_)
        ),
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
                assert_eq!(store.durability(), Durability::AtRisk, "no journal fits there either");
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
    let mut child =
        Process::start("storage::commits_until_the_disk_is_full", directory.path(), limit);
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
    let mut child = Process::start("storage::holds_the_store", directory.path(), "");
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
