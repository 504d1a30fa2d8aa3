//! The leader machine against hand-written messages and a log in memory.

use std::{convert::Infallible, num::NonZeroU64, sync::Arc, time::Duration};

use livestore_sync::{
    Attach, Attached, ChainHash, Commit, Document, Fence, Head, Lane, Leader, LeaderConfig,
    LeaderStorage, Limits, Outgoing, PROTOCOL, PerLane, Push, Recipients, Refused, SessionId,
    ToLeader, ToSession,
};

use crate::build::{CLIENT, commit, id, session, zero};

const FENCE: Fence = Fence { term: 5, epoch: 0 };

/// A log of synced commits.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) commits: Vec<Commit>,
    pub(crate) snapshot: Option<Arc<[u8]>>,
}

impl Log {
    fn place(&self, head: Head) -> Option<usize> {
        let mut at = Head::ZERO;
        let after = |commit: &Commit| {
            at = at.after(commit);
            at == head
        };
        if head == Head::ZERO {
            Some(0)
        } else {
            self.commits.iter().position(after).map(|i| i + 1)
        }
    }

    fn heads(&self) -> PerLane<Head> {
        PerLane { synced: self.commits.iter().fold(Head::ZERO, |h, c| h.after(c)), ..zero() }
    }
}

impl LeaderStorage for Log {
    type Error = Infallible;

    fn last_n(&self, author: SessionId) -> Result<u64, Infallible> {
        let of_author = |commit: &&Commit| commit.author() == author;
        Ok(self.commits.iter().rev().find(of_author).map_or(0, |commit| commit.last_n().get()))
    }

    fn arrived(&self, _: SessionId, _: u64) -> Result<Vec<(u64, ChainHash)>, Infallible> {
        Ok(Vec::new())
    }

    fn holds(&self, _: Lane, head: Head) -> Result<bool, Infallible> {
        Ok(self.place(head).is_some())
    }

    fn tail(&self, _: Lane, head: Head, max_bytes: usize) -> Result<Vec<Commit>, Infallible> {
        let rest = &self.commits[self.place(head).unwrap_or(0)..];
        let count = (max_bytes / rest[0].bytes()).clamp(1, rest.len());
        Ok(rest[..count].to_vec())
    }

    fn refused(&self, _: SessionId, _: u64) -> Result<Vec<Refused>, Infallible> {
        Ok(Vec::new())
    }

    fn documents(&self, _: SessionId) -> Result<Vec<Document>, Infallible> {
        Ok(Vec::new())
    }

    fn snapshot(&self) -> Result<Option<Arc<[u8]>>, Infallible> {
        Ok(self.snapshot.clone())
    }
}

pub(crate) fn leader_with(log: &Log, limits: Limits) -> Leader {
    let config = LeaderConfig { limits, ..LeaderConfig::new(CLIENT, 0, FENCE, log.heads()) };
    let mut leader = Leader::new(config);
    let announce = leader.poll_send().expect("a leader announces itself");
    assert_eq!(announce.to, Recipients::Everyone);
    leader
}

fn hear(leader: &mut Leader, log: &Log, message: ToLeader) -> Vec<ToSession> {
    let Ok(()) = leader.receive(Duration::ZERO, message, log);
    assert_eq!(leader.check_invariants(), Ok(()));
    words(leader)
}

fn words(leader: &mut Leader) -> Vec<ToSession> {
    let messages = std::iter::from_fn(|| leader.poll_send());
    messages.map(|Outgoing { message, .. }| message).collect()
}

fn attach(open: u64, attempt: u64, at: Option<PerLane<Head>>) -> ToLeader {
    let from = session(open);
    let attach = Attach { from, protocol: PROTOCOL, schema: 0, attempt, at, authors: Vec::new() };
    ToLeader::Attach(attach)
}

fn push(open: u64, acknowledged: u64, commits: &[Commit]) -> ToLeader {
    ToLeader::Push(Push {
        from: session(open),
        author: session(open),
        fence: FENCE,
        parent: zero(),
        acknowledged,
        commits: commits.to_vec(),
    })
}

/// A leader with session 1 attached.
fn open(limits: Limits) -> (Leader, Log) {
    let log = Log::default();
    let mut leader = leader_with(&log, limits);
    let answer = hear(&mut leader, &log, attach(1, 1, Some(zero())));
    assert!(matches!(&answer[..], [ToSession::Attached(_)]), "{answer:?}");
    (leader, log)
}

fn write(leader: &mut Leader, log: &mut Log) -> Vec<ToSession> {
    if let Some(group) = leader.next_group(Duration::ZERO) {
        assert_eq!(group.parent, log.heads());
        log.commits.extend(group.commits);
        leader.finish(Duration::ZERO, Ok(Vec::new()));
    }
    assert_eq!(leader.heads(), log.heads());
    words(leader)
}

#[test]
fn each_event_of_an_author_is_taken_once_and_in_order() {
    let (mut leader, mut log) = open(Limits::default());
    let resend = |from| ToSession::Resend {
        fence: FENCE,
        author: session(1),
        from: NonZeroU64::new(from).expect("n starts at 1"),
    };
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(1, 2, 2)])), [resend(1)]);
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(1, 1, 1), commit(1, 2, 2)])), []);
    // Not yet written: nothing to say about a repetition.
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(1, 1, 1)])), []);
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(1, 4, 4)])), [resend(3)]);
    assert_eq!(write(&mut leader, &mut log).len(), 1);
    let acked = ToSession::Acked { fence: FENCE, author: session(1), n: 2 };
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(1, 1, 1)])), [acked]);
    assert_eq!(log.commits, [commit(1, 1, 1), commit(1, 2, 2)]);
}

#[test]
fn a_gap_is_taken_only_behind_what_was_acknowledged() {
    let check = |acknowledged: u64, first: u64, taken: usize| {
        let (mut leader, mut log) = open(Limits::default());
        let answer = hear(&mut leader, &log, push(1, acknowledged, &[commit(1, first, first)]));
        assert_eq!(answer.len(), 1 - taken, "{acknowledged}, {first}: {answer:?}");
        write(&mut leader, &mut log);
        assert_eq!(log.commits.len(), taken, "{acknowledged}, {first}");
    };
    check(0, 1, 1);
    check(6, 7, 1);
    check(6, 8, 0);
    check(5, 7, 0);
    check(0, 7, 0);
}

#[test]
fn another_leaders_push_and_an_unknown_sessions_are_told_to_attach() {
    let check = |message: ToLeader| {
        let (mut leader, log) = open(Limits::default());
        let answer = hear(&mut leader, &log, message);
        assert_eq!(answer, [ToSession::Reattach { fence: FENCE }]);
        assert!(leader.next_group(Duration::ZERO).is_none());
    };
    let with = |change: fn(&mut Push)| {
        let ToLeader::Push(mut push) = push(1, 0, &[commit(1, 1, 1)]) else { unreachable!() };
        change(&mut push);
        ToLeader::Push(push)
    };
    check(with(|push| push.fence.term = 4));
    check(with(|push| push.fence.epoch = 1));
    check(with(|push| push.from = session(2)));
    check(with(|push| push.parent.synced = Head::ZERO.after(&commit(3, 1, 1))));
    check(with(|push| push.parent.synced.hash.0 = 1));
    check(ToLeader::Ping { from: session(2), fence: FENCE });
}

#[test]
fn a_push_in_anothers_name_is_left_out() {
    let (mut leader, log) = open(Limits::default());
    assert_eq!(hear(&mut leader, &log, push(1, 0, &[commit(2, 1, 1)])), []);
    assert_eq!(leader.waiting(), 0);
}

#[test]
fn what_waits_is_bounded_and_comes_again() {
    let limits = Limits { queue_commits: 3, group_commits: 2, ..Limits::default() };
    let (mut leader, mut log) = open(limits);
    let commits: Vec<Commit> = (1..=5).map(|n| commit(1, n, n)).collect();
    assert_eq!(hear(&mut leader, &log, push(1, 0, &commits)), []);
    assert_eq!(leader.waiting(), 3);
    assert_eq!(hear(&mut leader, &log, push(1, 0, &commits[4..])), [], "full: no word");
    write(&mut leader, &mut log);
    assert_eq!((leader.waiting(), log.commits.len()), (1, 2));
    hear(&mut leader, &log, push(1, 0, &commits));
    write(&mut leader, &mut log);
    write(&mut leader, &mut log);
    assert_eq!(log.commits, commits);
}

#[test]
fn a_storage_that_refuses_is_told_once_and_tried_again() {
    let (mut leader, mut log) = open(Limits::default());
    hear(&mut leader, &log, push(1, 0, &[commit(1, 1, 1)]));
    let at = Duration::from_secs;
    for second in 0..3 {
        let group = leader.next_group(at(second)).expect("the rest is over");
        assert_eq!(group.commits, [commit(1, 1, 1)]);
        leader.finish(at(second), Err("disk full".into()));
        assert_eq!(leader.next_group(at(second)), None, "the storage is given a rest");
        let told = words(&mut leader);
        assert_eq!(told.len(), usize::from(second == 0), "{told:?}");
        assert_eq!(leader.check_invariants(), Ok(()));
    }
    let ping = ToLeader::Ping { from: session(1), fence: FENCE };
    let answer = hear(&mut leader, &log, ping);
    assert!(matches!(&answer[..], [ToSession::Stalled { .. }]), "{answer:?}");
    let group = leader.next_group(at(9)).expect("the rest is over");
    log.commits.extend(group.commits);
    leader.finish(at(9), Ok(Vec::new()));
    let told = words(&mut leader);
    assert!(matches!(&told[..], [ToSession::Advance { .. }]), "{told:?}");
}

#[test]
fn a_refused_commit_is_told_and_stays_out_of_the_log() {
    let (mut leader, mut log) = open(Limits::default());
    hear(&mut leader, &log, push(1, 0, &[commit(1, 1, 1), commit(1, 2, 2), commit(1, 3, 3)]));
    let group = leader.next_group(Duration::ZERO).expect("three wait");
    assert_eq!(group.last, [(session(1), 3)]);
    let refused = vec![Refused { id: id(1, 2), reason: "taken".into() }];
    log.commits = vec![commit(1, 1, 1), commit(1, 3, 3)];
    leader.finish(Duration::ZERO, Ok(refused.clone()));
    assert_eq!(leader.heads(), log.heads());
    let told = words(&mut leader);
    let [ToSession::Advance { tail, refused: told, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&tail.commits, told), (&log.commits, &refused));
}

#[test]
fn a_long_tail_comes_in_parts_and_only_the_last_attaches() {
    let commits: Vec<Commit> = (1..=5).map(|n| commit(2, n, n)).collect();
    let log = Log { commits: commits.clone(), snapshot: None };
    let limits = Limits { tail_bytes: 2 * commits[0].bytes(), ..Limits::default() };
    let mut leader = leader_with(&log, limits);
    let mut got = Vec::new();
    let mut at = zero();
    for part in 1..=3 {
        let answer = hear(&mut leader, &log, attach(1, part, Some(at)));
        let [ToSession::Attached(Attached { tail, more, .. })] = &answer[..] else {
            panic!("{answer:?}")
        };
        got.extend(tail.commits.clone());
        at = tail.heads();
        assert_eq!(*more, part < 3);
        assert_eq!(leader.attached().count(), usize::from(part == 3));
    }
    assert_eq!(got, commits);
}

#[test]
fn a_head_that_is_not_in_the_log_gets_a_snapshot_whatever_its_number() {
    let log =
        Log { commits: vec![commit(2, 1, 1), commit(2, 2, 2)], snapshot: Some([7; 9].into()) };
    let heads = |commits: &[Commit]| {
        let synced = commits.iter().fold(Head::ZERO, |head, commit| head.after(commit));
        Some(PerLane { synced, ..zero() })
    };
    let check = |at: Option<PerLane<Head>>, snapshot: bool| {
        let mut leader = leader_with(&log, Limits::default());
        let answer = hear(&mut leader, &log, attach(1, 1, at));
        assert_eq!(matches!(&answer[..], [ToSession::Snapshot(_)]), snapshot, "{at:?}");
    };
    check(None, true);
    check(heads(&[commit(2, 1, 1)]), false);
    check(heads(&[commit(3, 1, 1)]), true);
    check(heads(&[commit(3, 1, 2)]), true);
    check(heads(&[commit(2, 1, 1), commit(2, 2, 2)]), false);
    check(heads(&[commit(2, 1, 3)]), true);
}

#[test]
fn a_snapshots_lost_chunks_come_again() {
    let bytes: Vec<u8> = (0..50).collect();
    let log = Log { commits: vec![commit(2, 1, 1)], snapshot: Some(bytes.clone().into()) };
    let limits = Limits { chunk_bytes: 8, chunks_in_flight: 3, ..Limits::default() };
    let mut leader = leader_with(&log, limits);
    let mut got: Vec<u8> = Vec::new();
    let mut received = 0;
    let mut waiting = hear(&mut leader, &log, attach(1, 1, None));
    let mut lose = [true, false, true, true, false].into_iter().cycle();
    for _ in 0..100 {
        for message in std::mem::take(&mut waiting) {
            let ToSession::Snapshot(chunk) = message else { panic!("{message:?}") };
            assert_eq!((chunk.of, chunk.heads), (7, log.heads()));
            if chunk.chunk == received && lose.next() == Some(false) {
                got.extend(chunk.bytes);
                received += 1;
            }
        }
        if received == 7 {
            break;
        }
        let ack = ToLeader::SnapshotAck { from: session(1), fence: FENCE, snapshot: 1, received };
        waiting = hear(&mut leader, &log, ack);
        assert!(waiting.len() <= 3, "more than three chunks are on the way");
    }
    assert_eq!(got, bytes);
}

#[test]
fn a_session_that_says_nothing_for_long_is_forgotten() {
    let (mut leader, log) = open(Limits::default());
    let Ok(()) = leader.receive(Duration::from_secs(299), attach(2, 1, Some(zero())), &log);
    assert_eq!(leader.attached().count(), 2);
    let Ok(()) = leader.receive(Duration::from_secs(301), attach(2, 2, Some(zero())), &log);
    assert_eq!(leader.attached().collect::<Vec<_>>(), [session(2)]);
}

#[test]
fn another_protocol_is_told_which_one_is_spoken() {
    let log = Log::default();
    let mut leader = leader_with(&log, Limits::default());
    let ToLeader::Attach(mut other) = attach(1, 1, None) else { unreachable!() };
    other.protocol = PROTOCOL + 1;
    let answer = hear(&mut leader, &log, ToLeader::Attach(other));
    let announce = ToSession::Announce { fence: FENCE, protocol: PROTOCOL, schema: 0 };
    assert_eq!(answer, [announce]);
}

#[test]
fn a_stopped_leader_writes_nothing_and_tells_whoever_asks_why() {
    let log = Log { commits: vec![commit(0, 1, 1)], snapshot: None };
    let mut leader = leader_with(&log, Limits::default());
    hear(&mut leader, &log, attach(1, 1, Some(log.heads())));
    let push = |open, n| {
        let (from, parent) = (session(open), log.heads());
        let commits = vec![commit(open, n, 1)];
        let author = from;
        ToLeader::Push(Push { from, author, fence: FENCE, parent, acknowledged: 0, commits })
    };
    assert_eq!(hear(&mut leader, &log, push(1, 1)), []);
    leader.stop("bad row".into());
    leader.stop("another bad row".into());
    let stalled = || vec![ToSession::Stalled { fence: FENCE, reason: "bad row".into() }];
    assert_eq!(words(&mut leader), stalled());
    assert_eq!(leader.next_group(Duration::from_secs(1_000)), None, "what waited is not written");
    assert_eq!(leader.poll_timeout(), None);
    assert_eq!(hear(&mut leader, &log, attach(2, 1, None)), stalled());
    assert_eq!(hear(&mut leader, &log, attach(1, 2, Some(log.heads()))), stalled());
    assert_eq!(hear(&mut leader, &log, push(1, 1)), stalled());
    assert_eq!(
        hear(&mut leader, &log, ToLeader::Ping { from: session(1), fence: FENCE }),
        stalled()
    );
    assert_eq!(hear(&mut leader, &log, ToLeader::Leave { from: session(1) }), []);
}
