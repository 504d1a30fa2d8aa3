//! Queries under Dioxus's own hooks, props and guards.
#![cfg(not(target_family = "wasm"))]

mod support;

use std::cell::Cell;

use dioxus::prelude::*;
use futures_executor::block_on;
use livestore_dioxus::{
    AnyStore, Select, Store, StoreOptions, provide_store, use_pending, use_query, use_status_in,
    use_storage_mode, use_store,
};

use support::{App, Thing, ThingEvent, Things, shared};

/// For roots: a store that is open.
fn use_opened() {
    let shared = shared();
    use_hook(|| {
        let store = block_on(Store::open(StoreOptions::<Things>::new("things")));
        let store = store.expect("a store in memory opens");
        provide_store(&store);
        shared.store.replace(Some(store));
    });
}

fn added(id: i64) -> ThingEvent {
    ThingEvent::Added { id }
}

#[test]
fn memos_effects_and_resources_follow_a_query() {
    #[component]
    fn All() -> Element {
        let shared = shared();
        let from = use_signal(|| 0);
        let count = use_query(move || Thing::query().filter(Thing::ID.gt(from())).count());
        let even = use_memo(move || count() % 2 == 0);
        HANDLES.set(Some((from, even)));
        use_effect(move || shared.note(format!("effect {count} {even}")));
        let resource = use_resource(move || async move { count() * 10 });
        let resource = resource.read().map_or("…".to_owned(), |value| value.to_string());
        rsx! { "{count} {even} {resource}" }
    }
    thread_local! {
        static HANDLES: Cell<Option<(Signal<i64>, Memo<bool>)>> = const { Cell::new(None) };
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { All {} }
    });
    app.shows("0 true 0");
    assert_eq!(app.take(), ["effect 0 true"]);
    app.commit(added(1));
    assert_eq!((app.text(), app.take()), ("1 false 10".into(), vec!["effect 1 false".into()]));
    app.commit(ThingEvent::Starred { id: 1 });
    assert!(app.take().is_empty());
    let (mut from, even) = HANDLES.get().expect("it was built");
    let store = app.store();
    let read = app.handle(|| {
        store.commit(added(2)).expect("it applies");
        even()
    });
    assert!(read, "a memo is fresh before anything is rendered");
    app.settle();
    assert_eq!((app.text(), app.take()), ("2 true 20".into(), vec!["effect 2 true".into()]));
    // The closure becomes stale, and gives the same value: no effect. Then another one.
    app.handle(|| from.set(-1));
    app.settle();
    assert!(app.take().is_empty());
    app.handle(|| from.set(1));
    app.settle();
    assert_eq!((app.text(), app.take()), ("1 false 10".into(), vec!["effect 1 false".into()]));
}

#[test]
fn in_a_batch_a_query_is_fresh_and_a_memo_over_it_is_of_before() {
    thread_local! {
        static HANDLES: Cell<Option<(ReadSignal<u64>, Memo<u64>)>> = const { Cell::new(None) };
    }
    #[component]
    fn Count() -> Element {
        let count = use_query(|| Thing::query().count());
        let tenfold = use_memo(move || count() * 10);
        HANDLES.set(Some((count, tenfold)));
        rsx! { "{count} {tenfold}" }
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { Count {} }
    });
    app.shows("0 0");
    let (count, tenfold) = HANDLES.get().expect("it was built");
    let store = app.store();
    let (inside, after) = app.handle(|| {
        let inside = store.batch(|| {
            store.commit(added(1)).expect("it applies");
            (count(), tenfold())
        });
        (inside, (count(), tenfold()))
    });
    // Dioxus tells its memos from its components no more than we can, and those are told once, when the batch is over.
    assert_eq!((inside, after), ((1, 0), (1, 10)));
    app.shows("1 10");
}

#[test]
fn of_a_keyed_list_of_1_000_rows_a_commit_renders_the_row_it_touches() {
    fn by_id(id: i64) -> Select<Thing> {
        Thing::query().filter(Thing::ID.eq(id))
    }
    #[component]
    fn Row(id: i64) -> Element {
        let thing = use_query(move || by_id(id).first());
        shared().note(format!("row {id}"));
        rsx! { "{thing().map_or(-1, |thing| thing.stars)}" }
    }
    /// Follows the ids; each row follows its own.
    #[component]
    fn Ids() -> Element {
        let ids = use_query(|| Thing::query().order_by(Thing::ID.asc()).columns(Thing::ID));
        shared().note("ids");
        rsx! {
            for id in ids() {
                Row { key: "{id}", id }
            }
        }
    }
    #[component]
    fn Whole(thing: Thing) -> Element {
        shared().note(format!("whole {}", thing.id));
        rsx! { "{thing.stars}" }
    }
    /// Follows all; each row is handed its own.
    #[component]
    fn Things() -> Element {
        let things = use_query(|| Thing::query().order_by(Thing::ID.asc()));
        shared().note("things");
        rsx! {
            for thing in things() {
                Whole { key: "{thing.id}", thing }
            }
        }
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { Ids {} Things {} }
    });
    app.store().commit((1..=1_000).map(added).collect::<Vec<_>>()).expect("it applies");
    app.settle();
    let count =
        |seen: &[String], kind: &str| seen.iter().filter(|seen| seen.starts_with(kind)).count();
    let seen = app.take();
    assert_eq!([count(&seen, "row"), count(&seen, "whole")], [1_000, 1_000]);
    let mut check = |event: ThingEvent, expected: &[&str]| {
        app.commit(event);
        let mut seen = app.take();
        seen.sort_unstable();
        assert_eq!(seen, expected);
    };
    check(ThingEvent::Starred { id: 500 }, &["row 500", "things", "whole 500"]);
    check(added(1_001), &["ids", "row 1001", "things", "whole 1001"]);
    check(ThingEvent::Starred { id: 500 }, &[]);
}

#[test]
fn a_value_that_is_lent_stays_while_the_next_one_is_shown() {
    thread_local! {
        static COUNT: Cell<Option<ReadSignal<Vec<Thing>>>> = const { Cell::new(None) };
    }
    #[component]
    fn List() -> Element {
        let all = use_query(|| Thing::query().order_by(Thing::ID.asc()));
        COUNT.set(Some(all));
        rsx! { "{all.len()}" }
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { List {} }
    });
    app.shows("0");
    let all = COUNT.get().expect("it was built");
    let empty = all.peek();
    app.store().commit(added(1)).expect("it applies");
    let one = all.peek();
    app.store().commit(added(2)).expect("it applies");
    assert_eq!((empty.len(), one.len(), all.peek().len()), (0, 1, 2));
    drop((empty, one));
    app.settle();
    assert_eq!(app.text(), "2");
}

#[test]
fn a_prop_that_is_a_signal_changes_the_query() {
    thread_local! {
        static CHOSEN: Cell<Option<Signal<i64>>> = const { Cell::new(None) };
    }
    #[component]
    fn Row(id: ReadSignal<i64>) -> Element {
        let thing = use_query(move || Thing::query().filter(Thing::ID.eq(id())).first());
        shared().note("row");
        rsx! { "{thing().map_or(-1, |thing| thing.id)}" }
    }
    let mut app = App::new(|| {
        use_opened();
        let chosen = use_signal(|| 1);
        CHOSEN.set(Some(chosen));
        // Not the signal: its value.
        rsx! { Row { id: chosen() } }
    });
    app.commit(added(1));
    app.commit(added(2));
    app.shows("1");
    app.take();
    let mut chosen = CHOSEN.get().expect("it was built");
    app.handle(|| chosen.set(2));
    app.shows("2");
    assert_eq!(app.take(), ["row"]);
}

#[test]
fn a_query_that_is_a_prop_renders_who_reads_it() {
    #[component]
    fn Child(count: ReadSignal<u64>) -> Element {
        shared().note("child");
        rsx! { "{count}" }
    }
    #[component]
    fn Parent() -> Element {
        let count = use_query(|| Thing::query().count());
        shared().note("parent");
        rsx! { Child { count } }
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { Parent {} }
    });
    app.shows("0");
    app.take();
    app.commit(added(1));
    assert_eq!((app.text(), app.take()), ("1".into(), vec!["child".into()]));
}

#[test]
fn statuses_are_signals_that_change_only_when_they_do() {
    #[component]
    fn Statuses() -> Element {
        let (pending, mode) = (use_pending(), use_storage_mode());
        rsx! { "{pending}, {mode}" }
    }
    #[component]
    fn Busy() -> Element {
        let busy =
            use_status_in(&use_store::<Things>(), |store: &AnyStore| store.pending() > 1_000);
        shared().note(format!("{busy}"));
        rsx! {}
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { Statuses {} Busy {} }
    });
    app.shows("0, in memory");
    let receipt = app.store().commit(added(1)).expect("it applies");
    app.settle();
    block_on(async {
        let begun = std::time::Instant::now();
        while app.store().pending() > 0 && begun.elapsed().as_secs() < 10 {
            app.settle();
        }
    });
    block_on(receipt.persisted()).expect("the leader has it");
    app.shows("0, in memory");
    assert_eq!(app.take(), ["false"], "told of many changes, changed never");
}

#[test]
fn no_render_sees_a_mixture_of_what_another_thread_commits() {
    #[component]
    fn Pair() -> Element {
        let count = use_query(|| Thing::query().count());
        let last = use_query(|| Thing::query().order_by(Thing::ID.desc()).first());
        let pair = (count(), last().map_or(0, |last| last.id.unsigned_abs()));
        shared().note(format!("{pair:?}"));
        assert_eq!(pair.0, pair.1);
        rsx! { "{pair.0}" }
    }
    let mut app = App::new(|| {
        use_opened();
        rsx! { Pair {} }
    });
    app.shows("0");
    let store = app.store();
    let other = std::thread::spawn(move || {
        for id in 1..=200 {
            store.commit(added(id)).expect("it applies");
        }
    });
    app.shows("200");
    other.join().expect("it does not panic");
}
