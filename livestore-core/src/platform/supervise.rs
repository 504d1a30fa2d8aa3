//! What starting and watching a leader means on every platform, and the seam's errors. Data and arithmetic only.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use super::LeaderScope;

/// The leader's code: runs on its own thread until it is done or told to stop. A function pointer, because in the
/// browser nothing else reaches the worker; all it knows comes with the scope's configuration bytes.
pub type LeaderEntry = fn(LeaderScope) -> LocalBoxFuture<'static, ()>;

/// How to start a leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpawnLeader {
    /// Shown as the worker's or thread's name.
    pub name: String,
    /// Handed to the entry as it is.
    pub config: Vec<u8>,
    /// Web only: the address of a script with the content of `WORKER_SCRIPT`, for pages whose content security policy
    /// forbids `blob:` workers.
    pub script: Option<String>,
    /// Web only: whether the entry may run in the page where no worker can be started. A leader that needs files may
    /// not: the page reaches none.
    pub inline: bool,
}

/// What becomes of a leader that was started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaderEvent {
    /// Its entry runs. It may still wait for the store's lock.
    Started,
    /// It died; a new one is started after this time.
    Failed {
        /// Why.
        reason: LeaderFailure,
        /// When the next one starts.
        retry_in: Duration,
    },
    /// No worker can be started, so the entry runs on this thread, without access to files.
    Inline(LeaderFailure),
    /// No worker can be started, and the entry may not run on this thread: this page leads nobody. Told once; where it
    /// may be the network's fault, starting goes on being tried, and [`LeaderEvent::Started`] follows if it succeeds.
    Unable(LeaderFailure),
    /// Its entry returned; no new one is started.
    Ended,
}

/// Why a leader is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeaderFailure {
    /// It panicked.
    #[error("the leader panicked: {0}")]
    Panicked(String),
    /// It ended in a trap that was no panic (memory, stack) or an error of its script.
    #[error("the leader crashed: {0}")]
    Crashed(String),
    /// Its code could not be loaded into the worker.
    #[error("the leader's code could not be loaded: {0}")]
    NotLoaded(String),
    /// The browser starts no worker here.
    #[error("no worker can be started: {0}")]
    Blocked(String),
}

/// Named locks do not exist here (an insecure or opaque origin), or the browser refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no lock can be had: {0}")]
pub struct LockError(pub String);

/// A channel could not be opened or posted to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the channel failed: {0}")]
pub struct ChannelError(pub String);

/// A journal could not be written or read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JournalError {
    /// The space it shares with the app is used up.
    #[error("the journal of {0} bytes does not fit into localStorage")]
    Full(usize),
    /// There is no localStorage here.
    #[error("localStorage is not available")]
    Unavailable,
    /// What stands there is no journal.
    #[error("the journal is damaged")]
    Damaged,
}

/// The delay before the next start: doubles from 100 ms to 10 s, and begins again after a minute of health.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const HEALTHY: Duration = Duration::from_secs(60);

    /// The delay after one more failure of a leader that had lived this long.
    pub(super) fn after_failure(&mut self, lived: Duration) -> Duration {
        if lived >= Self::HEALTHY {
            self.failures = 0;
        }
        let delay = Duration::from_millis(100 << self.failures.min(7));
        self.failures = self.failures.saturating_add(1);
        delay.min(Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration};

    #[test]
    fn a_leader_that_keeps_dying_is_restarted_ever_more_slowly_and_at_full_speed_again_after_a_healthy_minute()
     {
        let mut backoff = Backoff::default();
        let lived = [0, 0, 0, 0, 0, 0, 0, 0, 0, 61, 0];
        let delays: Vec<u128> = lived
            .iter()
            .map(|&s| backoff.after_failure(Duration::from_secs(s)).as_millis())
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 100, 200]);
    }
}
