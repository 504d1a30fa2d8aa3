//! A hook's closure: run in Dioxus's reactive scope, again when something it reads has changed.
//!
//! What it reads makes it *stale* at once; the closures that depend on it are stale then, too, so that a synchronous
//! read through a chain of them is fresh. Components, memos and effects are told only after it has run again and its
//! query turned out to be another one: until then nothing that they show has changed.

use std::{
    cell::RefCell,
    collections::HashSet,
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use dioxus::core::{Callback, ReactiveContext, Subscribers, current_scope_id};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};

use crate::slot::tell_closures;

thread_local! {
    /// The contexts of all closures of this thread that exist.
    static CLOSURES: RefCell<HashSet<ReactiveContext>> = RefCell::default();
}

pub(crate) fn is_closure(reader: &ReactiveContext) -> bool {
    CLOSURES.with_borrow(|closures| closures.contains(reader))
}

/// What a component gave to a hook, and whether it has to run again.
pub(crate) struct Closure<Q: 'static> {
    run: Callback<(), Q>,
    context: ReactiveContext,
    stale: Arc<AtomicBool>,
}

impl<Q> Closure<Q> {
    /// `readers` are those of what the closure is for. The receiver hears when it becomes stale.
    pub(crate) fn new(
        run: Callback<(), Q>,
        readers: Subscribers,
        at: &'static Location<'static>,
    ) -> (Self, UnboundedReceiver<()>) {
        let stale = Arc::new(AtomicBool::new(true));
        let (wake, woken) = unbounded();
        let note = {
            let stale = Arc::clone(&stale);
            move || {
                if !stale.swap(true, Ordering::Relaxed) {
                    tell_closures(&readers);
                    // Whoever listened may be gone already.
                    drop(wake.unbounded_send(()));
                }
            }
        };
        let context = ReactiveContext::new_with_callback(note, current_scope_id(), at);
        CLOSURES.with_borrow_mut(|closures| closures.insert(context));
        (Self { run, context, stale }, woken)
    }

    /// Runs it if it is stale.
    pub(crate) fn run_if_stale(&self) -> Option<Q> {
        // Before it runs: what changes meanwhile makes it stale again.
        self.stale
            .swap(false, Ordering::Relaxed)
            .then(|| self.context.reset_and_run_in(|| self.run.call(())))
    }
}

impl<Q> Drop for Closure<Q> {
    fn drop(&mut self) {
        // The thread may be ending, and its table with it.
        let _ = CLOSURES.try_with(|closures| closures.borrow_mut().remove(&self.context));
    }
}
