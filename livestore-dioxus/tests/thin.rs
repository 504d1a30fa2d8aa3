//! The least there is: a query is rendered, and rendered again after a commit.
#![cfg(not(target_family = "wasm"))]

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use dioxus::core::NoOpMutations;
use dioxus::prelude::*;
use futures_executor::block_on;
use livestore_dioxus::{
    Event, Materialize, MaterializeError, Schema, Store, StoreOptions, StoreProvider, Table,
    Writes, use_query, use_store,
};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "things")]
struct Thing {
    #[column(primary_key)]
    id: i64,
}

#[derive(Event, Clone, Debug)]
enum ThingEvent {
    #[event(name = "v1.ThingAdded")]
    Added { id: i64 },
}

impl Materialize for ThingEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { id } => state.insert(Thing { id: *id }),
        }
    }
}

#[derive(Schema)]
#[schema(tables(Thing), events(ThingEvent))]
struct Things;

thread_local! {
    static STORE: RefCell<Option<Store<Things>>> = RefCell::default();
    static RENDERS: Cell<u32> = const { Cell::new(0) };
}

#[component]
fn Root() -> Element {
    rsx! {
        StoreProvider {
            options: StoreOptions::<Things>::new("things"),
            fallback: |()| rsx! { "Loading…" },
            Count {}
        }
    }
}

#[component]
fn Count() -> Element {
    RENDERS.set(RENDERS.get() + 1);
    let store = use_store::<Things>();
    STORE.set(Some(store));
    let count = use_query(|| Thing::query().count());
    rsx! { "count: {count}" }
}

#[test]
fn a_query_is_rendered_and_rendered_again_after_a_commit() {
    let mut dom = VirtualDom::new(Root);
    dom.rebuild_in_place();
    assert_eq!(dioxus_ssr::render(&dom), "Loading…");
    while dioxus_ssr::render(&dom) == "Loading…" {
        block_on(dom.wait_for_work());
        dom.render_immediate(&mut NoOpMutations);
    }
    assert_eq!(dioxus_ssr::render(&dom), "count: 0");
    let store = STORE.take().expect("it is open");
    store.commit(ThingEvent::Added { id: 1 }).expect("it applies");
    dom.render_immediate(&mut NoOpMutations);
    assert_eq!(dioxus_ssr::render(&dom), "count: 1");
    assert_eq!(RENDERS.get(), 2);
    let weak = store.any().downgrade();
    drop((dom, store, STORE.take()));
    std::thread::sleep(Duration::from_millis(50));
    assert!(weak.upgrade().is_none(), "unmounted, it is closed");
}
