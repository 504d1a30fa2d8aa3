//! Who is told when a query's value, or the store's status, has changed.
//!
//! Kept beside the engine's lock, not under it: subscribing and unsubscribing work from anywhere, also from inside a
//! callback, a materializer or another thread. A callback that was removed is not called any more, not even in a round
//! that has begun; one that was added is first called in the next round.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, Weak},
};

type Callback = Arc<dyn Fn() + Send + Sync>;

/// What a callback panicked with.
pub(super) type Panic = Box<dyn Any + Send>;

#[derive(Debug)]
pub(super) struct Callbacks<K>(Mutex<Table<K>>);

struct Table<K> {
    next: u64,
    by_topic: HashMap<K, BTreeMap<u64, Callback>>,
}

impl<K> std::fmt::Debug for Table<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("topics", &self.by_topic.len()).finish_non_exhaustive()
    }
}

impl<K> Default for Callbacks<K> {
    fn default() -> Self {
        Self(Mutex::new(Table { next: 0, by_topic: HashMap::new() }))
    }
}

impl<K: Hash + Eq + Copy> Callbacks<K> {
    fn with<R>(&self, f: impl FnOnce(&mut Table<K>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn add(&self, topic: K, callback: Callback) -> u64 {
        self.with(|table| {
            let id = table.next;
            table.next += 1;
            table.by_topic.entry(topic).or_default().insert(id, callback);
            id
        })
    }

    pub(super) fn remove(&self, topic: K, id: u64) {
        // The callback is dropped outside: it may own the last handle of something that unsubscribes in turn.
        let removed = self.with(|table| {
            let of_topic = table.by_topic.get_mut(&topic)?;
            let removed = of_topic.remove(&id);
            if of_topic.is_empty() {
                table.by_topic.remove(&topic);
            }
            removed
        });
        drop(removed);
    }

    /// Calls everybody who follows one of the topics, in the order of the topics, then of subscribing. A callback that
    /// panics keeps nothing from the others; the first panic is handed back. Who subscribes meanwhile knows already.
    pub(super) fn call(&self, topics: &[K]) -> Option<Panic> {
        let mut panicked = None;
        let end = self.with(|table| table.next);
        for topic in topics {
            let mut from = 0;
            while let Some((id, callback)) = self.with(|table| table.next_in(topic, from..end)) {
                from = id + 1;
                // What it owns may be dropped here, too, if it has been removed meanwhile.
                let called = catch_unwind(AssertUnwindSafe(move || callback()));
                panicked = panicked.or(called.err());
            }
        }
        panicked
    }
}

impl<K: Hash + Eq> Table<K> {
    fn next_in(&self, topic: &K, ids: Range<u64>) -> Option<(u64, Callback)> {
        let of_topic = self.by_topic.get(topic)?;
        of_topic.range(ids).next().map(|(id, callback)| (*id, Arc::clone(callback)))
    }
}

/// Keeps a callback subscribed; dropping it ends that.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    end: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Subscription {
    /// To nothing.
    pub(super) fn none() -> Self {
        Self { end: None }
    }

    pub(super) fn new<K, O>(
        owner: &Arc<O>,
        callbacks: fn(&O) -> &Callbacks<K>,
        topic: K,
        callback: Callback,
    ) -> Self
    where
        K: Hash + Eq + Copy + Send + Sync + 'static,
        O: Send + Sync + 'static,
    {
        let id = callbacks(owner).add(topic, callback);
        let owner: Weak<O> = Arc::downgrade(owner);
        let end = move || {
            if let Some(owner) = owner.upgrade() {
                callbacks(&owner).remove(topic, id);
            }
        };
        Self { end: Some(Box::new(end)) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{Callbacks, Subscription};

    #[test]
    fn a_callback_that_another_one_removes_is_not_called_any_more() {
        let callbacks = Arc::new(Callbacks::<u8>::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let victim = Arc::new(Mutex::new(None));
        let note = |name: &'static str| {
            let log = Arc::clone(&log);
            move || log.lock().expect("no panic").push(name)
        };
        let first = Subscription::new(&callbacks, |c| c, 1, {
            let (note, victim) = (note("first"), Arc::clone(&victim));
            Arc::new(move || {
                note();
                drop(victim.lock().expect("no panic").take());
            })
        });
        *victim.lock().expect("no panic") =
            Some(Subscription::new(&callbacks, |c| c, 1, Arc::new(note("second"))));
        let other = Subscription::new(&callbacks, |c| c, 2, Arc::new(note("other topic")));
        assert!(callbacks.call(&[1]).is_none());
        assert!(callbacks.call(&[2, 1]).is_none());
        assert_eq!(*log.lock().expect("no panic"), ["first", "other topic", "first"]);
        drop((first, other));
        assert!(callbacks.call(&[1, 2]).is_none());
        assert_eq!(log.lock().expect("no panic").len(), 3);
    }
}
