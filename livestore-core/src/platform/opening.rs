//! The number of an opening, the second half of a session's id: greater than those of the openings before it.
//!
//! A session that adopts a journal commits on top of it. When both end with journals, whoever adopts those has to know
//! which came first, and nothing but their names says so.

use livestore_sync::SessionId;
use web_time::SystemTime;

use super::random_u64;

/// Bits that are random; above them stands the time in milliseconds, for which there is room until the year 2500.
const RANDOM: u32 = 20;

/// A number for a new opening, greater than those of `before`, of whom this session knows.
pub(super) fn opening(before: impl IntoIterator<Item = SessionId>) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    after(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), random_u64(), before)
}

fn after(now: u64, random: u64, before: impl IntoIterator<Item = SessionId>) -> u64 {
    let by_clock = (now << RANDOM) | (random & ((1 << RANDOM) - 1));
    // A clock that was set back is not followed.
    let last = before.into_iter().map(|session| session.open).max();
    last.map_or(by_clock, |last| by_clock.max(last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use livestore_sync::{SessionId, TabId};

    use super::after;

    #[test]
    fn an_opening_is_greater_than_those_before_it() {
        let session = |open| SessionId { tab: TabId(u64::MAX - open), open };
        let today = 1_795_000_000_000;
        let first = after(today, u64::MAX, []);
        for (now, why) in [(today + 1, "later"), (today, "at once"), (1_000, "by a wrong clock")] {
            let second = after(now, 0, [session(3), session(first), session(7)]);
            assert!(second > first, "{why}: {second} after {first}");
        }
        assert_ne!(after(today, 1, []), after(today, 2, []));
        assert_eq!(
            after(today, 0, [session(u64::MAX)]),
            u64::MAX,
            "no panic on what is no opening"
        );
    }
}
