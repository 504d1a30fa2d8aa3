//! Errors, documents, commits, statuses and several stores, as components meet them.
#![cfg(not(target_family = "wasm"))]

mod support;

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_executor::block_on;
use leptos::prelude::{
    Get, GetUntracked, IsDisposed, Owner, RwSignal, Set, Signal, Update, WithUntracked,
};
use livestore_leptos::{
    AnyStore, ClientDocument, CommitError, Query, QueryError, provide_store, raw, try_use_query,
    try_use_store, use_client_document, use_client_document_in, use_commit, use_pending, use_query,
    use_query_in, use_status_in, use_storage_mode, use_store,
};

use support::{
    App, Entry, Filter, Journal, JournalEvent, Note, NoteEvent, Notes, Page, Seen, added, open, run,
};

/// Fails while a note's text is no JSON.
fn parsed() -> Query<Vec<i64>> {
    raw::<i64>("SELECT json_extract(text, '$.n') FROM notes WHERE id > ?1 ORDER BY id", (0,)).all()
}

fn text(id: i64, text: &str) -> NoteEvent {
    NoteEvent::Added { id, text: text.into() }
}

#[test]
fn a_failing_query_keeps_its_last_value_and_shows_its_error_while_it_lasts() {
    let app = App::new();
    app.commit(text(1, r#"{"n":7}"#));
    let after = |id: i64| {
        raw::<i64>("SELECT json_extract(text, '$.n') FROM notes WHERE id > ?1", (id,)).all()
    };
    let (owner, (seen, from)) = app.component(move || {
        let from = RwSignal::new(0);
        let numbers = use_query(move || after(from.get()));
        (Seen::by_effect(move || numbers.get()), from)
    });
    assert_eq!(seen.take(), [vec![7]]);
    app.commit(text(2, "no JSON"));
    assert_eq!(app.boundary.errors().len(), 1, "{:?}", app.boundary.errors());
    assert!(app.boundary.errors()[0].contains("malformed JSON"), "{:?}", app.boundary.errors());
    assert!(seen.take().iter().all(|shown| *shown == [7]), "the last value stays");
    app.commit(text(3, "nor this"));
    assert_eq!(app.boundary.errors().len(), 1, "one error at a time");

    // Another query, which does not fail.
    from.set(3);
    run();
    assert_eq!(app.boundary.errors(), [""; 0]);
    assert_eq!(seen.take(), [Vec::<i64>::new()]);
    // And back.
    from.set(1);
    run();
    assert_eq!(app.boundary.errors().len(), 1);
    assert_eq!(seen.take(), [Vec::<i64>::new()], "its first value is the default");
    owner.cleanup();
    assert_eq!(app.boundary.errors(), [""; 0], "the component has taken its error with it");
}

#[test]
fn a_query_that_succeeds_again_takes_its_error_back() {
    let app = App::new();
    app.add(1);
    let (_owner, (first, second)) = app.component(|| {
        let overflow = |add: i64| {
            use_query(move || {
                raw::<i64>(
                    "SELECT abs(-9223372036854775807 - 1 + stars) FROM notes WHERE ?1 = ?1",
                    (add,),
                )
                .all()
            })
        };
        let (a, b) = (overflow(1), overflow(2));
        (Seen::by_effect(move || a.get()), Seen::by_effect(move || b.get()))
    });
    assert_eq!(app.boundary.errors().len(), 2, "{:?}", app.boundary.errors());
    app.commit(NoteEvent::Starred { id: 1 });
    assert_eq!(app.boundary.errors(), [""; 0]);
    assert_eq!(first.take(), [vec![], vec![i64::MAX]]);
    assert_eq!(second.take(), [vec![], vec![i64::MAX]]);
}

#[test]
fn try_use_query_returns_the_error_and_shows_nothing() {
    let app = App::new();
    app.commit(text(1, "{}x"));
    let nothing = app.store.node_count();
    let (owner, (seen, one)) = app.component(|| {
        let numbers: Signal<Result<Arc<Vec<i64>>, QueryError>> = try_use_query(parsed);
        // A value that has no default.
        let one: Signal<Result<Arc<Note>, QueryError>> = try_use_query(|| Note::query().one());
        (Seen::by_effect(move || numbers.get().map_err(|error| error.to_string())), one)
    });
    let shown = seen.take();
    assert!(matches!(shown[..], [Err(ref text)] if text.contains("malformed JSON")), "{shown:?}");
    assert_eq!(one.get_untracked().map(|note| note.id), Ok(1));
    app.add(2);
    assert!(one.get_untracked().is_err(), "two are not one");
    assert_eq!(app.boundary.errors(), [""; 0]);
    owner.cleanup();
    assert_eq!(app.store.node_count(), nothing);
}

#[test]
fn a_refused_commit_from_an_event_handler_reaches_the_boundary() {
    let app = App::new();
    let (owner, commit) = app.component(use_commit::<Notes>);
    // No owner, no rendering: as in an event handler.
    commit.run(added(1));
    commit.run([added(2), added(3)]);
    assert_eq!(app.boundary.errors(), [""; 0]);
    commit.run(text(4, "refuse me"));
    assert_eq!(app.boundary.errors(), ["`v1.NoteAdded` was not applied: refused: as asked"]);
    assert_eq!(app.store.query(Note::query().count()).ok(), Some(3));
    owner.cleanup();
    commit.run(added(5));
    assert_eq!(app.store.query(Note::query().count()).ok(), Some(3), "its component is gone");
}

#[test]
fn a_document_is_a_signal_that_can_be_written() {
    let app = App::new();
    let nothing = app.store.node_count();
    let (owner, (filter, same, seen)) = app.component(|| {
        let filter = use_client_document::<Filter>();
        let same: Signal<Filter> = use_client_document::<Filter>().into();
        (filter, same, Seen::by_effect(move || filter.get().word))
    });
    assert_eq!(seen.take(), [""]);
    filter.set(Filter { starred: true, word: "a".into() });
    run();
    assert_eq!(seen.take(), ["a"]);
    filter.update(|filter| filter.word.push('b'));
    run();
    assert_eq!(seen.take(), ["ab"]);
    assert_eq!(same.get_untracked(), Filter { starred: true, word: "ab".into() });
    let length = filter.try_update(|filter| filter.word.len());
    assert_eq!(length, Some(2));
    let ignored = filter.try_maybe_update(|filter| {
        filter.word.clear();
        (false, "ignored")
    });
    assert_eq!(ignored, Some("ignored"));
    filter.set(Filter { starred: true, word: "ab".into() });
    run();
    assert_eq!(seen.take(), [""; 0], "neither was a change");
    assert_eq!(filter.with_untracked(|filter| filter.word.clone()), "ab");

    owner.cleanup();
    assert!(filter.is_disposed());
    assert!(matches!(filter.try_change(|filter| filter.word.clear()), Err(CommitError::Closed)));
    // The document itself stays: it is a value of the store.
    assert!(app.store.node_count() <= nothing + 1);
    let (_owner, again) = app.component(use_client_document::<Filter>);
    assert_eq!(again.get_untracked().word, "ab");
}

#[test]
fn a_document_that_cannot_be_stored_reaches_the_boundary() {
    let app = App::new();
    let (_owner, filter) = app.component(use_client_document::<Filter>);
    block_on(app.store.shutdown(std::time::Duration::from_secs(5)));
    filter.update(|filter| filter.starred = true);
    assert_eq!(app.boundary.errors(), ["the store is closed"]);
    assert!(!filter.get_untracked().starred);
    assert!(matches!(filter.try_change(|filter| filter.starred = true), Err(CommitError::Closed)));
}

#[test]
fn statuses_are_signals_that_change_only_when_they_do() {
    let app = App::new();
    let (owner, (pending, busy, mode)) = app.component(|| {
        let pending = use_pending();
        let busy = use_status_in(&use_store::<Notes>(), |store| store.pending() > 1_000);
        let mode = use_storage_mode();
        (pending, Seen::by_effect(move || busy.get()), mode)
    });
    assert_eq!(mode.get_untracked(), app.store.storage_mode());
    let receipt = app.store.commit(added(1)).expect("it applies");
    block_on(receipt.persisted()).expect("the leader has it");
    run();
    assert_eq!(pending.get_untracked(), app.store.pending());
    assert_eq!(busy.take(), [false], "told of many changes, changed never");
    owner.cleanup();
    assert_eq!(pending.try_get_untracked(), None);
}

#[test]
fn two_stores_of_two_schemas_are_found_by_schema_and_by_argument() {
    let app = App::new();
    let inner = app.owner.child();
    let journal = inner.with(|| {
        let journal = open::<Journal>("journal");
        provide_store(&journal);
        journal
    });
    app.add(1);
    let _ = journal.commit([JournalEvent::Entered { id: 1 }, JournalEvent::Entered { id: 2 }]);
    let (notes, nearest, page, filter) = inner.with(|| {
        assert_eq!(use_store::<Notes>(), app.store);
        assert_eq!(use_store::<Journal>(), journal);
        let filter = use_client_document_in::<Filter>(&use_store::<Notes>());
        (
            use_query_in(&use_store::<Notes>(), || Note::query().count()),
            use_query(|| Entry::query().count()),
            use_client_document::<Page>(),
            filter.expect("the schema of notes lists it"),
        )
    });
    assert_eq!((notes.get_untracked(), nearest.get_untracked()), (1, 2));
    page.update(|page| page.number = 3);
    filter.update(|filter| filter.starred = true);
    assert_eq!((page.get_untracked().number, filter.get_untracked().starred), (3, true));
    let wrong = inner.with(|| use_client_document_in::<Page>(&use_store::<Notes>()).map(drop));
    let wrong = wrong.expect_err("notes have no page").to_string();
    assert!(wrong.contains(Page::DEF.name), "{wrong}");
    // Above the inner provider there is only the outer store.
    assert!(app.owner.with(try_use_store::<Journal>).is_none());
    assert_eq!(app.owner.with(|| use_query(|| Note::query().count())).get_untracked(), 1);

    let both = inner.with(|| Seen::by_effect(move || (notes.get(), nearest.get())));
    run();
    both.take();
    app.add(2);
    journal.commit(JournalEvent::Entered { id: 3 }).expect("it applies");
    run();
    assert_eq!(both.take(), [(2, 2), (2, 3)]);
}

#[test]
fn a_store_closes_when_the_last_component_that_uses_it_is_gone() {
    let _ = any_spawner::Executor::init_futures_executor();
    let owner = Owner::new();
    owner.set();
    let store = open::<Notes>("notes");
    let weak = store.downgrade();
    let child = owner.child();
    child.with(|| {
        provide_store(&store);
        let count = use_query(|| Note::query().count());
        let filter = use_client_document::<Filter>();
        let pending = use_pending();
        let _ = Seen::by_effect(move || (count.get(), filter.get(), pending.get()));
        let _ = use_commit::<Notes>();
    });
    run();
    drop(store);
    assert!(weak.upgrade().is_some(), "the components hold it");
    drop(child);
    run();
    assert!(weak.upgrade().is_none());
}

#[test]
fn hooks_outside_a_provider_say_what_to_do() {
    let owner = Owner::new();
    owner.set();
    assert!(try_use_store::<Notes>().is_none());
    let check = |hook: &dyn Fn(), parts: &[&str]| {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(hook)).expect_err("it panics");
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.expect("a message");
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
    };
    let below = "in a component below one";
    check(&|| drop(use_store::<Notes>()), &["Notes", "`StoreProvider`", below]);
    check(&|| _ = use_commit::<Notes>(), &["Notes", "`StoreProvider`", below]);
    check(&|| _ = use_query(Note::query), &["`StoreProvider`", below, "`_in` variants"]);
    check(&|| _ = use_client_document::<Filter>(), &["`StoreProvider`", below]);
    check(&|| _ = use_pending(), &["`StoreProvider`", below]);
    check(&|| _ = livestore_leptos::use_boot_status(), &["`StoreProvider`", "fallback"]);
    let _: fn(&AnyStore) -> usize = AnyStore::pending;
}
