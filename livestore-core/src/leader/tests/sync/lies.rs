//! Backends that lie, and peers whose events fail here: a typed failure and a pause, never a panic, and nothing of what
//! is there is lost.

use std::{rc::Rc, sync::Arc};

use futures_executor::block_on;
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, ready},
    stream::{self, LocalBoxStream},
};
use livestore_sync::{
    ConnectionStatus, OnBackendChanged,
    wire::{self, Author, ConfirmedEvent, Cursor, RawArgs, Remaining, WireLimits},
};

use super::{Client, Site, settle, wait};
use crate::{
    backend::{Backend, BackendError, ConnectError, Connection, ConnectionLimits, PushBatch},
    testing::test,
};

/// A backend whose pulls bring whatever a test says, again and again if that is so.
#[derive(Clone, Debug)]
struct Liar {
    pages: Vec<wire::Page>,
    for_ever: bool,
    push: Result<(), BackendError>,
    /// Whether it says which event it refuses.
    names_rejected: bool,
}

impl Backend for Liar {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        ready(Ok(Box::new(self.clone()) as Box<dyn Connection>)).boxed_local()
    }
}

impl Connection for Liar {
    fn limits(&self) -> ConnectionLimits {
        ConnectionLimits::of_wire(WireLimits::PLAIN, true, self.names_rejected)
    }

    fn lost(&self) -> Option<Arc<str>> {
        None
    }

    fn pull(
        &self,
        _cursor: Option<Cursor>,
        _live: bool,
    ) -> LocalBoxStream<'static, Result<wire::Page, BackendError>> {
        let pages = stream::iter(self.pages.clone().into_iter().map(Ok));
        match self.for_ever {
            true => stream::iter(self.pages.clone().into_iter().cycle().map(Ok)).boxed_local(),
            false => pages.chain(stream::pending()).boxed_local(),
        }
    }

    fn push(&self, _batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>> {
        ready(self.push.clone()).boxed_local()
    }
}

fn event(number: u64, session: &str, args: &str) -> ConfirmedEvent {
    ConfirmedEvent {
        number,
        parent: number.saturating_sub(1),
        name: "v1.Inserted".into(),
        args: RawArgs(Some(args.into())),
        author: Author { client: "0000000000000001".into(), session: session.into() },
    }
}

fn page(numbers: &[u64], remaining: u64) -> wire::Page {
    let events = numbers.iter().map(|n| event(*n, "js", &format!("{{\"id\":{n}}}")));
    let (events, remaining) = (events.collect(), Remaining::Known(remaining));
    wire::Page { events, remaining, backend: "liar".into() }
}

/// A client of a liar, after a minute.
fn deceived(liar: Liar) -> Client {
    let dial = move |_| Box::new(liar.clone()) as Box<dyn Backend>;
    let mut client = Client::dialling(1, Rc::new(dial), OnBackendChanged::Reset);
    client.commit(&[100]);
    wait(60, &mut [&mut client]);
    client.check();
    assert!(client.rows().contains(&100), "what was committed here stays");
    client
}

#[test]
fn pages_that_can_not_be_are_failures_and_change_nothing() {
    let named = |backend: &str| wire::Page { backend: backend.into(), ..page(&[], 0) };
    for (what, pages, error) in [
        ("a gap at the start", vec![page(&[2], 0)], "left out events"),
        ("a gap", vec![page(&[1, 3], 0)], "not numbered"),
        ("numbers that fall", vec![page(&[2, 1], 0)], "not numbered"),
        ("a number twice", vec![page(&[1, 1], 0)], "not numbered"),
        ("the number 0", vec![page(&[0, 1], 0)], "number 0"),
        ("the last number there is", vec![page(&[(1 << 53) - 1], 0)], "left out events"),
        ("more, and nothing", vec![page(&[], 5)], "nothing new"),
        ("more than numbers can say", vec![page(&[], u64::MAX)], "nothing new"),
        ("a name without end", vec![named(&"x".repeat(2_000))], "name is too long"),
        ("an end that never comes", vec![], "did not answer"),
    ] {
        let liar = Liar { pages, for_ever: false, push: Ok(()), names_rejected: true };
        let mut client = deceived(liar);
        assert_eq!((client.rows(), client.confirmed()), (vec![100], 0), "{what}");
        let status = client.status.take().unwrap();
        let said = status.error.as_deref().unwrap_or_default();
        assert!(said.contains(error), "{what}: {said}");
        assert_ne!(status.connection, ConnectionStatus::Current, "{what}");
    }
}

#[test]
fn the_same_page_without_end_is_read_once() {
    let liar =
        Liar { pages: vec![page(&[1, 2], 7)], for_ever: true, push: Ok(()), names_rejected: true };
    let client = deceived(liar);
    assert_eq!(client.rows(), [1, 2, 100]);
    let status = client.status.unwrap();
    assert!(status.error.is_some() && status.connection != ConnectionStatus::Current, "{status:?}");
}

#[test]
fn a_backend_that_never_stops_talking_keeps_nobody_waiting() {
    let liar =
        Liar { pages: vec![page(&[], 0)], for_ever: true, push: Ok(()), names_rejected: true };
    let dial = move |_| Box::new(liar.clone()) as Box<dyn Backend>;
    let mut client = Client::dialling(1, Rc::new(dial), OnBackendChanged::Reset);
    for row in 1..=5 {
        client.commit(&[row]);
        client.turn();
    }
    assert_eq!(client.rows(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_count_beyond_all_logs_is_only_a_count() {
    let pages = vec![page(&[1], u64::MAX)];
    let client = deceived(Liar { pages, for_ever: false, push: Ok(()), names_rejected: true });
    assert_eq!(client.rows(), [1, 100]);
}

#[test]
fn answers_to_pushes_that_can_not_be_quarantine_nothing_but_what_they_name() {
    let reason: Arc<str> = "because".into();
    for (push, rows) in [
        (BackendError::ServerAhead { head: 0 }, vec![100]),
        (BackendError::ServerAhead { head: u64::MAX }, vec![100]),
        (BackendError::Lost(reason.clone()), vec![100]),
        (BackendError::IdMismatch { expected: "other".into() }, vec![100]),
        (BackendError::Rejected { number: 77, reason: reason.clone(), head: 76 }, vec![100]),
        (BackendError::Rejected { number: 1, reason: reason.clone(), head: 0 }, vec![]),
        (BackendError::Refused(reason), vec![100]),
    ] {
        let what = format!("{push:?}");
        let liar = Liar {
            pages: vec![page(&[], 0)],
            for_ever: false,
            push: Err(push),
            names_rejected: true,
        };
        let dial = move |_| Box::new(liar.clone()) as Box<dyn Backend>;
        let mut client = Client::dialling(1, Rc::new(dial), OnBackendChanged::Reset);
        client.commit(&[100]);
        wait(5, &mut [&mut client]);
        assert_eq!(client.rows(), rows, "{what}");
        assert_eq!(client.quarantined().len(), 1 - rows.len(), "{what}");
        client.check();
    }
}

#[test]
fn a_commit_is_blamed_for_a_refusal_without_a_name_only_where_refusals_have_none() {
    for (names_rejected, blamed) in [(true, 0), (false, 1)] {
        let push = Err(BackendError::Refused("the disk is full".into()));
        let liar = Liar { pages: vec![page(&[], 0)], for_ever: false, push, names_rejected };
        let dial = move |_| Box::new(liar.clone()) as Box<dyn Backend>;
        let mut client = Client::dialling(1, Rc::new(dial), OnBackendChanged::Reset);
        client.commit(&[100]);
        wait(300, &mut [&mut client]);
        assert_eq!(client.quarantined().len(), blamed, "names: {names_rejected}");
        if names_rejected {
            assert_eq!(client.rows(), [100]);
            let error = client.status.take().and_then(|status| status.error);
            assert!(error.as_deref().is_some_and(|error| error.contains("disk")), "{error:?}");
        }
        client.check();
    }
}

/// Pushes as a peer that knows nothing of our schema.
fn push_raw(site: &Site, events: Vec<ConfirmedEvent>) {
    block_on(async {
        let connection = site.backend().connect().await.unwrap();
        let commits = vec![1; events.len()];
        connection.push(PushBatch { events, commits, backend: None }).await.unwrap();
    });
}

#[test]
fn a_confirmed_event_that_fails_here_stays_in_the_log_without_effect_and_is_listed() {
    let site = Site::new();
    let mut client = Client::new(1, &site, OnBackendChanged::Reset);
    push_raw(
        &site,
        vec![
            event(1, "js", r#"{"id":1}"#),
            event(2, "js", r#"{"id":1}"#),
            event(3, "js", r#"{"name":"of another version"}"#),
            event(4, "js", r#"{"id":2}"#),
            // The same id twice, one after the other.
            event(5, "livestore:0000000000000007.0000000000000008~3", r#"{"id":3}"#),
            event(6, "livestore:0000000000000007.0000000000000008~3", r#"{"id":3}"#),
            // A number that no session comes to.
            event(
                7,
                "livestore:0000000000000001.0000000000000001~18446744073709551615",
                r#"{"id":4}"#,
            ),
        ],
    );
    settle(&mut [&mut client]);
    client.commit(&[5]);
    settle(&mut [&mut client]);
    let expected = [r#"{"id":1}"#, r#"{"name":"of another version"}"#, r#"{"id":3}"#];
    assert_eq!(client.failed(), expected);
    assert_eq!((client.rows(), client.confirmed()), (vec![1, 2, 3, 4, 5], 8));
    assert_eq!(client.quarantined(), []);
    client.check();
    client.kill();
    client.start();
    assert_eq!(client.failed(), expected);
    client.check();
}

#[test]
fn whoever_writes_under_the_name_of_a_session_stops_it_not() {
    let named = |n: u64| format!("livestore:0000000000000001.0000000000000001~{n}");
    let forged = |number, n| event(number, &named(n), &format!("{{\"id\":{number}}}"));
    let site = Site::new();
    let mut client = Client::new(1, &site, OnBackendChanged::Reset);
    push_raw(&site, vec![forged(1, (1 << 53) - 1), forged(2, 2), forged(3, 5), forged(4, 7)]);
    settle(&mut [&mut client]);
    // The second, and the third with its number 5, bear names that the log has given to others.
    for rows in [&[101][..], &[102], &[103, 104, 105], &[106]] {
        client.commit(rows);
        settle(&mut [&mut client]);
    }
    let check = |client: &Client| {
        assert_eq!(client.rows(), [1, 2, 3, 4, 101, 106]);
        let reason = "the backend has another event under its name".to_owned();
        assert_eq!(client.quarantined(), [(2, reason.clone()), (3, reason)]);
        client.check();
    };
    check(&client);
    assert_eq!(client.confirmed(), 6);
    client.kill();
    client.start();
    wait(10, &mut [&mut client]);
    check(&client);
    client.commit(&[107]);
    settle(&mut [&mut client]);
    assert_eq!(client.quarantined().len(), 3, "its number is the last that was taken");
    client.commit(&[108]);
    settle(&mut [&mut client]);
    assert_eq!(client.rows(), [1, 2, 3, 4, 101, 106, 108]);
}
