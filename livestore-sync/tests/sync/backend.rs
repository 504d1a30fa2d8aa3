//! The leader's backend side against hand-written answers.

use std::{num::NonZeroU64, time::Duration};

use livestore_sync::{
    Args, BackendId, BackendLimits, BackendStart, Batch, Commit, ConnectionStatus, Event, EventId,
    Failure, FromBackend, Head, Lane, Leader, LeaderMerge, Limits, OnBackendChanged, Page,
    ToBackend,
};

use crate::{
    build::{commit, event, id},
    leader::{Log, leader_with},
};

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn backend() -> BackendId {
    BackendId("b".into())
}

fn foreign(number: u64) -> Event {
    let number = NonZeroU64::new(number).expect("numbers start at 1");
    Event::pulled(number, None, ("c", "s"), "v1.Happened", "{}")
}

fn page(after: u64, events: &[Event]) -> Page {
    Page { backend: backend(), after, events: events.to_vec(), remaining: 0 }
}

/// A leader whose log has these pending commits.
fn leader(pending: &[Commit], seed: u64) -> (Leader, Log) {
    let log = Log { commits: pending.to_vec(), snapshot: None };
    let mut leader = leader_with(&log, Limits::default());
    leader.set_backend(BackendStart {
        on_changed: OnBackendChanged::Reset,
        seed,
        backend: None,
        confirmed: Head::ZERO,
        anchor: None,
        pending: pending.to_vec(),
    });
    (leader, log)
}

fn hear(leader: &mut Leader, log: &Log, ms: u64, message: FromBackend) {
    let Ok(()) = leader.hear(at(ms), message, log);
    assert_eq!(leader.check_invariants(), Ok(()));
}

fn pull(leader: &mut Leader, ms: u64) -> (u64, u64) {
    match leader.poll_backend(at(ms)) {
        Some(ToBackend::Pull { pull, after, .. }) => (pull, after),
        other => panic!("a pull was expected: {other:?}"),
    }
}

fn push(leader: &mut Leader, ms: u64) -> (u64, Batch) {
    match leader.poll_backend(at(ms)) {
        Some(ToBackend::Push { push, batch }) => (push, batch),
        other => panic!("a push was expected: {other:?}"),
    }
}

/// Connects, and reads what the backend has.
fn connect(leader: &mut Leader, log: &Log, ms: u64, limits: BackendLimits, events: &[Event]) {
    let Some(ToBackend::Connect { connection }) = leader.poll_backend(at(ms)) else {
        panic!("a connection was expected");
    };
    hear(leader, log, ms, FromBackend::Connected { connection, limits });
    let (pull, after) = pull(leader, ms);
    hear(leader, log, ms, FromBackend::Page { pull, page: page(after, events) });
}

/// Executes every merge, none of which fails; returns the last.
fn merge(leader: &mut Leader, log: &mut Log, ms: u64) -> Option<LeaderMerge> {
    let mut last = None;
    while let Some(merge) = leader.next_merge(at(ms)) {
        let keep = log.commits.len() - merge.roll_back.len();
        log.commits.truncate(keep);
        log.commits.extend(merge.apply.iter().chain(&merge.reapply).cloned());
        leader.finish(at(ms), Ok(Vec::new()));
        assert_eq!(leader.check_invariants(), Ok(()));
        last = Some(merge);
    }
    last
}

#[test]
fn after_server_ahead_it_pulls_by_itself_and_goes_on() {
    let (mut leader, mut log) = leader(&[commit(1, 1, 2)], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
    merge(&mut leader, &mut log, 0);
    let (number, batch) = push(&mut leader, 0);
    assert_eq!((batch.parent, batch.backend), (0, Some(backend())));
    let failure = Failure::ServerAhead { head: 1 };
    hear(&mut leader, &log, 1, FromBackend::NotPushed { push: number, failure });
    let (number, after) = pull(&mut leader, 1);
    hear(
        &mut leader,
        &log,
        1,
        FromBackend::Page { pull: number, page: page(after, &[foreign(1)]) },
    );
    let merged = merge(&mut leader, &mut log, 1).expect("something was rolled back");
    assert_eq!((merged.roll_back.len(), merged.apply.len(), merged.reapply.len()), (1, 1, 1));
    assert_eq!((merged.confirmed.number, merged.epoch), (1, 1));
    let (number, batch) = push(&mut leader, 2);
    assert_eq!(batch.parent, 1);
    hear(&mut leader, &log, 2, FromBackend::Pushed { push: number });
    let merged = merge(&mut leader, &mut log, 2).expect("the echo of the acknowledgement");
    assert_eq!((merged.confirmed.number, merged.roll_back.len()), (3, 0));
    assert_eq!(leader.unconfirmed().count(), 0);
}

#[test]
fn own_events_are_confirmed_once_whether_the_answer_or_the_echo_comes_first() {
    let check = |echo_first: bool, answered: bool| {
        let (mut leader, mut log) = leader(&[commit(1, 1, 2)], 1);
        connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
        merge(&mut leader, &mut log, 0);
        let (number, batch) = push(&mut leader, 0);
        let echo: Vec<Event> = batch.events().cloned().collect();
        let echo = FromBackend::Page { pull: 2, page: page(0, &echo) };
        let answer = FromBackend::Pushed { push: number };
        let mut messages = if echo_first { vec![echo, answer] } else { vec![answer, echo] };
        messages.retain(|message| answered || !matches!(message, FromBackend::Pushed { .. }));
        for message in messages {
            hear(&mut leader, &log, 1, message);
            merge(&mut leader, &mut log, 1);
        }
        assert_eq!((leader.confirmed(), leader.unconfirmed().count()), (Some(2), 0));
        assert_eq!(log.commits, [commit(1, 1, 2)]);
    };
    check(true, true);
    check(false, true);
    check(true, false);
}

#[test]
fn it_tries_again_after_waits_that_grow_and_differ_between_clients() {
    let waits = |seed: u64| -> Vec<u64> {
        let (mut leader, log) = leader(&[], seed);
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let Some(ToBackend::Connect { connection }) = leader.poll_backend(now) else {
                panic!("a connection was expected");
            };
            let Ok(()) =
                leader.hear(now, FromBackend::Lost { connection, reason: "no".into() }, &log);
            assert_eq!(leader.poll_backend(now), None);
            let due = leader.poll_timeout().expect("it will try again");
            waits.push(u64::try_from((due - now).as_millis()).expect("a short while"));
            now = due;
        }
        waits
    };
    let (first, second) = (waits(1), waits(2));
    assert_ne!(first, second);
    for (index, wait) in first.into_iter().chain(second).enumerate() {
        let full = (1000 << (index % 8)).min(30_000);
        assert!((full / 2..=full).contains(&wait), "wait {index}: {wait} of {full} ms");
    }
}

#[test]
fn a_clock_that_is_set_back_or_forward_stops_nothing() {
    let check = |later: u64| {
        let (mut leader, log) = leader(&[], 1);
        let start = 1_000_000_000;
        let Some(ToBackend::Connect { connection }) = leader.poll_backend(at(start)) else {
            panic!("a connection was expected");
        };
        hear(&mut leader, &log, start, FromBackend::Lost { connection, reason: "no".into() });
        assert_eq!(leader.poll_backend(at(later)).is_some(), later > start);
        let due = leader.poll_timeout().expect("it will try again");
        assert!(due <= at(later + 30_000), "due at {due:?}, it is {later} ms");
        assert!(
            later > start || matches!(leader.poll_backend(due), Some(ToBackend::Connect { .. }))
        );
    };
    check(5);
    check(1_000_000_000_000);
}

#[test]
fn what_a_lying_peer_sends_is_contained() {
    let (mut leader, mut log) = leader(&[], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[foreign(1), foreign(2)]);
    merge(&mut leader, &mut log, 0);
    // Heads that go back, other people's answers, events again: nothing changes.
    for message in [
        FromBackend::Page { pull: 2, page: page(0, &[foreign(1)]) },
        FromBackend::Page { pull: 77, page: page(2, &[foreign(3)]) },
        FromBackend::Pushed { push: 2 },
        FromBackend::Connected { connection: 9, limits: BackendLimits::PLAIN },
    ] {
        hear(&mut leader, &log, 1, message);
        assert_eq!(merge(&mut leader, &mut log, 1), None);
    }
    // A gap is asked for again, later.
    hear(&mut leader, &log, 1, FromBackend::Page { pull: 2, page: page(7, &[foreign(8)]) });
    assert_eq!((merge(&mut leader, &mut log, 1), leader.poll_backend(at(1))), (None, None));
    let (number, after) = pull(&mut leader, 2000);
    assert_eq!(after, 1, "from the last confirmed event on");
    // Endless pages wait outside.
    let mut next = 2;
    while leader.has_room_for_pages() {
        let events: Vec<Event> = (next..next + 1000).map(foreign).collect();
        let endless = Page { remaining: u64::MAX, ..page(next - 1, &events) };
        hear(&mut leader, &log, 2000, FromBackend::Page { pull: number, page: endless });
        next += 1000;
        assert!(next < 10_000, "it takes everything");
    }
}

#[test]
fn an_event_that_the_backend_can_not_take_is_refused_before_it_is_sent() {
    let large = Event {
        args: Args::parse(&format!("\"{}\"", "x".repeat(500))).expect("JSON"),
        ..event(1, 1, "{}")
    };
    let large = Commit::single(Lane::Synced, large);
    let (mut leader, mut log) = leader(&[large.clone(), commit(1, 2, 2)], 1);
    let limits = BackendLimits { event_bytes: 300, ..BackendLimits::PLAIN };
    connect(&mut leader, &log, 0, limits, &[]);
    merge(&mut leader, &mut log, 0);
    assert_eq!(leader.poll_backend(at(0)), None);
    let merged = merge(&mut leader, &mut log, 0).expect("it goes to quarantine");
    assert_eq!(merged.quarantined.iter().map(|(c, _)| c).collect::<Vec<_>>(), [&large]);
    let (_, batch) = push(&mut leader, 0);
    assert_eq!(batch.commits, [commit(1, 2, 2)]);
}

#[test]
fn a_commit_too_large_for_one_push_goes_in_pieces() {
    let (mut leader, mut log) = leader(&[commit(1, 1, 5)], 1);
    let limits = BackendLimits { batch_events: 2, ..BackendLimits::PLAIN };
    connect(&mut leader, &log, 0, limits, &[]);
    merge(&mut leader, &mut log, 0);
    for (first, last) in [(1, 2), (3, 4), (5, 5)] {
        let (number, batch) = push(&mut leader, 0);
        assert_eq!(batch.commits, [commit(1, first, last)]);
        hear(&mut leader, &log, 0, FromBackend::Pushed { push: number });
        merge(&mut leader, &mut log, 0);
    }
    assert_eq!((leader.confirmed(), leader.unconfirmed().count()), (Some(5), 0));
}

#[test]
fn paused_it_hangs_up_and_says_so() {
    let (mut leader, log) = leader(&[], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
    leader.pause_backend(true);
    assert_eq!(leader.poll_backend(at(1)), Some(ToBackend::Disconnect));
    assert_eq!((leader.poll_backend(at(99_999)), leader.poll_timeout()), (None, None));
    let status = leader.backend_status().expect("there is a backend");
    assert_eq!(status.connection, ConnectionStatus::Paused);
    leader.pause_backend(false);
    assert!(matches!(leader.poll_backend(at(100_000)), Some(ToBackend::Connect { .. })));
}

fn connection(leader: &Leader) -> ConnectionStatus {
    leader.backend_status().expect("there is a backend").connection
}

#[test]
fn resuming_what_is_not_paused_changes_nothing() {
    let (mut leader, log) = leader(&[], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
    leader.pause_backend(false);
    assert_eq!(leader.poll_backend(at(1)), None);
    assert_eq!(connection(&leader), ConnectionStatus::Current);
}

#[test]
fn a_retry_connects_anew_though_the_connection_seems_to_stand() {
    let (mut leader, log) = leader(&[], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
    leader.retry_backend();
    assert_eq!(connection(&leader), ConnectionStatus::Offline);
    assert_eq!(leader.poll_backend(at(1)), Some(ToBackend::Disconnect));
    let Some(ToBackend::Connect { connection: first }) = leader.poll_backend(at(1)) else {
        panic!("a connection was expected");
    };
    // Also one that is being made: it says who this was.
    leader.retry_backend();
    assert_eq!(leader.poll_backend(at(2)), Some(ToBackend::Disconnect));
    let Some(ToBackend::Connect { connection: second }) = leader.poll_backend(at(2)) else {
        panic!("another connection was expected");
    };
    assert!(second > first);
    let lost = FromBackend::Lost { connection: first, reason: "given up".into() };
    hear(&mut leader, &log, 2, lost);
    assert_eq!(leader.poll_backend(at(2)), None);
    leader.pause_backend(true);
    leader.retry_backend();
    assert_eq!(leader.poll_backend(at(3)), Some(ToBackend::Disconnect));
    assert_eq!(leader.poll_backend(at(99_999)), None, "it is paused");
}

#[test]
fn asking_again_from_time_to_time_is_no_news() {
    let (mut leader, mut log) = leader(&[], 1);
    let polled = BackendLimits { live: false, ..BackendLimits::PLAIN };
    connect(&mut leader, &log, 0, polled, &[]);
    merge(&mut leader, &mut log, 0);
    let mut now = 0;
    let mut ask = |leader: &mut Leader| {
        now += 6000;
        (pull(leader, now).0, now)
    };
    for _ in 0..3 {
        let (number, now) = ask(&mut leader);
        assert_eq!(connection(&leader), ConnectionStatus::Current);
        hear(&mut leader, &log, now, FromBackend::Page { pull: number, page: page(0, &[]) });
        assert_eq!(connection(&leader), ConnectionStatus::Current);
    }
    // There is more than this page.
    let (number, now) = ask(&mut leader);
    let first = Page { remaining: 1, ..page(0, &[foreign(1)]) };
    hear(&mut leader, &log, now, FromBackend::Page { pull: number, page: first });
    assert_eq!(connection(&leader), ConnectionStatus::CatchingUp);
    hear(&mut leader, &log, now, FromBackend::Page { pull: number, page: page(1, &[foreign(2)]) });
    assert_eq!(connection(&leader), ConnectionStatus::Current);
    merge(&mut leader, &mut log, now);
    // It fails.
    let (number, now) = ask(&mut leader);
    let failure = Failure::Unavailable { reason: "no".into() };
    hear(&mut leader, &log, now, FromBackend::NotPulled { pull: number, failure });
    assert_eq!(connection(&leader), ConnectionStatus::CatchingUp);
}

#[test]
fn nothing_is_due_while_the_storage_takes_no_decision() {
    let (mut leader, mut log) = leader(&[], 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[foreign(1), foreign(2)]);
    merge(&mut leader, &mut log, 0);
    // The backend has lost all of it; it is asked, compared, and the log is to be reset.
    leader.retry_backend();
    assert_eq!(leader.poll_backend(at(1)), Some(ToBackend::Disconnect));
    let other = |after: u64| FromBackend::Page { pull: after, page: page(0, &[]) };
    let Some(ToBackend::Connect { connection }) = leader.poll_backend(at(1)) else {
        panic!("a connection was expected");
    };
    hear(&mut leader, &log, 1, FromBackend::Connected { connection, limits: BackendLimits::PLAIN });
    for _ in 0..2 {
        let (number, _) = pull(&mut leader, 1);
        hear(&mut leader, &log, 1, other(number));
    }
    assert!(leader.next_merge(at(1)).is_some(), "the log is reset");
    leader.finish(at(1), Err("disk full".into()));
    assert_eq!(leader.poll_backend(at(2)), None);
    let due = leader.poll_timeout().expect("the storage is tried again");
    assert_eq!(due, at(1001));
}

#[test]
fn a_push_that_finds_no_answer_is_halved_until_one_does() {
    let commits: Vec<Commit> = (1..=16).map(|n| commit(1, n, n)).collect();
    let (mut leader, mut log) = leader(&commits, 1);
    connect(&mut leader, &log, 0, BackendLimits::PLAIN, &[]);
    merge(&mut leader, &mut log, 0);
    let mut now = 0;
    let mut sizes = Vec::new();
    for _ in 0..6 {
        let (_, batch) = push(&mut leader, now);
        sizes.push(batch.commits.len());
        // Nobody answers; then the pull finds that nothing has come.
        now += 30_000;
        assert_eq!(leader.poll_backend(at(now)), None);
        now += 30_000;
        let (number, _) = pull(&mut leader, now);
        hear(&mut leader, &log, now, FromBackend::Page { pull: number, page: page(0, &[]) });
    }
    for _ in 0..3 {
        let (number, batch) = push(&mut leader, now);
        sizes.push(batch.commits.len());
        hear(&mut leader, &log, now, FromBackend::Pushed { push: number });
        merge(&mut leader, &mut log, now);
    }
    assert_eq!(sizes, [16, 8, 4, 2, 1, 1, 1, 2, 4]);
}

#[test]
fn an_event_without_an_id_gets_the_same_one_everywhere_and_none_of_ours() {
    let pulled = |number, id, args| Event::pulled(number, id, ("c", "s"), "v1.Happened", args);
    let number = NonZeroU64::new(7).expect("not zero");
    let first = pulled(number, None, "{}");
    assert_eq!(first, pulled(number, None, " { } "));
    assert!(first.id.is_foreign());
    assert_ne!(first.id, pulled(NonZeroU64::MIN, None, "{}").id);
    let own = pulled(number, Some(id(1, 3)), "{}");
    assert_eq!((own.id, own.id.is_foreign()), (id(1, 3), false));
    let forged = EventId::foreign("somebody", "else", number);
    assert_eq!(pulled(number, Some(forged), "{}").id, first.id, "only we give ids");
    assert_eq!(pulled(number, None, "1e20").args.as_str(), "100000000000000000000");
    let unreadable = pulled(number, None, "\"\\ud800\"");
    assert_eq!((&*unreadable.name, unreadable.args.as_str()), ("unreadable:v1.Happened", "null"));
}
