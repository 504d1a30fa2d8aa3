//! What can happen to the list, and what it does to the table.

use livestore_core::{Event, Materialize, MaterializeError, Writes};

use crate::Todo;

/// Everything that can happen to the list. Names and arguments are what is stored, for good.
#[derive(Event, Clone, Debug)]
pub enum TodoEvent {
    /// A todo was written down.
    #[event(name = "v1.TodoCreated")]
    Created {
        /// The new todo's; ids ascend with time.
        id: String,
        /// What is to be done.
        text: String,
    },
    /// A todo's text was changed.
    #[event(name = "v1.TodoRenamed")]
    Renamed {
        /// Which one.
        id: String,
        /// The new text.
        text: String,
    },
    /// A todo was marked as done, or as not done.
    #[event(name = "v1.TodoToggled")]
    Toggled {
        /// Which one.
        id: String,
        /// Whether it is done now.
        completed: bool,
    },
    /// All todos were marked at once.
    #[event(name = "v1.AllToggled")]
    AllToggled {
        /// Whether they are done now.
        completed: bool,
    },
    /// A todo was taken off the list.
    #[event(name = "v1.TodoDeleted")]
    Deleted {
        /// Which one.
        id: String,
    },
    /// All todos that were done were taken off the list.
    #[event(name = "v1.CompletedCleared")]
    CompletedCleared,
}

impl Materialize for TodoEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Created { id, text } => state.insert(Todo::new(id, text)),
            Self::Renamed { id, text } => state.update(Todo::by_id(id), Todo::TEXT.set(text)),
            Self::Toggled { id, completed } => {
                state.update(Todo::by_id(id), Todo::COMPLETED.set(*completed))
            }
            Self::AllToggled { completed } => {
                state.update(Todo::query(), Todo::COMPLETED.set(*completed))
            }
            Self::Deleted { id } => state.delete(Todo::by_id(id)),
            Self::CompletedCleared => state.delete(Todo::query().filter(Todo::COMPLETED.eq(true))),
        }
    }
}
