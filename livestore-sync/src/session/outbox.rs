//! What of one author's pending commits is on its way to the leader.
//!
//! Invariant: `acknowledged ≤ sent`, and nothing pending has an `n` up to `acknowledged` unless its echo is on the way.

use std::{num::NonZeroU64, time::Duration};

use crate::limits::Limits;

/// The sending side of one author.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    /// Everything up to here is in the leader's log or quarantine.
    pub(super) acknowledged: u64,
    /// Everything up to here has been sent.
    pub(super) sent: u64,
    /// When the leader last confirmed something, or something was sent to a leader that owed nothing.
    since: Duration,
    /// How long after `since` everything unacknowledged is sent again.
    wait: Duration,
    /// The last request to send again that was honoured; repeats of it wait for the time-out.
    rewound_to: Option<u64>,
}

impl Outbox {
    pub(super) fn new(acknowledged: u64, limits: &Limits) -> Self {
        Self {
            acknowledged,
            sent: acknowledged,
            since: Duration::ZERO,
            wait: limits.resend,
            rewound_to: None,
        }
    }

    /// Notes that everything up to `n` has been acknowledged.
    pub(super) fn acknowledge(&mut self, now: Duration, n: u64, limits: &Limits) {
        if n > self.acknowledged {
            self.acknowledged = n;
            self.sent = self.sent.max(n);
            self.since = now;
            self.wait = limits.resend;
            self.rewound_to = None;
        }
    }

    /// Starts over with a leader that has everything up to `acknowledged` and nothing after it.
    pub(super) fn restart(&mut self, acknowledged: u64, limits: &Limits) {
        *self = Self::new(acknowledged, limits);
    }

    /// Whether `next` may be sent now. A gap before it is what was settled out of order; the leader is told so, but
    /// only once it has everything before the gap, or it would take that for settled, too.
    pub(super) fn passes_to(&mut self, next: NonZeroU64) -> bool {
        let before = next.get() - 1;
        if before > self.sent && self.sent > self.acknowledged {
            return false;
        }
        if before > self.sent {
            self.acknowledged = before;
            self.sent = before;
        }
        true
    }

    /// Notes that everything up to `n` has been sent.
    pub(super) fn note_sent(&mut self, now: Duration, n: u64) {
        if self.sent == self.acknowledged {
            self.since = now;
        }
        self.sent = self.sent.max(n);
    }

    /// Whether the event `n` has been sent, and the leader has yet to say that it has it.
    pub(super) fn is_under_way(&self, n: NonZeroU64) -> bool {
        self.acknowledged < n.get() && n.get() <= self.sent
    }

    /// Goes back to `from`, once: a burst of pushes behind one that was lost asks as often as it has pushes.
    pub(super) fn rewind(&mut self, from: NonZeroU64) {
        let before = from.get() - 1;
        if before < self.sent && self.rewound_to != Some(before) {
            self.rewound_to = Some(before);
            self.sent = before.max(self.acknowledged);
        }
    }

    /// When everything unacknowledged is due again.
    pub(super) fn due(&self) -> Option<Duration> {
        (self.sent > self.acknowledged).then(|| self.since + self.wait)
    }

    /// Makes everything unacknowledged unsent once the time is out.
    pub(super) fn expire(&mut self, now: Duration, limits: &Limits) {
        if self.due().is_some_and(|due| due <= now) {
            self.sent = self.acknowledged;
            self.rewound_to = None;
            self.wait = (self.wait * 2).min(limits.resend_max);
        }
    }
}
