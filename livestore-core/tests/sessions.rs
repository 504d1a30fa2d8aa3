//! Several sessions of one client: they see each other's commits, lead one after the other, and agree in the end. On both
//! targets.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use livestore_core::{
    AnyStore, BootWarning, LeaderStatus, NotPersisted, NotRetried, Receipt, Rejection, Store,
};
use support::{
    Draft, LocalEvent, Note, NoteEvent, Notes, Opened, Theme, added, ids,
    place::{Place, close, eventually, sleep, test},
    versions::{NewEvent, NewNote, NewNotes},
};

livestore_core::worker_entry!(livestore_core::run_leader::<(Notes, NewNotes)>);
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

async fn persisted(receipt: Receipt) {
    receipt.persisted().await.expect("a leader has it");
}

fn notes(store: &AnyStore) -> Vec<Note> {
    store.query(Note::query().order_by(Note::ID.asc())).expect("the query runs")
}

#[test]
async fn each_session_sees_the_others_commits() {
    let place = Place::new();
    let stores = [place.open().await, place.open().await, place.open().await];
    for (id, store) in (1..).zip(&stores) {
        store.commit(added(id)).expect("it applies");
        store.commit(LocalEvent::Opened { id }).expect("it applies");
    }
    for store in &stores {
        eventually("all notes are everywhere", || ids(store) == [1, 2, 3]).await;
        eventually("all client-only rows are everywhere", || {
            store.query(Opened::query().count()).expect("the query runs") == 3
        })
        .await;
    }
    let tabs: std::collections::BTreeSet<_> = stores.iter().map(|s| s.session().tab).collect();
    assert_eq!(tabs.len(), 3, "each has a tab of its own");
}

#[test]
async fn when_the_leaders_session_closes_another_one_leads_and_persists() {
    let place = Place::new();
    let first = place.open().await;
    persisted(first.commit(added(1)).expect("it applies")).await;
    let second = place.open().await;
    let third = place.open().await;
    persisted(second.commit(added(2)).expect("it applies")).await;
    close(first).await;
    // What arrives while the old leader drains is still its to write; this is for the next one.
    sleep(Duration::from_millis(200)).await;
    persisted(second.commit(added(3)).expect("it applies")).await;
    drop(second);
    sleep(Duration::from_millis(200)).await;
    persisted(third.commit(added(4)).expect("it applies")).await;
    assert_eq!(ids(&third), [1, 2, 3, 4]);
    assert_eq!(third.leader_status(), LeaderStatus::Attached);
    close(third).await;
    assert_eq!(ids(&place.open().await), [1, 2, 3, 4]);
}

#[test]
async fn a_commit_that_conflicts_with_an_earlier_one_is_refused_undone_and_kept_in_quarantine() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    // Both insert one key before they hear of each other; now and then one of them has heard.
    let mut refused = 0;
    for id in 1..=20 {
        let first = one.commit(NoteEvent::Added { id, text: "one".into() });
        let second = other.commit((
            NoteEvent::Added { id: id + 1_000, text: "beside".into() },
            NoteEvent::Added { id, text: "other".into() },
        ));
        let mut outcomes = Vec::new();
        for commit in [first, second] {
            outcomes.push(match commit {
                Ok(receipt) => Ok(receipt.persisted().await),
                Err(error) => Err(error),
            });
        }
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
    eventually("both show the same", || notes(&one) == notes(&other)).await;
    assert_eq!(one.query(Note::query().filter(Note::ID.le(20)).count()).expect("it runs"), 20);
    let beside = one.query(Note::query().filter(Note::TEXT.eq("beside")).count()).expect("ok");
    let others = one.query(Note::query().filter(Note::TEXT.eq("other")).count()).expect("ok");
    assert_eq!(beside, others, "a refused commit is undone whole");
    for store in [&one, &other] {
        persisted(
            store.commit(added(500 + store.session().open as i64 % 100)).expect("it lives on"),
        )
        .await;
    }
    #[cfg(not(target_arch = "wasm32"))]
    let there = ids(&one).len() as i64;
    eventually("both list them", || {
        one.rejections().len() == refused && other.rejections() == one.rejections()
    })
    .await;
    let listed = other.rejections();
    assert!(listed.is_sorted_by_key(|quarantined| quarantined.at_ms), "{listed:?}");
    for quarantined in listed.iter() {
        assert!(quarantined.reason.contains("v1.NoteAdded"), "{quarantined:?}");
        let last = quarantined.events.last().expect("a commit has events");
        let text = if quarantined.events.len() == 1 { "one" } else { "other" };
        assert!(last.args.contains(&format!("\"text\":\"{text}\"")), "{quarantined:?}");
        assert_eq!(last.name, "v1.NoteAdded");
        assert!(quarantined.at_ms > 1_700_000_000_000, "{quarantined:?}");
    }
    close(one).await;
    close(other).await;
    // Nobody looks into OPFS from outside.
    #[cfg(not(target_arch = "wasm32"))]
    {
        let (events, quarantined) = support::files::counts(place.directory());
        assert_eq!(quarantined, i64::try_from(refused).expect("small"));
        assert!(events >= there, "{events} {there}");
    }
}

/// Two sessions of a store, and what the second has committed too late.
async fn rejected(place: &Place) -> (Store<Notes>, Store<Notes>, Rejection) {
    let (one, other) = (place.open().await, place.open().await);
    for id in 1..=50 {
        let first = one.commit(added(id)).expect("only the other one is ahead");
        let Ok(second) = other.commit(NoteEvent::Added { id, text: "again".into() }) else {
            continue;
        };
        let outcomes = (first.persisted().await, second.persisted().await);
        if outcomes.0.is_err() || outcomes.1.is_err() {
            eventually("it is listed", || {
                !one.rejections().is_empty() && !other.rejections().is_empty()
            })
            .await;
            let rejection = other.rejections()[0].clone();
            return (one, other, rejection);
        }
    }
    panic!("no conflict in 50 rounds");
}

#[test]
async fn a_rejected_commit_can_be_dropped_and_every_session_hears_it() {
    let place = Place::new();
    let (one, other, rejection) = rejected(&place).await;
    let seen = Arc::new(AtomicUsize::new(1));
    let _subscription = one.on_status({
        let (seen, one) = (Arc::clone(&seen), one.any().downgrade());
        move || {
            let left = one.upgrade().map_or(0, |one| one.rejections().len());
            seen.store(left, Ordering::Relaxed);
        }
    });
    assert_eq!(other.dismiss(&rejection).await, Ok(()));
    assert!(other.rejections().is_empty(), "at once where it was done");
    eventually("the other one hears it", || one.rejections().is_empty()).await;
    eventually("and is told", || seen.load(Ordering::Relaxed) == 0).await;
    assert_eq!(other.dismiss(&rejection).await, Ok(()), "it is not there");
    let gone = other.retry(&rejection).await;
    assert!(matches!(gone, Err(NotRetried::Gone)), "{gone:?}");
    close(one).await;
    close(other).await;
    assert!(place.open().await.rejections().is_empty(), "for good");
}

#[test]
async fn a_rejected_commit_can_be_tried_again_as_a_new_one() {
    let place = Place::new();
    let (one, other, rejection) = rejected(&place).await;
    let still = other.retry(&rejection).await;
    assert!(matches!(still, Err(NotRetried::Commit(_))), "its key is still taken: {still:?}");
    assert_eq!(other.rejections().len(), 1, "it stays");
    let id: i64 = rejection.events[0].args.split(&[':', ',', '}']).nth(1).unwrap().parse().unwrap();
    persisted(other.commit(NoteEvent::Removed { id }).expect("it applies")).await;
    let receipt = other.retry(&rejection).await.expect("its key is free");
    assert_eq!(receipt.persisted().await, Ok(()));
    assert_ne!(receipt.id(), rejection.id, "a new commit");
    assert!(other.rejections().is_empty());
    assert!(ids(&other).contains(&id));
    eventually("the other one has it", || ids(&one).contains(&id) && one.rejections().is_empty())
        .await;
}

#[test]
async fn commits_that_build_on_a_refused_one_are_refused_with_it() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    for id in 1.. {
        assert!(id < 50, "no conflict in 50 rounds");
        let first = one.commit(added(id)).expect("only the other one is ahead");
        let Ok(second) = other.commit(added(id)) else { continue };
        let removed = other.commit(NoteEvent::Removed { id }).expect("it is there");
        let both = (first.persisted().await, second.persisted().await);
        if both.0.is_ok() && both.1.is_ok() {
            // The other was told of the removal's place in between: they did not overlap.
            continue;
        }
        persisted(removed).await;
        eventually("both agree", || notes(&one) == notes(&other)).await;
        break;
    }
    close(one).await;
    persisted(other.commit(added(777)).expect("it lives on")).await;
}

#[test]
async fn client_documents_travel_and_tab_documents_do_not() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let theme = |store: &AnyStore| store.document::<Theme>().expect("the schema has it");
    let draft = |store: &AnyStore| store.document::<Draft>().expect("the schema has it");
    let (theme_there, draft_there) = (theme(&other), draft(&other));
    draft(&one).set(Draft { text: "mine".into() }).expect("it is JSON");
    theme(&one).set(Theme { dark: true }).expect("it is JSON");
    eventually("the theme has travelled", || theme_there.get().dark).await;
    assert_eq!(*draft_there.get(), Draft::default());
    draft_there.set(Draft { text: "theirs".into() }).expect("it is JSON");
    theme_there.set(Theme { dark: false }).expect("it is JSON");
    eventually("and back", || !theme(&one).get().dark).await;
    assert_eq!(draft(&one).get().text, "mine");
    let late = place.open().await;
    assert_eq!(*draft(&late).get(), Draft::default());
    assert!(!theme(&late).get().dark);
    draft(&late).set(Draft { text: "late".into() }).expect("it is JSON");
    drop((theme_there, draft_there));
    let texts = [(&one, "mine"), (&other, "theirs"), (&late, "late")]
        .map(|(store, text)| (store.session().tab, text));
    close(other).await;
    close(late).await;
    close(one).await;
    // Natively the first one's tab is the lasting one, in a browser's page the last one's.
    let again = place.open().await;
    let own = texts.iter().find(|(tab, _)| *tab == again.session().tab);
    assert_eq!(Some(draft(&again).get().text.as_str()), own.map(|(_, text)| *text));
}

fn new_notes(store: &Store<NewNotes>) -> Vec<(i64, bool)> {
    store
        .query(NewNote::query().order_by(NewNote::ID.asc()).columns((NewNote::ID, NewNote::PINNED)))
        .expect("the query runs")
}

#[test]
async fn an_old_and_a_new_app_side_by_side_the_old_one_leading_first() {
    let place = Place::new();
    let old = place.open().await;
    persisted(old.commit([added(1), added(2)]).expect("it applies")).await;
    let new = place.version::<NewNotes>().await;
    assert_eq!(new_notes(&new), [(1, false), (2, false)], "it has folded the log itself");
    persisted(new.commit(NewEvent::Pinned { id: 1 }).expect("it applies")).await;
    persisted(old.commit(added(3)).expect("it applies")).await;
    eventually("the new one has the old one's", || new_notes(&new).len() == 3).await;
    new.commit(NewEvent::Added { id: 4, text: "new".into() }).expect("it applies");
    eventually("the old one has the new one's", || ids(&old) == [1, 2, 3, 4]).await;

    close(old).await;
    persisted(new.commit(NewEvent::Pinned { id: 4 }).expect("it applies")).await;
    assert_eq!(new_notes(&new), [(1, true), (2, false), (3, false), (4, true)]);
    let old = place.open().await;
    assert_eq!(ids(&old), [1, 2, 3, 4]);
    persisted(old.commit(NoteEvent::Removed { id: 2 }).expect("it applies")).await;
    eventually("it is gone there, too", || new_notes(&new).len() == 3).await;

    close(new).await;
    persisted(old.commit(added(5)).expect("it applies")).await;
    close(old).await;
    let new = place.version::<NewNotes>().await;
    assert_eq!(new_notes(&new), [(1, true), (3, false), (4, true), (5, false)]);
}

#[test]
async fn an_old_and_a_new_app_side_by_side_the_new_one_leading_first() {
    let place = Place::new();
    let new = place.version::<NewNotes>().await;
    persisted(
        new.commit((NewEvent::Added { id: 1, text: "a".into() }, NewEvent::Pinned { id: 1 }))
            .expect("it applies"),
    )
    .await;
    let old = place.open().await;
    assert_eq!(ids(&old), [1]);
    persisted(old.commit((added(2), NoteEvent::Starred { id: 1 })).expect("it applies")).await;
    eventually("both see both", || new_notes(&new) == [(1, true), (2, false)]).await;

    close(new).await;
    persisted(old.commit(added(3)).expect("it applies")).await;
    let unknown = BootWarning::UnknownEvents { names: vec!["v1.NotePinned".into()] };
    eventually("its own leader says what it skipped", || old.boot_warnings().contains(&unknown))
        .await;
    let new = place.version::<NewNotes>().await;
    persisted(new.commit(NewEvent::Pinned { id: 3 }).expect("it applies")).await;
    close(old).await;
    persisted(new.commit(NewEvent::Starred { id: 3 }).expect("it applies")).await;
    assert_eq!(new_notes(&new), [(1, true), (2, false), (3, true)]);
    close(new).await;
    let stars = Note::query().order_by(Note::ID.asc()).columns(Note::STARS);
    let old = place.open().await;
    assert_eq!(old.query(stars).expect("the query runs"), [1, 0, 1]);
}
