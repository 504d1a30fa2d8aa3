//! What the page looks like, on the server and in the browser.

use leptos::{config::LeptosOptions, ev::KeyboardEvent, prelude::*};
use livestore_leptos::{
    StoreOptions, StoreProvider, new_id, use_client_document, use_commit, use_pending, use_query,
    use_storage_mode,
};

use crate::schema::{Draft, Shopping, ShoppingEvent, Thing};

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 3rem auto; padding: 0 1rem; color: #222 }
input:not(.toggle) { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
ul { list-style: none; padding: 0 }
.completed label { text-decoration: line-through; color: #777 }
.status, .loading { color: #666; font-size: .9rem }
.problems { color: #a00 }";

/// The document around the app; only the server renders it.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <title>"livestore + Leptos: hydration"</title>
                <link rel="icon" href="data:,"/>
                <style>{STYLE}</style>
                <HydrationScripts options/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// The page's body: what the server and the first render in the browser agree on.
#[component]
pub(crate) fn App() -> impl IntoView {
    let options = StoreOptions::<Shopping>::new("shopping").persisted();
    view! {
        <h1>"Shopping"</h1>
        <ErrorBoundary fallback=|errors| view! { <Problems errors/> }>
            <StoreProvider options fallback=|| view! { <p class="loading">"Loading…"</p> }>
                <NewThing/>
                <Things/>
                <Status/>
            </StoreProvider>
        </ErrorBoundary>
    }
}

#[component]
fn NewThing() -> impl IntoView {
    let commit = use_commit::<Shopping>();
    let draft = use_client_document::<Draft>();
    let on_keydown = move |event: KeyboardEvent| {
        let name = draft.with_untracked(|draft| draft.name.trim().to_owned());
        if event.key() == "Enter" && !name.is_empty() {
            commit.run(ShoppingEvent::Needed { id: new_id(), name });
            draft.set(Draft::default());
        }
    };
    view! {
        <input
            class="new-todo"
            placeholder="What do you need?"
            aria-label="New thing"
            autocomplete="off"
            prop:value=move || draft.with(|draft| draft.name.clone())
            on:input:target=move |event| draft.update(|draft| draft.name = event.target().value())
            on:keydown=on_keydown
        />
    }
}

#[component]
fn Things() -> impl IntoView {
    let ids = use_query(|| Thing::query().order_by(Thing::ID.asc()).columns(Thing::ID));
    view! {
        <ul class="todo-list">
            <For each=move || ids.get() key=String::clone let(id)>
                <Item id/>
            </For>
        </ul>
    }
}

#[component]
fn Item(id: String) -> impl IntoView {
    let commit = use_commit::<Shopping>();
    let thing = use_query({
        let id = id.clone();
        move || Thing::query().filter(Thing::ID.eq(&id)).first()
    });
    let bought = move || thing.with(|thing| thing.as_ref().is_some_and(|thing| thing.bought));
    let name = move || thing.with(|thing| thing.as_ref().map(|thing| thing.name.clone()));
    view! {
        <li class:completed=bought>
            <label>
                <input
                    class="toggle"
                    type="checkbox"
                    prop:checked=bought
                    on:change:target=move |event| {
                        let bought = event.target().checked();
                        commit.run(ShoppingEvent::Bought { id: id.clone(), bought });
                    }
                />
                {name}
            </label>
        </li>
    }
}

#[component]
fn Status() -> impl IntoView {
    let mode = use_storage_mode();
    let pending = use_pending();
    view! {
        <p class="status" role="status">
            "Storage: " {move || mode.get().to_string()} ", pending: " {pending}
        </p>
    }
}

#[component]
fn Problems(errors: ArcRwSignal<Errors>) -> impl IntoView {
    let each = move || {
        let errors = errors.get().into_iter();
        errors.map(|(_, error)| view! { <li>{error.to_string()}</li> }).collect_view()
    };
    view! { <ul class="problems" role="alert">{each}</ul> }
}
