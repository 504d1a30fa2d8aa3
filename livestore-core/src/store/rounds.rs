//! Refresh rounds: on each thread one at a time, however many commits ask for one.
//!
//! A round brings the graph to its fixpoint and then tells the observers, outside the engine's lock. A commit made by
//! an observer is applied at once; its refresh is the next round of the thread that is telling. A commit of another
//! thread makes its own round: when a commit returns, its effect has been told, and it never waits for observers that
//! another thread is calling, as those may be waiting for something that the committing thread holds. News from the
//! leader promise nobody anything: whoever is telling takes them along. A batch holds all rounds back until it ends.
//! (Where one thread takes turns, it alone runs rounds: see `turn`.)
//!
//! # What is read between a change and its round
//! The cells of live queries are filled by rounds only, so a change that waits for its round has moved the database and
//! not the cells: it was made in a batch, by an observer, or on another thread than the one that takes turns. The thread
//! that made it is *ahead*, and until a refresh has filled the cells it reads through the graph instead, which computes
//! what it asks for on the database as it is. So whatever it reads (live queries old and new, documents, `query`) is
//! after its change, nothing is told early, and the round that follows finds computed what was read. A framework that
//! keeps what it derives hears at once that it may be out of date (`LiveQuery::on_stale`). Every other thread
//! goes on reading the cells, and sees nothing of a batch before all of it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

/// Rounds that follow each other without a pause before it counts as a loop: an effect that commits on every change.
const MOST_IN_A_ROW: u32 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Rounds {
    state: Mutex<State>,
    /// Whether any thread is ahead. Read at every read of a value, so not under the lock.
    any_ahead: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The threads that are at it, and whether each has been asked for one more.
    running: HashMap<ThreadId, bool>,
    /// Batches that are open, by their threads.
    batches: Vec<ThreadId>,
    /// The threads that have changed what no refresh has shown yet.
    ahead: Vec<ThreadId>,
}

/// An open batch; the last one to end runs the round that was held back.
#[derive(Debug)]
pub(super) struct Batch<'a>(&'a Rounds);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let me = thread::current().id();
        self.0.with(|state| {
            if let Some(mine) = state.batches.iter().position(|thread| *thread == me) {
                state.batches.swap_remove(mine);
            }
        });
    }
}

impl Rounds {
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds rounds back until the returned value is dropped; then ask for one.
    pub(super) fn batch(&self) -> Batch<'_> {
        self.with(|state| state.batches.push(thread::current().id()));
        Batch(self)
    }

    /// Whether a batch is open on any thread. Asked under the engine's lock: if none is, none has changed anything that
    /// a refresh under this lock would show.
    pub(super) fn is_batching(&self) -> bool {
        self.with(|state| !state.batches.is_empty())
    }

    /// Asks for a round. None when somebody else will run it: this thread is at it already, a batch is open, or it is
    /// for news and another thread is at it. Else the caller runs rounds.
    pub(super) fn begin(&self, asks: Asks) -> Option<Run<'_>> {
        let me = thread::current().id();
        self.with(|state| {
            if let Some(wanted) = state.running.get_mut(&me) {
                *wanted = true;
                self.put_ahead(state, me, asks);
                return None;
            }
            if asks == Asks::News
                && let Some(wanted) = state.running.values_mut().next()
            {
                *wanted = true;
                return None;
            }
            // Whoever ends the batch asks again.
            if !state.batches.is_empty() {
                // A thread that is held back by another's batch would, if it were ahead, read parts of that batch.
                if state.batches.contains(&me) {
                    self.put_ahead(state, me, asks);
                }
                return None;
            }
            state.running.insert(me, false);
            Some(Run(self, me))
        })
    }

    /// Notes that another thread will show what this one has changed.
    pub(super) fn leave_to_another(&self) {
        self.with(|state| self.put_ahead(state, thread::current().id(), Asks::Own));
    }

    fn put_ahead(&self, state: &mut State, thread: ThreadId, asks: Asks) {
        if asks == Asks::Own && !state.ahead.contains(&thread) {
            state.ahead.push(thread);
            // Only the thread itself has to see it, and it does.
            self.any_ahead.store(true, Ordering::Relaxed);
        }
    }

    /// Whether this thread has changed what no refresh has shown yet.
    pub(super) fn is_ahead(&self) -> bool {
        // Pairs with `shown`: who finds nobody ahead finds the cells filled.
        self.any_ahead.load(Ordering::Acquire)
            && self.with(|state| state.ahead.contains(&thread::current().id()))
    }

    /// Notes that the cells hold what the database says. Called under the engine's lock, after a refresh.
    pub(super) fn shown(&self) {
        if self.any_ahead.load(Ordering::Relaxed) {
            self.with(|state| {
                state.ahead.clear();
                self.any_ahead.store(false, Ordering::Release);
            });
        }
    }
}

/// Why a round is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks {
    /// This thread has changed something.
    Own,
    /// Something has arrived.
    News,
}

/// A thread's rounds; they end with it, also when a panic in an observer cuts them short.
#[derive(Debug)]
pub(super) struct Run<'a>(&'a Rounds, ThreadId);

impl Run<'_> {
    /// Runs rounds until nobody asks any more. Returns false when it gave up on a loop.
    pub(super) fn run(self, mut round: impl FnMut()) -> bool {
        for _ in 0..MOST_IN_A_ROW {
            round();
            // Whether to stop is decided in the same step as stopping, so that no request falls between the two.
            let again = self.0.with(|state| {
                let wanted = state.running.remove(&self.1).unwrap_or_default();
                let again = wanted && state.batches.is_empty();
                if again {
                    state.running.insert(self.1, false);
                }
                again
            });
            if !again {
                return true;
            }
        }
        false
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.running.remove(&self.1));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Asks, Rounds};

    impl Rounds {
        fn settle(&self, round: impl FnMut()) -> bool {
            self.begin(Asks::Own).is_none_or(|run| run.run(round))
        }
    }

    #[test]
    fn a_commit_made_by_an_observer_gets_the_next_round() {
        let rounds = Rounds::default();
        let log = RefCell::new(Vec::new());
        let settled = rounds.settle(|| {
            log.borrow_mut().push("round");
            if log.borrow().len() < 4 {
                assert!(rounds.settle(|| panic!("rounds don't nest")));
                log.borrow_mut().push("committed");
            }
        });
        assert!(settled);
        assert_eq!(*log.borrow(), ["round", "committed", "round", "committed", "round"]);
    }

    #[test]
    fn a_commit_of_another_thread_is_told_before_it_returns_and_waits_for_nobody() {
        let rounds = Rounds::default();
        let (began, begins) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let rounds = &rounds;
            scope.spawn(move || {
                let mut times = 0;
                rounds.settle(|| {
                    times += 1;
                    if times == 1 {
                        began.send(()).unwrap();
                        // An observer that waits for what the other thread does after its commit.
                        released.recv().unwrap();
                    }
                });
                assert_eq!(times, 2, "once more for the news");
            });
            begins.recv().unwrap();
            let mut told = false;
            assert!(rounds.settle(|| told = true));
            assert!(told);
            assert!(rounds.begin(Asks::News).is_none(), "news are left to who is telling");
            release.send(()).unwrap();
        });
    }

    #[test]
    fn a_batch_holds_its_rounds_back() {
        let rounds = Rounds::default();
        let count = RefCell::new(0);
        let batch = rounds.batch();
        assert!(rounds.settle(|| *count.borrow_mut() += 1));
        assert!(rounds.settle(|| *count.borrow_mut() += 1));
        assert_eq!(*count.borrow(), 0);
        drop(batch);
        assert!(rounds.settle(|| *count.borrow_mut() += 1));
        assert_eq!(*count.borrow(), 1);
    }

    #[test]
    fn an_endless_loop_is_given_up_and_the_next_round_works() {
        let rounds = Rounds::default();
        let again = || {
            rounds.settle(|| ());
        };
        assert!(!rounds.settle(again), "an observer that always commits");
        assert!(rounds.settle(|| ()));
    }

    #[test]
    fn a_panicking_observer_does_not_stop_later_rounds() {
        let rounds = Rounds::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rounds.settle(|| panic!("observer"))
        }));
        assert!(panicked.is_err());
        let mut ran = false;
        assert!(rounds.settle(|| ran = true));
        assert!(ran);
    }
}
