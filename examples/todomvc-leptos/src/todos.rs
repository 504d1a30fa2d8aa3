//! What a todo is, and everything that can happen to one.

use leptos::prelude::*;

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Todo {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) completed: bool,
}

/// The todos, and the actions on them.
#[derive(Clone, Copy)]
pub(crate) struct Todos {
    all: RwSignal<Vec<Todo>>,
    last: StoredValue<u64>,
}

impl Todos {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { all: RwSignal::new(Vec::new()), last: StoredValue::new(0) }
    }

    /// All, in the order in which they were made.
    pub(crate) fn all(self) -> Signal<Vec<Todo>> {
        self.all.into()
    }

    /// One of them; once it is deleted, as it last was.
    pub(crate) fn one(self, id: String) -> Memo<Todo> {
        Memo::new(move |last: Option<&Todo>| {
            self.all.read().iter().find(|todo| todo.id == id).or(last).cloned().unwrap_or_default()
        })
    }

    /// Adds a todo, unless its text is blank.
    pub(crate) fn create(self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.last.update_value(|last| *last += 1);
            let id = self.last.get_value().to_string();
            self.all.update(|all| all.push(Todo { id, text: text.to_owned(), completed: false }));
        }
    }

    /// Marks one as done, or as still to do.
    pub(crate) fn set_completed(self, id: &str, completed: bool) {
        self.change(id, |todo| todo.completed = completed);
    }

    /// Marks all as done, or as still to do.
    pub(crate) fn set_all_completed(self, completed: bool) {
        self.all.update(|all| all.iter_mut().for_each(|todo| todo.completed = completed));
    }

    /// Gives one another text; a blank text deletes it.
    pub(crate) fn rename(self, id: &str, text: &str) {
        match text.trim() {
            "" => self.delete(id),
            text => self.change(id, |todo| text.clone_into(&mut todo.text)),
        }
    }

    /// Deletes one.
    pub(crate) fn delete(self, id: &str) {
        self.all.update(|all| all.retain(|todo| todo.id != id));
    }

    /// Deletes all that are done.
    pub(crate) fn clear_completed(self) {
        self.all.update(|all| all.retain(|todo| !todo.completed));
    }

    fn change(self, id: &str, change: impl FnOnce(&mut Todo)) {
        self.all.update(|all| {
            if let Some(todo) = all.iter_mut().find(|todo| todo.id == id) {
                change(todo);
            }
        });
    }
}
