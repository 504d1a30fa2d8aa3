//! What every binding promises, checked in an app of Dioxus without a renderer.
#![cfg(not(target_family = "wasm"))]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use dioxus::{
    core::{ErrorContext, NoOpMutations, RuntimeGuard},
    prelude::*,
};
use futures_util::FutureExt;
use livestore_conformance::{Binding, Filter, Journal, NoteEvent, Notes, conformance};
use livestore_dioxus::{
    AnyStore, Commit, IntoQuery, NetworkStatus, QueryError, Rejection, Schema, Store, StoreOptions,
    SyncStatus, provide_store, try_use_query, use_client_document, use_commit, use_network_status,
    use_query, use_query_in, use_rejections, use_store, use_sync_status,
};

conformance!(Page);

type Component = Rc<dyn Fn()>;

/// The components that are mounted, and what their boundaries show.
#[derive(Clone, Default)]
struct Stage {
    components: Rc<RefCell<BTreeMap<usize, Component>>>,
    errors: Rc<RefCell<BTreeMap<usize, String>>>,
    mounted: Rc<RefCell<Option<Signal<Vec<usize>>>>>,
}

impl Stage {
    fn mounted(&self) -> Signal<Vec<usize>> {
        self.mounted.borrow().expect("the app was built")
    }
}

struct Page {
    dom: RefCell<VirtualDom>,
    stage: Stage,
}

#[derive(Clone)]
struct Stores(Store<Notes>, Store<Journal>);

fn stage() -> Stage {
    try_consume_context().expect("the test provides it")
}

#[component]
fn Root() -> Element {
    use_hook(|| {
        let Stores(notes, journal) = try_consume_context().expect("the test provides them");
        provide_store(&journal);
        provide_store(&notes);
    });
    let mounted = use_signal(Vec::new);
    stage().mounted.replace(Some(mounted));
    rsx! {
        for id in mounted.read().iter().copied() {
            ErrorBoundary {
                key: "{id}",
                handle_error: move |errors: ErrorContext| {
                    let error = errors.error().map(|error| error.to_string()).unwrap_or_default();
                    stage().errors.borrow_mut().insert(id, error);
                    rsx! {}
                },
                Part { id }
            }
        }
    }
}

#[component]
fn Part(id: usize) -> Element {
    let component = stage().components.borrow().get(&id).cloned().expect("it is mounted");
    component();
    rsx! {}
}

impl Binding for Page {
    type Query<T: Clone + Send + Sync + 'static> = ReadSignal<T>;
    type Outcome<T: Send + Sync + 'static> = ReadSignal<Result<Arc<T>, QueryError>>;
    type Document = WriteSignal<Filter>;
    type Commit = Commit<Notes>;
    type Local<T: Send + Sync + 'static> = SyncSignal<T>;
    type Status<T: Send + Sync + 'static> = ReadSignal<T>;
    type Component = usize;

    fn options<S>(options: StoreOptions<S>) -> StoreOptions<S> {
        options
    }

    fn start(notes: &Store<Notes>, journal: &Store<Journal>) -> Self {
        let stage = Stage::default();
        let dom = VirtualDom::new(Root)
            .with_root_context(stage.clone())
            .with_root_context(Stores(notes.clone(), journal.clone()));
        let app = Self { dom: RefCell::new(dom), stage };
        app.dom.borrow_mut().rebuild_in_place();
        app
    }

    fn mount<H: Copy + 'static>(
        &self,
        hooks: impl Fn() -> H + 'static,
        view: impl Fn(H) + 'static,
    ) -> usize {
        let mut components = self.stage.components.borrow_mut();
        let id = components.len();
        components.insert(id, Rc::new(move || view(hooks())));
        self.handle(|| self.stage.mounted().write().push(id));
        id
    }

    fn unmount(&self, component: usize) {
        self.handle(|| self.stage.mounted().write().retain(|id| *id != component));
        self.settle();
    }

    fn settle(&self) {
        let mut dom = self.dom.borrow_mut();
        while dom.wait_for_work().now_or_never().is_some() {
            dom.render_immediate(&mut NoOpMutations);
        }
    }

    fn handle<R>(&self, handler: impl FnOnce() -> R) -> R {
        // Not inside of it: a handler may render.
        let runtime = self.dom.borrow().runtime();
        let _guard = RuntimeGuard::new(runtime);
        handler()
    }

    fn errors(&self) -> Vec<String> {
        self.stage.errors.borrow().values().cloned().collect()
    }

    fn use_store<S: Schema>() -> Store<S> {
        use_store()
    }

    fn use_query<Q, T>(query: impl Fn() -> Q + 'static) -> ReadSignal<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static,
    {
        use_query(query)
    }

    fn use_query_in<Q, T>(store: &AnyStore, query: impl Fn() -> Q + 'static) -> ReadSignal<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static,
    {
        use_query_in(store, query)
    }

    fn try_use_query<Q, T>(query: impl Fn() -> Q + 'static) -> Self::Outcome<T>
    where
        Q: IntoQuery<Output = T>,
        T: PartialEq + Send + Sync + 'static,
    {
        try_use_query(query)
    }

    fn use_client_document() -> WriteSignal<Filter> {
        use_client_document()
    }

    fn use_commit() -> Commit<Notes> {
        use_commit()
    }

    fn use_local<T: Send + Sync + 'static>(value: T) -> SyncSignal<T> {
        use_signal_sync(|| value)
    }

    fn use_sync_status() -> ReadSignal<SyncStatus> {
        use_sync_status()
    }

    fn use_network_status() -> ReadSignal<NetworkStatus> {
        use_network_status()
    }

    fn use_rejections() -> ReadSignal<Arc<[Rejection]>> {
        use_rejections()
    }

    fn get<T: Default + Clone + PartialEq + Send + Sync + 'static>(query: ReadSignal<T>) -> T {
        query.cloned()
    }

    fn address<T: Default + Clone + PartialEq + Send + Sync + 'static>(
        query: ReadSignal<T>,
    ) -> usize {
        std::ptr::from_ref(&*query.read()).addr()
    }

    fn outcome<T: PartialEq + Send + Sync + 'static>(
        query: Self::Outcome<T>,
    ) -> Result<Arc<T>, QueryError> {
        query.cloned()
    }

    fn document(document: WriteSignal<Filter>) -> Filter {
        document.cloned()
    }

    fn update(mut document: WriteSignal<Filter>, change: impl FnOnce(&mut Filter)) {
        document.with_mut(change);
    }

    fn commit(commit: Commit<Notes>, event: NoteEvent) {
        commit.run(event);
    }

    fn local<T: Clone + Send + Sync + 'static>(signal: SyncSignal<T>) -> T {
        signal.cloned()
    }

    fn status<T: Clone + Send + Sync + 'static>(status: ReadSignal<T>) -> T {
        status.cloned()
    }

    fn set<T: Send + Sync + 'static>(mut signal: SyncSignal<T>, value: T) {
        signal.set(value);
    }
}
