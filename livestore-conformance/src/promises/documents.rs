//! Client documents as signals that can be written.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use crate::{
    binding::{App, Binding},
    schema::{Filter, Note, NoteEvent, added, note},
};

pub fn document_is_a_signal<B: Binding>(app: &App<B>) {
    let (_component, filter, seen) = app.show(B::use_client_document, B::document);
    assert_eq!(seen.take(), [Filter::default()]);
    app.handle(|| B::update(filter, |filter| filter.word.push('a')));
    app.handle(|| B::update(filter, |filter| filter.starred = true));
    let whole = |word: &str, starred| Filter { word: word.into(), starred };
    assert_eq!(seen.take(), [whole("a", false), whole("a", true)]);
    app.handle(|| B::update(filter, |filter| filter.word = "a".into()));
    assert!(seen.take().is_empty(), "that was no change");
    let read = app.handle(|| {
        B::update(filter, |filter| filter.word.push('b'));
        let read = B::document(filter);
        B::update(filter, |filter| filter.word.push('c'));
        read
    });
    assert_eq!(read, whole("ab", true));
    assert_eq!(seen.take(), [whole("abc", true)]);
}

/// A document, and the rows that it chooses.
fn use_filtered<B: Binding>() -> (B::Document, B::Query<Vec<i64>>) {
    let filter = B::use_client_document();
    let shown = B::use_query(move || {
        let notes = Note::query().order_by(Note::ID.asc()).columns(Note::ID);
        if B::document(filter).starred { notes.filter(Note::STARS.gt(0)) } else { notes }
    });
    (filter, shown)
}

pub fn batch_is_one_moment<B: Binding>(app: &App<B>) {
    app.add(1);
    let hooks = || {
        let (filter, shown) = use_filtered::<B>();
        // Of the first of what is shown.
        let stars = B::use_query(move || {
            note(B::get(shown).first().copied().unwrap_or_default()).columns(Note::STARS)
        });
        (filter, shown, stars)
    };
    let look = |(filter, shown, stars)| (B::document(filter).starred, B::get(shown), B::get(stars));
    let (_component, handles, seen) = app.show(hooks, look);
    assert_eq!(seen.take(), [(false, vec![1], vec![0])]);
    app.handle(|| {
        app.notes.batch(|| {
            app.apply(added(2));
            assert_eq!(look(handles), (false, vec![1, 2], vec![0]));
            B::update(handles.0, |filter| filter.starred = true);
            assert_eq!(look(handles), (true, vec![], vec![]));
            app.apply(NoteEvent::Starred { id: 2 });
            assert_eq!(look(handles), (true, vec![2], vec![1]));
        });
    });
    assert_eq!(seen.take(), [(true, vec![2], vec![1])]);
}

pub fn document_and_rows<B: Binding>(app: &App<B>) {
    app.add(1);
    let (_component, (filter, _), seen) =
        app.show(use_filtered::<B>, |(filter, shown)| (B::document(filter).starred, B::get(shown)));
    assert_eq!(seen.take(), [(false, vec![1])]);
    app.handle(|| {
        app.notes.batch(|| {
            app.apply((added(2), NoteEvent::Starred { id: 2 }));
            B::update(filter, |filter| filter.starred = true);
        });
    });
    assert_eq!(seen.take(), [(true, vec![2])]);
    app.handle(|| B::update(filter, |filter| filter.starred = false));
    assert_eq!(seen.take(), [(false, vec![1, 2])]);
}
