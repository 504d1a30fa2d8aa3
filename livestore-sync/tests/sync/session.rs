//! The session machine against hand-written messages.

use std::time::Duration;

use livestore_sync::{
    Attach, Attached, ChainHash, Commit, CommitRefused, Document, DocumentKey, DocumentOwner,
    Fence, Head, InvalidJournal, Journal, JournalMark, Lane, LeaderStatus, Limits, MergeError,
    Outcome, PROTOCOL, Push, Refused, Session, SessionConfig, Settled, Tail, ToLeader, ToSession,
    Work,
};

use crate::build::{CLIENT, commit, event, id, session, tail, zero};

pub(crate) const FENCE: Fence = Fence { term: 5, epoch: 0 };

pub(crate) fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn sends(session: &mut Session, ms: u64) -> Vec<ToLeader> {
    std::iter::from_fn(|| session.poll_send(at(ms))).collect()
}

/// The one message it sends now.
pub(crate) fn sent(session: &mut Session, ms: u64) -> ToLeader {
    let mut messages = sends(session, ms);
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

pub(crate) fn attach_of(message: ToLeader) -> Attach {
    match message {
        ToLeader::Attach(attach) => attach,
        other => panic!("an attach was expected: {other:?}"),
    }
}

fn push_of(message: ToLeader) -> Push {
    match message {
        ToLeader::Push(push) => push,
        other => panic!("a push was expected: {other:?}"),
    }
}

pub(crate) fn attached(attempt: u64, tail: Tail) -> Attached {
    Attached {
        fence: FENCE,
        attempt,
        tail,
        more: false,
        last: Vec::new(),
        refused: Vec::new(),
        arrived: Vec::new(),
        documents: Vec::new(),
        documents_count: 0,
        confirmed: None,
        unconfirmed: Vec::new(),
        backend: None,
    }
}

pub(crate) fn hear(session: &mut Session, ms: u64, message: ToSession) -> Vec<Work> {
    let work = session.receive(at(ms), message).expect("the message fits");
    assert_eq!(session.check_invariants(), Ok(()));
    work
}

/// A session that is attached to a leader with this log.
pub(crate) fn open(log: &[Commit]) -> Session {
    let mut session = Session::new(SessionConfig::new(CLIENT, session(1), 0), at(0));
    let attempt = attach_of(sent(&mut session, 0)).attempt;
    hear(&mut session, 0, ToSession::NoSnapshot { fence: FENCE, attempt });
    let attach = attach_of(sent(&mut session, 0));
    assert_eq!(attach.at, Some(zero()));
    hear(&mut session, 0, ToSession::Attached(attached(attach.attempt, tail(zero(), log))));
    assert_eq!(session.status(at(0)), LeaderStatus::Attached);
    session
}

fn advance(session: &Session, commits: &[Commit]) -> ToSession {
    let tail = tail(session.upstream(), commits);
    ToSession::Advance { fence: FENCE, tail, refused: Vec::new(), confirmed: None }
}

#[test]
fn a_commit_needs_a_state_and_the_next_n() {
    let mut closed = Session::new(SessionConfig::new(CLIENT, session(1), 0), at(0));
    assert_eq!(closed.commit(commit(1, 1, 1)), Err(CommitRefused::NotOpen));
    let mut session = open(&[]);
    for wrong in [commit(1, 2, 2), commit(2, 1, 1)] {
        let next = session.next_n();
        let expected = CommitRefused::OutOfSequence { id: wrong.id(), next };
        assert_eq!(session.commit(wrong), Err(expected));
    }
    session.commit(commit(1, 1, 3)).expect("the next");
    assert_eq!(session.next_n().get(), 4);
    assert_eq!(session.check_invariants(), Ok(()));
}

#[test]
fn an_echo_settles_a_commit_in_place() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 2)).expect("the next");
    assert_eq!(push_of(sent(&mut session, 1)).commits, [commit(1, 1, 2)]);
    let echo = advance(&session, &[commit(1, 1, 2)]);
    let work = hear(&mut session, 2, echo);
    let [Work::Merge(merges)] = &work[..] else { panic!("{work:?}") };
    assert!(merges[0].is_in_place());
    let settled = session.poll_settled();
    assert_eq!(settled, Some(Settled { last: id(1, 2), outcome: Outcome::Persisted }));
    assert_eq!((session.journal(), session.pending().len()), (None, 0));
}

#[test]
fn a_refused_commit_is_rolled_back_and_told() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 1)).expect("the next");
    session.commit(commit(1, 2, 2)).expect("the next");
    let refused = vec![Refused { id: id(1, 1), reason: "taken".into() }];
    let tail = tail(session.upstream(), &[]);
    let work =
        hear(&mut session, 1, ToSession::Advance { fence: FENCE, tail, refused, confirmed: None });
    let [Work::Merge(merges)] = &work[..] else { panic!("{work:?}") };
    assert_eq!(merges[0].roll_back, [commit(1, 2, 2), commit(1, 1, 1)]);
    assert_eq!(merges[0].reapply, [commit(1, 2, 2)]);
    let outcome = Outcome::Refused { reason: "taken".into() };
    assert_eq!(session.poll_settled(), Some(Settled { last: id(1, 1), outcome }));
}

#[test]
fn what_is_pending_under_a_taken_id_waits_for_the_leaders_word() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 1)).expect("the next");
    session.commit(commit(1, 2, 2)).expect("the next");
    sends(&mut session, 1);
    let other = Commit::new(Lane::Synced, vec![event(1, 1, "[2]")]).expect("a commit");
    let taken = |session: &mut Session| {
        let message = advance(session, std::slice::from_ref(&other));
        let error = session.receive(at(2), message);
        assert_eq!(error, Err(MergeError::OtherContent { id: id(1, 1) }));
        assert_eq!(session.check_invariants(), Ok(()));
    };
    taken(&mut session);
    assert_eq!((session.poll_settled(), session.pending().len()), (None, 2));
    let attempt = attach_of(sent(&mut session, 2)).attempt;
    // There is no snapshot for it, and its fold comes to the same place again.
    hear(&mut session, 2, ToSession::NoSnapshot { fence: FENCE, attempt });
    let attempt = attach_of(sent(&mut session, 2)).attempt;
    hear(&mut session, 2, ToSession::Attached(attached(attempt, tail(zero(), &[]))));
    taken(&mut session);
    let settled = session.poll_settled().expect("the commit's fate is told");
    assert!(matches!(settled.outcome, Outcome::Refused { .. }), "{settled:?}");
    assert_eq!(session.pending().collect::<Vec<_>>(), [&commit(1, 2, 2)]);
}

#[test]
fn only_what_has_the_same_content_counts_as_arrived() {
    let check = |print: ChainHash, left: &[Commit]| {
        let mut session = open(&[]);
        let journal = Journal {
            author: crate::build::session(2),
            acknowledged: 4,
            commits: vec![commit(2, 5, 6), commit(2, 7, 7)],
            documents: Vec::new(),
        };
        session.adopt(at(1), journal).expect("a journal");
        let attach = attach_of(sent(&mut session, 1));
        let mut answer = attached(attach.attempt, tail(session.upstream(), &[]));
        answer.last = vec![(crate::build::session(2), 4)];
        let there = id(2, 5);
        answer.arrived = vec![(there, print), (id(2, (1 << 53) - 1), print)];
        hear(&mut session, 1, ToSession::Attached(answer));
        assert_eq!(session.pending().cloned().collect::<Vec<_>>(), left);
        assert_eq!(session.check_invariants(), Ok(()));
    };
    let whole = commit(2, 5, 6);
    let print = whole.events()[0].fingerprint();
    check(print, &[commit(2, 6, 6), commit(2, 7, 7)]);
    check(Head::ZERO.hash, &[whole, commit(2, 7, 7)]);
}

#[test]
fn a_state_that_is_lost_again_and_again_is_asked_for_less_and_less_often() {
    let mut session = open(&[]);
    let mut now = 0;
    for wait in [0, 1000, 2000, 4000, 8000, 16_000, 16_000] {
        session.state_lost(at(now));
        if wait > 0 {
            assert_eq!(sends(&mut session, now + wait - 1), [], "too early, with a wait of {wait}");
        }
        now += wait;
        let attempt = attach_of(sent(&mut session, now)).attempt;
        hear(&mut session, now, ToSession::NoSnapshot { fence: FENCE, attempt });
    }
    let attempt = attach_of(sent(&mut session, now)).attempt;
    hear(&mut session, now, ToSession::Attached(attached(attempt, tail(zero(), &[]))));
    session.state_lost(at(now));
    assert_eq!(attach_of(sent(&mut session, now)).at, None, "one that was attached asks at once");
}

#[test]
fn a_gap_or_a_newer_leader_makes_it_attach_again() {
    let check = |message: fn(&Session) -> ToSession| {
        let mut session = open(&[commit(2, 1, 1)]);
        let message = message(&session);
        assert_eq!(hear(&mut session, 1, message), []);
        assert_eq!(attach_of(sent(&mut session, 1)).at, Some(session.upstream()));
    };
    let newer = Fence { term: 6, epoch: 0 };
    check(|session| {
        let mut parent = session.upstream();
        parent.synced = parent.synced.after(&commit(3, 1, 1));
        let tail = tail(parent, &[commit(2, 2, 2)]);
        ToSession::Advance { fence: FENCE, tail, refused: Vec::new(), confirmed: None }
    });
    check(|_| ToSession::Pong { fence: FENCE, heads: zero(), documents: 0, confirmed: None });
    check(|session| ToSession::Pong {
        fence: FENCE,
        heads: session.upstream(),
        documents: 1,
        confirmed: None,
    });
    check(|_| ToSession::Announce {
        fence: Fence { term: 6, epoch: 0 },
        protocol: PROTOCOL,
        schema: 0,
    });
    check(|_| ToSession::Reattach { fence: FENCE });
    let mut session = open(&[]);
    let tail = tail(session.upstream(), &[commit(2, 1, 1)]);
    hear(
        &mut session,
        1,
        ToSession::Advance { fence: newer, tail, refused: Vec::new(), confirmed: None },
    );
    assert_eq!(session.upstream(), zero(), "another leader's word is not taken before attaching");
}

#[test]
fn an_older_leader_is_not_heard() {
    let mut session = open(&[]);
    let old = Fence { term: 4, epoch: 9 };
    let tail = tail(zero(), &[commit(2, 1, 1)]);
    hear(
        &mut session,
        1,
        ToSession::Advance { fence: old, tail, refused: Vec::new(), confirmed: None },
    );
    hear(&mut session, 1, ToSession::Reattach { fence: old });
    hear(&mut session, 1, ToSession::Announce { fence: old, protocol: PROTOCOL + 1, schema: 0 });
    assert_eq!((session.upstream(), session.status(at(1))), (zero(), LeaderStatus::Attached));
}

#[test]
fn what_is_not_acknowledged_is_sent_again_after_a_growing_while() {
    let mut session = open(&[]);
    session.commit(commit(1, 1, 1)).expect("the next");
    let mut pushes = Vec::new();
    for ms in (0..8000).step_by(100) {
        let push = |message: &ToLeader| matches!(message, ToLeader::Push(_));
        pushes.extend(sends(&mut session, ms).iter().filter(|m| push(m)).map(|_| ms));
    }
    assert_eq!(pushes, [0, 1000, 3000, 7000]);
}

#[test]
fn a_request_to_send_again_is_honoured_once() {
    let mut session = open(&[]);
    for n in 1..=3 {
        session.commit(commit(1, n, n)).expect("the next");
        sent(&mut session, 1);
    }
    let from = id(1, 1).n;
    let resend = ToSession::Resend { fence: FENCE, author: session.id(), from };
    hear(&mut session, 2, resend.clone());
    assert_eq!(push_of(sent(&mut session, 2)).commits.len(), 3);
    hear(&mut session, 2, resend);
    assert_eq!(sends(&mut session, 2), []);
}

#[test]
fn a_silent_leader_is_a_status() {
    let mut session = open(&[]);
    assert!(matches!(sent(&mut session, 2000), ToLeader::Ping { .. }));
    assert_eq!(session.status(at(6999)), LeaderStatus::Attached);
    assert_eq!(session.status(at(7000)), LeaderStatus::Silent { since: at(2000) });
    session.commit(commit(1, 1, 1)).expect("commits go on");
    let heads = session.upstream();
    hear(
        &mut session,
        7001,
        ToSession::Pong { fence: FENCE, heads, documents: 0, confirmed: None },
    );
    assert_eq!(session.status(at(7001)), LeaderStatus::Attached);
}

#[test]
fn another_protocol_is_a_status_until_an_own_leader_comes() {
    let mut session = open(&[]);
    let newer = Fence { term: 6, epoch: 0 };
    hear(&mut session, 1, ToSession::Announce { fence: newer, protocol: PROTOCOL + 1, schema: 0 });
    assert_eq!(session.status(at(1)), LeaderStatus::OtherProtocol { protocol: PROTOCOL + 1 });
    let newest = Fence { term: 7, epoch: 0 };
    hear(&mut session, 2, ToSession::Announce { fence: newest, protocol: PROTOCOL, schema: 0 });
    assert_eq!(session.status(at(2)), LeaderStatus::Attaching);
}

#[test]
fn an_adopted_commit_waits_for_the_leaders_word() {
    let check = |last: u64, refused: &[u64], pending: u64, told: &[Outcome]| {
        let mut session = open(&[]);
        let commits = vec![commit(9, 4, 4), commit(9, 5, 5)];
        let author = crate::build::session(9);
        let journal = Journal { author, acknowledged: 3, commits, documents: Vec::new() };
        session.adopt(at(1), journal).expect("the journal is sound");
        assert_eq!((session.parked().len(), session.pending().len()), (2, 0));
        let attach = attach_of(sent(&mut session, 1));
        assert_eq!(attach.authors, [(author, id(9, 4).n)]);
        let refused = refused.iter().map(|n| Refused { id: id(9, *n), reason: "no".into() });
        let mut answer = attached(attach.attempt, tail(zero(), &[]));
        (answer.last, answer.refused) = (vec![(author, last)], refused.collect());
        hear(&mut session, 2, ToSession::Attached(answer));
        let events: u64 = session.pending().map(|commit| commit.events().len() as u64).sum();
        assert_eq!((session.parked().len(), events), (0, pending), "last {last}");
        let outcomes = std::iter::from_fn(|| session.poll_settled()).map(|s| s.outcome);
        assert_eq!(outcomes.collect::<Vec<_>>(), told);
        assert_eq!(session.adopted().count() as u64, u64::from(pending > 0));
        assert_eq!(session.journal(), None, "the dead session's journal is still there");
    };
    let no = || Outcome::Refused { reason: "no".into() };
    check(3, &[], 2, &[]);
    check(0, &[], 2, &[]);
    check(4, &[], 1, &[Outcome::Persisted]);
    check(4, &[4], 1, &[no()]);
    check(5, &[5], 0, &[Outcome::Persisted, no()]);
    check(99, &[], 0, &[Outcome::Persisted, Outcome::Persisted]);
}

#[test]
fn commits_wait_for_those_of_another_author_before_them() {
    let mut session = open(&[]);
    let (own, dead) = (session.id(), crate::build::session(9));
    let commits = vec![commit(9, 1, 1), commit(9, 2, 2)];
    let journal = Journal { author: dead, acknowledged: 0, commits, documents: Vec::new() };
    session.adopt(at(1), journal).expect("the journal is sound");
    let attempt = attach_of(sent(&mut session, 1)).attempt;
    let mut answer = attached(attempt, tail(zero(), &[]));
    answer.last = vec![(dead, 0)];
    hear(&mut session, 2, ToSession::Attached(answer));
    session.commit(commit(own.open, 1, 1)).expect("the next");

    let pushed = |message: ToLeader| {
        let push = push_of(message);
        (push.author, push.commits.len())
    };
    assert_eq!(pushed(sent(&mut session, 3)), (dead, 2));
    assert_eq!(sends(&mut session, 4), [], "the own one was made on top of those");
    let resend = at(3) + Limits::default().resend;
    let again = session.poll_send(resend).expect("sent again when nothing is heard");
    assert_eq!(pushed(again), (dead, 2));
    assert_eq!(session.poll_send(resend), None);
    let heard = u64::try_from(resend.as_millis()).expect("soon") + 1;
    let echo = advance(&session, &[commit(9, 1, 1)]);
    hear(&mut session, heard, echo);
    assert_eq!(sends(&mut session, heard), [], "one of them is still under way");
    let echo = advance(&session, &[commit(9, 2, 2)]);
    hear(&mut session, heard, echo);
    assert_eq!(pushed(sent(&mut session, heard)), (own, 1));
}

#[test]
fn a_journal_and_what_is_added_to_it_are_the_journal_of_the_end() {
    let mut session = open(&[]);
    let own = session.id();
    let key = |name: &str| DocumentKey { owner: DocumentOwner::Client, name: name.into() };
    let value = |name: &str, json: &str| Document { key: key(name), json: json.into() };
    let make = |n: u64| commit(own.open, n, n);
    let (mut whole, mut mark) = (None::<Journal>, JournalMark::default());
    let mut step = |session: &Session, commits: usize, documents: usize| {
        let added = session.journal_after(mark);
        let sizes = added.as_ref().map_or((0, 0), |j| (j.commits.len(), j.documents.len()));
        assert_eq!(sizes, (commits, documents), "only what is new");
        mark = session.journal_mark();
        match (&mut whole, added) {
            (Some(whole), Some(added)) => whole.append(added),
            (None, added) => whole = added,
            (Some(_), None) => {}
        }
        assert_eq!(whole, session.journal());
        let bytes =
            whole.as_ref().map_or(0, |whole| postcard::to_stdvec(whole).expect("bytes").len());
        let estimate = session.unacknowledged_bytes();
        assert!(bytes <= estimate && estimate <= bytes + 64 + 48 * 8, "{bytes} of {estimate}");
    };
    step(&session, 0, 0);
    session.commit(make(1)).expect("the next");
    session.commit(make(2)).expect("the next");
    step(&session, 2, 0);
    step(&session, 0, 0);
    session.set_document(value("ui", "1"));
    session.commit(make(3)).expect("the next");
    step(&session, 1, 1);
    session.set_document(value("ui", "2"));
    session.set_document(value("draft", "3"));
    step(&session, 0, 2);
    sends(&mut session, 1);
    hear(&mut session, 2, ToSession::Acked { fence: FENCE, author: own, n: 2 });
    session.commit(make(4)).expect("the next");
    step(&session, 1, 0);
}

#[test]
fn a_foreign_journal_is_refused_whole() {
    let check = |commits: Vec<Commit>, acknowledged: u64| {
        let mut session = open(&[]);
        let author = crate::build::session(9);
        let journal = Journal { author, acknowledged, commits, documents: Vec::new() };
        let error = session.adopt(at(1), journal).expect_err("the journal is foreign");
        assert!(session.parked().is_empty());
        error
    };
    let foreign = check(vec![commit(9, 1, 1), commit(8, 2, 2)], 0);
    assert!(matches!(foreign, InvalidJournal::Foreign { .. }));
    for (commits, acknowledged) in
        [(vec![commit(9, 2, 2), commit(9, 1, 1)], 0), (vec![commit(9, 3, 3)], 3)]
    {
        let error = check(commits, acknowledged);
        assert!(matches!(error, InvalidJournal::NotAscending { .. }));
    }
}

#[test]
fn an_own_document_value_wins_until_it_is_saved() {
    let mut session = open(&[]);
    let key = DocumentKey { owner: DocumentOwner::Client, name: "ui".into() };
    let value = |json: &str| Document { key: key.clone(), json: json.into() };
    let word = |before, count, json: &str, saved| ToSession::Document {
        fence: FENCE,
        before,
        count,
        document: value(json),
        saved,
    };
    assert_eq!(hear(&mut session, 1, word(0, 1, "1", None)), [Work::Document(value("1"))]);
    session.set_document(value("2"));
    let ToLeader::SetDocument { version, .. } = sent(&mut session, 1) else {
        panic!("the value is sent at once")
    };
    assert!(session.journal().is_some_and(|journal| journal.documents == [value("2")]));
    assert_eq!(hear(&mut session, 2, word(1, 2, "3", None)), []);
    // Saved after the other's: the leader's order counts, and this is the last.
    let saved = hear(&mut session, 3, word(2, 3, "2", Some(version)));
    assert_eq!(saved, [Work::Document(value("2"))]);
    assert_eq!(hear(&mut session, 4, word(3, 4, "5", None)), [Work::Document(value("5"))]);
    assert_eq!(session.journal(), None);
}

#[test]
fn late_word_of_an_older_value_does_not_bring_it_back() {
    let mut session = open(&[]);
    let key = DocumentKey { owner: DocumentOwner::Tab(session.id().tab), name: "ui".into() };
    let value = |json: &str| Document { key: key.clone(), json: json.into() };
    let word = |json: &str, version| ToSession::Document {
        fence: FENCE,
        before: 0,
        count: 0,
        document: value(json),
        saved: Some(version),
    };
    session.set_document(value("1"));
    sends(&mut session, 1);
    session.set_document(value("2"));
    sends(&mut session, 1);
    assert_eq!(hear(&mut session, 2, word("2", 2)), [Work::Document(value("2"))]);
    assert_eq!(hear(&mut session, 3, word("1", 1)), []);
    assert_eq!(session.journal(), None);
}
