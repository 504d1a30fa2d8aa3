//! What is followed, for how long.

#![allow(missing_docs, reason = "each has its sentence in the table")]

use std::{cell::RefCell, rc::Rc};

use crate::{
    binding::{App, Binding},
    schema::{Note, added},
};

pub fn unread_is_not_followed<B: Binding>(app: &App<B>) {
    let nothing = app.notes.node_count();
    let (_component, query, _) = app.show(|| B::use_query(|| Note::query().count()), |_| ());
    assert_eq!(app.notes.node_count(), nothing);
    assert_eq!(app.handle(|| B::get(query)), 0);
    assert_ne!(app.notes.node_count(), nothing);
}

pub fn unmounted_is_forgotten<B: Binding>(app: &App<B>) {
    let nothing = app.notes.node_count();
    let (component, _, seen) = app.show(|| B::use_query(|| Note::query().count()), B::get);
    assert_ne!(app.notes.node_count(), nothing);
    app.binding.unmount(component);
    assert_eq!(app.notes.node_count(), nothing);
    seen.take();
    app.add(1);
    assert!(seen.take().is_empty());
}

pub fn unmounted_while_told<B: Binding>(app: &Rc<App<B>>) {
    let nothing = app.notes.node_count();
    let count = || B::use_query(|| Note::query().count());
    let (first, _, before) = app.show(count, B::get);
    let victims = Rc::new(RefCell::new(Vec::new()));
    // Told between the two components, of the same change.
    let subscription = {
        let (app, victims) = (Rc::clone(app), Rc::clone(&victims));
        app.notes.clone().subscribe_local(Note::query().count(), move |_| {
            let victims = victims.take();
            victims.into_iter().for_each(|victim| app.binding.unmount(victim));
        })
    };
    let (last, _, after) = app.show(count, B::get);
    victims.replace(vec![last, first]);
    app.add(1);
    assert!(victims.borrow().is_empty(), "they were unmounted");
    drop(subscription);
    assert_eq!(app.notes.node_count(), nothing);
    let _ = (before.take(), after.take());
    app.add(2);
    assert!(before.take().is_empty() && after.take().is_empty(), "they see no more");
}

pub fn dead_handles<B: Binding>(app: &App<B>) {
    let (component, commit, _) = app.show(B::use_commit, |_| ());
    app.binding.unmount(component);
    app.handle(|| B::commit(commit, added(1)));
    assert_eq!(app.notes.query(Note::query().count()).ok(), Some(0));
    assert_eq!(app.binding.errors(), [""; 0]);
}
