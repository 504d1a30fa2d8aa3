//! What the page looks like, on the server and in the browser.

use dioxus::prelude::*;
use livestore_dioxus::{
    StoreOptions, StoreProvider, new_id, use_client_document, use_commit, use_pending, use_query,
    use_storage_mode,
};
use todomvc_schema::{Draft, Filter, Todo, TodoEvent, TodoMvc};

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 3rem auto; padding: 0 1rem; color: #222 }
input:not(.toggle) { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
ul { list-style: none; padding: 0 }
.completed label { text-decoration: line-through; color: #777 }
.status, .loading { color: #666; font-size: .9rem }
.problems { color: #a00 }";

/// The page's body: what the server and the first render in the browser agree on.
#[component]
pub(crate) fn App() -> Element {
    rsx! {
        style { dangerous_inner_html: STYLE }
        h1 { "Todos" }
        ErrorBoundary { handle_error: |errors| rsx! { Problems { errors } },
            StoreProvider::<TodoMvc> {
                options: StoreOptions::new("todos").persisted(),
                fallback: |()| rsx! { p { class: "loading", "Loading…" } },
                NewTodo {}
                Todos {}
                Status {}
            }
        }
    }
}

#[component]
fn NewTodo() -> Element {
    let commit = use_commit::<TodoMvc>();
    let mut draft = use_client_document::<Draft>();
    let on_keydown = move |event: KeyboardEvent| {
        let text = draft.peek().submission();
        if let (Key::Enter, Some(text)) = (event.key(), text) {
            commit.run(TodoEvent::Created { id: new_id(), text });
            draft.set(Draft::default());
        }
    };
    rsx! {
        input {
            class: "new-todo",
            placeholder: "What needs to be done?",
            aria_label: "New todo",
            autocomplete: "off",
            value: "{draft.read().text}",
            oninput: move |event| draft.set(Draft { text: event.value() }),
            onkeydown: on_keydown,
        }
    }
}

#[component]
fn Todos() -> Element {
    let ids = use_query(|| Filter::All.ids());
    rsx! {
        ul { class: "todo-list",
            for id in ids.read().iter() {
                Item { key: "{id}", id: id.clone() }
            }
        }
    }
}

#[component]
fn Item(id: ReadSignal<String>) -> Element {
    let commit = use_commit::<TodoMvc>();
    let todo = use_query(move || Todo::by_id(&id.read()).first());
    let Some(Todo { text, completed, .. }) = todo() else { return rsx! {} };
    rsx! {
        li { class: if completed { "completed" },
            label {
                input {
                    class: "toggle",
                    r#type: "checkbox",
                    checked: completed,
                    onchange: move |event| {
                        commit.run(TodoEvent::Toggled { id: id(), completed: event.checked() });
                    },
                }
                "{text}"
            }
        }
    }
}

#[component]
fn Status() -> Element {
    let mode = use_storage_mode();
    let pending = use_pending();
    rsx! {
        p { class: "status", role: "status", "Storage: {mode}, pending: {pending}" }
    }
}

#[component]
fn Problems(errors: ErrorContext) -> Element {
    let error = errors.error().map(|error| error.to_string());
    rsx! {
        p { class: "problems", role: "alert", {error} }
    }
}
