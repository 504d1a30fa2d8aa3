//! How TodoMVC looks and answers to the mouse and the keyboard. The class names are those of the TodoMVC specification.

use leptos::html::Input;
use leptos::prelude::*;

use crate::filter::{Filter, use_filter};
use crate::todos::Todos;

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    let todos = Todos::new();
    let filter = use_filter();
    let any = Memo::new(move |_| !todos.all().read().is_empty());
    view! {
        <section class="todoapp">
            <header class="header">
                <h1>"todos"</h1>
                <NewTodo todos/>
            </header>
            <Show when=move || any.get()>
                <TodoList todos filter/>
                <Footer todos filter/>
            </Show>
        </section>
        <footer class="info">
            <p>"Double-click to edit a todo"</p>
        </footer>
    }
}

/// The input that Enter makes a todo of.
#[component]
fn NewTodo(todos: Todos) -> impl IntoView {
    let draft = RwSignal::new(String::new());
    let on_keydown = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" && !event.is_composing() {
            todos.create(&draft.get_untracked());
            draft.set(String::new());
        }
    };
    view! {
        <input
            class="new-todo"
            placeholder="What needs to be done?"
            aria-label="New todo"
            autofocus
            autocomplete="off"
            prop:value=move || draft.get()
            on:input:target=move |event| draft.set(event.target().value())
            on:keydown=on_keydown
        />
    }
}

/// The todos that the filter shows, and the box that marks all.
#[component]
fn TodoList(todos: Todos, filter: ReadSignal<Filter>) -> impl IntoView {
    let all = todos.all();
    let all_completed = Memo::new(move |_| all.read().iter().all(|todo| todo.completed));
    let shown = move || {
        let filter = filter.get();
        all.read()
            .iter()
            .filter(|todo| filter.shows(todo))
            .map(|todo| todo.id.clone())
            .collect::<Vec<_>>()
    };
    view! {
        <main class="main">
            <input
                id="toggle-all"
                class="toggle-all"
                type="checkbox"
                prop:checked=move || all_completed.get()
                on:change:target=move |event| todos.set_all_completed(event.target().checked())
            />
            <label for="toggle-all">"Mark all as complete"</label>
            <ul class="todo-list">
                <For each=shown key=String::clone let:id>
                    <Item todos id/>
                </For>
            </ul>
        </main>
    }
}

/// One todo: its box, its text, its button; or, while it is edited, an input.
#[component]
fn Item(todos: Todos, id: String) -> impl IntoView {
    let todo = todos.one(id.clone());
    let id = StoredValue::new(id);
    let text = move || todo.read().text.clone();
    let completed = move || todo.read().completed;
    let editing = RwSignal::new(false);
    let input = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            _ = input.focus();
        }
    });
    // Leaving the input saves, and so does Enter; Escape has ended the editing before the input loses the focus.
    let save = move || {
        if editing.get_untracked() {
            editing.set(false);
            let text = input.get_untracked().map(|input| input.value()).unwrap_or_default();
            id.with_value(|id| todos.rename(id, &text));
        }
    };
    let on_keydown = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
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
                    on:change:target=move |event| id.with_value(|id| todos.set_completed(id, event.target().checked()))
                />
                <label on:dblclick=move |_| editing.set(true)>{text}</label>
                <button
                    class="destroy"
                    aria-label=move || format!("Delete: {}", text())
                    on:click=move |_| id.with_value(|id| todos.delete(id))
                />
            </div>
            <Show when=move || editing.get()>
                <input
                    class="edit"
                    aria-label="Edit todo"
                    autocomplete="off"
                    node_ref=input
                    prop:value=todo.get_untracked().text
                    on:blur=move |_| save()
                    on:keydown=on_keydown
                />
            </Show>
        </li>
    }
}

/// How many are left, the three filters, and the button that clears what is done.
#[component]
fn Footer(todos: Todos, filter: ReadSignal<Filter>) -> impl IntoView {
    let all = todos.all();
    let left = Memo::new(move |_| all.read().iter().filter(|todo| !todo.completed).count());
    let any_completed = Memo::new(move |_| all.read().iter().any(|todo| todo.completed));
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
                <strong>{left}</strong>
                {move || if left.get() == 1 { " item left" } else { " items left" }}
            </span>
            <ul class="filters">{Filter::EACH.map(link).collect_view()}</ul>
            <Show when=move || any_completed.get()>
                <button class="clear-completed" on:click=move |_| todos.clear_completed()>"Clear completed"</button>
            </Show>
        </footer>
    }
}
