//! Receipts: what became of a commit after it was applied here.
//!
//! A commit path that nobody waits on pays for nothing but the number: a receipt is the `n` of the commit's last event,
//! and waiting asks the engine.

use std::{collections::BTreeMap, sync::Arc};

use futures_channel::oneshot;

/// Of how many refused commits a session remembers the reason, for receipts that ask late.
const REASONS_KEPT: usize = 1_000;

/// Why a commit that was applied here is not, or not known to be, in the leader's log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotPersisted {
    /// The leader put it into quarantine; its effect here was undone.
    #[error("the commit was refused and is in quarantine: {0}")]
    Refused(Arc<str>),
    /// The store was closed before the leader answered. The commit is journaled where there is a journal.
    #[error("the store was closed before the commit was persisted")]
    Closed,
}

/// Why a commit is not, or not known to be, confirmed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// Nobody orders this store's events, or nobody did when the commit was persisted.
    #[error(
        "the store has no sync backend, so nothing confirms a commit; `persisted()` is what can be waited for"
    )]
    NoBackend,
    /// The leader or the backend refused it: it is in quarantine, and its effect here was undone.
    #[error("the commit was refused and is in quarantine: {0}")]
    Refused(Arc<str>),
    /// The store was closed before the backend had the commit. What was persisted is sent when it is opened again.
    #[error("the store was closed before the commit was confirmed")]
    Closed,
}

impl From<NotPersisted> for NotConfirmed {
    fn from(error: NotPersisted) -> Self {
        match error {
            NotPersisted::Refused(reason) => Self::Refused(reason),
            NotPersisted::Closed => Self::Closed,
        }
    }
}

/// How far a commit has come that was not refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Stage {
    /// Applied here.
    Pending,
    /// In the leader's log.
    Persisted,
    /// In the backend's.
    Confirmed,
}

/// Whether a commit has come as far as was wanted.
pub(super) type Outcome = Result<(), NotConfirmed>;

/// Who waits for what, and what can be told without waiting.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// What was refused; of the oldest the reason is forgotten.
    refused: BTreeMap<u64, Option<Arc<str>>>,
    waiting: BTreeMap<u64, Vec<Waiting>>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    wants: Stage,
    told: oneshot::Sender<Outcome>,
}

impl Receipts {
    /// Why the commit that ends with event `n` was refused, if it was.
    pub(super) fn refusal(&self, n: u64) -> Option<NotConfirmed> {
        let reason = self.refused.get(&n)?.clone();
        let reason = reason.unwrap_or_else(|| "the reason is in the leader's quarantine".into());
        Some(NotConfirmed::Refused(reason))
    }

    /// Where it will be told that the commit that ends with event `n` has come that far.
    pub(super) fn wait(
        &mut self,
        n: u64,
        wants: Stage,
    ) -> Result<oneshot::Receiver<Outcome>, NotConfirmed> {
        if self.closed {
            return Err(NotConfirmed::Closed);
        }
        let (told, receiver) = oneshot::channel();
        self.waiting.entry(n).or_default().push(Waiting { wants, told });
        Ok(receiver)
    }

    /// The commit that ends with event `n` has come that far.
    pub(super) fn reach(&mut self, n: u64, stage: Stage) {
        self.tell(n, &Ok(()), |waiting| waiting.wants <= stage);
    }

    /// The commit that ends with event `n` was refused.
    pub(super) fn refuse(&mut self, n: u64, reason: &Arc<str>) {
        self.refused.insert(n, Some(Arc::clone(reason)));
        let oldest = self.refused.values_mut().rev().nth(REASONS_KEPT);
        if let Some(reason) = oldest {
            *reason = None;
        }
        self.tell(n, &Err(NotConfirmed::Refused(Arc::clone(reason))), |_| true);
    }

    /// There is no backend (any more).
    pub(super) fn lose_backend(&mut self) {
        let waits = |waiting: &Waiting| waiting.wants == Stage::Confirmed;
        let all: Vec<u64> = self.waiting.keys().copied().collect();
        all.into_iter().for_each(|n| self.tell(n, &Err(NotConfirmed::NoBackend), waits));
    }

    /// Nothing more will be heard.
    pub(super) fn close(&mut self) {
        self.closed = true;
        let all: Vec<u64> = self.waiting.keys().copied().collect();
        all.into_iter().for_each(|n| self.tell(n, &Err(NotConfirmed::Closed), |_| true));
    }

    fn tell(&mut self, n: u64, outcome: &Outcome, whom: impl Fn(&Waiting) -> bool) {
        let Some(waiting) = self.waiting.remove(&n) else { return };
        let (told, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(whom);
        for waiting in told {
            // Whoever waited may have stopped waiting.
            let _ = waiting.told.send(outcome.clone());
        }
        if !others.is_empty() {
            self.waiting.insert(n, others);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotConfirmed, Outcome, Receipts, Stage};

    /// Who waits for commit 2 to be persisted, and for it to be confirmed, hears this in the end.
    #[track_caller]
    fn check(
        happens: impl FnOnce(&mut Receipts),
        persisted: Option<Outcome>,
        confirmed: Option<Outcome>,
    ) {
        let mut receipts = Receipts::default();
        let mut wait = |wants| receipts.wait(2, wants).expect("it is open");
        let (mut persists, mut confirms) = (wait(Stage::Persisted), wait(Stage::Confirmed));
        happens(&mut receipts);
        assert_eq!(persists.try_recv(), Ok(persisted), "persisted");
        assert_eq!(confirms.try_recv(), Ok(confirmed), "confirmed");
    }

    #[test]
    fn who_waits_hears_what_has_become_of_a_commit() {
        let refused = || Some(Err(NotConfirmed::Refused("taken".into())));
        let no_backend = || Some(Err(NotConfirmed::NoBackend));
        let closed = || Some(Err(NotConfirmed::Closed));
        check(|_| (), None, None);
        check(|receipts| receipts.reach(1, Stage::Confirmed), None, None);
        check(|receipts| receipts.reach(2, Stage::Persisted), Some(Ok(())), None);
        check(|receipts| receipts.reach(2, Stage::Confirmed), Some(Ok(())), Some(Ok(())));
        check(|receipts| receipts.refuse(2, &"taken".into()), refused(), refused());
        check(Receipts::lose_backend, None, no_backend());
        check(Receipts::close, closed(), closed());
        let refused_later = |receipts: &mut Receipts| {
            receipts.reach(2, Stage::Persisted);
            receipts.refuse(2, &"taken".into());
        };
        check(refused_later, Some(Ok(())), refused());
    }

    #[test]
    fn who_asks_late_hears_it_too() {
        let mut receipts = Receipts::default();
        receipts.refuse(5, &"taken".into());
        assert_eq!(receipts.refusal(5), Some(NotConfirmed::Refused("taken".into())));
        assert_eq!(receipts.refusal(4), None);
        receipts.close();
        assert_eq!(receipts.wait(9, Stage::Persisted).err(), Some(NotConfirmed::Closed));
    }
}
