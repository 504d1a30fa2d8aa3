//! The cases. Each uses a store of its own.

use std::{future::Future, pin::Pin, time::Duration};

use futures_executor::block_on;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, join_all, select},
    stream::LocalBoxStream,
};
use livestore_core::{
    backend::{
        Author, BackendError, ConfirmedEvent, ConnectError, Connection, Cursor, Page, PushBatch,
        RawArgs, Remaining,
    },
    platform::sleep,
};

use crate::provider::Provider;

type Case =
    (&'static str, for<'a> fn(&'a Provider, &'a str) -> Pin<Box<dyn Future<Output = ()> + 'a>>);

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        const CASES: &[Case] = &[$((stringify!($case), |provider, store| Box::pin($case(provider, store)))),*];
    };
}

cases![
    a_connection_stands_until_it_is_lost,
    an_empty_log_is_one_empty_page,
    a_live_pull_survives_silence,
    a_pull_at_the_head_is_one_empty_page,
    of_pushes_with_one_parent_one_is_taken,
    large_events_and_many_events_arrive,
    a_pull_returns_all_that_was_pushed,
    what_remains_is_exact,
    a_pull_can_be_given_up,
    a_long_log_arrives_in_order,
    another_backends_id_is_a_mismatch,
    own_events_are_echoed,
    two_readers_see_the_same,
    a_wrong_token_is_refused_and_a_right_one_accepted,
    a_push_whose_answer_is_lost_is_taken_once,
    a_pull_that_is_cut_goes_on_where_it_was,
    a_stale_push_is_told_the_head_and_can_catch_up,
    a_broken_chain_is_refused_whole,
    an_oversize_event_is_refused_before_it_is_stored,
    the_largest_event_is_taken,
    a_batch_pushed_twice_is_in_the_log_once,
    similar_store_ids_are_different_stores,
    arguments_come_back_as_they_were_sent,
    many_writers_converge,
    a_backend_that_comes_back_has_its_log,
];

/// Runs every case; the last line before a panic names it.
pub(crate) fn run(provider: &Provider) {
    for (name, case) in CASES {
        println!("{name}");
        let patience = sleep(Duration::from_secs(300)).boxed_local();
        let case = case(provider, name);
        assert!(
            matches!(block_on(select(case, patience)), Either::Left(_)),
            "{name} takes too long"
        );
    }
}

fn event_of(writer: &str, number: u64, args: &str) -> ConfirmedEvent {
    ConfirmedEvent {
        number,
        parent: number - 1,
        name: "v1.Noted".into(),
        args: RawArgs(Some(args.into())),
        author: Author { client: writer.into(), session: "s".into() },
    }
}

fn event(number: u64) -> ConfirmedEvent {
    event_of("c", number, &format!(r#"{{"n":{number}}}"#))
}

fn batch(events: Vec<ConfirmedEvent>) -> PushBatch {
    let commits = vec![1; events.len()];
    PushBatch { events, commits, backend: None }
}

fn events(numbers: std::ops::RangeInclusive<u64>) -> PushBatch {
    batch(numbers.map(event).collect())
}

async fn connect(provider: &Provider, store: &str) -> Box<dyn Connection> {
    provider.backend(store).connect().await.expect("the backend is there")
}

/// The whole backlog after a cursor.
async fn backlog(connection: &dyn Connection, cursor: Option<Cursor>) -> Vec<Page> {
    let pages: Vec<_> = connection.pull(cursor, false).collect().await;
    let pages: Result<Vec<_>, _> = pages.into_iter().collect();
    let pages = pages.expect("a pull of the backlog succeeds");
    let last = pages.last().expect("a pull answers with at least one page");
    assert_eq!(last.remaining, Remaining::Known(0));
    pages
}

pub(crate) async fn log(connection: &dyn Connection) -> Vec<ConfirmedEvent> {
    backlog(connection, None).await.into_iter().flat_map(|page| page.events).collect()
}

async fn cursor_at(connection: &dyn Connection, number: u64) -> Cursor {
    Cursor { backend: backlog(connection, None).await[0].backend.clone(), number }
}

/// What comes after `cursor`: live where there is such a thing, by asking again and again elsewhere.
struct Following<'a> {
    connection: &'a dyn Connection,
    cursor: Option<Cursor>,
    pages: LocalBoxStream<'static, Result<Page, BackendError>>,
}

impl<'a> Following<'a> {
    /// Begins, and takes the backlog, which is expected to be empty.
    async fn start(connection: &'a dyn Connection, cursor: Option<Cursor>) -> Self {
        let pages = connection.pull(cursor.clone(), true);
        let mut following = Self { connection, cursor, pages };
        let first = following.page().await;
        assert_eq!((first.events.len(), first.remaining), (0, Remaining::Known(0)));
        following
    }

    async fn page(&mut self) -> Page {
        loop {
            match self.pages.next().await {
                Some(page) => {
                    let page = page.expect("the pull goes on");
                    if let Some(last) = page.events.last() {
                        self.cursor =
                            Some(Cursor { backend: page.backend.clone(), number: last.number });
                    }
                    return page;
                }
                None => {
                    assert!(!self.connection.limits().live, "a live pull does not end");
                    sleep(Duration::from_millis(20)).await;
                    self.pages = self.connection.pull(self.cursor.clone(), true);
                }
            }
        }
    }

    async fn events(&mut self, count: usize) -> Vec<ConfirmedEvent> {
        let mut events = Vec::new();
        while events.len() < count {
            events.extend(self.page().await.events);
        }
        events
    }
}

async fn a_connection_stands_until_it_is_lost(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    assert_eq!(connection.lost(), None);
    let limits = connection.limits();
    assert!(limits.batch_events >= 100 && limits.batch_bytes >= limits.args_bytes, "{limits:?}");
}

async fn an_empty_log_is_one_empty_page(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let pages = backlog(&*connection, None).await;
    assert_eq!((pages.len(), pages[0].events.len()), (1, 0));
    assert!(!pages[0].backend.is_empty());
}

async fn a_live_pull_survives_silence(provider: &Provider, store: &str) {
    let (reader, writer) = (connect(provider, store).await, connect(provider, store).await);
    let mut following = Following::start(&*reader, None).await;
    sleep(Duration::from_millis(800)).await;
    writer.push(events(1..=1)).await.unwrap();
    assert_eq!(following.events(1).await, [event(1)]);
}

async fn a_pull_at_the_head_is_one_empty_page(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    connection.push(events(1..=1)).await.unwrap();
    let cursor = cursor_at(&*connection, 1).await;
    let pages = backlog(&*connection, Some(cursor)).await;
    assert_eq!((pages.len(), pages[0].events.len()), (1, 0));
}

async fn of_pushes_with_one_parent_one_is_taken(provider: &Provider, store: &str) {
    let connections = join_all((0..8).map(|_| connect(provider, store))).await;
    let pushes = connections.iter().enumerate().map(|(writer, connection)| {
        connection.push(batch(vec![event_of(&format!("c{writer}"), 1, "{}")]))
    });
    let outcomes = join_all(pushes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let is_expected = |outcome: &Result<(), BackendError>| match outcome {
        Ok(()) | Err(BackendError::ServerAhead { head: 1 }) => true,
        // LiveStore's own server lets its database find out.
        Err(BackendError::Refused(_)) => !provider.is_strict,
        Err(_) => false,
    };
    assert!(outcomes.iter().all(is_expected), "{outcomes:?}");
    assert_eq!(log(&*connections[0]).await.len(), 1);
}

async fn large_events_and_many_events_arrive(provider: &Provider, store: &str) {
    let check = async |store: String, count: u64, bytes: usize, at_once: usize| {
        let connection = connect(provider, &store).await;
        let args = format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes));
        let all: Vec<_> = (1..=count).map(|number| event_of("c", number, &args)).collect();
        for some in all.chunks(at_once) {
            connection.push(batch(some.to_vec())).await.unwrap();
        }
        let pages = backlog(&*connection, None).await;
        assert!(pages.len() > 1, "{count} events of {bytes} bytes in one page");
        let arrived: Vec<_> = pages.into_iter().flat_map(|page| page.events).collect();
        assert!(arrived == all, "{count} events of {bytes} bytes");
    };
    check(format!("{store}-large"), 60, 120_000, 6).await;
    check(format!("{store}-many"), 1800, 1_000, 90).await;
}

async fn a_pull_returns_all_that_was_pushed(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    connection.push(events(1..=1)).await.unwrap();
    connection.push(events(2..=3)).await.unwrap();
    assert_eq!(log(&*connection).await, events(1..=3).events);
    let cursor = cursor_at(&*connection, 2).await;
    assert_eq!(backlog(&*connection, Some(cursor)).await[0].events, [event(3)]);
}

async fn what_remains_is_exact(provider: &Provider, store: &str) {
    const ALL: u64 = 252;
    let connection = connect(provider, store).await;
    for start in (1..=ALL).step_by(100) {
        connection.push(events(start..=(start + 99).min(ALL))).await.unwrap();
    }
    for after in [0, 1, 100, 151, 251, 252] {
        let cursor = cursor_at(&*connection, after).await;
        let mut seen = after;
        for page in backlog(&*connection, Some(cursor)).await {
            seen += page.events.len() as u64;
            assert_eq!(page.remaining, Remaining::Known(ALL - seen), "after {after}, at {seen}");
        }
        assert_eq!(seen, ALL);
    }
}

async fn a_pull_can_be_given_up(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    for start in (1..=1_000).step_by(100) {
        connection.push(events(start..=start + 99)).await.unwrap();
    }
    for _ in 0..3 {
        let first = connection.pull(None, true).next().await.expect("a page").expect("no failure");
        assert_eq!(first.events[0], event(1));
    }
    assert_eq!(log(&*connection).await.len(), 1_000);
}

async fn a_long_log_arrives_in_order(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let all = provider.long_log;
    for start in (1..=all).step_by(100) {
        connection.push(events(start..=start + 99)).await.unwrap();
    }
    let numbers = |events: Vec<ConfirmedEvent>| events.into_iter().map(|event| event.number);
    assert!(numbers(log(&*connection).await).eq(1..=all));
    let cursor = cursor_at(&*connection, all / 2).await;
    let rest = backlog(&*connection, Some(cursor)).await.into_iter().flat_map(|page| page.events);
    assert!(numbers(rest.collect()).eq(all / 2 + 1..=all));
}

async fn another_backends_id_is_a_mismatch(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let expected = cursor_at(&*connection, 0).await.backend;
    let mismatch = BackendError::IdMismatch { expected };
    let cursor = Cursor { backend: "wrong".into(), number: 0 };
    let pulled = connection.pull(Some(cursor), false).next().await;
    assert_eq!(pulled, Some(Err(mismatch.clone())));
    let pushed =
        connection.push(PushBatch { backend: Some("wrong".into()), ..events(1..=1) }).await;
    assert_eq!(pushed, Err(mismatch));
    assert_eq!(log(&*connection).await, []);
}

async fn own_events_are_echoed(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let mut following = Following::start(&*connection, None).await;
    connection.push(events(1..=2)).await.unwrap();
    assert_eq!(following.events(2).await, events(1..=2).events);
}

async fn two_readers_see_the_same(provider: &Provider, store: &str) {
    let (one, two) = (connect(provider, store).await, connect(provider, store).await);
    let mut first = Following::start(&*one, None).await;
    let mut second = Following::start(&*two, None).await;
    for number in 1..=20 {
        let writer = if number % 2 == 0 { &one } else { &two };
        writer.push(events(number..=number)).await.unwrap();
    }
    let all = events(1..=20).events;
    assert_eq!(first.events(20).await, all);
    assert_eq!(second.events(20).await, all);
}

async fn a_wrong_token_is_refused_and_a_right_one_accepted(provider: &Provider, store: &str) {
    if !provider.validates {
        return;
    }
    let refused = provider.backend_as(store, "wrong").connect().await;
    let Err(ConnectError::Refused(reason)) = refused else { panic!("{refused:?}") };
    // A refused upgrade need not say why; our server does, in its first frame.
    assert!(!provider.is_strict || reason.contains("this token is wrong"), "{reason}");
    connect(provider, store).await.push(events(1..=1)).await.unwrap();
}

async fn a_push_whose_answer_is_lost_is_taken_once(provider: &Provider, store: &str) {
    for number in 1..=10 {
        let cut = connect(provider, store).await;
        let mut push = cut.push(events(number..=number));
        // Sent, and gone before the answer.
        let _ = (&mut push).now_or_never();
        if number % 2 == 0 {
            sleep(Duration::from_millis(number * 2)).await;
        }
        drop((push, cut));
        let again = connect(provider, store).await;
        match again.push(events(number..=number)).await {
            Ok(()) | Err(BackendError::ServerAhead { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    let connection = connect(provider, store).await;
    assert_eq!(log(&*connection).await, events(1..=10).events);
}

async fn a_pull_that_is_cut_goes_on_where_it_was(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    for start in (1..=3_000).step_by(100) {
        connection.push(events(start..=start + 99)).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let connection = connect(provider, store).await;
        let mut pages = connection.pull(cursor.take(), false);
        let page = pages.next().await.expect("a page").expect("no failure");
        drop((pages, connection));
        seen.extend(page.events.iter().map(|event| event.number));
        if page.remaining == Remaining::Known(0) {
            break;
        }
        cursor = page
            .events
            .last()
            .map(|last| Cursor { backend: page.backend.clone(), number: last.number });
    }
    assert!(seen.into_iter().eq(1..=3_000));
}

async fn a_stale_push_is_told_the_head_and_can_catch_up(provider: &Provider, store: &str) {
    let (ahead, behind) = (connect(provider, store).await, connect(provider, store).await);
    ahead.push(events(1..=3)).await.unwrap();
    let stale = batch(vec![event_of("d", 1, "{}")]);
    assert_eq!(behind.push(stale).await, Err(BackendError::ServerAhead { head: 3 }));
    assert_eq!(log(&*behind).await, events(1..=3).events);
    behind.push(batch(vec![event_of("d", 4, "{}")])).await.unwrap();
    assert_eq!(log(&*ahead).await.len(), 4);
}

async fn a_broken_chain_is_refused_whole(provider: &Provider, store: &str) {
    if !provider.is_strict {
        return;
    }
    let connection = connect(provider, store).await;
    let refuse = async |events: Vec<ConfirmedEvent>| {
        let refused = connection.push(batch(events.clone())).await;
        assert!(matches!(refused, Err(BackendError::Refused(_))), "{refused:?} for {events:?}");
    };
    refuse(vec![event(1), event(3)]).await;
    refuse(vec![event(1), event(1)]).await;
    refuse(vec![event(2), event(1)]).await;
    refuse(vec![event(1), ConfirmedEvent { parent: 0, ..event(2) }]).await;
    refuse(vec![ConfirmedEvent { number: 2, ..event(1) }]).await;
    refuse(vec![ConfirmedEvent { number: 0, ..event(1) }]).await;
    assert_eq!(log(&*connection).await, []);
}

async fn an_oversize_event_is_refused_before_it_is_stored(provider: &Provider, store: &str) {
    if !provider.is_strict {
        return;
    }
    let connection = connect(provider, store).await;
    let args = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let refused = connection.push(batch(vec![event(1), event_of("c", 2, &args(880_001))])).await;
    // Whoever names it has the commit before.
    let taken = match refused {
        Err(BackendError::Rejected { number: 2, head: 1, .. }) => 1,
        Err(BackendError::Refused(_)) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(log(&*connection).await, events(1..=taken).events);
    connection.push(events(taken + 1..=2)).await.unwrap();
}

async fn the_largest_event_is_taken(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let args = format!("\"{}\"", "x".repeat(880_000 - 2));
    let largest = vec![event_of("c", 1, &args)];
    connection.push(batch(largest.clone())).await.unwrap();
    assert!(log(&*connection).await == largest);
}

async fn a_batch_pushed_twice_is_in_the_log_once(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    connection.push(events(1..=3)).await.unwrap();
    assert_eq!(connection.push(events(1..=3)).await, Err(BackendError::ServerAhead { head: 3 }));
    assert_eq!(log(&*connection).await, events(1..=3).events);
}

async fn similar_store_ids_are_different_stores(provider: &Provider, _store: &str) {
    let stores = ["a-b", "a_b", "a--b", "A-b", "ab"];
    for store in stores {
        connect(provider, store).await.push(batch(vec![event_of(store, 1, "{}")])).await.unwrap();
    }
    for store in stores {
        let log = log(&*connect(provider, store).await).await;
        assert_eq!(log, [event_of(store, 1, "{}")]);
    }
}

async fn arguments_come_back_as_they_were_sent(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let all = [
        "null",
        "true",
        "0",
        "-1.5",
        "9007199254740991",
        "1e+21",
        "\"\"",
        "[]",
        "{}",
        r#"{"z":1,"a":{"y":[null,"é\u0000\n\"",{}]}}"#,
        r#""𝄞 and ' and -- and %""#,
    ];
    let events: Vec<_> = (1..).zip(all).map(|(number, args)| event_of("c", number, args)).collect();
    connection.push(batch(events.clone())).await.unwrap();
    assert_eq!(log(&*connection).await, events);
}

async fn many_writers_converge(provider: &Provider, store: &str) {
    const EACH: u64 = 25;
    let write = async |writer: String| {
        let connection = connect(provider, store).await;
        let mut head = 0;
        for n in 0..EACH {
            let args = format!("{n}");
            loop {
                match connection.push(batch(vec![event_of(&writer, head + 1, &args)])).await {
                    Ok(()) => break head += 1,
                    Err(BackendError::ServerAhead { head: ahead }) => head = ahead,
                    // LiveStore's own server lets its database find out.
                    Err(BackendError::Refused(_)) if !provider.is_strict => {
                        head = log(&*connection).await.len() as u64;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    join_all((0..4).map(|writer| write(format!("w{writer}")))).await;
    let log = log(&*connect(provider, store).await).await;
    assert!(log.iter().map(|event| event.number).eq(1..=4 * EACH));
    for writer in 0..4 {
        let mine = log.iter().filter(|event| event.author.client.as_ref() == format!("w{writer}"));
        assert!(
            mine.map(|event| event.args.as_str().to_owned()).eq((0..EACH).map(|n| n.to_string()))
        );
    }
}

async fn a_backend_that_comes_back_has_its_log(provider: &Provider, store: &str) {
    let connection = connect(provider, store).await;
    let cursor = cursor_at(&*connection, 0).await;
    connection.push(events(1..=2)).await.unwrap();
    let mut live = connection.pull(Some(cursor.clone()), true);
    assert_eq!(live.next().await.expect("a page").expect("no failure").events.len(), 2);
    provider.go_offline();
    sleep(Duration::from_millis(100)).await;
    if connection.limits().live {
        let rest: Vec<_> = live.collect().await;
        assert!(matches!(rest.last(), Some(Err(BackendError::Lost(_)))), "{rest:?}");
    }
    let push = connection.push(events(3..=3)).await;
    assert!(matches!(push, Err(BackendError::Lost(_))), "{push:?}");
    assert!(connection.lost().is_some());
    let refused = provider.backend(store).connect().await;
    assert!(matches!(refused, Err(ConnectError::Unreachable(_))), "{refused:?}");
    provider.go_online();
    let back = connect(provider, store).await;
    let mut following = Following::start(&*back, Some(Cursor { number: 2, ..cursor })).await;
    connect(provider, store).await.push(events(3..=3)).await.unwrap();
    assert_eq!(following.events(1).await, [event(3)]);
    assert_eq!(log(&*back).await, events(1..=3).events);
}
