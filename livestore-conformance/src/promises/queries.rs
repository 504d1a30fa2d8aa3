//! Queries as signals.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use crate::{
    binding::{App, Binding, granted},
    schema::{Note, NoteEvent, added, note},
};

pub fn initial_value<B: Binding>(app: &App<B>) {
    app.add(1);
    let (_component, _, seen) = app.show(|| B::use_query(|| Note::query().count()), B::get);
    assert_eq!(seen.take(), [1]);
}

pub fn update<B: Binding>(app: &App<B>) {
    let (_component, _, seen) = app.show(|| B::use_query(|| Note::query().count()), B::get);
    app.add(1);
    assert_eq!(seen.take(), [0, 1]);
    app.commit([added(2), added(3)]);
    assert_eq!(seen.take(), [3]);
}

pub fn fresh_read<B: Binding>(app: &App<B>) {
    let (_component, count, seen) = app.show(|| B::use_query(|| Note::query().count()), B::get);
    let read = app.binding.handle(|| {
        let before = B::get(count);
        app.apply(added(1));
        (before, B::get(count))
    });
    assert_eq!(read, (0, 1));
    assert_eq!(seen.take(), [0], "nothing has been rendered");
    app.binding.settle();
    assert_eq!(seen.take(), [1]);
}

pub fn equal_queries_share<B: Binding>(app: &App<B>) {
    app.add(1);
    let all = || B::use_query(|| Note::query().order_by(Note::ID.asc()));
    let look = |rows: B::Query<Vec<Note>>| (B::address(rows), B::get(rows).len());
    let (_first, _, one) = app.show(all, look);
    let nodes = app.notes.node_count();
    let (second, _, another) = app.show(all, look);
    assert_eq!(one.take(), another.take());
    assert_eq!(app.notes.node_count(), nodes);
    app.binding.unmount(second);
    assert_eq!(app.notes.node_count(), nodes, "the first one still follows it");
    app.add(2);
    assert_eq!(one.take().iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [2]);
}

pub fn no_glitch<B: Binding>(app: &App<B>) {
    app.add(1);
    app.add(2);
    app.commit(NoteEvent::Swapped { from: 2, to: 1 });
    let stars = |id: i64| B::use_query(move || note(id).columns(Note::STARS));
    let hooks = move || {
        // The second through a closure that reads the first.
        let (one, two) = (stars(1), stars(2));
        let other =
            B::use_query(move || note(if B::get(one) == [1] { 2 } else { 1 }).columns(Note::STARS));
        (one, two, other)
    };
    let (_component, _, seen) =
        app.show(hooks, |(one, two, other)| [B::get(one), B::get(two), B::get(other)].concat());
    assert_eq!(seen.take(), [[1, 0, 0]]);
    app.commit(NoteEvent::Swapped { from: 1, to: 2 });
    assert_eq!(seen.take(), [[0, 1, 0]]);
    app.commit(NoteEvent::Swapped { from: 2, to: 1 });
    assert_eq!(seen.take(), [[1, 0, 0]]);
}

pub fn closure_follows<B: Binding>(app: &App<B>) {
    for id in 1..=3 {
        app.add(id);
    }
    let hooks = || {
        let from = B::use_local(1);
        let query = B::use_query(move || Note::query().filter(Note::ID.ge(B::local(from))).count());
        (from, query)
    };
    let (_component, (from, count), seen) = app.show(hooks, |(_, count)| B::get(count));
    app.handle(|| B::set(from, 3));
    assert_eq!(seen.take(), [3, 1]);
    app.add(4);
    assert_eq!(seen.take(), [2]);
    let read = app.binding.handle(|| {
        B::set(from, 4);
        B::get(count)
    });
    assert_eq!(read, 1, "before anything is rendered");
    app.binding.settle();
    assert_eq!(seen.take(), [1]);
}

pub fn closure_equal<B: Binding>(app: &App<B>) {
    let hooks = || {
        let signal = B::use_local(0);
        let query = B::use_query(move || {
            B::local(signal);
            Note::query().count()
        });
        (signal, query)
    };
    let (_component, (signal, _), seen) = app.show(hooks, |(_, count)| B::get(count));
    assert_eq!(seen.take(), [0]);
    app.handle(|| B::set(signal, 1));
    assert_eq!(seen.take(), [0; 0]);
    app.add(1);
    assert_eq!(seen.take(), [1]);
}

pub fn closure_equal_value<B: Binding>(app: &App<B>) {
    app.add(1);
    let hooks = || {
        let from = B::use_local(-1);
        let query = B::use_query(move || Note::query().filter(Note::ID.gt(B::local(from))).count());
        (from, query)
    };
    let (_component, (from, _), seen) = app.show(hooks, |(_, count)| B::get(count));
    app.handle(|| B::set(from, 0));
    assert_eq!(seen.take(), [1], "that is the first render");
    app.add(2);
    app.handle(|| B::set(from, 1));
    assert_eq!(seen.take(), [2, 1], "it follows the new query");
}

pub fn chain_is_fresh<B: Binding>(app: &App<B>) {
    for id in 1..=3 {
        app.add(id);
    }
    let nothing = app.notes.node_count();
    let hooks = || {
        let first = B::use_local(1_i64);
        let from = B::use_query(move || Note::query().filter(Note::ID.ge(B::local(first))).count());
        // Reads the result of one query to make the next.
        let middle = B::use_query(move || {
            note(i64::try_from(B::get(from)).unwrap_or_default()).columns(Note::ID)
        });
        let last = B::use_query(move || {
            note(B::get(middle).first().copied().unwrap_or_default()).columns(Note::TEXT)
        });
        (first, last)
    };
    let (component, (first, last), _seen) = app.show(hooks, |(_, last)| B::get(last));
    let check = |set: i64, expected: &[&str]| {
        let read = app.binding.handle(|| {
            B::set(first, set);
            B::get(last)
        });
        assert_eq!(read, expected, "first = {set}");
    };
    check(1, &["note 3"]);
    check(2, &["note 2"]);
    check(9, &[]);
    check(3, &["note 1"]);
    app.add(4);
    check(3, &["note 2"]);
    app.binding.settle();
    let followed = app.notes.node_count();
    for set in 1..50 {
        app.handle(|| B::set(first, set));
    }
    app.handle(|| B::set(first, 3));
    assert_eq!(app.notes.node_count(), followed, "queries that were left are not followed");
    app.binding.unmount(component);
    assert_eq!(app.notes.node_count(), nothing);
}

pub fn another_thread<B: Binding>(app: &App<B>) {
    let (_component, _, seen) = app.show(|| B::use_query(|| Note::query().count()), B::get);
    assert_eq!(seen.take(), [0]);
    let notes = app.notes.clone();
    let other = std::thread::spawn(move || drop(granted(notes.commit(added(1)))));
    granted(other.join());
    let last = std::cell::Cell::new(0);
    app.until("the other thread's commit shows", || {
        last.set(seen.take().last().copied().unwrap_or(last.get()));
        last.get() == 1
    });
}
