//! The provider in a real page: these run in a browser only, where Leptos has a document to render into.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leptos::{
    mount::{UnmountHandle, mount_to},
    prelude::*,
    reactive::effect::ImmediateEffect,
    tachys::view::Mountable,
    wasm_bindgen::JsCast,
    web_sys::{HtmlElement, js_sys},
};
use livestore_core::platform::sleep;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::{
    Event, Materialize, MaterializeError, Schema, StorageMode, Store, StoreOptions, StoreProvider,
    Table, WeakStore, Writes, new_id, raw, use_boot_status, use_commit, use_query, use_store,
};

wasm_bindgen_test_configure!(run_in_browser);
crate::worker_entry!(Things, Others);

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "things")]
struct Thing {
    #[column(primary_key)]
    id: i64,
    text: String,
}

#[derive(Event, Clone, Debug)]
enum ThingEvent {
    #[event(name = "v1.ThingAdded")]
    Added { id: i64, text: String },
    #[event(name = "v1.ThingRenamed")]
    Renamed { id: i64, text: String },
    #[event(name = "v1.ThingsCleared")]
    Cleared,
}

impl Materialize for ThingEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { id, text } => state.insert(Thing { id: *id, text: text.clone() }),
            Self::Renamed { id, text } => state
                .update(Thing::query().filter(Thing::ID.eq(*id)), Thing::TEXT.set(text.clone())),
            Self::Cleared => state.delete(Thing::query()),
        }
    }
}

#[derive(Schema)]
#[schema(tables(Thing), events(ThingEvent))]
struct Things;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "others")]
struct Other {
    #[column(primary_key)]
    id: i64,
}

#[derive(Event, Clone, Debug)]
enum OtherEvent {
    #[event(name = "v1.OtherAdded")]
    Added { id: i64 },
}

impl Materialize for OtherEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { id } => state.insert(Other { id: *id }),
        }
    }
}

#[derive(Schema)]
#[schema(tables(Other), events(OtherEvent))]
struct Others;

fn thing(id: i64, text: &str) -> ThingEvent {
    ThingEvent::Added { id, text: text.into() }
}

/// An app in a page of its own.
struct Page<M: Mountable> {
    element: HtmlElement,
    _app: UnmountHandle<M>,
}

fn mount<V: IntoView>(app: impl FnOnce() -> V + 'static) -> Page<V::State> {
    let element = document().create_element("div").expect("a div").unchecked_into::<HtmlElement>();
    document().body().expect("a body").append_child(&element).expect("it is appended");
    Page { _app: mount_to(element.clone(), app), element }
}

impl<M: Mountable> Page<M> {
    fn text(&self) -> String {
        self.element.text_content().unwrap_or_default()
    }

    async fn shows(&self, expected: &str) {
        eventually(expected, || self.text() == expected, || self.text()).await;
    }
}

async fn eventually(what: &str, done: impl Fn() -> bool, is: impl Fn() -> String) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("not in 10 s: {what:?}; it is {:?}", is());
}

/// What a component hands out to its test.
#[derive(Clone)]
struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T: Clone> Slot<T> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    fn put(&self, value: T) {
        *self.0.lock().expect("one thread") = Some(value);
    }

    fn get(&self) -> T {
        self.0.lock().expect("one thread").clone().expect("the component was built")
    }
}

#[wasm_bindgen_test]
async fn the_fallback_shows_until_the_store_is_open_and_children_are_built_once() {
    let builds = Arc::new(AtomicUsize::new(0));
    let (store, read_while_building) = (Slot::<Store<Things>>::new(), RwSignal::new(1));
    let page = mount({
        let (builds, slot) = (Arc::clone(&builds), store.clone());
        move || {
            let body = move || {
                builds.fetch_add(1, Ordering::Relaxed);
                slot.put(use_store::<Things>());
                let count = use_query(|| Thing::query().count());
                read_while_building.get();
                view! { "things: " {move || count.get()} }
            };
            view! {
                <StoreProvider
                    options={StoreOptions::<Things>::new("things")}
                    fallback=|| view! { {move || format!("{:?}", use_boot_status().get())} }
                >
                    {body()}
                </StoreProvider>
            }
        }
    });
    assert_eq!(page.text(), "Loading");
    page.shows("things: 0").await;
    let store = store.get();
    store.commit([thing(1, "a"), thing(2, "b")]).expect("it applies");
    page.shows("things: 2").await;
    read_while_building.set(2);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(builds.load(Ordering::Relaxed), 1);
}

#[wasm_bindgen_test]
async fn unmounting_the_provider_closes_its_store() {
    let store = Slot::<WeakStore>::new();
    let shown = RwSignal::new(true);
    let page = mount({
        let slot = store.clone();
        move || {
            let provider = move || {
                let slot = slot.clone();
                let options = StoreOptions::<Things>::new("things");
                view! {
                    <StoreProvider options fallback=|| "loading">
                        {
                            slot.put(use_store::<Things>().downgrade());
                            let count = use_query(|| Thing::query().count());
                            let commit = use_commit::<Things>();
                            view! { <button on:click=move |_| commit.run(thing(1, "a"))>{move || count.get()}</button> }
                        }
                    </StoreProvider>
                }
            };
            move || shown.get().then(&provider)
        }
    });
    page.shows("0").await;
    let button = page.element.query_selector("button").expect("a selector").expect("a button");
    button.unchecked_into::<HtmlElement>().click();
    page.shows("1").await;
    let store = store.get();
    assert!(store.upgrade().is_some());
    shown.set(false);
    page.shows("").await;
    eventually("closed", || store.upgrade().is_none(), || "open".into()).await;
}

#[wasm_bindgen_test]
async fn unmounting_while_the_store_opens_is_no_harm() {
    let page = mount(|| {
        let options = StoreOptions::<Things>::new("things");
        view! { <StoreProvider options fallback=|| "loading">"open"</StoreProvider> }
    });
    let element = page.element.clone();
    assert_eq!(page.text(), "loading");
    drop(page);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(element.text_content().unwrap_or_default(), "");
}

#[component]
fn Boundary<C: IntoView + 'static>(children: TypedChildren<C>) -> impl IntoView {
    let fallback = |errors: ArcRwSignal<Errors>| {
        let texts = move || {
            let errors = errors.get().into_iter();
            errors.map(|(_, error)| error.to_string()).collect::<Vec<_>>().join("; ")
        };
        view! { "failed: " {texts} }
    };
    view! { <ErrorBoundary fallback>{children.into_inner()()}</ErrorBoundary> }
}

#[wasm_bindgen_test]
async fn a_store_that_cannot_be_opened_shows_in_the_error_boundary() {
    let page = mount(|| {
        let options = StoreOptions::<Things>::new("no id!");
        view! { <Boundary><StoreProvider options fallback=|| "loading">"open"</StoreProvider></Boundary> }
    });
    assert_eq!(page.text(), "loading");
    let (shown, text) = (|| page.text().starts_with("failed: "), || page.text());
    eventually("failed: …", shown, text).await;
    assert!(page.text().contains("no id!"), "{}", page.text());
}

#[wasm_bindgen_test]
async fn a_failing_query_shows_in_the_error_boundary_until_it_succeeds() {
    let store = Slot::<Store<Things>>::new();
    let page = mount({
        let slot = store.clone();
        move || {
            let options = StoreOptions::<Things>::new("things");
            view! {
                <Boundary>
                    <StoreProvider options fallback=|| "loading">
                        {
                            slot.put(use_store::<Things>());
                            let sum = use_query(|| {
                                raw::<i64>("SELECT json_extract(text, '$.n') FROM things ORDER BY id", ()).all()
                            });
                            view! { "sum: " {move || sum.with(|all| all.iter().sum::<i64>())} }
                        }
                    </StoreProvider>
                </Boundary>
            }
        }
    });
    page.shows("sum: 0").await;
    let store = store.get();
    store.commit(thing(1, r#"{"n":7}"#)).expect("it applies");
    page.shows("sum: 7").await;
    store.commit(thing(2, "no JSON")).expect("it applies");
    let (shown, text) = (|| page.text().contains("malformed JSON"), || page.text());
    eventually("failed: malformed JSON", shown, text).await;
    store.commit(ThingEvent::Cleared).expect("it applies");
    page.shows("sum: 0").await;
}

#[wasm_bindgen_test]
async fn two_providers_nested_serve_two_schemas() {
    let page = mount(|| {
        let (things, others) =
            (StoreOptions::<Things>::new("things"), StoreOptions::<Others>::new("others"));
        view! {
            <StoreProvider options=things fallback=|| "things…">
                <StoreProvider options=others.clone() fallback=|| "others…">
                    {
                        let (things, others) = (use_store::<Things>(), use_store::<Others>());
                        let of_things = crate::use_query_in(&things, || Thing::query().count());
                        let nearest = use_query(|| Other::query().count());
                        things.commit([thing(1, "a"), thing(2, "b")]).expect("it applies");
                        others.commit(OtherEvent::Added { id: 1 }).expect("it applies");
                        view! { {move || of_things.get()} " and " {move || nearest.get()} }
                    }
                </StoreProvider>
            </StoreProvider>
        }
    });
    page.shows("2 and 1").await;
}

#[wasm_bindgen_test]
async fn of_a_keyed_list_of_1_000_rows_a_commit_renders_the_row_it_touches() {
    let (store, seen) = (Slot::<Store<Things>>::new(), Arc::new(Mutex::new(Vec::new())));
    let note = {
        let seen = Arc::clone(&seen);
        move |what: String| seen.lock().expect("one thread").push(what)
    };
    let page = mount({
        let slot = store.clone();
        move || {
            let options = StoreOptions::<Things>::new("things");
            view! {
                <StoreProvider options fallback=|| "loading">
                    {
                        slot.put(use_store::<Things>());
                        // Follows the ids; each row follows its own.
                        let ids = use_query(|| Thing::query().order_by(Thing::ID.asc()).columns(Thing::ID));
                        let (list, note) = (note.clone(), note.clone());
                        let each = move || {
                            list("ids".into());
                            ids.get()
                        };
                        let row = move |id: i64| {
                            note(format!("built {id}"));
                            let text = use_query(move || Thing::query().filter(Thing::ID.eq(id)).columns(Thing::TEXT));
                            let note = note.clone();
                            view! {
                                <i>
                                    {move || {
                                        note(format!("row {id}"));
                                        text.get().concat()
                                    }}
                                </i>
                            }
                        };
                        view! { <For each key=|id| *id children=row/> }
                    }
                </StoreProvider>
            }
        }
    });
    page.shows("").await;
    let store = store.get();
    store.commit((1..=1_000).map(|id| thing(id, "a")).collect::<Vec<_>>()).expect("it applies");
    page.shows(&"a".repeat(1_000)).await;
    let take = || std::mem::take(&mut *seen.lock().expect("one thread"));
    let all = take();
    let count = |kind: &str| all.iter().filter(|seen| seen.starts_with(kind)).count();
    assert_eq!([count("built"), count("row")], [1_000, 1_000]);

    store.commit(ThingEvent::Renamed { id: 1_000, text: "b".into() }).expect("it applies");
    let shown = "a".repeat(999) + "b";
    page.shows(&shown).await;
    assert_eq!(take(), ["row 1000"]);
    store.commit(thing(1_001, "c")).expect("it applies");
    page.shows(&(shown + "c")).await;
    assert_eq!(take(), ["ids", "built 1001", "row 1001"]);
}

/// Natively such a test would be a race: `reactive_graph` has one batch for all threads.
#[wasm_bindgen_test]
async fn immediate_effects_see_each_commit_whole_and_their_own_in_the_next_round() {
    let (store, seen) = (Slot::<Store<Things>>::new(), Arc::new(Mutex::new(Vec::new())));
    let page = mount({
        let (slot, seen) = (store.clone(), Arc::clone(&seen));
        move || {
            let options = StoreOptions::<Things>::new("things");
            view! {
                <StoreProvider options fallback=|| "loading">
                    {
                        let store = use_store::<Things>();
                        slot.put(store.clone());
                        let count = use_query(|| Thing::query().count());
                        let last = use_query(|| Thing::query().order_by(Thing::ID.desc()).first());
                        let seen = Arc::clone(&seen);
                        let told = ImmediateEffect::new(move || {
                            let pair = (count.get(), last.get().map(|thing| thing.id));
                            seen.lock().expect("one thread").push(pair);
                            if pair == (3, Some(3)) {
                                store.commit(thing(4, "by the effect")).expect("it applies");
                            }
                        });
                        on_cleanup(move || drop(told));
                        view! { {move || count.get()} }
                    }
                </StoreProvider>
            }
        }
    });
    page.shows("0").await;
    let store = store.get();
    store.commit(thing(1, "a")).expect("it applies");
    store.commit([thing(2, "b"), thing(3, "c")]).expect("it applies");
    assert_eq!(
        *seen.lock().expect("one thread"),
        [(0, None), (1, Some(1)), (3, Some(3)), (4, Some(4))]
    );
}

#[wasm_bindgen_test]
async fn the_browsers_promise_to_keep_the_data_shows_though_it_comes_after_the_opening() {
    let run = |script| js_sys::eval(script).expect("the script runs");
    // As where the browser asks the user, who takes their time.
    run("navigator.storage.persist = () => new Promise(answer => { self.answerPersist = answer })");
    let options = StoreOptions::<Things>::new(format!("late-{}", new_id())).persisted();
    let store = Store::open(options).await.expect("the store opens");
    assert_eq!(store.storage_mode(), StorageMode::Persisted { protected: false });
    let told = Arc::new(AtomicUsize::new(0));
    let _subscription = store.on_status({
        let (told, weak) = (Arc::clone(&told), store.downgrade());
        move || {
            let shown = weak.upgrade().is_some_and(|store| {
                store.storage_mode() == StorageMode::Persisted { protected: true }
            });
            told.fetch_add(usize::from(shown), Ordering::Relaxed);
        }
    });
    run("answerPersist(true)");
    eventually("protected", || told.load(Ordering::Relaxed) > 0, || "unprotected".into()).await;
    run("delete navigator.storage.persist");
}
