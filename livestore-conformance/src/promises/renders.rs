//! Who is rendered, and who is not.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use crate::{
    binding::{App, Binding, Seen},
    schema::{Note, NoteEvent, Tag, added, note, tagged},
};

pub fn cut_off<B: Binding>(app: &App<B>) {
    app.add(1);
    app.add(2);
    let (_row, _, row) = app.show(|| B::use_query(|| note(1).first()), B::get);
    let (_text, _, text) = app.show(|| B::use_query(|| note(1).columns(Note::TEXT)), B::get);
    let (_tags, _, tags) = app.show(|| B::use_query(|| Tag::query().count()), B::get);
    assert_eq!([row.take().len(), text.take().len(), tags.take().len()], [1, 1, 1]);
    let check = |event: NoteEvent, expected: [usize; 3]| {
        let what = format!("{event:?}");
        app.commit(event);
        assert_eq!([row.take().len(), text.take().len(), tags.take().len()], expected, "{what}");
    };
    check(tagged("a"), [0, 0, 1]);
    check(added(3), [0, 0, 0]);
    check(NoteEvent::Starred { id: 2 }, [0, 0, 0]);
    check(NoteEvent::Starred { id: 1 }, [1, 0, 0]);
    check(tagged("a"), [0, 0, 0]);
    check(tagged("b"), [0, 0, 1]);
}

pub fn equal_value<B: Binding>(app: &App<B>) {
    app.add(1);
    let hooks = || {
        B::use_query(|| {
            let some = Note::query().filter(Note::STARS.ge(0));
            some.order_by(Note::ID.asc()).limit(1).columns(Note::ID)
        })
    };
    let (_component, _, seen) = app.show(hooks, B::get);
    assert_eq!(seen.take(), [[1]]);
    app.commit(NoteEvent::Starred { id: 1 });
    assert!(seen.take().is_empty(), "the query ran again and gave the same");
}

/// Components, what the list has shown, and what the rows have.
type Thousand<B> = (Vec<<B as Binding>::Component>, Seen<usize>, Seen<(i64, i64)>);

/// A list of the ids, and a component for each row.
fn thousand<B: Binding>(app: &App<B>) -> Thousand<B> {
    let all: Vec<NoteEvent> = (1..=1_000).map(added).collect();
    app.apply(all);
    let (list, rows) = (Seen::default(), Seen::default());
    let mut components = vec![app.binding.mount(
        || B::use_query(|| Note::query().order_by(Note::ID.asc()).columns(Note::ID)),
        {
            let list = list.clone();
            move |ids: B::Query<Vec<i64>>| list.note(B::get(ids).len())
        },
    )];
    for id in 1..=1_000 {
        let rows = rows.clone();
        let hooks = move || B::use_query(move || note(id).first());
        components.push(app.binding.mount(hooks, move |row| {
            rows.note((id, B::get(row).map_or(-1, |note| note.stars)));
        }));
    }
    app.binding.settle();
    assert_eq!(list.take(), [1_000]);
    assert_eq!(rows.take().len(), 1_000);
    (components, list, rows)
}

pub fn one_of_a_thousand<B: Binding>(app: &App<B>) {
    let (_components, list, rows) = thousand(app);
    app.commit(NoteEvent::Starred { id: 500 });
    assert_eq!(rows.take(), [(500, 1)]);
    assert!(list.take().is_empty(), "the list shows only ids");
}

pub fn another_table<B: Binding>(app: &App<B>) {
    let (_components, list, rows) = thousand(app);
    app.commit(tagged("a"));
    assert!(rows.take().is_empty() && list.take().is_empty());
}
