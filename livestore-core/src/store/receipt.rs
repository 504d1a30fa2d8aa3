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

/// Why a commit is not confirmed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// Nobody orders this store's events.
    #[error(
        "the store has no sync backend, so nothing confirms a commit; `persisted()` is what can be waited for"
    )]
    NoBackend,
}

pub(super) type Outcome = Result<(), NotPersisted>;

/// Who waits for what, and what can be told without waiting.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// What was refused; of the oldest the reason is forgotten.
    refused: BTreeMap<u64, Option<Arc<str>>>,
    waiting: BTreeMap<u64, Vec<oneshot::Sender<Outcome>>>,
    closed: bool,
}

impl Receipts {
    /// The outcome of the commit that ends with event `n`, or where it will arrive. `is_pending` says whether the leader
    /// has yet to answer for it.
    pub(super) fn outcome(
        &mut self,
        n: u64,
        is_pending: bool,
    ) -> Result<Outcome, oneshot::Receiver<Outcome>> {
        if let Some(reason) = self.refused.get(&n) {
            let reason =
                reason.clone().unwrap_or_else(|| "the reason is in the leader's quarantine".into());
            return Ok(Err(NotPersisted::Refused(reason)));
        }
        if !is_pending {
            return Ok(Ok(()));
        }
        if self.closed {
            return Ok(Err(NotPersisted::Closed));
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.entry(n).or_default().push(sender);
        Err(receiver)
    }

    /// The commit that ends with event `n` has been persisted, or refused for a reason.
    pub(super) fn settle(&mut self, n: u64, refused: Option<Arc<str>>) {
        let outcome = match &refused {
            None => Ok(()),
            Some(reason) => Err(NotPersisted::Refused(Arc::clone(reason))),
        };
        if let Some(reason) = refused {
            self.refused.insert(n, Some(reason));
            let oldest = self.refused.values_mut().rev().nth(REASONS_KEPT);
            if let Some(reason) = oldest {
                *reason = None;
            }
        }
        for sender in self.waiting.remove(&n).into_iter().flatten() {
            // Whoever waited may have stopped waiting.
            let _ = sender.send(outcome.clone());
        }
    }

    /// Nothing more will be heard.
    pub(super) fn close(&mut self) {
        self.closed = true;
        for sender in std::mem::take(&mut self.waiting).into_values().flatten() {
            let _ = sender.send(Err(NotPersisted::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotPersisted, Receipts};

    #[test]
    fn a_receipt_tells_the_outcome_whether_it_asks_early_or_late() {
        let mut receipts = Receipts::default();
        let mut early = receipts.outcome(2, true).expect_err("nothing is settled");
        receipts.settle(2, None);
        assert_eq!(early.try_recv(), Ok(Some(Ok(()))));
        assert_eq!(receipts.outcome(2, false).ok(), Some(Ok(())));

        let mut early = receipts.outcome(5, true).expect_err("not settled yet");
        receipts.settle(5, Some("taken".into()));
        let refused = Err(NotPersisted::Refused("taken".into()));
        assert_eq!(early.try_recv(), Ok(Some(refused.clone())));
        assert_eq!(receipts.outcome(5, false).ok(), Some(refused));

        let mut early = receipts.outcome(9, true).expect_err("not settled yet");
        receipts.close();
        assert_eq!(early.try_recv(), Ok(Some(Err(NotPersisted::Closed))));
        assert_eq!(
            receipts.outcome(9, true).ok(),
            Some(Err(NotPersisted::Closed)),
            "asked after the end"
        );
        assert_eq!(receipts.outcome(2, false).ok(), Some(Ok(())), "what was known is known");
    }
}
