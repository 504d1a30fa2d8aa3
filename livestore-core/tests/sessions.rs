//! Several sessions of one client: they see each other's commits, lead one after the other, and agree in the end.

mod support;

use std::{path::Path, thread, time::Duration};

use futures_executor::block_on;
use livestore_core::{AnyStore, BootWarning, LeaderStatus, NotPersisted, Receipt, Schema, Store};
use support::{
    Draft, LocalEvent, Note, NoteEvent, Notes, Opened, Theme, added, close, eventually,
    files::{connect, hashes, log, released},
    ids, in_directory, version,
    versions::{NewEvent, NewNote, NewNotes},
};
use tempfile::{TempDir, tempdir};

fn directory() -> TempDir {
    tempdir().expect("a place for tests")
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn persisted(receipt: Receipt) {
    block_on(receipt.persisted()).expect("a leader has it");
}

fn notes(store: &AnyStore) -> Vec<Note> {
    store.query(Note::query().order_by(Note::ID.asc())).expect("the query runs")
}

fn settle(store: &AnyStore) {
    eventually("the leader has everything", || store.pending() == 0);
}

/// What the log holds of commits that took effect, and the quarantine.
fn counts(directory: &Path) -> (i64, i64) {
    released(directory);
    let sql = "select (select count(*) from events), (select count(*) from quarantine)";
    connect(&log(directory))
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("the log is readable")
}

#[test]
fn each_session_sees_the_others_commits() {
    let directory = directory();
    let stores: Vec<_> = (0..3).map(|_| in_directory(directory.path())).collect();
    for (id, store) in (1..).zip(&stores) {
        store.commit(added(id)).expect("it applies");
        store.commit(LocalEvent::Opened { id }).expect("it applies");
    }
    for store in &stores {
        eventually("all notes are everywhere", || ids(store) == [1, 2, 3]);
        eventually("all client-only rows are everywhere", || {
            store.query(Opened::query().count()).expect("the query runs") == 3
        });
    }
    let tabs: std::collections::BTreeSet<_> = stores.iter().map(|s| s.session().tab).collect();
    assert_eq!(tabs.len(), 3, "each has a tab of its own");
}

#[test]
fn when_the_leaders_session_closes_another_one_leads_and_persists() {
    let directory = directory();
    let first = in_directory(directory.path());
    persisted(first.commit(added(1)).expect("it applies"));
    let second = in_directory(directory.path());
    let third = in_directory(directory.path());
    persisted(second.commit(added(2)).expect("it applies"));
    close(first);
    // What arrives while the old leader drains is still its to write; this is for the next one.
    thread::sleep(Duration::from_millis(200));
    persisted(second.commit(added(3)).expect("it applies"));
    drop(second);
    thread::sleep(Duration::from_millis(200));
    persisted(third.commit(added(4)).expect("it applies"));
    assert_eq!(ids(&third), [1, 2, 3, 4]);
    assert_eq!(third.leader_status(), LeaderStatus::Attached);
    close(third);
    released(directory.path());
    assert_eq!(ids(&in_directory(directory.path())), [1, 2, 3, 4]);
}

#[test]
fn commits_made_while_nobody_leads_are_persisted_by_the_next_leader() {
    let directory = directory();
    for round in 0..5_i64 {
        let first = in_directory(directory.path());
        let second = in_directory(directory.path());
        let start = round * 100;
        let receipts: Vec<Receipt> = thread::scope(|scope| {
            let committing = scope.spawn(|| {
                let commit = |id: i64| second.commit(added(start + id)).expect("it applies");
                (0..50).map(commit).collect()
            });
            drop(first);
            committing.join().expect("no panic")
        });
        receipts.into_iter().for_each(persisted);
        assert_eq!(ids(&second).len(), usize::try_from(round + 1).expect("small") * 50);
        close(second);
    }
}

#[test]
fn busy_sessions_converge() {
    let directory = directory();
    let stores: Vec<_> = (0..3).map(|_| in_directory(directory.path())).collect();
    thread::scope(|scope| {
        for (session, store) in (0..).zip(&stores) {
            scope.spawn(move || {
                for n in 0..100 {
                    let id = session * 1_000 + n;
                    store.commit(added(id)).expect("it applies");
                    if n % 7 == 0 {
                        store.commit(NoteEvent::Starred { id }).expect("it applies");
                    }
                    // Everyone stars the same notes, so orders differ from session to session until they agree.
                    let _ = store.commit(NoteEvent::Starred { id: n });
                    if n % 10 == 0 {
                        let _ = store.commit(NoteEvent::Removed { id: n / 2 });
                        store.commit(LocalEvent::Opened { id }).expect("it applies");
                    }
                }
            });
        }
    });
    stores.iter().for_each(|store| settle(store));
    let first = notes(&stores[0]);
    for store in &stores[1..] {
        eventually("all have the same rows", || notes(store) == first);
    }
    assert!(first.len() > 250, "{}", first.len());
    for store in stores {
        close(store);
    }
    let live = hashes::<Notes>(directory.path());
    support::files::remove(&support::files::state::<Notes>(directory.path()));
    let again = in_directory(directory.path());
    assert_eq!(notes(&again), first, "what the sessions showed is the fold of the log");
    close(again);
    assert_eq!(hashes::<Notes>(directory.path()), live);
}

#[test]
fn busy_sessions_survive_leaders_that_come_and_go() {
    let directory = directory();
    let lasting = in_directory(directory.path());
    thread::scope(|scope| {
        let committing = scope.spawn(|| {
            (0..150)
                .map(|id| {
                    thread::sleep(Duration::from_millis(2));
                    lasting.commit(added(id)).expect("it applies")
                })
                .collect::<Vec<Receipt>>()
        });
        for round in 0..8 {
            let passing = in_directory(directory.path());
            for id in 0..5 {
                passing.commit(added(10_000 + round * 10 + id)).expect("it applies");
            }
            if round % 2 == 0 { close(passing) } else { drop(passing) }
        }
        committing.join().expect("no panic").into_iter().for_each(persisted);
    });
    eventually("everything is there", || ids(&lasting).len() == 150 + 40);
    close(lasting);
    assert_eq!(counts(directory.path()), (190, 0));
}

#[test]
fn a_commit_that_conflicts_with_an_earlier_one_is_refused_undone_and_kept_in_quarantine() {
    let directory = directory();
    let (one, other) = (in_directory(directory.path()), in_directory(directory.path()));
    // Both insert one key before they hear of each other; now and then one of them has heard.
    let mut refused = 0;
    for id in 1..=20 {
        let first = one.commit(NoteEvent::Added { id, text: "one".into() });
        let second = other.commit((
            NoteEvent::Added { id: id + 1_000, text: "beside".into() },
            NoteEvent::Added { id, text: "other".into() },
        ));
        let outcomes = [first, second].map(|commit| commit.map(|r| block_on(r.persisted())));
        refused += outcomes
            .iter()
            .filter(|outcome| match outcome {
                Ok(Err(NotPersisted::Refused(reason))) => {
                    assert!(reason.contains("v1.NoteAdded"), "{reason}");
                    true
                }
                Ok(Ok(())) | Err(_) => false,
                Ok(Err(NotPersisted::Closed)) => panic!("nothing was closed"),
            })
            .count();
        let stands = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(())))).count();
        assert_eq!(stands, 1, "exactly one of them stands: {outcomes:?}");
    }
    assert!(refused > 0, "no conflict in 20 rounds");
    eventually("both show the same", || notes(&one) == notes(&other));
    assert_eq!(one.query(Note::query().filter(Note::ID.le(20)).count()).expect("it runs"), 20);
    let beside = one.query(Note::query().filter(Note::TEXT.eq("beside")).count()).expect("ok");
    let others = one.query(Note::query().filter(Note::TEXT.eq("other")).count()).expect("ok");
    assert_eq!(beside, others, "a refused commit is undone whole");
    for store in [&one, &other] {
        persisted(
            store.commit(added(500 + store.session().open as i64 % 100)).expect("it lives on"),
        );
    }
    let there = ids(&one).len() as i64;
    close(one);
    close(other);
    let (events, quarantined) = counts(directory.path());
    assert_eq!(quarantined, i64::try_from(refused).expect("small"));
    assert!(events >= there, "{events} {there}");
}

#[test]
fn commits_that_build_on_a_refused_one_are_refused_with_it() {
    let directory = directory();
    let (one, other) = (in_directory(directory.path()), in_directory(directory.path()));
    for id in 1.. {
        assert!(id < 50, "no conflict in 50 rounds");
        let first = one.commit(added(id)).expect("only the other one is ahead");
        let Ok(second) = other.commit(added(id)) else { continue };
        let removed = other.commit(NoteEvent::Removed { id }).expect("it is there");
        let both = (block_on(first.persisted()), block_on(second.persisted()));
        if both.0.is_ok() && both.1.is_ok() {
            // The other was told of the removal's place in between: they did not overlap.
            continue;
        }
        persisted(removed);
        eventually("both agree", || notes(&one) == notes(&other));
        break;
    }
    close(one);
    persisted(other.commit(added(777)).expect("it lives on"));
}

#[test]
fn client_documents_travel_and_tab_documents_do_not() {
    let directory = directory();
    let (one, other) = (in_directory(directory.path()), in_directory(directory.path()));
    let theme = |store: &AnyStore| store.document::<Theme>().expect("the schema has it");
    let draft = |store: &AnyStore| store.document::<Draft>().expect("the schema has it");
    let (theme_there, draft_there) = (theme(&other), draft(&other));
    draft(&one).set(Draft { text: "mine".into() }).expect("it is JSON");
    theme(&one).set(Theme { dark: true }).expect("it is JSON");
    eventually("the theme has travelled", || theme_there.get().dark);
    assert_eq!(*draft_there.get(), Draft::default());
    draft_there.set(Draft { text: "theirs".into() }).expect("it is JSON");
    theme_there.set(Theme { dark: false }).expect("it is JSON");
    eventually("and back", || !theme(&one).get().dark);
    assert_eq!(draft(&one).get().text, "mine");
    let late = in_directory(directory.path());
    assert_eq!(*draft(&late).get(), Draft::default());
    assert!(!theme(&late).get().dark);
    drop((theme_there, draft_there));
    close(other);
    close(late);
    close(one);
    let again = in_directory(directory.path());
    assert_eq!(draft(&again).get().text, "mine", "the lasting tab's own");
}

fn new_notes(store: &Store<NewNotes>) -> Vec<(i64, bool)> {
    store
        .query(NewNote::query().order_by(NewNote::ID.asc()).columns((NewNote::ID, NewNote::PINNED)))
        .expect("the query runs")
}

#[test]
fn an_old_and_a_new_app_side_by_side_the_old_one_leading_first() {
    let directory = directory();
    let old = in_directory(directory.path());
    persisted(old.commit([added(1), added(2)]).expect("it applies"));
    let new = version::<NewNotes>(directory.path());
    assert_eq!(new_notes(&new), [(1, false), (2, false)], "it has folded the log itself");
    persisted(new.commit(NewEvent::Pinned { id: 1 }).expect("it applies"));
    persisted(old.commit(added(3)).expect("it applies"));
    eventually("the new one has the old one's", || new_notes(&new).len() == 3);
    new.commit(NewEvent::Added { id: 4, text: "new".into() }).expect("it applies");
    eventually("the old one has the new one's", || ids(&old) == [1, 2, 3, 4]);

    close(old);
    persisted(new.commit(NewEvent::Pinned { id: 4 }).expect("it applies"));
    assert_eq!(new_notes(&new), [(1, true), (2, false), (3, false), (4, true)]);
    let old = in_directory(directory.path());
    assert_eq!(ids(&old), [1, 2, 3, 4]);
    persisted(old.commit(NoteEvent::Removed { id: 2 }).expect("it applies"));
    eventually("it is gone there, too", || new_notes(&new).len() == 3);

    close(new);
    persisted(old.commit(added(5)).expect("it applies"));
    close(old);
    let new = version::<NewNotes>(directory.path());
    assert_eq!(new_notes(&new), [(1, true), (3, false), (4, true), (5, false)]);
}

#[test]
fn an_old_and_a_new_app_side_by_side_the_new_one_leading_first() {
    let directory = directory();
    let new = version::<NewNotes>(directory.path());
    persisted(
        new.commit((NewEvent::Added { id: 1, text: "a".into() }, NewEvent::Pinned { id: 1 }))
            .expect("it applies"),
    );
    let old = in_directory(directory.path());
    assert_eq!(ids(&old), [1]);
    persisted(old.commit((added(2), NoteEvent::Starred { id: 1 })).expect("it applies"));
    eventually("both see both", || new_notes(&new) == [(1, true), (2, false)]);

    close(new);
    persisted(old.commit(added(3)).expect("it applies"));
    let unknown = BootWarning::UnknownEvents { names: vec!["v1.NotePinned".into()] };
    eventually("its own leader says what it skipped", || old.boot_warnings().contains(&unknown));
    let new = version::<NewNotes>(directory.path());
    persisted(new.commit(NewEvent::Pinned { id: 3 }).expect("it applies"));
    close(old);
    persisted(new.commit(NewEvent::Starred { id: 3 }).expect("it applies"));
    assert_eq!(new_notes(&new), [(1, true), (2, false), (3, true)]);
    close(new);
    let stars = Note::query().order_by(Note::ID.asc()).columns(Note::STARS);
    let old = in_directory(directory.path());
    assert_eq!(old.query(stars).expect("the query runs"), [1, 0, 1]);
}

/// Opens, commits and closes by chance on several threads; at the end the log has every commit that was persisted.
#[test]
fn stores_opened_and_closed_all_over_the_place_lose_nothing_and_never_hang() {
    fn visit<S: Schema>(directory: &Path, round: i64, commit: impl Fn(&Store<S>, i64) -> Receipt) {
        let store = version::<S>(directory);
        let receipts: Vec<Receipt> = (0..5).map(|n| commit(&store, round * 10 + n)).collect();
        if round % 3 == 0 {
            receipts.into_iter().for_each(persisted);
        }
        if round % 2 == 0 { close(store) } else { drop(store) }
    }
    let directory = directory();
    let path = directory.path();
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for round in 0..10 {
                    let round = worker * 100 + round;
                    if round % 2 == 0 {
                        visit::<Notes>(path, round, |store, id| {
                            store.commit(added(id)).expect("ok")
                        });
                    } else {
                        visit::<NewNotes>(path, round, |store, id| {
                            store.commit(NewEvent::Added { id, text: String::new() }).expect("ok")
                        });
                    }
                }
            });
        }
    });
    let store = in_directory(path);
    let there = ids(&store);
    for worker in 0..2 {
        for round in (0..10).map(|round| worker * 100 + round) {
            // Closed in order, or waited for.
            if round % 2 == 0 || round % 3 == 0 {
                for n in 0..5 {
                    assert!(there.contains(&(round * 10 + n)), "{round} {n}: {there:?}");
                }
            }
        }
    }
}
