//! The gate: what is shown until the store is open, and when it can't be opened.
#![cfg(not(target_family = "wasm"))]

mod support;

use std::sync::{Arc, Mutex};

use dioxus::{core::ErrorContext, prelude::*};
use livestore_dioxus::{
    BootStatus, StoreOptions, StoreProvider, try_use_store, use_boot_status, use_query, use_store,
    use_store_provider,
};

use support::{App, Thing, ThingEvent, Things, shared};

fn options() -> StoreOptions<Things> {
    StoreOptions::new("things")
}

#[component]
fn Count() -> Element {
    let shared = shared();
    shared.store.replace(Some(use_store::<Things>()));
    let count = use_query(|| Thing::query().count());
    shared.note(format!("{count}"));
    rsx! { "count: {count}" }
}

#[component]
fn Step() -> Element {
    let status = use_boot_status();
    shared().note(format!("{:?}", status.read()));
    rsx! { "Loading…" }
}

fn gated() -> Element {
    rsx! {
        StoreProvider { options: options(), fallback: |()| rsx! { Step {} }, Count {} }
    }
}

#[test]
fn the_fallback_shows_until_the_store_is_open_and_children_are_built_once() {
    let mut app = App::new(gated);
    assert_eq!(app.text(), "Loading…");
    assert_eq!(app.take(), [format!("{:?}", BootStatus::Loading)]);
    app.shows("count: 0");
    app.commit(ThingEvent::Added { id: 1 });
    assert_eq!(app.text(), "count: 1");
    let seen = app.take();
    assert_eq!(seen[seen.len() - 2..], ["0", "1"], "{seen:?}");
}

#[test]
fn a_server_renders_the_fallback_and_waits_for_nothing() {
    let mut app = App::new(gated);
    futures_executor::block_on(app.dom.wait_for_suspense());
    assert_eq!(app.text(), "Loading…");
    assert!(app.shared.store.borrow().is_none());
}

#[test]
fn an_unmounted_provider_closes_its_store() {
    let mut app = App::new(gated);
    app.shows("count: 0");
    let weak = app.store().any().downgrade();
    assert!(weak.upgrade().is_some());
    drop(app);
    assert!(weak.upgrade().is_none());
}

#[test]
fn unmounting_while_the_store_opens_is_no_harm() {
    let mut app = App::new(|| {
        let mut shown = use_signal(|| true);
        use_effect(move || shown.set(false));
        rsx! { if shown() { {gated()} } else { "gone" } }
    });
    app.shows("gone");
    std::thread::sleep(std::time::Duration::from_millis(50));
    app.settle();
    assert!(app.shared.store.borrow().is_none());
}

#[test]
fn a_store_that_cannot_be_opened_shows_in_the_error_boundary_until_it_is_cleared() {
    let mut app = App::new(|| {
        let mut id = use_signal(|| "no id!");
        rsx! {
            ErrorBoundary {
                handle_error: move |errors: ErrorContext| {
                    let error = errors.error().expect("there is one");
                    shared().note(error.to_string());
                    // What a button "try again" does.
                    spawn(async move {
                        id.set("things");
                        errors.clear_errors();
                    });
                    rsx! { "failed" }
                },
                StoreProvider { options: StoreOptions::<Things>::new(id()), Count {} }
            }
        }
    });
    app.shows("count: 0");
    let seen = app.take();
    assert!(seen[0].contains("no id!"), "{seen:?}");
}

#[test]
fn the_hook_opens_a_store_for_the_components_below() {
    let mut app = App::new(|| match use_store_provider(options)? {
        None => rsx! { "not yet" },
        Some(store) => {
            shared().note(store.id().to_string());
            rsx! { Count {} }
        }
    });
    assert_eq!(app.text(), "not yet");
    app.shows("count: 0");
    assert_eq!(app.take()[0], "things");
}

#[test]
fn a_hook_outside_a_provider_says_what_to_do_and_ends_in_the_error_boundary() {
    let said = Arc::new(Mutex::new(String::new()));
    std::panic::set_hook({
        let said = Arc::clone(&said);
        Box::new(move |panic| said.lock().expect("one thread").push_str(&panic.to_string()))
    });
    let mut app = App::new(|| {
        assert!(try_use_store::<Things>().is_none());
        rsx! { ErrorBoundary { handle_error: |_: ErrorContext| rsx! { "failed" }, Count {} } }
    });
    app.shows("failed");
    let said = said.lock().expect("one thread");
    assert!(
        said.contains("outside a `StoreProvider` of schema") && said.contains("Things"),
        "{said}"
    );
}
