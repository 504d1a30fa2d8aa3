//! What a promise needs of a binding, and the app that it is checked in.

use std::{
    cell::{Cell, RefCell},
    fmt::Debug,
    path::Path,
    rc::Rc,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use livestore_core::{
    AnyStore, IntoCommit, IntoQuery, NetworkStatus, QueryError, Receipt, Rejection, Schema, Store,
    StoreOptions, SyncOptions, SyncStatus,
};

use crate::schema::{Filter, Journal, NoteEvent, Notes, added};

/// How long something that happens on another thread may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a promise takes for granted before it can be checked: where that fails, so does the test.
#[track_caller]
pub(crate) fn granted<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("taken for granted: {error:?}"),
    }
}

/// An app of a framework, without a page, whose stores are open. The hooks are called in a component's `hooks` only.
pub trait Binding: Sized + 'static {
    /// What `use_query` returns.
    type Query<T: Clone + Send + Sync + 'static>: Copy + 'static;
    /// What `try_use_query` returns.
    type Outcome<T: Send + Sync + 'static>: Copy + 'static;
    /// What `use_client_document` returns.
    type Document: Copy + 'static;
    /// What `use_commit` returns.
    type Commit: Copy + 'static;
    /// The framework's own signal.
    type Local<T: Send + Sync + 'static>: Copy + 'static;
    /// What the hooks of statuses return.
    type Status<T: Send + Sync + 'static>: Copy + 'static;
    /// A component that is mounted.
    type Component;

    /// What the binding's provider adds to the options of a store.
    fn options<S>(options: StoreOptions<S>) -> StoreOptions<S>;

    /// An app in which `notes` is the nearest store and `journal` is further up.
    fn start(notes: &Store<Notes>, journal: &Store<Journal>) -> Self;

    /// Mounts a component below an error boundary of its own: `hooks` runs when it is built, `view` in every render.
    /// It need not be rendered before [`settle`](Self::settle).
    fn mount<H: Copy + 'static>(
        &self,
        hooks: impl Fn() -> H + 'static,
        view: impl Fn(H) + 'static,
    ) -> Self::Component;

    /// Unmounts a component, there and then.
    fn unmount(&self, component: Self::Component);

    /// Renders until nothing is left to render.
    fn settle(&self);

    /// Runs what an event handler would.
    fn handle<R>(&self, handler: impl FnOnce() -> R) -> R;

    /// What the error boundaries show.
    fn errors(&self) -> Vec<String>;

    /// The hook.
    fn use_store<S: Schema>() -> Store<S>;
    /// The hook.
    fn use_query<Q, T>(query: impl Fn() -> Q + 'static) -> Self::Query<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static;
    /// The hook.
    fn use_query_in<Q, T>(store: &AnyStore, query: impl Fn() -> Q + 'static) -> Self::Query<T>
    where
        Q: IntoQuery<Output = T>,
        T: Default + Clone + PartialEq + Send + Sync + 'static;
    /// The hook.
    fn try_use_query<Q, T>(query: impl Fn() -> Q + 'static) -> Self::Outcome<T>
    where
        Q: IntoQuery<Output = T>,
        T: PartialEq + Send + Sync + 'static;
    /// The hook, for the one document of [`Notes`].
    fn use_client_document() -> Self::Document;
    /// The hook.
    fn use_commit() -> Self::Commit;
    /// The hook.
    fn use_local<T: Send + Sync + 'static>(value: T) -> Self::Local<T>;

    /// The hook.
    fn use_sync_status() -> Self::Status<SyncStatus>;
    /// The hook.
    fn use_network_status() -> Self::Status<NetworkStatus>;
    /// The hook.
    fn use_rejections() -> Self::Status<Arc<[Rejection]>>;

    /// Reads, and is told of changes.
    fn get<T: Default + Clone + PartialEq + Send + Sync + 'static>(query: Self::Query<T>) -> T;
    /// Where the value lies.
    fn address<T: Default + Clone + PartialEq + Send + Sync + 'static>(
        query: Self::Query<T>,
    ) -> usize;
    /// Reads, and is told of changes.
    fn outcome<T: PartialEq + Send + Sync + 'static>(
        query: Self::Outcome<T>,
    ) -> Result<Arc<T>, QueryError>;
    /// Reads, and is told of changes.
    fn document(document: Self::Document) -> Filter;
    /// Changes a part.
    fn update(document: Self::Document, change: impl FnOnce(&mut Filter));
    /// Commits; a refusal goes to the error boundary.
    fn commit(commit: Self::Commit, event: NoteEvent);
    /// Reads, and is told of changes.
    fn local<T: Clone + Send + Sync + 'static>(signal: Self::Local<T>) -> T;
    /// Reads, and is told of changes.
    fn status<T: Clone + Send + Sync + 'static>(status: Self::Status<T>) -> T;
    /// Changes the signal.
    fn set<T: Send + Sync + 'static>(signal: Self::Local<T>, value: T);
}

/// The app of a promise, with its stores.
#[derive(Debug)]
pub struct App<B> {
    /// The binding's part.
    pub binding: B,
    /// The nearest store.
    pub notes: Store<Notes>,
    /// The store further up.
    pub journal: Store<Journal>,
}

impl<B: Binding> App<B> {
    /// Opens the stores in memory.
    pub fn start() -> Self {
        Self::open(StoreOptions::new("notes"))
    }

    /// Opens the notes in a directory.
    pub(crate) fn start_in(directory: &Path) -> Self {
        Self::open(StoreOptions::new("notes").directory(directory))
    }

    /// Opens the notes in memory, with a backend.
    pub(crate) fn start_synced(sync: SyncOptions) -> Self {
        Self::open(StoreOptions::new("notes").sync(sync))
    }

    fn open(notes: StoreOptions<Notes>) -> Self {
        let notes = granted(block_on(Store::open(B::options(notes))));
        let journal = B::options(StoreOptions::new("journal"));
        let journal = granted(block_on(Store::open(journal)));
        Self { binding: B::start(&notes, &journal), notes, journal }
    }

    /// Mounts a component and renders it.
    pub(crate) fn mount<H: Copy + 'static>(
        &self,
        hooks: impl Fn() -> H + 'static,
        view: impl Fn(H) + 'static,
    ) -> (B::Component, H) {
        let handles = Handles::default();
        let component = self.binding.mount(
            {
                let handles = handles.clone();
                move || handles.keep(hooks())
            },
            view,
        );
        self.binding.settle();
        (component, handles.get())
    }

    /// Mounts a component that notes what it sees in every render.
    pub(crate) fn show<H: Copy + 'static, T: 'static>(
        &self,
        hooks: impl Fn() -> H + 'static,
        view: impl Fn(H) -> T + 'static,
    ) -> (B::Component, H, Seen<T>) {
        let seen = Seen::default();
        let (component, handles) = self.mount(hooks, {
            let seen = seen.clone();
            move |handles| seen.note(view(handles))
        });
        (component, handles, seen)
    }

    /// Commits what applies, and renders nothing yet.
    #[track_caller]
    pub(crate) fn apply(&self, events: impl IntoCommit<Notes>) -> Receipt {
        granted(self.notes.commit(events))
    }

    /// Commits, and renders what that changed.
    #[track_caller]
    pub(crate) fn commit(&self, events: impl IntoCommit<Notes>) {
        self.apply(events);
        self.binding.settle();
    }

    pub(crate) fn add(&self, id: i64) {
        self.commit(added(id));
    }

    /// What an event handler does, and what is rendered after it.
    pub(crate) fn handle<R>(&self, handler: impl FnOnce() -> R) -> R {
        let result = self.binding.handle(handler);
        self.binding.settle();
        result
    }

    /// Renders until `done`.
    pub(crate) fn until(&self, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
            sleep(Duration::from_millis(1));
            self.binding.settle();
        }
    }
}

/// What a component's hooks returned, for whoever mounted it.
struct Handles<H>(Rc<Cell<Option<H>>>);

impl<H> Clone for Handles<H> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<H> Default for Handles<H> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<H: Copy> Handles<H> {
    fn keep(&self, handles: H) -> H {
        self.0.set(Some(handles));
        handles
    }

    fn get(&self) -> H {
        granted(self.0.get().ok_or("the component was built"))
    }
}

/// What a component has shown, render by render.
#[derive(Debug)]
pub struct Seen<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Seen<T> {
    /// Notes a render.
    pub fn note(&self, value: T) {
        self.0.borrow_mut().push(value);
    }

    /// The renders since this was last asked.
    pub fn take(&self) -> Vec<T> {
        self.0.take()
    }
}
