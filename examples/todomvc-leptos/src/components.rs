//! How TodoMVC looks and answers to the mouse and the keyboard. The class names are those of the TodoMVC specification.

use leptos::{ev::KeyboardEvent, html::Input, prelude::*, task::spawn_local};
use livestore_leptos::{
    Durability, LeaderStatus, Rejection, StorageMode, StoreProvider, new_id, use_boot_status,
    use_client_document, use_commit, use_durability, use_leader_status, use_network_status,
    use_pending, use_query, use_rejections, use_storage_mode, use_store, use_sync_status,
};
use todomvc_schema::{Draft, Filter, Todo, TodoEvent, TodoMvc, list_of_page, sync_line};

use crate::filter::use_filter;

/// The whole page. The todos are built once the store is open; from there on every read is synchronous.
#[component]
pub(crate) fn App() -> impl IntoView {
    let options = list_of_page(&window().location().search().unwrap_or_default());
    #[cfg(feature = "testing")]
    let options = todomvc_schema::testing::with_worker_script(options);
    view! {
        <ErrorBoundary fallback=|errors| view! { <Problems errors/> }>
            <StoreProvider options fallback=Opening>
                <Todos/>
                <Status/>
            </StoreProvider>
        </ErrorBoundary>
    }
}

/// What shows until the store is open: another tab may keep it waiting.
#[component]
fn Opening() -> impl IntoView {
    let status = use_boot_status();
    view! { <p class="loading">{move || status.get().to_string()} "…"</p> }
}

#[component]
fn Todos() -> impl IntoView {
    let filter = use_filter();
    let total = use_query(Todo::total);
    view! {
        <section class="todoapp">
            <header class="header">
                <h1>"todos"</h1>
                <NewTodo/>
            </header>
            <Show when=move || { total.get() > 0 }>
                <TodoList filter/>
                <Footer filter/>
            </Show>
        </section>
    }
}

/// The input that Enter makes a todo of. What is typed is a client document: it survives a reload.
#[component]
fn NewTodo() -> impl IntoView {
    let store = use_store::<TodoMvc>();
    let commit = use_commit::<TodoMvc>();
    let draft = use_client_document::<Draft>();
    let on_keydown = move |event: KeyboardEvent| {
        if event.key() != "Enter" || event.is_composing() {
            return;
        }
        let text = draft.with_untracked(Draft::submission);
        // The new todo and the emptied input show together.
        store.batch(|| {
            if let Some(text) = text {
                commit.run(TodoEvent::Created { id: new_id(), text });
            }
            draft.set(Draft::default());
        });
    };
    view! {
        <input
            class="new-todo"
            placeholder="What needs to be done?"
            aria-label="New todo"
            autofocus
            autocomplete="off"
            prop:value=move || draft.with(|draft| draft.text.clone())
            on:input:target=move |event| draft.update(|draft| draft.text = event.target().value())
            on:keydown=on_keydown
        />
    }
}

/// The todos that the filter shows, and the box that marks all.
#[component]
fn TodoList(filter: ReadSignal<Filter>) -> impl IntoView {
    let commit = use_commit::<TodoMvc>();
    // Only the ids: a todo that changes re-renders itself, not the list.
    let shown = use_query(move || filter.get().ids());
    let left = use_query(Todo::left);
    view! {
        <main class="main">
            <input
                id="toggle-all"
                class="toggle-all"
                type="checkbox"
                prop:checked=move || left.get() == 0
                on:change:target=move |event| {
                    commit.run(TodoEvent::AllToggled { completed: event.target().checked() });
                }
            />
            <label for="toggle-all">"Mark all as complete"</label>
            <ul class="todo-list">
                <For each=move || shown.get() key=String::clone let:id>
                    <Item id/>
                </For>
            </ul>
        </main>
    }
}

/// One todo: its box, its text, its button; or, while it is edited, an input. It follows its own row.
#[component]
fn Item(id: String) -> impl IntoView {
    let commit = use_commit::<TodoMvc>();
    let id = StoredValue::new(id);
    let todo = use_query(move || Todo::by_id(&id.get_value()).first());
    let text =
        move || todo.with(|todo| todo.as_ref().map(|todo| todo.text.clone()).unwrap_or_default());
    let completed = move || todo.with(|todo| todo.as_ref().is_some_and(|todo| todo.completed));
    let editing = RwSignal::new(false);
    let input = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            _ = input.focus();
        }
    });
    // Leaving the input saves, and so does Enter; Escape has ended the editing before the input loses the focus.
    let save = move || {
        if !editing.get_untracked() {
            return;
        }
        editing.set(false);
        let edited =
            input.get_untracked().map(|input| input.value().trim().to_owned()).unwrap_or_default();
        if edited.is_empty() {
            commit.run(TodoEvent::Deleted { id: id.get_value() });
        } else if edited != untrack(text) {
            commit.run(TodoEvent::Renamed { id: id.get_value(), text: edited });
        }
    };
    let on_keydown = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.is_composing() => save(),
        "Escape" => editing.set(false),
        _ => {}
    };
    view! {
        <li class:completed=completed class:editing=move || editing.get()>
            <div class="view">
                <input
                    class="toggle"
                    type="checkbox"
                    aria-label=move || format!("Done: {}", text())
                    prop:checked=completed
                    on:change:target=move |event| {
                        commit.run(TodoEvent::Toggled { id: id.get_value(), completed: event.target().checked() });
                    }
                />
                <label on:dblclick=move |_| editing.set(true)>{text}</label>
                <button
                    class="destroy"
                    aria-label=move || format!("Delete: {}", text())
                    on:click=move |_| commit.run(TodoEvent::Deleted { id: id.get_value() })
                />
            </div>
            <Show when=move || editing.get()>
                <input
                    class="edit"
                    aria-label="Edit todo"
                    autocomplete="off"
                    node_ref=input
                    prop:value=untrack(text)
                    on:blur=move |_| save()
                    on:keydown=on_keydown
                />
            </Show>
        </li>
    }
}

/// How many are left, the three filters, and the button that clears what is done.
#[component]
fn Footer(filter: ReadSignal<Filter>) -> impl IntoView {
    let commit = use_commit::<TodoMvc>();
    let left = use_query(Todo::left);
    let done = use_query(Todo::done);
    let link = move |to: Filter| {
        view! {
            <li>
                <a href=to.hash() class:selected=move || filter.get() == to>{to.title()}</a>
            </li>
        }
    };
    view! {
        <footer class="footer">
            <span class="todo-count">
                <strong>{move || left.get()}</strong>
                {move || if left.get() == 1 { " item left" } else { " items left" }}
            </span>
            <ul class="filters">{Filter::EACH.map(link).collect_view()}</ul>
            <Show when=move || { done.get() > 0 }>
                <button
                    class="clear-completed"
                    on:click=move |_| commit.run(TodoEvent::CompletedCleared)
                >
                    "Clear completed"
                </button>
            </Show>
        </footer>
    }
}

/// A line that says where the todos are kept, how many events are still on their way there, and what they wait for.
#[component]
fn Status() -> impl IntoView {
    let mode = use_storage_mode();
    let pending = use_pending();
    let durability = use_durability();
    #[cfg(feature = "testing")]
    todomvc_schema::testing::drive(&use_store::<TodoMvc>());
    let leader = use_leader_status();
    let waits = move || match leader.get() {
        LeaderStatus::Attached | LeaderStatus::Attaching => String::new(),
        status => format!(", {status}"),
    };
    view! {
        <footer class="info">
            <Sharing/>
            <Refused/>
            <p>"Double-click to edit a todo"</p>
            <p
                class="status"
                role="status"
                data-storage=move || if matches!(mode.get(), StorageMode::Persisted { .. }) { "opfs" } else { "memory" }
                data-pending=move || pending.get().to_string()
                data-durability=move || match durability.get() {
                    Durability::Safe => "safe",
                    Durability::AtRisk => "at-risk",
                    Durability::InMemory => "in-memory",
                }
            >
                "Storage: " <span class="storage-mode">{move || mode.get().to_string()}</span> ", pending: "
                <span class="pending">{move || pending.get()}</span>
                <span class="leader">{waits}</span>
            </p>
        </footer>
    }
}

/// A line that says whether everybody who shares the list has the same; none for a list that is not shared.
#[component]
fn Sharing() -> impl IntoView {
    let network = use_network_status();
    let sync = use_sync_status();
    let line = Memo::new(move |_| sync_line(network.get(), &sync.read()));
    view! {
        <Show when=move || line.read().is_some()>
            <p
                class="sync"
                class:synced=move || sync.read().is_synced
                role="status"
                title=move || sync.read().error.as_deref().map(str::to_owned)
            >
                {line}
            </p>
        </Show>
    }
}

/// What has been refused, by the server or by what the list has become: to be tried again, or to be forgotten.
#[component]
fn Refused() -> impl IntoView {
    let rejections = use_rejections();
    view! {
        <ul class="refused" aria-live="polite">
            <For each=move || rejections.get().to_vec() key=|rejection| rejection.id let:rejection>
                <RefusedCommit rejection/>
            </For>
        </ul>
    }
}

#[component]
fn RefusedCommit(rejection: Rejection) -> impl IntoView {
    let store = StoredValue::new(use_store::<TodoMvc>());
    let why = RwSignal::new(rejection.reason.clone());
    let rejection = StoredValue::new(rejection);
    let retry = move |_| {
        spawn_local(async move {
            if let Err(error) = store.get_value().retry(&rejection.get_value()).await {
                why.set(error.to_string());
            }
        });
    };
    let dismiss = move |_| {
        spawn_local(async move {
            if let Err(error) = store.get_value().dismiss(&rejection.get_value()).await {
                why.set(error.to_string());
            }
        });
    };
    view! {
        <li>
            "refused: " <span class="reason">{why}</span>
            <button class="retry" on:click=retry>"Retry"</button>
            <button class="dismiss" on:click=dismiss>"Dismiss"</button>
        </li>
    }
}

#[component]
fn Problems(errors: ArcRwSignal<Errors>) -> impl IntoView {
    let each = move || {
        errors
            .get()
            .into_iter()
            .map(|(_, error)| view! { <li>{error.to_string()}</li> })
            .collect_view()
    };
    view! {
        <section class="problems" role="alert">
            <h1>"Something went wrong"</h1>
            <ul>{each}</ul>
        </section>
    }
}
