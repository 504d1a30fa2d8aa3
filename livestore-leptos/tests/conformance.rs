//! What every binding promises, checked in an app of Leptos without a page: a component is an owner with an effect.
#![cfg(not(target_family = "wasm"))]

mod support;

use std::sync::Arc;

use any_spawner::Executor;
use leptos::{
    error::ErrorHook,
    prelude::{Effect, Get, Owner, Read, RwSignal, Set, Signal, Update, provide_context},
    reactive::effect::batch,
};
use livestore_conformance::{Binding, Filter, Journal, NoteEvent, Notes, conformance};
use livestore_leptos::{
    AnyStore, Commit, DocumentSignal, IntoQuery, LiveSignal, NetworkStatus, QueryError, Rejection,
    Schema, Store, StoreOptions, SyncStatus, provide_store, try_use_query, use_client_document,
    use_commit, use_network_status, use_query, use_query_in, use_rejections, use_store,
    use_sync_status,
};
use send_wrapper::SendWrapper;

use support::Shown;

conformance!(Page);

struct Page {
    owner: Owner,
    boundary: Arc<Shown>,
}

/// Leptos wants closures that may leave the thread; here they never do.
fn sendable<Q>(query: impl Fn() -> Q + 'static) -> impl Fn() -> Q + Send + Sync + 'static {
    let query = SendWrapper::new(query);
    move || (*query)()
}

impl Binding for Page {
    type Query<T: Clone + Send + Sync + 'static> = LiveSignal<T>;
    type Outcome<T: Send + Sync + 'static> = Signal<Result<Arc<T>, QueryError>>;
    type Document = DocumentSignal<Filter>;
    type Commit = Commit<Notes>;
    type Local<T: Send + Sync + 'static> = RwSignal<T>;
    type Status<T: Send + Sync + 'static> = Signal<T>;
    type Component = Owner;

    fn options<S>(options: StoreOptions<S>) -> StoreOptions<S> {
        options.notify_within(|tell| batch(tell))
    }

    fn start(notes: &Store<Notes>, journal: &Store<Journal>) -> Self {
        // All tests of a binary share one kind of executor; every thread has its own tasks.
        let _ = Executor::init_futures_executor();
        let owner = Owner::new();
        owner.set();
        let boundary = Arc::new(Shown::default());
        owner.with(|| {
            provide_context::<Arc<dyn ErrorHook>>(Arc::<Shown>::clone(&boundary));
            provide_store(journal);
            provide_store(notes);
        });
        Self { owner, boundary }
    }

    fn mount<H: Copy + 'static>(
        &self,
        hooks: impl Fn() -> H + 'static,
        view: impl Fn(H) + 'static,
    ) -> Owner {
        let owner = self.owner.child();
        owner.with(|| {
            let handles = hooks();
            Effect::new(move |_| view(handles));
        });
        owner
    }

    fn unmount(&self, component: Owner) {
        component.cleanup();
    }

    fn settle(&self) {
        Executor::poll_local();
    }

    fn handle<R>(&self, handler: impl FnOnce() -> R) -> R {
        leptos::prelude::untrack(handler)
    }

    fn errors(&self) -> Vec<String> {
        self.boundary.errors()
    }

    fn use_store<S: Schema>() -> Store<S> {
        use_store()
    }

    fn use_query<Q, T>(query: impl Fn() -> Q + 'static) -> LiveSignal<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static,
    {
        use_query(sendable(query))
    }

    fn use_query_in<Q, T>(store: &AnyStore, query: impl Fn() -> Q + 'static) -> LiveSignal<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static,
    {
        use_query_in(store, sendable(query))
    }

    fn try_use_query<Q, T>(query: impl Fn() -> Q + 'static) -> Self::Outcome<T>
    where
        Q: IntoQuery<Output = T>,
        T: PartialEq + Send + Sync + 'static,
    {
        try_use_query(sendable(query))
    }

    fn use_client_document() -> DocumentSignal<Filter> {
        use_client_document()
    }

    fn use_commit() -> Commit<Notes> {
        use_commit()
    }

    fn use_local<T: Send + Sync + 'static>(value: T) -> RwSignal<T> {
        RwSignal::new(value)
    }

    fn use_sync_status() -> Signal<SyncStatus> {
        use_sync_status()
    }

    fn use_network_status() -> Signal<NetworkStatus> {
        use_network_status()
    }

    fn use_rejections() -> Signal<Arc<[Rejection]>> {
        use_rejections()
    }

    fn get<T: Default + Clone + PartialEq + Send + Sync + 'static>(query: LiveSignal<T>) -> T {
        query.get()
    }

    fn address<T: Default + Clone + PartialEq + Send + Sync + 'static>(
        query: LiveSignal<T>,
    ) -> usize {
        std::ptr::from_ref(&*query.read()).addr()
    }

    fn outcome<T: PartialEq + Send + Sync + 'static>(
        query: Self::Outcome<T>,
    ) -> Result<Arc<T>, QueryError> {
        query.get()
    }

    fn document(document: DocumentSignal<Filter>) -> Filter {
        document.get()
    }

    fn update(document: DocumentSignal<Filter>, change: impl FnOnce(&mut Filter)) {
        document.update(change);
    }

    fn commit(commit: Commit<Notes>, event: NoteEvent) {
        commit.run(event);
    }

    fn local<T: Clone + Send + Sync + 'static>(signal: RwSignal<T>) -> T {
        signal.get()
    }

    fn status<T: Clone + Send + Sync + 'static>(status: Signal<T>) -> T {
        status.get()
    }

    fn set<T: Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
        signal.set(value);
    }
}
