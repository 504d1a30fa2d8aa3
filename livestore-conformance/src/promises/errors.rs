//! Failures, and who is told.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use livestore_core::{Query, raw};

use crate::{
    binding::{App, Binding},
    schema::{Note, added, text},
};

/// Fails while a note's text is no JSON.
fn parsed() -> Query<Vec<i64>> {
    raw::<i64>("SELECT json_extract(text, '$.n') FROM notes ORDER BY id", ()).all()
}

pub fn failing_query<B: Binding>(app: &App<B>) {
    app.commit(text(1, r#"{"n":7}"#));
    let (_component, _, seen) = app.show(|| B::use_query(parsed), B::get);
    assert_eq!(seen.take(), [[7]]);
    assert!(app.binding.errors().is_empty());
    app.commit(text(2, "no JSON"));
    let errors = app.binding.errors();
    assert!(matches!(&errors[..], [one] if one.contains("malformed JSON")), "{errors:?}");
    assert!(seen.take().iter().all(|shown| *shown == [7]), "the last value stays");

    // One that fails from the start.
    let other = || raw::<i64>("SELECT json_extract(text, '$.n') FROM notes WHERE id = 2", ()).all();
    let (_component, _, seen) = app.show(move || B::use_query(other), B::get);
    assert!(seen.take().iter().all(Vec::is_empty), "at first: the default");
    assert_eq!(app.binding.errors().len(), 2);
}

pub fn try_query<B: Binding>(app: &App<B>) {
    app.commit(text(1, "{}x"));
    let look = |outcome| B::outcome(outcome).map_err(|error| error.to_string());
    let (_component, _, seen) = app.show(|| B::try_use_query(parsed), look);
    // A value that has no default.
    let (_component, _, one) = app.show(|| B::try_use_query(|| Note::query().one()), B::outcome);
    let shown = seen.take();
    assert!(matches!(&shown[..], [Err(text)] if text.contains("malformed JSON")), "{shown:?}");
    assert!(matches!(&one.take()[..], [Ok(note)] if note.id == 1));
    app.add(2);
    assert!(matches!(&one.take()[..], [Err(_)]), "two are not one");
    assert_eq!(app.binding.errors(), [""; 0]);
}

pub fn refused_commit<B: Binding>(app: &App<B>) {
    let (_component, commit, _) = app.show(B::use_commit, |_| ());
    app.handle(|| B::commit(commit, added(1)));
    assert_eq!(app.binding.errors(), [""; 0]);
    app.handle(|| B::commit(commit, text(2, "refuse me")));
    assert_eq!(app.binding.errors(), ["`v1.NoteAdded` was not applied: refused: as asked"]);
    assert_eq!(app.notes.query(Note::query().count()).ok(), Some(1));
}
