//! A small schema that the store's tests share, and how they open stores of it.

#![allow(dead_code, reason = "each test file uses its part")]

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod files;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod gate;
pub(crate) mod place;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod process;
pub(crate) mod versions;

use std::sync::{Arc, Mutex};

#[cfg(not(target_arch = "wasm32"))]
#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use blocking::{
    close, eventually, in_directory, memory, try_in_directory, try_version, version,
};
use livestore_core::{
    ClientDocument, Event, Materialize, MaterializeError, Schema, Store, Table, Writes,
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

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "opened", client_only)]
pub(crate) struct Opened {
    #[column(primary_key)]
    pub(crate) id: i64,
}

#[derive(Event, Clone, Debug)]
pub(crate) enum NoteEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64, text: String },
    #[event(name = "v1.NoteStarred")]
    Starred { id: i64 },
    #[event(name = "v1.NoteRemoved")]
    Removed { id: i64 },
    #[event(name = "v1.Tagged")]
    Tagged { name: String },
}

impl Materialize for NoteEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { id, text } if text == "refuse me" => {
                state.insert(Note { id: *id, text: text.clone(), stars: 0 })?;
                Err(MaterializeError::refuse("as asked"))
            }
            Self::Added { id, text } => {
                state.insert(Note { id: *id, text: text.clone(), stars: 0 })
            }
            Self::Starred { id } => {
                let Some(note) = state.query(Note::query().filter(Note::ID.eq(*id)).first())?
                else {
                    return Err(MaterializeError::refuse("no such note"));
                };
                state
                    .update(Note::query().filter(Note::ID.eq(*id)), Note::STARS.set(note.stars + 1))
            }
            Self::Removed { id } => state.delete(Note::query().filter(Note::ID.eq(*id))),
            Self::Tagged { name } => state.upsert(Tag { name: name.clone() }),
        }
    }
}

#[derive(Event, Clone, Debug)]
#[event(client_only)]
pub(crate) enum LocalEvent {
    #[event(name = "v1.Opened")]
    Opened { id: i64 },
}

impl Materialize for LocalEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Opened { id } => state.upsert(Opened { id: *id }),
        }
    }
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[document(owner = "client")]
pub(crate) struct Theme {
    pub(crate) dark: bool,
}

#[derive(Schema)]
#[schema(tables(Note, Tag, Opened), events(NoteEvent, LocalEvent), documents(Draft, Theme))]
pub(crate) struct Notes;

pub(crate) fn added(id: i64) -> NoteEvent {
    NoteEvent::Added { id, text: format!("note {id}") }
}

pub(crate) fn ids(store: &Store<Notes>) -> Vec<i64> {
    store.query(Note::query().order_by(Note::ID.asc()).columns(Note::ID)).expect("the query runs")
}

/// What a callback has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Seen<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    pub(crate) fn note(&self, value: T) {
        self.0.lock().expect("no test panics here").push(value);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().expect("no test panics here"))
    }
}
