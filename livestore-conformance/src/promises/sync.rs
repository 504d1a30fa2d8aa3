//! Sync: what a status line shows, and what other clients' commits do to a page.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use futures_executor::block_on;
use livestore_core::{NetworkStatus, Store, StoreOptions};

use crate::{
    backend::{Backend, REFUSED},
    binding::{App, Binding, granted},
    schema::{Note, Notes, added, text},
};

/// Another client of the same store.
fn other(backend: &Backend) -> Store<Notes> {
    granted(block_on(Store::open(StoreOptions::new("notes").sync(backend.options()))))
}

fn confirm(store: &Store<Notes>, id: i64) {
    granted(block_on(granted(store.commit(added(id))).confirmed()));
}

pub fn sync_status<B: Binding>(_alone: &App<B>) {
    let backend = Backend::start();
    let app = App::<B>::start_synced(backend.options().paused());
    let (_component, sync, seen) = app.show(B::use_sync_status, |sync| {
        let sync = B::status(sync);
        (sync.session, sync.pending, sync.is_synced)
    });
    assert_eq!(seen.take(), [(0, 0, false)]);
    app.add(1);
    assert!(seen.take().contains(&(1, 1, false)), "it is pending");
    app.notes.resume_sync();
    app.until("the backend has it", || app.handle(|| B::status(sync)).is_synced);
    assert_eq!(seen.take().last(), Some(&(1, 0, true)));
    confirm(&other(&backend), 2);
    app.until("another client's is here", || seen.take().contains(&(2, 0, true)));
}

pub fn network_status<B: Binding>(_alone: &App<B>) {
    let mut backend = Backend::start();
    let app = App::<B>::start_synced(backend.options());
    let (_component, _, seen) = app.show(B::use_network_status, B::status);
    let shows = |expected| {
        app.until("the status is shown", || seen.take().last() == Some(&expected));
    };
    app.until("it connects", || app.notes.network_status() == NetworkStatus::Online);
    app.binding.settle();
    assert_eq!(seen.take().last(), Some(&NetworkStatus::Online));
    backend.go_offline();
    shows(NetworkStatus::Offline);
    backend.go_online();
    app.notes.retry_sync();
    shows(NetworkStatus::Online);
    app.notes.pause_sync();
    shows(NetworkStatus::Paused);
}

pub fn rejections<B: Binding>(_alone: &App<B>) {
    let backend = Backend::start();
    let app = App::<B>::start_synced(backend.options());
    let hooks = || (B::use_rejections(), B::use_query(|| Note::query().columns(Note::ID)));
    let (_component, _, seen) =
        app.show(hooks, |(rejections, ids)| (B::status(rejections).len(), B::get(ids)));
    app.commit(text(1, REFUSED));
    assert_eq!(seen.take(), [(0, vec![]), (0, vec![1])], "it shows at once");
    app.until("it is taken back and listed", || seen.take().last() == Some(&(1, vec![])));
    let rejection = app.notes.rejections()[0].clone();
    assert!(rejection.reason.contains("as asked"), "{rejection:?}");
    granted(block_on(app.notes.dismiss(&rejection)));
    app.until("it is gone", || seen.take().last() == Some(&(0, vec![])));
}

pub fn rebase_is_one_render<B: Binding>(_alone: &App<B>) {
    let backend = Backend::start();
    let app = App::<B>::start_synced(backend.options().paused());
    let hooks = || {
        (B::use_query(|| Note::query().columns(Note::ID)), B::use_query(|| Note::query().count()))
    };
    let (_component, _, seen) = app.show(hooks, |(ids, count)| (B::get(ids), B::get(count)));
    app.add(7);
    confirm(&other(&backend), 3);
    seen.take();
    app.notes.resume_sync();
    // What is pending here was rolled back and applied again, and nobody saw it.
    let shown = std::cell::RefCell::new(Vec::new());
    app.until("the other client's note is here", || {
        shown.borrow_mut().extend(seen.take());
        !shown.borrow().is_empty()
    });
    assert_eq!(shown.take(), [(vec![3, 7], 2)]);
}
