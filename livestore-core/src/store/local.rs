//! Callbacks that may not leave the thread that subscribed them.
//!
//! Such a callback lives in a thread-local table; what the store holds is its number and its thread's mailbox. If the
//! round runs on that thread, the callback runs at once, otherwise it waits in the mailbox until its thread looks.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    rc::Rc,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};

use super::{callbacks::Subscription, connection::locked};

thread_local! {
    static HERE: Thread = Thread {
        callbacks: RefCell::default(),
        next: Cell::new(0),
        mailbox: Arc::new(Mailbox { thread: thread::current().id(), waiting: Mutex::default() }),
    };
}

struct Thread {
    callbacks: RefCell<BTreeMap<u64, Rc<dyn Fn()>>>,
    next: Cell<u64>,
    mailbox: Arc<Mailbox>,
}

#[derive(Debug)]
struct Mailbox {
    thread: ThreadId,
    waiting: Mutex<BTreeSet<u64>>,
}

/// Keeps a local callback subscribed; dropping it ends that. Stays on its thread.
#[derive(Debug)]
#[must_use = "dropping a subscription ends it"]
pub struct LocalSubscription {
    number: u64,
    _subscription: Subscription,
    _here: PhantomData<Rc<()>>,
}

impl LocalSubscription {
    /// `follow` subscribes what it is given to whatever is followed.
    pub(super) fn new(
        callback: impl Fn() + 'static,
        follow: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> Subscription,
    ) -> Self {
        let (number, mailbox) = HERE.with(|here| {
            let number = here.next.get();
            here.next.set(number + 1);
            here.callbacks.borrow_mut().insert(number, Rc::new(callback));
            (number, Arc::clone(&here.mailbox))
        });
        let subscription = follow(Box::new(move || {
            locked(&mailbox.waiting).insert(number);
            if mailbox.thread == thread::current().id() {
                deliver();
            }
        }));
        Self { number, _subscription: subscription, _here: PhantomData }
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        // The thread may be ending, and its table with it.
        let removed = HERE.try_with(|here| here.callbacks.borrow_mut().remove(&self.number));
        // Dropped with no borrow held: the callback may own other subscriptions.
        drop(removed);
    }
}

/// Runs this thread's callbacks that wait, in the order of subscribing.
pub(super) fn deliver() {
    while let Some(callback) = HERE.with(Thread::next_waiting) {
        callback();
    }
}

impl Thread {
    fn next_waiting(&self) -> Option<Rc<dyn Fn()>> {
        loop {
            let number = locked(&self.mailbox.waiting).pop_first()?;
            // One that has ended in the meantime is passed over.
            if let Some(callback) = self.callbacks.borrow().get(&number) {
                return Some(Rc::clone(callback));
            }
        }
    }
}
