//! Stores: which one a hook finds, and what it remembers.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use crate::{
    binding::{App, Binding, granted},
    schema::{Entry, Filter, Journal, JournalEvent, Note, Notes, added},
};
use futures_executor::block_on;

pub fn two_stores<B: Binding>(app: &App<B>) {
    let (notes, journal) = (app.notes.clone(), app.journal.clone());
    let hooks = move || {
        assert_eq!(
            (B::use_store::<Notes>(), B::use_store::<Journal>()),
            (notes.clone(), journal.clone())
        );
        let entries = B::use_query_in(&journal, || Entry::query().count());
        (B::use_query(|| Note::query().count()), entries)
    };
    let (_component, _, seen) =
        app.show(hooks, |(notes, entries)| (B::get(notes), B::get(entries)));
    app.add(1);
    let _ = app.journal.commit([JournalEvent::Entered { id: 1 }, JournalEvent::Entered { id: 2 }]);
    app.binding.settle();
    assert_eq!(seen.take(), [(0, 0), (1, 0), (1, 2)]);
}

pub fn reload<B: Binding>(_memory: &App<B>) {
    let directory = granted(tempfile::tempdir());
    let app = App::<B>::start_in(directory.path());
    let (_component, filter, _) = app.show(B::use_client_document, B::document);
    app.handle(|| B::update(filter, |filter| filter.word = "kept".into()));
    granted(block_on(app.apply(added(1)).persisted()));
    block_on(app.notes.shutdown(std::time::Duration::from_secs(10)));
    drop(app);

    let app = App::<B>::start_in(directory.path());
    let hooks = || (B::use_client_document(), B::use_query(|| Note::query().columns(Note::TEXT)));
    let (_component, _, seen) =
        app.show(hooks, |(filter, texts)| (B::document(filter), B::get(texts)));
    let filter = Filter { word: "kept".into(), starred: false };
    assert_eq!(seen.take(), [(filter, vec!["note 1".to_owned()])]);
}
