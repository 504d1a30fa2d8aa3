//! Two small schemas, for apps with two stores.

use livestore_core::{
    ClientDocument, Event, Materialize, MaterializeError, Schema, Select, Table, Writes,
};
use serde::{Deserialize, Serialize};

/// A row that a component shows.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "notes")]
pub struct Note {
    /// Its key.
    #[column(primary_key)]
    pub id: i64,
    /// What it says; JSON where a promise is about failing queries.
    pub text: String,
    /// How often it was starred.
    #[column(default = 0)]
    pub stars: i64,
}

/// A row of another table.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "tags")]
pub struct Tag {
    /// Its key.
    #[column(primary_key)]
    pub name: String,
}

/// What happens to notes and tags.
#[derive(Event, Clone, Debug)]
pub enum NoteEvent {
    /// A note, refused if its text is "refuse me".
    #[event(name = "v1.NoteAdded")]
    Added {
        /// Its key.
        id: i64,
        /// What it says.
        text: String,
    },
    /// One more star.
    #[event(name = "v1.NoteStarred")]
    Starred {
        /// The note's key.
        id: i64,
    },
    /// A tag, which may be there already.
    #[event(name = "v1.Tagged")]
    Tagged {
        /// Its key.
        name: String,
    },
    /// The star goes from one note to another.
    #[event(name = "v1.Swapped")]
    Swapped {
        /// Who has it.
        from: i64,
        /// Who gets it.
        to: i64,
    },
}

impl Materialize for NoteEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Added { text, .. } if text == "refuse me" => {
                Err(MaterializeError::refuse("as asked"))
            }
            Self::Added { id, text } => {
                state.insert(Note { id: *id, text: text.clone(), stars: 0 })
            }
            Self::Starred { id } => {
                let stars = state.query(note(*id).first())?.map_or(0, |note| note.stars);
                state.update(note(*id), Note::STARS.set(stars + 1))
            }
            Self::Tagged { name } => state.upsert(Tag { name: name.clone() }),
            Self::Swapped { from, to } => {
                state.update(note(*from), Note::STARS.set(0))?;
                state.update(note(*to), Note::STARS.set(1))
            }
        }
    }
}

/// What queries choose by.
#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Filter {
    /// Only starred notes.
    pub starred: bool,
    /// A draft that no query reads.
    pub word: String,
}

/// The schema of the nearest store.
#[derive(Schema, Debug)]
#[schema(tables(Note, Tag), events(NoteEvent), documents(Filter))]
pub struct Notes;

/// The one table of the other store.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "entries")]
pub struct Entry {
    /// Its key.
    #[column(primary_key)]
    pub id: i64,
}

/// What happens in the other store.
#[derive(Event, Clone, Debug)]
pub enum JournalEvent {
    /// An entry.
    #[event(name = "v1.Entered")]
    Entered {
        /// Its key.
        id: i64,
    },
}

impl Materialize for JournalEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Entered { id } => state.insert(Entry { id: *id }),
        }
    }
}

/// The schema of the other store.
#[derive(Schema, Debug)]
#[schema(tables(Entry), events(JournalEvent))]
pub struct Journal;

pub(crate) fn added(id: i64) -> NoteEvent {
    NoteEvent::Added { id, text: format!("note {id}") }
}

pub(crate) fn text(id: i64, text: &str) -> NoteEvent {
    NoteEvent::Added { id, text: text.into() }
}

pub(crate) fn tagged(name: &str) -> NoteEvent {
    NoteEvent::Tagged { name: name.into() }
}

pub(crate) fn note(id: i64) -> Select<Note> {
    Note::query().filter(Note::ID.eq(id))
}
