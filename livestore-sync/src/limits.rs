//! How much the machines hold, send and wait.

use std::time::Duration;

/// Bounds and time-outs of the session and leader machines; `Default` is what apps use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Commits in one push.
    pub push_commits: usize,
    /// Bytes in one push; a single larger commit is still sent.
    pub push_bytes: usize,
    /// Events a session may have on the way to the leader.
    pub in_flight_events: u64,
    /// Commits the leader writes in one transaction.
    pub group_commits: usize,
    /// Bytes the leader writes in one transaction; a single larger commit is still written.
    pub group_bytes: usize,
    /// Commits waiting in the leader.
    pub queue_commits: usize,
    /// Bytes waiting in the leader.
    pub queue_bytes: usize,
    /// Bytes of the log in one answer to an attach.
    pub tail_bytes: usize,
    /// A session that lacks more events than this gets a snapshot.
    pub tail_events: u64,
    /// Bytes in one chunk of a snapshot.
    pub chunk_bytes: usize,
    /// Chunks on the way to a session.
    pub chunks_in_flight: u32,
    /// How often a session asks whether the leader is there.
    pub ping: Duration,
    /// How long a session waits for an answer before it calls the leader silent.
    pub silent: Duration,
    /// How long to wait for an answer before asking again; doubles up to `resend_max`.
    pub resend: Duration,
    /// The longest such wait.
    pub resend_max: Duration,
    /// How long the leader waits after its storage refused to write.
    pub stalled: Duration,
    /// How long the leader keeps a session that says nothing.
    pub forget: Duration,
    /// Unconfirmed events of the log that a session can take back by itself; before them it needs a snapshot.
    pub undo_events: usize,
    /// Events of the backend that the leader writes in one transaction.
    pub merge_events: usize,
    /// Events of the backend waiting in the leader; what comes beyond is asked for again.
    pub inbox_events: usize,
    /// How long the leader waits before it tries a backend again; doubles up to `retry_max`. Each wait is shortened by
    /// up to a half, by [`crate::BackendStart::seed`].
    pub retry: Duration,
    /// The longest such wait.
    pub retry_max: Duration,
    /// How long the leader waits for a backend's answer.
    pub answer: Duration,
    /// How often the leader asks a backend whose pulls end.
    pub poll: Duration,
    /// How often the leader asks a backend whose pulls go on, in case one has fallen silent.
    pub refresh: Duration,
    /// How often a backend refuses a commit without saying why, before it goes to quarantine.
    pub refusals: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            push_commits: 256,
            push_bytes: 256 << 10,
            in_flight_events: 4096,
            group_commits: 512,
            group_bytes: 1 << 20,
            queue_commits: 16_384,
            queue_bytes: 16 << 20,
            tail_bytes: 1 << 20,
            tail_events: 20_000,
            chunk_bytes: 256 << 10,
            chunks_in_flight: 8,
            ping: Duration::from_secs(2),
            silent: Duration::from_secs(5),
            resend: Duration::from_secs(1),
            resend_max: Duration::from_secs(16),
            stalled: Duration::from_secs(1),
            // Longer than the minute to which browsers slow the timers of hidden tabs.
            forget: Duration::from_mins(5),
            undo_events: 20_000,
            merge_events: 1000,
            inbox_events: 4000,
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            refresh: Duration::from_mins(5),
            refusals: 5,
        }
    }
}
