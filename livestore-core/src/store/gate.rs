//! The one lock around a store's engine, which tells re-entry apart from contention.
//!
//! Materializers and `computed` functions run under this lock. If one of them calls back into its store on the same
//! thread, a plain mutex would deadlock; here it is a typed error. Another thread simply waits.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A mutex that refuses to be locked twice by one thread.
#[derive(Debug)]
pub(super) struct Gate<T> {
    inside: Mutex<T>,
    /// The token of the thread that is inside, 0 for none. Only ever equal to the reader's own token if the reader
    /// wrote it, so relaxed ordering is enough.
    holder: AtomicUsize,
}

/// The engine was called from inside itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the store was called from inside one of its own materializers or computed functions; use the `Writes` or context they are given instead"
)]
pub struct Reentered;

impl<T> Gate<T> {
    pub(super) fn new(inside: T) -> Self {
        Self { inside: Mutex::new(inside), holder: AtomicUsize::new(0) }
    }

    /// Waits for other threads, and refuses a thread that is inside already.
    pub(super) fn enter(&self) -> Result<Inside<'_, T>, Reentered> {
        let me = thread_token();
        if self.holder.load(Ordering::Relaxed) == me {
            return Err(Reentered);
        }
        // A panic inside is caught before it leaves the engine in the middle of a change (see `commit`), so a
        // poisoned lock guards a sound engine.
        let guard = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        self.holder.store(me, Ordering::Relaxed);
        Ok(Inside { guard, holder: &self.holder })
    }
}

/// Access to the engine until dropped.
#[derive(Debug)]
pub(super) struct Inside<'a, T> {
    guard: MutexGuard<'a, T>,
    holder: &'a AtomicUsize,
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Inside<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        // Before the guard's own drop unlocks, so that no other thread's token is overwritten.
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// A number that differs between living threads and is never 0: the address of a thread-local.
fn thread_token() -> usize {
    thread_local!(static TOKEN: u8 = const { 0 });
    TOKEN.with(|token| std::ptr::from_ref(token).addr())
}

#[cfg(test)]
mod tests {
    use super::{Gate, Reentered};

    #[test]
    fn a_thread_that_is_inside_is_refused() {
        let gate = Gate::new(1);
        let mut inside = gate.enter().expect("nobody is inside");
        assert_eq!(gate.enter().err(), Some(Reentered));
        *inside += 1;
        drop(inside);
        assert_eq!(*gate.enter().expect("nobody is inside any more"), 2);
    }

    #[test]
    fn other_threads_wait_their_turn() {
        let gate = Gate::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        *gate.enter().expect("only this thread's own calls are refused") += 1;
                    }
                });
            }
        });
        assert_eq!(*gate.enter().expect("all threads are done"), 4000);
    }

    #[test]
    fn a_panic_inside_does_not_lock_the_next_one_out() {
        let gate = Gate::new(7);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _inside = gate.enter();
            panic!("in user code");
        }));
        assert!(panicked.is_err());
        assert_eq!(*gate.enter().expect("the holder was reset on unwinding"), 7);
    }
}
