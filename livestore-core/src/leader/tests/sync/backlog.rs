//! A backend whose log is longer than anybody waits for: nothing else stands still meanwhile.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use futures_channel::oneshot;
use futures_executor::block_on;
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, pending, ready},
    stream::{self, LocalBoxStream},
};
use livestore_sync::{
    OnBackendChanged, Outcome,
    wire::{self, Author, ConfirmedEvent, Cursor, RawArgs, Remaining, WireLimits},
};

use super::Client;
use crate::{
    backend::{Backend, BackendError, ConnectError, Connection, ConnectionLimits, PushBatch},
    leader::{serve::serve_dialling, tests::rows::Rows},
    testing::test,
};

/// Events in a page.
const PAGE: u64 = 1000;

/// A page, and who is told when it is given.
type Told = (u64, oneshot::Sender<()>);

/// A backend whose log does not end.
#[derive(Clone, Default, Debug)]
struct Endless {
    /// After so many pages it tells somebody.
    told: Rc<RefCell<Option<Told>>>,
}

impl Endless {
    fn page(&self, number: u64) -> wire::Page {
        if let Some((_, tell)) = self.told.borrow_mut().take_if(|(after, _)| *after == number) {
            let _ = tell.send(());
        }
        let event = |number: u64| ConfirmedEvent {
            number,
            parent: number - 1,
            name: "v1.Inserted".into(),
            args: RawArgs(Some(format!("{{\"id\":{number}}}").into())),
            author: Author { client: "js".into(), session: "js".into() },
        };
        let events = (number * PAGE + 1..=(number + 1) * PAGE).map(event).collect();
        wire::Page { events, remaining: Remaining::Known(PAGE), backend: "endless".into() }
    }

    fn dial(&self) -> Rc<dyn Fn(Option<serde_json::Value>) -> Box<dyn Backend>> {
        let this = self.clone();
        Rc::new(move |_| Box::new(this.clone()))
    }
}

impl Backend for Endless {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        ready(Ok(Box::new(self.clone()) as Box<dyn Connection>)).boxed_local()
    }
}

impl Connection for Endless {
    fn limits(&self) -> ConnectionLimits {
        ConnectionLimits::of_wire(WireLimits::PLAIN, true, true)
    }

    fn lost(&self) -> Option<Arc<str>> {
        None
    }

    fn pull(
        &self,
        _cursor: Option<Cursor>,
        _live: bool,
    ) -> LocalBoxStream<'static, Result<wire::Page, BackendError>> {
        let this = self.clone();
        stream::iter(0..).map(move |number| Ok(this.page(number))).boxed_local()
    }

    fn push(&self, _batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>> {
        pending().boxed_local()
    }
}

#[test]
fn what_is_committed_while_a_long_log_is_read_is_persisted() {
    let mut client = Client::dialling(1, Endless::default().dial(), OnBackendChanged::Reset);
    client.commit(&[-7]);
    for _ in 0..6 {
        client.turn();
    }
    assert!(client.take_settled().contains(&(1, Outcome::Persisted)));
    assert!(client.confirmed() >= 2 * PAGE, "{} are read", client.confirmed());
    client.check();
}

#[test]
fn a_leader_that_reads_a_long_log_stops_when_it_is_told() {
    let endless = Endless::default();
    let mut client = Client::dialling(1, endless.dial(), OnBackendChanged::Reset);
    client.kill();
    let (tell, told) = oneshot::channel();
    *endless.told.borrow_mut() = Some((9, tell));
    let stopped = told.map(|told| told.expect("the ninth page comes"));
    block_on(serve_dialling::<Rows>(&client.config, endless.dial(), stopped)).unwrap();
    client.start();
    assert!(client.confirmed() >= PAGE, "{} are read", client.confirmed());
    client.check();
}
