//! Tests of the log on databases in memory: what is damaged or fails half-way is noticed, and nothing is half there.

use std::num::NonZeroU64;

use livestore_sync::{
    Args, ClientId, Commit, Document, DocumentKey, DocumentOwner, Event, EventId, Head, Lane,
    Refused, SessionId, TabId,
};
use rusqlite::Connection;

use super::{Append, EventLog, LogError};
use crate::testing::test;

const CLIENT: ClientId = ClientId(0xc11e_0000_0000_0001);

fn session(open: u64) -> SessionId {
    SessionId { tab: TabId(0xffff_ffff_0000_0001), open }
}

fn id(author: SessionId, n: u64) -> EventId {
    EventId { client: CLIENT, session: author, n: NonZeroU64::new(n).unwrap() }
}

/// A commit of `author` whose events are numbered `first..=last`.
fn commit(lane: Lane, author: SessionId, first: u64, last: u64) -> Commit {
    let event = |n| Event {
        id: id(author, n),
        name: "v1.Done".into(),
        args: Args::parse(&format!("{{\"n\":{n}}}")).unwrap(),
    };
    Commit::new(lane, (first..=last).map(event).collect()).unwrap()
}

fn synced(first: u64, last: u64) -> Commit {
    commit(Lane::Synced, session(1), first, last)
}

fn log() -> EventLog {
    EventLog::open(Connection::open_in_memory().unwrap(), "the log").unwrap()
}

fn append(log: &mut EventLog, commits: &[Commit]) {
    let last = commits.iter().map(|commit| (commit.author(), commit.last_n().get())).collect();
    let append = Append { commits: commits.to_vec(), last, ..Append::default() };
    log.append(&append).unwrap();
}

/// The log as its next leader finds it.
fn reopen(log: EventLog) -> EventLog {
    EventLog::open(log.conn, "the log").unwrap()
}

fn count(log: &EventLog, table: &str) -> i64 {
    log.conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
}

fn document(owner: DocumentOwner, json: &str) -> Document {
    Document { key: DocumentKey { owner, name: "draft".into() }, json: json.into() }
}

#[test]
fn what_was_appended_is_read_again_in_whole_commits() {
    let mut log = log();
    let other = session(u64::MAX);
    let commits = [synced(1, 2), commit(Lane::Synced, other, 1, 1), synced(3, 3), synced(4, 6)];
    append(&mut log, &commits);
    append(&mut log, &[commit(Lane::ClientOnly, session(1), 7, 7)]);
    let log = reopen(log);
    assert_eq!(log.heads().synced.number, 7);
    assert_eq!(log.heads().client_only.number, 1);
    assert_eq!(
        (
            log.last_n(session(1)).unwrap(),
            log.last_n(other).unwrap(),
            log.last_n(session(9)).unwrap()
        ),
        (7, 1, 0)
    );
    assert_eq!(log.read(Lane::Synced, Head::ZERO, usize::MAX).unwrap(), commits);
    let mut head = Head::ZERO;
    for commit in &commits {
        // However small the bound: one commit, and never a part of one.
        assert_eq!(log.read(Lane::Synced, head, 0).unwrap(), std::slice::from_ref(commit));
        head = head.after(commit);
        assert!(log.contains(Lane::Synced, head).unwrap());
    }
    assert_eq!(log.read(Lane::Synced, head, 0).unwrap(), []);
    assert_eq!(log.heads().synced, head);
}

#[test]
fn an_append_that_fails_half_way_leaves_nothing_behind() {
    let blocks: [(&str, &str); 4] = [
        (
            "insert into events values (0, 4, 0, 0, 0, 1, 1, 'x', 'null', zeroblob(16))",
            "delete from events where number = 4",
        ),
        (
            "create temp trigger block before insert on sessions begin select raise(fail, 'no'); end",
            "drop trigger block",
        ),
        (
            "create temp trigger block before insert on documents begin select raise(abort, 'no'); end",
            "drop trigger block",
        ),
        (
            "create temp trigger block before insert on quarantine begin select raise(rollback, 'no'); end",
            "drop trigger block",
        ),
    ];
    for (block, unblock) in blocks {
        let mut log = log();
        append(&mut log, &[synced(1, 1)]);
        let before = log.heads();
        log.conn.execute_batch(block).unwrap();
        let rows = count(&log, "events");
        let group = Append {
            own: Vec::new(),
            merged: None,
            commits: vec![synced(2, 3), synced(4, 5)],
            quarantined: vec![(synced(6, 6), "because".to_owned())],
            last: vec![(session(1), 6), (session(2), 1)],
            documents: vec![document(DocumentOwner::Client, "1")],
            at_ms: 0,
        };
        let failed = log.append(&group);
        assert!(matches!(failed, Err(LogError::Storage { .. })), "{block}: {failed:?}");
        assert_eq!(log.heads(), before, "{block}");
        assert_eq!(
            (log.last_n(session(1)).unwrap(), log.last_n(session(2)).unwrap()),
            (1, 0),
            "{block}"
        );
        let counts = ["events", "sessions", "documents", "quarantine"].map(|t| count(&log, t));
        assert_eq!(counts, [rows, 1, 0, 0], "{block}");

        log.conn.execute_batch(unblock).unwrap();
        log.append(&group).unwrap();
        let log = reopen(log);
        assert_eq!((log.heads().synced.number, log.last_n(session(1)).unwrap()), (5, 6), "{block}");
        assert_eq!(log.read(Lane::Synced, Head::ZERO, usize::MAX).unwrap().len(), 3, "{block}");
    }
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let mut log = log();
    append(&mut log, &[synced(1, 1)]);
    let pages: i64 = log.conn.query_row("pragma page_count", [], |row| row.get(0)).unwrap();
    log.conn.pragma_update(None, "max_page_count", pages).unwrap();
    let group = Append { commits: vec![synced(2, 2_000)], ..Append::default() };
    let failed = log.append(&group);
    assert!(failed.is_err_and(|error| error.to_string().contains("full")));
    assert_eq!((log.heads().synced.number, count(&log, "events")), (1, 1));
    log.conn.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    log.append(&group).unwrap();
    assert_eq!(log.heads().synced.number, 2_000);
}

#[test]
fn damage_is_found_by_the_chain_hash_and_named() {
    // A commit that has swallowed an event of the next one shows at what is left of that.
    let damages: [(&str, u64); 10] = [
        ("update events set args = '{\"n\":4}' where number = 3", 3),
        ("update events set args = '{\"n\":3' where number = 3", 3),
        ("update events set name = 'v1.Undone' where number = 3", 3),
        ("update events set n = 9 where number = 3", 3),
        ("update events set client = client + 1 where number = 3", 3),
        ("update events set tab = tab + 1 where number = 3", 3),
        ("update events set hash = zeroblob(16) where number = 3", 3),
        ("update events set hash = x'00' where number = 3", 3),
        ("delete from events where number = 3", 3),
        ("update events set first_n = 2 where number = 4", 5),
    ];
    for (damage, at) in damages {
        let mut log = log();
        append(&mut log, &[synced(1, 1), synced(2, 3), synced(4, 6)]);
        log.conn.execute_batch(damage).unwrap();
        let found = log.read(Lane::Synced, Head::ZERO, usize::MAX);
        assert!(
            matches!(found, Err(LogError::Damaged { ref file, lane: Lane::Synced, number, .. })
                if file == "the log" && number == at),
            "{damage}: {found:?}"
        );
    }
}

#[test]
fn a_head_is_the_logs_only_if_its_hash_is() {
    let mut log = log();
    append(&mut log, &[synced(1, 3)]);
    let head = log.heads().synced;
    let forged = Head { hash: livestore_sync::ChainHash(head.hash.0 ^ 1), ..head };
    let beyond = Head { number: 4, ..head };
    let earlier = Head { number: 2, ..head };
    let nowhere = Head { number: u64::MAX, ..head };
    let none = Head { number: 0, ..head };
    let cases = [
        (head, true),
        (Head::ZERO, true),
        (forged, false),
        (beyond, false),
        (earlier, false),
        (nowhere, false),
        (none, false),
    ];
    for (head, expected) in cases {
        assert_eq!(log.contains(Lane::Synced, head).unwrap(), expected, "{head}");
    }
    assert!(!log.contains(Lane::ClientOnly, head).unwrap(), "each lane has its own");
}

#[test]
fn quarantine_is_listed_by_author_and_place_and_keeps_the_last_n() {
    let mut log = log();
    let refused = |first, last, why: &str| (synced(first, last), why.to_owned());
    log.append(&Append {
        own: Vec::new(),
        merged: None,
        commits: vec![synced(1, 1)],
        quarantined: vec![
            refused(2, 3, "taken"),
            (commit(Lane::ClientOnly, session(2), 1, 1), "other".to_owned()),
        ],
        last: vec![(session(1), 3), (session(2), 1)],
        documents: Vec::new(),
        at_ms: 0,
    })
    .unwrap();
    log.append(&Append {
        quarantined: vec![refused(4, 4, "also taken")],
        last: vec![(session(1), 4)],
        ..Append::default()
    })
    .unwrap();
    let log = reopen(log);
    let of = |author, from| {
        log.refused(author, from)
            .unwrap()
            .into_iter()
            .map(|Refused { id, reason }| (id.n.get(), reason.to_string()))
            .collect::<Vec<_>>()
    };
    let (second, fourth) = ((2, "taken".to_owned()), (4, "also taken".to_owned()));
    assert_eq!(of(session(1), 1), [second.clone(), fourth.clone()]);
    assert_eq!(of(session(1), 2), [second, fourth.clone()]);
    assert_eq!(of(session(1), 3), [fourth]);
    assert_eq!(of(session(1), 5), []);
    assert_eq!(of(session(2), 1), [(1, "other".to_owned())]);
    assert_eq!(of(session(3), 1), []);
    assert_eq!(log.refused(session(1), 4).unwrap()[0].id, id(session(1), 4));
    assert_eq!((log.last_n(session(1)).unwrap(), log.heads().synced.number), (4, 1));
    let kept: String = log
        .conn
        .query_row("select commit_json from quarantine where first_n = 2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(serde_json::from_str::<Commit>(&kept).unwrap(), synced(2, 3));
}

#[test]
fn the_last_n_never_falls() {
    let mut log = log();
    let note = |n| Append { last: vec![(session(1), n)], ..Append::default() };
    log.append(&note(5)).unwrap();
    log.append(&note(3)).unwrap();
    assert_eq!(log.last_n(session(1)).unwrap(), 5);
    assert_eq!(reopen(log).last_n(session(1)).unwrap(), 5);
}

#[test]
fn of_very_many_sessions_none_is_forgotten() {
    let mut log = log();
    append(&mut log, &[synced(1, 3)]);
    log.conn
        .execute_batch(
            "with recursive many(x) as (select 1000 union all select x + 1 from many where x < 40999)
             insert into sessions (tab, open, last_n) select 1, x, 1 from many",
        )
        .unwrap();
    let log = reopen(reopen(log));
    assert_eq!(log.last_n(session(1)).unwrap(), 3, "it may send its third event once more");
}

#[test]
fn what_arrives_under_a_sessions_name_moves_nothing_and_stays_until_the_session_is_past_it() {
    let mut log = log();
    append(&mut log, &[synced(1, 2)]);
    let one = |n: u64| (synced(n, n).id(), synced(n, n).events()[0].fingerprint());
    let own = [2, 5, 7, (1 << 53) - 1].map(one).to_vec();
    log.append(&Append { own, ..Append::default() }).unwrap();
    let arrived = |log: &EventLog, after| -> Vec<u64> {
        log.arrived(session(1), after).unwrap().into_iter().map(|(n, _)| n).collect()
    };
    let log = reopen(log);
    assert_eq!((log.last_n(session(1)).unwrap(), arrived(&log, 2)), (2, vec![5, 7, (1 << 53) - 1]));
    assert_eq!(log.arrived(session(1), 5).unwrap()[0], (7, one(7).1));
    let mut log = log;
    append(&mut log, &[synced(3, 5)]);
    assert_eq!((log.last_n(session(1)).unwrap(), arrived(&log, 0)), (5, vec![7, (1 << 53) - 1]));
}

#[test]
fn a_log_of_format_1_is_taken_over() {
    let old = Connection::open_in_memory().unwrap();
    old.execute_batch(
        "create table events (
            lane integer not null, number integer not null,
            client integer not null, tab integer not null, open integer not null, n integer not null,
            first_n integer not null, name text not null, args text not null, hash blob not null,
            primary key (lane, number)
        ) strict, without rowid;
        create table sessions (
            seen integer primary key, tab integer not null, open integer not null, last_n integer not null,
            unique (tab, open)
        ) strict;
        create table documents (
            owner text not null, name text not null, json text not null, primary key (owner, name)
        ) strict, without rowid;
        create table quarantine (
            client integer not null, tab integer not null, open integer not null, first_n integer not null,
            lane integer not null, commit_json text not null, reason text not null,
            primary key (tab, open, first_n)
        ) strict, without rowid;
        create table states (hash integer primary key, opened_ms integer not null) strict;
        create table meta (key text primary key not null, value integer not null) strict, without rowid;
        insert into meta values ('term', 7), ('epoch', 0);
        insert into sessions values (1, -4294967295, 1, 5);
        insert into documents values ('0000000000000001', 'draft', '1'), ('client', 'draft', '2');
        pragma application_id = 0x6c736c67; pragma user_version = 1",
    )
    .unwrap();
    EventLog::check(&old, "the log").unwrap();
    let mut log = EventLog::open(old, "the log").unwrap();
    assert_eq!(log.last_n(session(1)).unwrap(), 5);
    assert_eq!(log.documents(TabId(1)).unwrap().len(), 2);
    append(&mut log, &[synced(6, 6)]);
    let mut log = reopen(log);
    log.collect_documents(1).unwrap();
    assert_eq!((log.last_n(session(1)).unwrap(), log.heads().synced.number), (6, 1));
    assert_eq!(count(&log, "tabs"), 1);
}

/// Which of the tabs 1, 2 and 3 have their document, and the client.
fn owners(log: &EventLog) -> Vec<String> {
    let mut statement = log.conn.prepare("select owner from documents order by owner").unwrap();
    let owners = statement.query_map([], |row| row.get(0)).unwrap();
    owners.map(|owner: rusqlite::Result<String>| owner.unwrap()).collect()
}

#[test]
fn documents_go_when_their_tab_was_gone_for_ninety_days_of_use() {
    let set = |log: &mut EventLog, tab| {
        let documents = vec![document(tab, "1")];
        log.append(&Append { documents, ..Append::default() }).unwrap();
    };
    let tab = |n| DocumentOwner::Tab(TabId(n));
    let mut log = log();
    log.collect_documents(1).unwrap();
    for owner in [DocumentOwner::Client, tab(1), tab(2), tab(3)] {
        set(&mut log, owner);
    }
    for date in 2..=60 {
        log.collect_documents(date).unwrap();
    }
    log.note_tab(TabId(2)).unwrap();
    set(&mut log, tab(3));
    for date in 61..=91 {
        // However often a day.
        log.collect_documents(date).unwrap();
        log.collect_documents(date).unwrap();
    }
    let (first, second, third) = (TabId(1).to_string(), TabId(2).to_string(), TabId(3).to_string());
    let all = [first, second, third, "client".to_owned()];
    assert_eq!(owners(&log), all);
    log.collect_documents(92).unwrap();
    assert_eq!(owners(&log), &all[1..], "the 91st day without the first");
    // A clock that jumps, or is set back, makes a day each time.
    for date in [50_000, 93, 0, i64::MAX, 94] {
        log.collect_documents(date).unwrap();
    }
    assert_eq!(owners(&log), &all[1..]);
    let mut log = reopen(log);
    for date in 100..=200 {
        log.collect_documents(date).unwrap();
    }
    assert_eq!(owners(&log), ["client"]);
    assert_eq!(count(&log, "tabs"), 0);
}

#[test]
fn an_opening_collects_a_bounded_number_of_tabs() {
    let mut log = log();
    log.conn
        .execute_batch(
            "with recursive many(x) as (select 1 union all select x + 1 from many where x < 300)
             insert into tabs select x, 0 from many;
             insert into documents select owner, 'draft', '1' from tabs;
             update meta set value = 500 where key = 'day'",
        )
        .unwrap();
    log.collect_documents(7).unwrap();
    assert_eq!((count(&log, "documents"), count(&log, "tabs")), (44, 44));
    log.collect_documents(8).unwrap();
    assert_eq!((count(&log, "documents"), count(&log, "tabs")), (0, 0));
}

#[test]
fn documents_are_the_latest_value_of_the_client_and_of_the_tab() {
    let mut log = log();
    let set = |document| Append { documents: vec![document], ..Append::default() };
    let tab = |n| DocumentOwner::Tab(TabId(n));
    for document in [
        document(DocumentOwner::Client, "1"),
        document(tab(1), "\"mine\""),
        document(tab(2), "\"theirs\""),
        document(DocumentOwner::Client, "2"),
    ] {
        log.append(&set(document)).unwrap();
    }
    let log = reopen(log);
    let json = |tab| {
        log.documents(TabId(tab)).unwrap().iter().map(|d| d.json.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(json(1), ["2", "\"mine\""]);
    assert_eq!(json(2), ["2", "\"theirs\""]);
    assert_eq!(json(3), ["2"]);
}

#[test]
fn every_opening_is_a_term_of_its_own() {
    let first = log();
    let fence = first.fence();
    let second = reopen(first);
    assert!(second.fence().term > fence.term);
    assert_eq!(second.fence().epoch, fence.epoch);
}

#[test]
fn a_database_that_is_no_log_is_refused_by_looking() {
    let cases = [
        ("create table t (x)", "another application"),
        ("pragma application_id = 1", "another application"),
        ("pragma user_version = 1", "another application"),
        ("pragma application_id = 0x6c736c67; pragma user_version = 5", "format 5"),
        ("pragma application_id = 0x6c736c67; pragma user_version = 0", "never was"),
    ];
    for (sql, why) in cases {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        let before = conn.total_changes();
        let refused = EventLog::check(&conn, "the log").expect_err(sql).to_string();
        assert!(refused.contains(why) && refused.contains("the log"), "{sql}: {refused}");
        assert_eq!(conn.total_changes(), before);
        assert!(EventLog::open(conn, "the log").is_err());
    }
    let empty = Connection::open_in_memory().unwrap();
    EventLog::check(&empty, "the log").unwrap();
    let objects: i64 =
        empty.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(objects, 0, "looking makes nothing");
}

#[test]
fn states_are_remembered_with_the_time_of_their_last_opening() {
    let log = log();
    assert_eq!(log.state_opened(u64::MAX).unwrap(), None);
    log.note_state(u64::MAX, 7).unwrap();
    log.note_state(u64::MAX, 8).unwrap();
    log.note_state(1, 9).unwrap();
    let log = reopen(log);
    assert_eq!(log.state_opened(u64::MAX).unwrap(), Some(8));
    let hour = 60 * 60 * 1000;
    for (now, expected) in [(6, 8), (hour, 8), (hour + 9, hour + 9), (10, hour + 9)] {
        log.touch_state(u64::MAX, now).unwrap();
        assert_eq!(log.state_opened(u64::MAX).unwrap(), Some(expected), "{now}");
    }
    log.touch_state(77, hour).unwrap();
    assert_eq!(log.state_opened(77).unwrap(), None, "only of a state that is there");
    log.forget_state(u64::MAX).unwrap();
    assert_eq!(
        (log.state_opened(u64::MAX).unwrap(), log.state_opened(1).unwrap()),
        (None, Some(9))
    );
}

#[test]
fn the_quarantine_is_listed_in_pages() {
    let mut log = log();
    let author = |n: u64| session(n / 3);
    let of = |n| (commit(Lane::Synced, author(n), n % 3 + 1, n % 3 + 1), format!("because of {n}"));
    let quarantined: Vec<(Commit, String)> = (0..10).map(of).collect();
    log.append(&Append { quarantined: quarantined.clone(), at_ms: 7, ..Append::default() })
        .unwrap();
    for bytes in [0, 1, 300, 1_000, 1_000_000] {
        let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = log.quarantine(after, bytes).unwrap();
            pages += 1;
            listed.extend(page.commits.into_iter().map(|listed| {
                assert_eq!(listed.at_ms, 7);
                (listed.commit, listed.reason)
            }));
            after = listed.last().map(|(commit, _)| commit.id());
            if !page.more {
                break;
            }
        }
        assert_eq!(listed, quarantined, "in pages of {bytes} bytes");
        assert_eq!(pages == 1, bytes == 1_000_000, "in pages of {bytes} bytes");
    }
    log.batch("update quarantine set commit_json = '{' where tab = tab and first_n = 2");
    let unreadable = log.quarantine(None, usize::MAX).expect_err("no commit");
    assert!(unreadable.is_damage() && unreadable.to_string().contains("the log"), "{unreadable}");
}
