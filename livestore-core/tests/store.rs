//! What a store promises to one session: commits, queries, subscriptions, documents, re-entry. On both targets.

mod support;

use std::sync::{Arc, OnceLock};

use livestore_core::{
    BootStatus, CommitError, Durability, Event, IntoQuery, LiveError, Materialize,
    MaterializeError, NotConfirmed, OpenError, QueryError, Schema, StorageMode, Store, StoreError,
    StoreOptions, Table, Writes,
};
use support::{
    Draft, LocalEvent, Note, NoteEvent, Notes, Opened, Seen, Tag, Theme, added, ids,
    place::{memory, test},
};

livestore_core::worker_entry!(livestore_core::run_leader::<(Notes, Loop)>);
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[test]
async fn a_commit_shows_at_once_and_its_receipt_tells_when_it_is_persisted() {
    let store = memory().await;
    let receipt = store.commit(added(1)).expect("it applies");
    assert_eq!(ids(&store), [1]);
    assert_eq!(receipt.persisted().await, Ok(()));
    assert_eq!(receipt.persisted().await, Ok(()), "a second time, at once");
    assert_eq!(receipt.confirmed().await, Err(NotConfirmed::NoBackend));
    assert_eq!(store.pending(), 0);
}

#[test]
async fn a_store_in_memory_says_that_nothing_survives() {
    let store = memory().await;
    assert_eq!(store.durability(), Durability::InMemory);
    let receipt = store.commit(added(1)).expect("it applies");
    assert_eq!(store.durability(), Durability::InMemory);
    assert_eq!(receipt.persisted().await, Ok(()));
    assert_eq!(store.durability(), Durability::InMemory);
}

#[test]
async fn several_events_are_one_commit() {
    let store = memory().await;
    store.commit([added(1), added(2)]).expect("an array");
    store.commit(vec![added(3)]).expect("a vector");
    store
        .commit((added(4), NoteEvent::Starred { id: 4 }))
        .expect("a tuple; the second sees the first");
    assert_eq!(ids(&store), [1, 2, 3, 4]);
    let refused = store.commit([added(5), added(5)]);
    assert!(
        matches!(refused, Err(CommitError::Materialize { ref event, .. }) if event == "v1.NoteAdded"),
        "{refused:?}"
    );
    assert_eq!(ids(&store), [1, 2, 3, 4], "all or none");
    let empty = store.commit(Vec::<NoteEvent>::new());
    assert!(matches!(empty, Err(CommitError::Encode(_))), "{empty:?}");
    let mixed = store.commit((added(6), LocalEvent::Opened { id: 6 }));
    assert!(matches!(mixed, Err(CommitError::Encode(_))), "{mixed:?}");
    assert_eq!(ids(&store), [1, 2, 3, 4]);
}

#[test]
async fn a_failing_materializer_changes_nothing_and_the_store_lives_on() {
    let store = memory().await;
    store.commit(added(1)).expect("it applies");
    let seen = Seen::new();
    let _subscription = store.subscribe(Note::query().count(), {
        let seen = seen.clone();
        move |count| seen.note(*count)
    });
    assert_eq!(seen.take(), [1]);
    for bad in [
        NoteEvent::Added { id: 2, text: "refuse me".into() },
        added(1),
        NoteEvent::Starred { id: 9 },
    ] {
        let refused = store.commit(bad.clone());
        assert!(matches!(refused, Err(CommitError::Materialize { .. })), "{bad:?}: {refused:?}");
    }
    assert_eq!(ids(&store), [1]);
    assert_eq!(seen.take(), [0_u64; 0], "nobody is told");
    store.commit(added(2)).expect("it applies").persisted().await.expect("numbers have no gap");
    assert_eq!(seen.take(), [2]);
}

#[test]
async fn arguments_beyond_the_limit_are_refused_at_commit() {
    let store = memory().await;
    let text = "x".repeat(880_001);
    let refused = store.commit(NoteEvent::Added { id: 1, text });
    assert!(matches!(refused, Err(CommitError::Encode(_))), "{refused:?}");
    let refused = store.commit(NoteEvent::Starred { id: (1 << 53) + 1 });
    assert!(matches!(refused, Err(CommitError::Encode(_))), "{refused:?}");
    assert!(ids(&store).is_empty());
}

#[test]
async fn only_what_a_commit_touched_is_told() {
    let store = memory().await;
    store.commit([added(1), added(2)]).expect("it applies");
    let seen = Seen::new();
    let note = |name: &'static str| {
        let seen = seen.clone();
        move || seen.note(name)
    };
    let subscriptions = [
        store.live(Note::query().filter(Note::ID.eq(1)).first()).on_change(note("note 1")),
        store.live(Note::query().filter(Note::ID.eq(2)).first()).on_change(note("note 2")),
        store.live(Note::query().columns(Note::TEXT)).on_change(note("texts")),
        store.live(Note::query().count()).on_change(note("count")),
        store.live(Tag::query().count()).on_change(note("tags")),
    ];
    store.commit(NoteEvent::Starred { id: 1 }).expect("it applies");
    assert_eq!(seen.take(), ["note 1"]);
    store.commit(NoteEvent::Tagged { name: "a".into() }).expect("it applies");
    assert_eq!(seen.take(), ["tags"]);
    store.commit(NoteEvent::Tagged { name: "a".into() }).expect("an upsert of the same row");
    assert_eq!(seen.take(), [""; 0]);
    store.commit(added(3)).expect("it applies");
    assert_eq!(seen.take(), ["texts", "count"]);
    drop(subscriptions);
    store.commit(NoteEvent::Removed { id: 1 }).expect("it applies");
    assert_eq!(seen.take(), [""; 0], "unsubscribed");
}

#[test]
async fn one_batch_is_one_refresh() {
    let store = memory().await;
    let draft = store.document::<Draft>().expect("the schema has it");
    let seen = Seen::new();
    let count = store.live(Note::query().count());
    let subscription = count.on_change({
        let (seen, count, draft) = (seen.clone(), count.clone(), draft.clone());
        move || seen.note((*count.value().expect("it counts"), draft.get().text.clone()))
    });
    store.batch(|| {
        store.commit(added(1)).expect("it applies");
        store.commit(added(2)).expect("it applies");
        draft.update(|draft| draft.text.push('x')).expect("it is JSON");
        draft.update(|draft| draft.text.push('y')).expect("it sees the first change");
        assert_eq!(ids(&store), [1, 2], "a query asks the state as it is");
    });
    assert_eq!(seen.take(), [(2, "xy".to_owned())]);
    drop(subscription);
}

#[test]
async fn a_commit_in_a_subscriber_is_applied_at_once_and_refreshed_in_the_next_round() {
    let store = memory().await;
    let seen = Seen::new();
    let subscription = store.subscribe(Note::query().count(), {
        let (seen, store) = (seen.clone(), store.downgrade());
        move |count| {
            seen.note(format!("count {count}"));
            let Some(store) = store.upgrade() else { return };
            let notes =
                store.query(Note::query().count()).expect("the store answers inside a callback");
            if notes == 1 {
                let typed = TYPED.get().expect("set below");
                typed.commit(added(2)).expect("a real receipt");
                let now = store.query(Note::query().count()).expect("it answers");
                seen.note(format!("state {now}"));
            }
        }
    });
    static TYPED: OnceLock<Store<Notes>> = OnceLock::new();
    assert!(TYPED.set(store.clone()).is_ok());
    store.commit(added(1)).expect("it applies");
    assert_eq!(seen.take(), ["count 0", "count 1", "state 2", "count 2"]);
    drop(subscription);
}

static STORE: OnceLock<Store<Loop>> = OnceLock::new();
static ANSWERS: OnceLock<(Option<CommitError>, Option<StoreError>, Option<QueryError>)> =
    OnceLock::new();

#[derive(Event, Clone)]
enum LoopEvent {
    #[event(name = "v1.Looped")]
    Looped,
}
impl Materialize for LoopEvent {
    fn materialize(&self, _state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        if let Some(store) = STORE.get() {
            let live = store.live(Row::query());
            drop(live.on_change(|| ()));
            let _ = ANSWERS.set((
                store.commit(Self::Looped).err(),
                store.query(Row::query()).err(),
                live.value().err(),
            ));
        }
        Ok(())
    }
}
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "rows")]
struct Row {
    #[column(primary_key)]
    id: i64,
}
#[derive(Schema)]
#[schema(tables(Row), events(LoopEvent))]
struct Loop;

#[test]
async fn a_materializer_that_calls_its_store_gets_a_typed_error() {
    let store = Store::<Loop>::open(StoreOptions::new("loop")).await.expect("it opens");
    assert!(STORE.set(store.clone()).is_ok());
    store.commit(LoopEvent::Looped).expect("the outer commit applies");
    let answers = ANSWERS.get();
    assert!(
        matches!(
            answers,
            Some((
                Some(CommitError::Reentered(_)),
                Some(StoreError::Reentered(_)),
                Some(QueryError::Live(LiveError::Reentered))
            ))
        ),
        "{answers:?}"
    );
}

// In the browser a panic ends the page.
#[cfg(not(target_arch = "wasm32"))]
#[test]
async fn a_materializer_that_panics_leaves_the_store_as_it_was() {
    #[derive(Event, Clone)]
    enum PanicEvent {
        #[event(name = "v1.Panicked")]
        Panicked { id: i64 },
    }
    impl Materialize for PanicEvent {
        fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
            let Self::Panicked { id } = self;
            state.insert(Row { id: *id })?;
            assert!(*id > 0, "an id below 1");
            Ok(())
        }
    }
    #[derive(Table, Clone, PartialEq, Debug)]
    #[table(name = "rows")]
    struct Row {
        #[column(primary_key)]
        id: i64,
    }
    #[derive(Schema)]
    #[schema(tables(Row), events(PanicEvent))]
    struct Panics;

    let store = Store::<Panics>::open(StoreOptions::new("panics")).await.expect("it opens");
    let commit = |id| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.commit(PanicEvent::Panicked { id }).is_ok()
        }))
    };
    assert!(commit(1).expect("no panic"));
    assert!(commit(0).is_err(), "the app's own panic goes on");
    assert!(commit(2).expect("no panic"));
    let rows = store.query(Row::query().columns(Row::ID)).expect("the query runs");
    assert_eq!(rows, [1, 2]);
}

#[test]
async fn client_only_events_have_their_own_lane() {
    let store = memory().await;
    let receipt = store.commit(LocalEvent::Opened { id: 7 }).expect("it applies");
    receipt.persisted().await.expect("the leader has it");
    let opened = store.query(Opened::query().columns(Opened::ID)).expect("the query runs");
    assert_eq!(opened, [7]);
}

#[test]
async fn a_document_is_its_default_until_it_is_set_and_reading_never_writes() {
    let store = memory().await;
    let draft = store.document::<Draft>().expect("the schema has it");
    assert_eq!(*draft.get(), Draft::default());
    assert_eq!(store.pending(), 0);
    let seen = Seen::new();
    let _subscription = draft.live().on_change({
        let (seen, draft) = (seen.clone(), draft.clone());
        move || seen.note(draft.get().text.clone())
    });
    draft.set(Draft { text: "a".into() }).expect("it is JSON");
    draft.set(Draft { text: "a".into() }).expect("it is JSON");
    assert_eq!(seen.take(), ["a"], "an equal value is no change");
    assert_eq!(
        store.document::<Draft>().expect("known").get().text,
        "a",
        "one value for all handles"
    );
    assert_eq!(*store.document::<Theme>().expect("known").get(), Theme::default());
}

#[test]
async fn a_computed_value_follows_what_it_reads_and_tells_only_its_own_changes() {
    let store = memory().await;
    let least = store.signal(0_i64).expect("outside the store");
    let starred = store
        .computed({
            let least = least.node().clone();
            move |cx| {
                let least = *cx.get(&least)?;
                let notes =
                    cx.query(&Note::query().filter(Note::STARS.ge(least)).count().into_query())?;
                Ok(*notes > 0)
            }
        })
        .expect("outside the store");
    let seen = Seen::new();
    let _subscription = starred.on_change({
        let (seen, starred) = (seen.clone(), starred.clone());
        move || seen.note(*starred.value().expect("it computes"))
    });
    store.commit(added(1)).expect("it applies");
    assert_eq!(seen.take(), [true]);
    store.commit(added(2)).expect("it applies");
    assert_eq!(seen.take(), [false; 0], "still some: cut off");
    least.set(1).expect("outside the store");
    assert_eq!(seen.take(), [false]);
    store.commit(NoteEvent::Starred { id: 2 }).expect("it applies");
    assert_eq!(seen.take(), [true]);
}

#[test]
async fn equal_live_queries_share_one_value() {
    let store = memory().await;
    store.commit(added(1)).expect("it applies");
    let query = || Note::query().filter(Note::ID.eq(1)).first();
    let (one, other) = (store.live(query()), store.live(query()));
    assert_eq!(one, other);
    assert!(Arc::ptr_eq(&one.value().expect("a value"), &other.value().expect("a value")));
    assert_ne!(one, store.live(Note::query().filter(Note::ID.eq(2)).first()));
}

#[test]
async fn a_query_that_fails_keeps_its_last_value_and_tells_why() {
    let store = memory().await;
    store.commit(added(1)).expect("it applies");
    let one = store.live(Note::query().one());
    assert_eq!(one.value().expect("one note").id, 1);
    store.commit(added(2)).expect("it applies");
    assert!(one.value().is_err());
    assert_eq!(one.last().expect("the last value stays").id, 1);
    store.commit(NoteEvent::Removed { id: 1 }).expect("it applies");
    assert_eq!(one.value().expect("one note again").id, 2);
}

#[test]
async fn an_id_that_is_none_and_a_schema_that_contradicts_itself_are_typed_errors() {
    for id in ["", "a b", "../x", "ü"] {
        let refused = Store::<Notes>::open(StoreOptions::new(id)).await.err();
        assert!(matches!(refused, Some(OpenError::Id(_))), "{id:?}");
    }
    let seen = Seen::new();
    let options = StoreOptions::<Notes>::new("fine").on_boot({
        let seen = seen.clone();
        move |status| seen.note(status)
    });
    let store = Store::open(options).await.expect("it opens");
    assert_eq!(seen.take(), [BootStatus::Loading, BootStatus::Ready]);
    assert_eq!(store.storage_mode(), StorageMode::InMemory { reason: None });
}

#[test]
async fn a_closed_store_takes_nothing_and_tells_so() {
    let store = memory().await;
    let receipt = store.commit(added(1)).expect("it applies");
    store.shutdown(std::time::Duration::from_secs(5)).await;
    assert_eq!(receipt.persisted().await, Ok(()), "a shutdown drains");
    assert!(matches!(store.commit(added(2)), Err(CommitError::Closed)));
    assert_eq!(ids(&store), [1], "what is there can still be read");
}
