//! What the events make of the list, in a store without a user interface.

use futures_executor::block_on;
use livestore_core::{Store, StoreOptions};
use todomvc_schema::{Filter, Todo, TodoEvent, TodoMvc};

fn created(id: &str) -> TodoEvent {
    TodoEvent::Created { id: id.to_owned(), text: format!("text {id}") }
}

fn renamed(id: &str, text: &str) -> TodoEvent {
    TodoEvent::Renamed { id: id.to_owned(), text: text.to_owned() }
}

fn toggled(id: &str, completed: bool) -> TodoEvent {
    TodoEvent::Toggled { id: id.to_owned(), completed }
}

fn deleted(id: &str) -> TodoEvent {
    TodoEvent::Deleted { id: id.to_owned() }
}

/// After the todos a, b and c were created and these events have happened, this is the list; `[x]` before what is done.
#[track_caller]
fn check(events: &[TodoEvent], expected: &[&str]) {
    let options = StoreOptions::<TodoMvc>::new("todomvc");
    let store = block_on(Store::open(options)).expect("a store in memory opens");
    for event in ["a", "b", "c"].map(created).iter().chain(events) {
        store.commit(event.clone()).expect("committed");
    }
    let line = |todo: &Todo| format!("{}{}", if todo.completed { "[x] " } else { "" }, todo.text);
    let todos = store.query(Todo::query().order_by(Todo::ID.asc())).expect("todos");
    assert_eq!(todos.iter().map(line).collect::<Vec<_>>(), expected);

    // The other queries agree with the list.
    let ids = |keep: fn(&Todo) -> bool| {
        todos.iter().filter(|todo| keep(todo)).map(|todo| todo.id.clone()).collect::<Vec<_>>()
    };
    let (active, completed) = (ids(|todo| !todo.completed), ids(|todo| todo.completed));
    assert_eq!(store.query(Filter::All.ids()).expect("ids"), ids(|_| true));
    assert_eq!(store.query(Filter::Active.ids()).expect("ids"), active);
    assert_eq!(store.query(Filter::Completed.ids()).expect("ids"), completed);
    let counts = [Todo::total(), Todo::left(), Todo::done()];
    let counts = counts.map(|query| store.query(query).expect("a count"));
    assert_eq!(counts, [todos.len(), active.len(), completed.len()].map(|n| n as u64));
}

#[test]
fn events_make_the_list() {
    check(&[], &["text a", "text b", "text c"]);
    check(&[renamed("b", "B")], &["text a", "B", "text c"]);
    check(&[toggled("a", true)], &["[x] text a", "text b", "text c"]);
    check(&[toggled("a", true), toggled("a", false)], &["text a", "text b", "text c"]);
    check(&[toggled("a", true), renamed("a", "A")], &["[x] A", "text b", "text c"]);
    check(&[deleted("b")], &["text a", "text c"]);
    check(&[TodoEvent::CompletedCleared], &["text a", "text b", "text c"]);
    check(&[toggled("b", true), TodoEvent::CompletedCleared], &["text a", "text c"]);
    let all = TodoEvent::AllToggled { completed: true };
    check(std::slice::from_ref(&all), &["[x] text a", "[x] text b", "[x] text c"]);
    check(&[all, TodoEvent::CompletedCleared], &[]);
}

#[test]
fn an_event_about_a_todo_that_is_gone_changes_nothing() {
    let others = ["text a", "text c"];
    check(&[deleted("b"), renamed("b", "B")], &others);
    check(&[deleted("b"), toggled("b", true)], &others);
    check(&[deleted("b"), deleted("b")], &others);
}
