//! Later versions of the app whose schema is `Notes`.

#![allow(dead_code, reason = "each test file uses its part")]

use livestore_core::{Event, Materialize, MaterializeError, Schema, Table, Writes};

use super::{Draft, LocalEvent, Opened, Tag, Theme};

/// `Note` with a column more.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "notes")]
pub(crate) struct NewNote {
    #[column(primary_key)]
    pub(crate) id: i64,
    pub(crate) text: String,
    #[column(default = 0)]
    pub(crate) stars: i64,
    #[column(default = false)]
    pub(crate) pinned: bool,
}

/// `NoteEvent` with an event more.
#[derive(Event, Clone, Debug)]
pub(crate) enum NewEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64, text: String },
    #[event(name = "v1.NoteStarred")]
    Starred { id: i64 },
    #[event(name = "v1.NoteRemoved")]
    Removed { id: i64 },
    #[event(name = "v1.Tagged")]
    Tagged { name: String },
    #[event(name = "v1.NotePinned")]
    Pinned { id: i64 },
}

impl Materialize for NewEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let note = |id: &i64| NewNote::query().filter(NewNote::ID.eq(*id));
        match self {
            Self::Added { id, text } => {
                state.insert(NewNote { id: *id, text: text.clone(), stars: 0, pinned: false })
            }
            Self::Starred { id } => {
                let stars = state.query(note(id).one())?.stars;
                state.update(note(id), NewNote::STARS.set(stars + 1))
            }
            Self::Removed { id } => state.delete(note(id)),
            Self::Tagged { name } => state.upsert(Tag { name: name.clone() }),
            Self::Pinned { id } => state.update(note(id), NewNote::PINNED.set(true)),
        }
    }
}

#[derive(Schema)]
#[schema(tables(NewNote, Tag, Opened), events(NewEvent, LocalEvent), documents(Draft, Theme))]
pub(crate) struct NewNotes;

/// The same events with other materializers: texts are shouted.
#[derive(Event, Clone, Debug)]
pub(crate) enum LoudEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64, text: String },
}

impl Materialize for LoudEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Added { id, text } = self;
        state.insert(super::Note { id: *id, text: text.to_uppercase(), stars: 0 })
    }
}

#[derive(Event, Clone, Debug)]
pub(crate) enum QuietEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64, text: String },
}

impl Materialize for QuietEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Added { id, text } = self;
        state.insert(super::Note { id: *id, text: text.clone(), stars: 0 })
    }
}

#[derive(Schema)]
#[schema(tables(super::Note), events(QuietEvent))]
pub(crate) struct Quiet;

#[derive(Schema)]
#[schema(tables(super::Note), events(LoudEvent), materializers = 2)]
pub(crate) struct Loud;

/// The same events in a version whose materializer panics at every note.
#[derive(Event, Clone, Debug)]
pub(crate) enum PanickingEvent {
    #[event(name = "v1.NoteAdded")]
    Added { id: i64 },
}

impl Materialize for PanickingEvent {
    fn materialize(&self, _state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Added { id } = self;
        panic!("nobody thought of note {id}")
    }
}

#[derive(Schema)]
#[schema(tables(NewNote, Tag), events(PanickingEvent))]
pub(crate) struct PanickingNotes;
