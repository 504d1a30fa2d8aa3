//! Connecting, and trying again.

use std::{sync::Arc, time::Duration};

use super::{Upstream, pull::Pull};
use crate::{
    backend::{BackendLimits, ToBackend},
    limits::Limits,
};

/// Time that only adds up, whatever the driver's clock does.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    last: Duration,
    elapsed: Duration,
}

impl Clock {
    pub(super) fn tick(&mut self, now: Duration) -> Duration {
        self.elapsed += now.saturating_sub(self.last);
        self.last = now;
        self.elapsed
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// What the driver's clock will show.
    pub(super) fn at(&self, due: Duration) -> Duration {
        self.last + due.saturating_sub(self.elapsed)
    }
}

/// How long to wait after failures, and what the last one was.
#[derive(Clone, Debug)]
pub(super) struct Retry {
    seed: u64,
    failures: u32,
    error: Option<Arc<str>>,
    first: Duration,
    max: Duration,
}

impl Retry {
    pub(super) fn new(seed: u64, limits: &Limits) -> Self {
        Self { seed, failures: 0, error: None, first: limits.retry, max: limits.retry_max }
    }

    pub(super) fn error(&self) -> Option<Arc<str>> {
        self.error.clone()
    }

    /// Notes a failure; how long to wait.
    pub(super) fn failed(&mut self, reason: &str) -> Duration {
        self.error = Some(reason.into());
        let doubled = self.first.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures += 1;
        // SplitMix64: clients that lost the same backend must not all come back at once.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let percent = 50 + u32::try_from((mixed >> 33) % 51).unwrap_or(0);
        doubled * percent / 100
    }

    /// Notes that the backend has done what it was asked for.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.error = None;
    }
}

/// How the leader stands with its backend.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// To be connected.
    Down { due: Duration },
    /// Asked for.
    Connecting { connection: u64, give_up: Duration },
    /// There.
    Up { connection: u64, limits: BackendLimits, pull: Pull },
    /// Given up, by the app's policy.
    Stopped,
}

impl Upstream {
    /// Stops talking to the backend, or goes on. What is under way counts as lost.
    pub(crate) fn pause(&mut self, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) == paused {
            return;
        }
        if !matches!(self.link, Link::Stopped | Link::Down { .. }) {
            self.hangs_up = true;
            self.disconnect(Duration::ZERO);
        }
    }

    /// Connects anew at once: the network is another one, or the app has a new token. A connection that stands or is
    /// being made is given up for it: of one whose network is gone nothing is heard, and nobody says so.
    pub(crate) fn retry_now(&mut self) {
        self.retry.succeeded();
        let at = self.clock.elapsed();
        match &mut self.link {
            Link::Down { due } => *due = at,
            Link::Connecting { .. } | Link::Up { .. } => {
                self.hangs_up = true;
                self.disconnect(at);
            }
            Link::Stopped => {}
        }
    }

    pub(super) fn on_connected(&mut self, now: Duration, number: u64, limits: BackendLimits) {
        if matches!(self.link, Link::Connecting { connection, .. } if connection == number) {
            self.identity = super::Identity::Anchor;
            self.link = Link::Up { connection: number, limits, pull: Pull::Due { at: now } };
        }
    }

    pub(super) fn on_lost(&mut self, now: Duration, number: u64, reason: &str) {
        let ours = match &self.link {
            Link::Connecting { connection, .. } | Link::Up { connection, .. } => *connection,
            Link::Down { .. } | Link::Stopped => return,
        };
        if ours == number {
            let wait = self.retry.failed(reason);
            self.disconnect(now + wait);
        }
    }

    /// Forgets the connection and what was asked over it; the next one is due then.
    pub(super) fn disconnect(&mut self, due: Duration) {
        self.link = Link::Down { due };
        self.has_all = false;
        self.push_failed();
    }

    pub(super) fn next_connect(&mut self, now: Duration) -> Option<ToBackend> {
        match &self.link {
            Link::Down { due } if *due <= now && !self.paused => {}
            _ => return None,
        }
        let connection = self.next_number();
        self.link = Link::Connecting { connection, give_up: now + self.limits.answer };
        Some(ToBackend::Connect { connection })
    }

    /// Gives up waiting for answers that do not come.
    pub(super) fn expire(&mut self, now: Duration) {
        if let Link::Connecting { connection, give_up } = self.link
            && give_up <= now
        {
            self.on_lost(now, connection, "the backend did not answer");
        }
        self.expire_pull(now);
        self.expire_push(now);
    }

    /// When the connection or its pull needs to be looked at.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match &self.link {
            Link::Stopped => None,
            Link::Down { .. } if self.paused => None,
            Link::Down { due } => Some(*due),
            Link::Connecting { give_up, .. } => Some(*give_up),
            // It is asked for once the storage has taken what was decided.
            Link::Up { pull: Pull::Due { .. }, .. } if self.is_deciding() => None,
            Link::Up { pull, .. } => Some(pull.due()),
        }
    }
}
