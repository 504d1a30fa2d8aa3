//! A small schema, and an app around it without a page: an owner, a store, effects that run when told.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex};

use any_spawner::Executor;
use futures_executor::block_on;
use leptos::{
    error::{Error, ErrorHook, ErrorId},
    prelude::{Effect, Owner, provide_context},
    reactive::effect::batch,
};
use livestore_leptos::{
    ClientDocument, Event, Materialize, MaterializeError, Schema, Select, Store, StoreOptions,
    Table, Writes, provide_store,
};
use serde::{Deserialize, Serialize};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "notes")]
pub(crate) struct Note {
    #[column(primary_key)]
    pub(crate) id: i64,
    pub(crate) text: String,
    #[column(default = 0)]
    pub(crate) stars: i64,
}

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "tags")]
pub(crate) struct Tag {
    #[column(primary_key)]
    pub(crate) name: String,
}

#[derive(Event, Clone, Debug)]
pub(crate) enum NoteEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64, text: String },
    #[event(name = "v1.NoteStarred")]
    Starred { id: i64 },
    #[event(name = "v1.Tagged")]
    Tagged { name: String },
    #[event(name = "v1.Swapped")]
    Swapped { from: i64, to: i64 },
}

impl Materialize for NoteEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let note = |id: &i64| Note::query().filter(Note::ID.eq(*id));
        match self {
            Self::Added { text, .. } if text == "refuse me" => {
                Err(MaterializeError::refuse("as asked"))
            }
            Self::Added { id, text } => {
                state.insert(Note { id: *id, text: text.clone(), stars: 0 })
            }
            Self::Starred { id } => {
                let stars = state.query(note(id).first())?.map_or(0, |note| note.stars);
                state.update(note(id), Note::STARS.set(stars + 1))
            }
            Self::Tagged { name } => state.upsert(Tag { name: name.clone() }),
            Self::Swapped { from, to } => {
                state.update(note(from), Note::STARS.set(0))?;
                state.update(note(to), Note::STARS.set(1))
            }
        }
    }
}

/// What the tests' queries choose by.
#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) starred: bool,
    pub(crate) word: String,
}

#[derive(Schema)]
#[schema(tables(Note, Tag), events(NoteEvent), documents(Filter))]
pub(crate) struct Notes;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "entries")]
pub(crate) struct Entry {
    #[column(primary_key)]
    pub(crate) id: i64,
}

#[derive(Event, Clone, Debug)]
pub(crate) enum JournalEvent {
    #[event(name = "v1.Entered")]
    Entered { id: i64 },
}

impl Materialize for JournalEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Entered { id } => state.insert(Entry { id: *id }),
        }
    }
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub(crate) struct Page {
    pub(crate) number: u32,
}

/// Another schema, for apps with two stores.
#[derive(Schema)]
#[schema(tables(Entry), events(JournalEvent), documents(Page))]
pub(crate) struct Journal;

/// An app whose store is open: what is inside a `<StoreProvider>`.
pub(crate) struct App {
    pub(crate) owner: Owner,
    pub(crate) store: Store<Notes>,
    pub(crate) boundary: Arc<Shown>,
}

impl App {
    pub(crate) fn new() -> Self {
        // All tests of a binary share one kind of executor; every thread has its own tasks.
        let _ = Executor::init_futures_executor();
        let owner = Owner::new();
        owner.set();
        let store = open::<Notes>("notes");
        let boundary = Arc::new(Shown::default());
        owner.with(|| {
            provide_context::<Arc<dyn ErrorHook>>(Arc::<Shown>::clone(&boundary));
            provide_store(&store);
        });
        Self { owner, store, boundary }
    }

    /// Builds a component: an owner of its own, below the provider's.
    pub(crate) fn component<R>(&self, build: impl FnOnce() -> R) -> (Owner, R) {
        let owner = self.owner.child();
        let built = owner.with(build);
        run();
        (owner, built)
    }

    pub(crate) fn commit(&self, event: NoteEvent) {
        self.store.commit(event).expect("it applies");
        run();
    }

    pub(crate) fn add(&self, id: i64) {
        self.commit(added(id));
    }
}

pub(crate) fn open<S: Schema>(id: &str) -> Store<S> {
    let options = StoreOptions::new(id).notify_within(|tell| batch(tell));
    block_on(Store::open(options)).expect("a store in memory opens")
}

/// Runs the effects that wait, and those they make.
pub(crate) fn run() {
    Executor::poll_local();
}

pub(crate) fn added(id: i64) -> NoteEvent {
    NoteEvent::Added { id, text: format!("note {id}") }
}

pub(crate) fn note(id: i64) -> Select<Note> {
    Note::query().filter(Note::ID.eq(id))
}

/// What an effect has seen, run by run.
#[derive(Debug)]
pub(crate) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Seen<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    /// What an effect of the current owner sees.
    pub(crate) fn by_effect(look: impl Fn() -> T + 'static) -> Self {
        let seen = Self::new();
        Effect::new({
            let seen = seen.clone();
            move |_| seen.note(look())
        });
        seen
    }

    pub(crate) fn note(&self, value: T) {
        self.0.lock().expect("no test panics here").push(value);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().expect("no test panics here"))
    }
}

/// An error boundary: what it shows.
#[derive(Default)]
pub(crate) struct Shown(Mutex<(usize, Vec<(ErrorId, String)>)>);

impl Shown {
    pub(crate) fn errors(&self) -> Vec<String> {
        self.0.lock().expect("no test panics here").1.iter().map(|(_, text)| text.clone()).collect()
    }
}

impl ErrorHook for Shown {
    fn throw(&self, error: Error) -> ErrorId {
        let mut shown = self.0.lock().expect("no test panics here");
        shown.0 += 1;
        let id = ErrorId::from(shown.0);
        shown.1.push((id.clone(), error.to_string()));
        id
    }

    fn clear(&self, id: &ErrorId) {
        self.0.lock().expect("no test panics here").1.retain(|(shown, _)| shown != id);
    }
}
