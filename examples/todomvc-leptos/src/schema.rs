//! The app's truth: what can happen, and how it shapes the tables that components query.

use livestore_leptos::{
    ClientDocument, Event, Materialize, MaterializeError, Schema, Table, Writes,
};
use serde::{Deserialize, Serialize};

/// One entry of the list.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(completed))]
pub(crate) struct Todo {
    #[column(primary_key)]
    pub(crate) id: String,
    pub(crate) text: String,
    #[column(default = false)]
    pub(crate) completed: bool,
    #[cfg(feature = "extra-column")]
    pub(crate) note: Option<String>,
}

impl Todo {
    fn new(id: &str, text: &str) -> Self {
        Self {
            id: id.to_owned(),
            text: text.to_owned(),
            completed: false,
            #[cfg(feature = "extra-column")]
            note: None,
        }
    }
}

/// Everything that can happen to the list.
#[derive(Event, Clone, Debug)]
pub(crate) enum TodoEvent {
    #[event(name = "v1.TodoCreated")]
    Created { id: String, text: String },
    #[event(name = "v1.TodoRenamed")]
    Renamed { id: String, text: String },
    #[event(name = "v1.TodoToggled")]
    Toggled { id: String, completed: bool },
    #[event(name = "v1.AllToggled")]
    AllToggled { completed: bool },
    #[event(name = "v1.TodoDeleted")]
    Deleted { id: String },
    #[event(name = "v1.CompletedCleared")]
    CompletedCleared,
}

impl Materialize for TodoEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Created { id, text } => state.insert(Todo::new(id, text)),
            Self::Renamed { id, text } => {
                state.update(Todo::query().filter(Todo::ID.eq(id)), Todo::TEXT.set(text))
            }
            Self::Toggled { id, completed } => {
                state.update(Todo::query().filter(Todo::ID.eq(id)), Todo::COMPLETED.set(*completed))
            }
            Self::AllToggled { completed } => {
                state.update(Todo::query(), Todo::COMPLETED.set(*completed))
            }
            Self::Deleted { id } => state.delete(Todo::query().filter(Todo::ID.eq(id))),
            Self::CompletedCleared => state.delete(Todo::query().filter(Todo::COMPLETED.eq(true))),
        }
    }
}

/// What this tab has typed but not submitted. It survives a reload and is never synced.
#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
}

/// The store's schema.
#[derive(Schema)]
#[schema(tables(Todo), events(TodoEvent), documents(Draft))]
pub(crate) struct TodoMvc;
