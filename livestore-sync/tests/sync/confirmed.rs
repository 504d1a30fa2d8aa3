//! A session whose leader has a backend.

use livestore_sync::{
    BackendStatus, Commit, ConnectionStatus, EventId, Fence, Head, Merge, Outcome, PerLane,
    Refused, Session, Settled, Tail, ToSession, Work,
};

use crate::{
    build::{commit, id, tail, zero},
    session::{FENCE, attach_of, attached, hear, open, sends, sent},
};

fn advance(session: &Session, commits: &[Commit], confirmed: u64) -> ToSession {
    let tail = tail(session.upstream(), commits);
    ToSession::Advance { fence: FENCE, tail, refused: Vec::new(), confirmed: Some(confirmed) }
}

/// A session of which the leader's log has these, up to event `confirmed` in the backend, too.
fn following(log: &[Commit], confirmed: u64) -> Session {
    let mut session = open(&[]);
    let message = advance(&session, log, confirmed);
    hear(&mut session, 1, message);
    session
}

fn merges(work: Vec<Work>) -> Vec<Merge> {
    match work.into_iter().next() {
        Some(Work::Merge(merges)) => merges,
        other => panic!("a merge was expected: {other:?}"),
    }
}

fn place(log: &[Commit]) -> PerLane<Head> {
    PerLane { synced: log.iter().fold(Head::ZERO, |head, commit| head.after(commit)), ..zero() }
}

/// The leader's word that its log was rolled back to `parent`, and is `log` now.
fn rebase(
    session: &Session,
    parent: &[Commit],
    arrived: &[Commit],
    refused: &[EventId],
    log: &[Commit],
) -> ToSession {
    let refused = refused.iter().map(|id| Refused { id: *id, reason: "taken".into() });
    let confirmed = place(&[parent, arrived].concat()).synced.number;
    ToSession::Rebase {
        fence: Fence { epoch: FENCE.epoch + 1, ..FENCE },
        before: session.upstream(),
        tail: Tail { parent: place(parent), commits: arrived.to_vec() },
        refused: refused.collect(),
        heads: place(log),
        confirmed,
    }
}

fn settled(session: &mut Session) -> Vec<Settled> {
    std::iter::from_fn(|| session.poll_settled()).collect()
}

#[test]
fn undo_records_stay_until_the_backend_has_confirmed() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 2)).expect("the next");
    sends(&mut session, 1);
    let echo = advance(&session, &[commit(1, 1, 2)], 0);
    assert_eq!(merges(hear(&mut session, 2, echo))[0].forget, []);
    let persisted = Settled { last: id(1, 2), outcome: Outcome::Persisted };
    assert_eq!(settled(&mut session), [persisted]);
    let word = advance(&session, &[], 2);
    assert_eq!(merges(hear(&mut session, 3, word))[0].forget, [commit(1, 1, 2)]);
    let confirmed = Settled { last: id(1, 2), outcome: Outcome::Confirmed };
    assert_eq!(settled(&mut session), [confirmed]);
}

#[test]
fn a_lost_word_of_a_confirmation_comes_with_the_next_pong() {
    let mut session = following(&[commit(2, 1, 1)], 0);
    let heads = session.upstream();
    let pong = ToSession::Pong { fence: FENCE, heads, documents: 0, confirmed: Some(1) };
    assert_eq!(merges(hear(&mut session, 2, pong))[0].forget, [commit(2, 1, 1)]);
    assert_eq!(session.sync_status().confirmed, Some(1));
}

#[test]
fn a_rebase_of_the_leader_is_followed_without_a_snapshot() {
    let (old, other, mine) = (commit(2, 1, 1), commit(2, 2, 2), commit(1, 1, 1));
    let mut session = following(&[old.clone(), other.clone()], 1);
    session.commit(mine.clone()).expect("the next");
    sends(&mut session, 1);
    let foreign = commit(9, 1, 1);
    let log = [old.clone(), foreign.clone(), other.clone()];
    let message = rebase(&session, &[old], std::slice::from_ref(&foreign), &[], &log);
    let [merge] = &merges(hear(&mut session, 2, message))[..] else { panic!("one lane") };
    assert_eq!(merge.roll_back, [mine.clone(), other.clone()], "the log's unconfirmed end, too");
    assert_eq!(merge.apply, [foreign.clone(), other]);
    assert_eq!(merge.reapply, std::slice::from_ref(&mine));
    assert_eq!(merge.forget, [foreign], "what the backend has stays");
    assert_eq!((session.upstream(), session.pending().len()), (place(&log), 1));
    assert_eq!(session.fence().epoch, 1);
    assert_eq!(settled(&mut session), []);
}

#[test]
fn a_commit_of_the_log_that_the_backend_refuses_is_told() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 1)).expect("the next");
    sends(&mut session, 1);
    let echo = advance(&session, &[commit(1, 1, 1), commit(2, 1, 1)], 0);
    hear(&mut session, 1, echo);
    settled(&mut session);
    let message = rebase(&session, &[], &[], &[id(1, 1)], &[commit(2, 1, 1)]);
    let [merge] = &merges(hear(&mut session, 2, message))[..] else { panic!("one lane") };
    assert_eq!(merge.roll_back, [commit(2, 1, 1), commit(1, 1, 1)]);
    assert_eq!((&merge.apply[..], &merge.reapply[..]), (&[commit(2, 1, 1)][..], &[][..]));
    let outcome = Outcome::Refused { reason: "taken".into() };
    assert_eq!(settled(&mut session), [Settled { last: id(1, 1), outcome }]);
}

#[test]
fn what_it_can_not_follow_makes_it_ask_for_a_new_state() {
    let check = |confirmed: u64, heads: &[Commit]| {
        let log = [commit(2, 1, 1), commit(2, 2, 2)];
        let mut session = following(&log, confirmed);
        let foreign = commit(9, 1, 1);
        let message = rebase(&session, &[], std::slice::from_ref(&foreign), &[], heads);
        assert_eq!(hear(&mut session, 2, message), []);
        assert_eq!(attach_of(sent(&mut session, 2)).at, None);
    };
    let [first, second, foreign] = [commit(2, 1, 1), commit(2, 2, 2), commit(9, 1, 1)];
    // What was confirmed is gone; or the leader's log ends elsewhere.
    check(1, &[foreign.clone(), first.clone(), second.clone()]);
    check(0, &[foreign, second, first]);
}

#[test]
fn after_an_attach_it_knows_what_became_of_each_commit() {
    let check = |unconfirmed: &[(EventId, u64)], refused: &[EventId], last, told: &[Outcome]| {
        let mut session = open(&[]);
        session.commit(commit(1, 1, 1)).expect("the next");
        sends(&mut session, 1);
        let echo = advance(&session, &[commit(1, 1, 1)], 0);
        hear(&mut session, 1, echo);
        settled(&mut session);
        hear(&mut session, 2, ToSession::Reattach { fence: FENCE });
        let attach = attach_of(sent(&mut session, 2));
        assert_eq!(attach.authors, [(id(1, 1).session, id(1, 1).n)]);
        let mut answer = attached(attach.attempt, tail(session.upstream(), &[]));
        (answer.confirmed, answer.unconfirmed) = (Some(0), unconfirmed.to_vec());
        answer.last = vec![(id(1, 1).session, last)];
        let refused = refused.iter().map(|id| Refused { id: *id, reason: "no".into() });
        answer.refused = refused.collect();
        hear(&mut session, 3, ToSession::Attached(answer));
        let outcomes: Vec<Outcome> = settled(&mut session).into_iter().map(|s| s.outcome).collect();
        assert_eq!(outcomes, told);
    };
    check(&[(id(1, 1), 1)], &[], 1, &[]);
    check(&[], &[], 1, &[Outcome::Confirmed]);
    check(&[], &[id(1, 1)], 1, &[Outcome::Refused { reason: "no".into() }]);
}

#[test]
fn synced_means_that_the_backend_has_it() {
    let mut session = open(&[]);
    assert_eq!(session.sync_status().confirmed, None, "there is no backend");
    let word = advance(&session, &[commit(2, 1, 2)], 2);
    hear(&mut session, 1, word);
    assert!(!session.sync_status().is_synced, "nobody has said that the backend was read");
    let status = |connection, behind| ToSession::Backend {
        fence: FENCE,
        status: BackendStatus { connection, behind, error: None },
    };
    hear(&mut session, 1, status(ConnectionStatus::Current, 0));
    assert!(session.sync_status().is_synced);
    hear(&mut session, 1, status(ConnectionStatus::Current, 3));
    assert!(!session.sync_status().is_synced, "three events are on their way");
    hear(&mut session, 1, status(ConnectionStatus::Current, 0));
    session.commit(commit(1, 1, 1)).expect("the next");
    let pending = session.sync_status();
    assert_eq!((pending.is_synced, pending.session, pending.leader), (false, 3, 2));
    let echo = advance(&session, &[commit(1, 1, 1)], 2);
    hear(&mut session, 2, echo);
    assert_eq!((session.sync_status().is_synced, session.unconfirmed_events()), (false, 1));
    let word = advance(&session, &[], 3);
    hear(&mut session, 3, word);
    assert_eq!((session.sync_status().is_synced, session.unconfirmed_events()), (true, 0));
}
