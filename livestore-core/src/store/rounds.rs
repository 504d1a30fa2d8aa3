//! Refresh rounds: one at a time, however many commits ask for one.
//!
//! A round brings the graph to its fixpoint and then tells the observers, outside the engine's lock. A commit made
//! while observers are being told, by one of them or by another thread, is applied at once; its refresh is the next
//! round, run by the thread that is at it already. A batch holds rounds back until it ends.

use std::sync::{Mutex, PoisonError};

/// Rounds that follow each other without a pause before it counts as a loop: an effect that commits on every change.
const MOST_IN_A_ROW: u32 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    wanted: bool,
    /// Batches that are open, on any thread.
    batches: u32,
}

/// An open batch; the last one to end runs the round that was held back.
#[derive(Debug)]
pub(super) struct Batch<'a>(&'a Rounds);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.batches -= 1);
    }
}

impl Rounds {
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds rounds back until the returned value is dropped; then call [`settle`](Self::settle).
    pub(super) fn batch(&self) -> Batch<'_> {
        self.with(|state| state.batches += 1);
        Batch(self)
    }

    /// Asks for a round, and runs rounds until nobody asks any more, unless somebody is at it already or a batch is
    /// open. Returns false when it gave up on a loop.
    pub(super) fn settle(&self, mut round: impl FnMut()) -> bool {
        let mine = self.with(|state| {
            state.wanted = true;
            let mine = !state.running && state.batches == 0;
            state.running |= mine;
            mine
        });
        if !mine {
            return true;
        }
        let ending = Ending(self);
        for _ in 0..MOST_IN_A_ROW {
            self.with(|state| state.wanted = false);
            round();
            // Whether to stop is decided in the same step as stopping, so that no request falls between the two.
            let done = self.with(|state| {
                let done = !state.wanted || state.batches > 0;
                state.running = !done;
                done
            });
            if done {
                std::mem::forget(ending);
                return true;
            }
        }
        false
    }
}

/// Ends a run of rounds that a panic in an observer, or a loop, cut short.
struct Ending<'a>(&'a Rounds);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.running = false);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::Rounds;

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
