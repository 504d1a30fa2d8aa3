//! How TodoMVC looks and answers to the mouse and the keyboard. The class names are those of the TodoMVC specification.

use dioxus::prelude::*;
use livestore_dioxus::{
    Durability, LeaderStatus, Rejection, StorageMode, StoreProvider, new_id, use_boot_status,
    use_client_document, use_commit, use_durability, use_leader_status, use_network_status,
    use_pending, use_query, use_rejections, use_storage_mode, use_store, use_sync_status,
};
use todomvc_schema::{Draft, Filter, Todo, TodoEvent, TodoMvc, sync_line};

use crate::platform::{self, use_filter};

/// The whole page. The todos are built once the store is open; from there on every read is synchronous.
#[component]
pub(crate) fn App() -> Element {
    let options = platform::use_options();
    rsx! {
        ErrorBoundary { handle_error: |errors| rsx! { Problems { errors } },
            StoreProvider::<TodoMvc> {
                options,
                fallback: |()| rsx! { Opening {} },
                Todos {}
                Status {}
            }
        }
    }
}

/// What shows until the store is open: another tab, or another process, may keep it waiting.
#[component]
fn Opening() -> Element {
    let status = use_boot_status();
    rsx! { p { class: "loading", "{status}…" } }
}

#[component]
fn Todos() -> Element {
    let filter = use_filter();
    let total = use_query(Todo::total);
    rsx! {
        section { class: "todoapp",
            header { class: "header",
                h1 { "todos" }
                NewTodo {}
            }
            if total() > 0 {
                TodoList { filter }
                Footer { filter }
            }
        }
    }
}

/// The input that Enter makes a todo of. What is typed is a client document: it survives a reload.
#[component]
fn NewTodo() -> Element {
    let store = use_store::<TodoMvc>();
    let commit = use_commit::<TodoMvc>();
    let mut draft = use_client_document::<Draft>();
    // What is typed renders nothing, for a window's answer comes late and would undo what was typed since.
    let mut submissions = use_signal(|| 0);
    let on_keydown = move |event: KeyboardEvent| {
        if event.key() != Key::Enter || event.is_composing() {
            return;
        }
        let text = draft.peek().submission();
        // The new todo and the emptied input show together.
        store.batch(|| {
            if let Some(text) = text {
                commit.run(TodoEvent::Created { id: new_id(), text });
            }
            draft.set(Draft::default());
        });
        submissions += 1;
    };
    submissions.read();
    rsx! {
        input {
            class: "new-todo",
            placeholder: "What needs to be done?",
            aria_label: "New todo",
            autocomplete: "off",
            value: "{draft.peek().text}",
            onmounted: focus,
            oninput: move |event| draft.set(Draft { text: event.value() }),
            onkeydown: on_keydown,
        }
    }
}

/// The todos that the filter shows, and the box that marks all.
#[component]
fn TodoList(filter: ReadSignal<Filter>) -> Element {
    let commit = use_commit::<TodoMvc>();
    // Only the ids: a todo that changes re-renders itself, not the list.
    let shown = use_query(move || filter().ids());
    let left = use_query(Todo::left);
    rsx! {
        main { class: "main",
            input {
                id: "toggle-all",
                class: "toggle-all",
                r#type: "checkbox",
                checked: left() == 0,
                onchange: move |event| commit.run(TodoEvent::AllToggled { completed: event.checked() }),
            }
            label { r#for: "toggle-all", "Mark all as complete" }
            ul { class: "todo-list",
                for id in shown.read().iter() {
                    Item { key: "{id}", id: id.clone() }
                }
            }
        }
    }
}

/// One todo: its box, its text, its button; or, while it is edited, an input. It follows its own row.
#[component]
fn Item(id: ReadSignal<String>) -> Element {
    let commit = use_commit::<TodoMvc>();
    let todo = use_query(move || Todo::by_id(&id.read()).first());
    let mut editing = use_signal(|| false);
    // What is typed meanwhile; as above, it renders nothing.
    let mut edited = use_signal(String::new);
    let edit = move |_| {
        edited.set(todo.peek().as_ref().map(|todo| todo.text.clone()).unwrap_or_default());
        editing.set(true);
    };
    // Leaving the input saves, and so does Enter; Escape has ended the editing before the input loses the focus.
    let mut save = move || {
        if !editing.replace(false) {
            return;
        }
        let (id, text) = (id(), edited.peek().trim().to_owned());
        if text.is_empty() {
            commit.run(TodoEvent::Deleted { id });
        } else if todo.peek().as_ref().is_some_and(|todo| todo.text != text) {
            commit.run(TodoEvent::Renamed { id, text });
        }
    };
    let Some(Todo { text, completed, .. }) = todo() else { return rsx! {} };
    rsx! {
        li {
            class: if completed { "completed" },
            class: if editing() { "editing" },
            div { class: "view",
                input {
                    class: "toggle",
                    r#type: "checkbox",
                    aria_label: "Done: {text}",
                    checked: completed,
                    onchange: move |event| commit.run(TodoEvent::Toggled { id: id(), completed: event.checked() }),
                }
                label {
                    ondoubleclick: edit,
                    "{text}"
                }
                button {
                    class: "destroy",
                    aria_label: "Delete: {text}",
                    onclick: move |_| commit.run(TodoEvent::Deleted { id: id() }),
                }
            }
            if editing() {
                input {
                    class: "edit",
                    aria_label: "Edit todo",
                    autocomplete: "off",
                    value: "{edited.peek()}",
                    onmounted: focus,
                    oninput: move |event| edited.set(event.value()),
                    onblur: move |_| save(),
                    onkeydown: move |event: KeyboardEvent| match event.key() {
                        Key::Enter if !event.is_composing() => save(),
                        Key::Escape => editing.set(false),
                        _ => {}
                    },
                }
            }
        }
    }
}

/// How many are left, the three filters, and the button that clears what is done.
#[component]
fn Footer(filter: Signal<Filter>) -> Element {
    let commit = use_commit::<TodoMvc>();
    let left = use_query(Todo::left);
    let done = use_query(Todo::done);
    rsx! {
        footer { class: "footer",
            span { class: "todo-count",
                strong { "{left}" }
                if left() == 1 { " item left" } else { " items left" }
            }
            ul { class: "filters",
                for to in Filter::EACH {
                    li { key: "{to.hash()}",
                        a {
                            class: if filter() == to { "selected" },
                            href: to.hash(),
                            onclick: move |event| platform::follow(&event, filter, to),
                            {to.title()}
                        }
                    }
                }
            }
            if done() > 0 {
                button {
                    class: "clear-completed",
                    onclick: move |_| commit.run(TodoEvent::CompletedCleared),
                    "Clear completed"
                }
            }
        }
    }
}

/// A line that says where the todos are kept, how many events are still on their way there, and what they wait for.
#[component]
fn Status() -> Element {
    #[cfg(all(feature = "testing", not(feature = "desktop")))]
    {
        let store = use_store::<TodoMvc>();
        use_hook(|| todomvc_schema::testing::drive(&store));
    }
    let mode = use_storage_mode();
    let pending = use_pending();
    let durability = match use_durability()() {
        Durability::Safe => "safe",
        Durability::AtRisk => "at-risk",
        Durability::InMemory => "in-memory",
    };
    let leader = use_leader_status();
    let waits = match *leader.read() {
        LeaderStatus::Attached | LeaderStatus::Attaching => String::new(),
        ref status => format!(", {status}"),
    };
    let persisted = matches!(*mode.read(), StorageMode::Persisted { .. });
    rsx! {
        footer { class: "info",
            Sharing {}
            Refused {}
            p { "Double-click to edit a todo" }
            p {
                class: "status",
                role: "status",
                "data-storage": if persisted { platform::STORAGE } else { "memory" },
                "data-pending": "{pending}",
                "data-durability": durability,
                "Storage: "
                span { class: "storage-mode", "{mode}" }
                ", pending: "
                span { class: "pending", "{pending}" }
                span { class: "leader", "{waits}" }
            }
        }
    }
}

/// A line that says whether everybody who shares the list has the same; none for a list that is not shared.
#[component]
fn Sharing() -> Element {
    let network = use_network_status();
    let sync = use_sync_status();
    let sync = sync.read();
    let Some(line) = sync_line(network(), &sync) else { return rsx! {} };
    rsx! {
        p {
            class: "sync",
            class: if sync.is_synced { "synced" },
            role: "status",
            title: sync.error.as_deref(),
            "{line}"
        }
    }
}

/// What has been refused, by the server or by what the list has become: to be tried again, or to be forgotten.
#[component]
fn Refused() -> Element {
    let rejections = use_rejections();
    rsx! {
        ul { class: "refused", aria_live: "polite",
            for rejection in rejections.read().iter() {
                RefusedCommit { key: "{rejection.id}", rejection: rejection.clone() }
            }
        }
    }
}

#[component]
fn RefusedCommit(rejection: ReadSignal<Rejection>) -> Element {
    let store = use_store::<TodoMvc>();
    let mut why = use_signal(|| rejection.peek().reason.clone());
    let retry = {
        let store = store.clone();
        move |_| {
            let (store, rejection) = (store.clone(), rejection());
            async move {
                if let Err(error) = store.retry(&rejection).await {
                    why.set(error.to_string());
                }
            }
        }
    };
    let dismiss = move |_| {
        let (store, rejection) = (store.clone(), rejection());
        async move {
            if let Err(error) = store.dismiss(&rejection).await {
                why.set(error.to_string());
            }
        }
    };
    rsx! {
        li {
            "refused: "
            span { class: "reason", "{why}" }
            button { class: "retry", onclick: retry, "Retry" }
            button { class: "dismiss", onclick: dismiss, "Dismiss" }
        }
    }
}

#[component]
fn Problems(errors: ErrorContext) -> Element {
    let error = errors.error().map(|error| error.to_string());
    rsx! {
        section { class: "problems", role: "alert",
            h1 { "Something went wrong" }
            ul {
                for error in error {
                    li { "{error}" }
                }
            }
        }
    }
}

/// Gives an element the focus once it is there. A window that is closing meanwhile has none to give.
async fn focus(element: MountedEvent) {
    let _ = element.set_focus(true).await;
}
