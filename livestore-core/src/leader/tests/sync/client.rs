//! A client for tests: a session machine, the driver with its databases in files, the courier, and a clock that only
//! the test moves.

use std::{cell::RefCell, rc::Rc, time::Duration};

use livestore_core::Schema;
use livestore_sync::{
    Args, BackendStatus, ClientId, Commit, Event, EventId, Lane, OnBackendChanged, Outcome,
    Session, SessionConfig, SessionId, TabId, ToSession, wire::Transport,
};
use tempfile::TempDir;

use crate::{
    backend::{Backend, MemoryBackend},
    leader::{
        BackendConfig, LeaderConfig,
        boot::fold,
        courier::{Courier, Dial},
        driver::Driver,
        posts::Posts,
        tests::rows::Rows,
    },
    platform::{Storage, StoragePlace},
    sqlite::{ContentHash, Db},
    state::State,
};
use futures_executor::block_on;

/// The backend that clients find, which a test may exchange.
#[derive(Clone)]
pub(super) struct Site(Rc<RefCell<MemoryBackend>>);

impl Site {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(MemoryBackend::new())))
    }

    pub(super) fn backend(&self) -> MemoryBackend {
        self.0.borrow().clone()
    }

    /// Another, empty one takes its place.
    pub(super) fn replace(&self) {
        self.backend().go_offline();
        *self.0.borrow_mut() = MemoryBackend::new();
    }
}

pub(super) struct Client {
    pub(super) config: LeaderConfig,
    /// Where the files are, until the client is gone.
    _directory: TempDir,
    dial: Dial,
    running: Option<(Driver, Courier)>,
    pub(super) session: Session,
    now: Duration,
    settled: Vec<(u64, Outcome)>,
    pub(super) status: Option<BackendStatus>,
}

impl Client {
    pub(super) fn new(number: u64, site: &Site, on_changed: OnBackendChanged) -> Self {
        let site = site.clone();
        let dial = move |_| Box::new(site.backend()) as Box<dyn Backend>;
        Self::dialling(number, Rc::new(dial), on_changed)
    }

    pub(super) fn dialling(number: u64, dial: Dial, on_changed: OnBackendChanged) -> Self {
        let schema = Rows::def().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store: livestore_sync::StoreId = "rows".parse().unwrap();
        let id = SessionId { tab: TabId(number), open: number };
        let config = LeaderConfig {
            client: ClientId(number),
            starter: id,
            schema_name: "Rows".to_owned(),
            schema: schema.hash(),
            place: Some(StoragePlace {
                store: store.clone(),
                directory: directory.path().to_str().map(str::to_owned),
            }),
            store,
            backend: Some(BackendConfig {
                url: "nowhere".to_owned(),
                transport: Transport::WebSocket,
                on_changed,
                paused: false,
                asks_payload: false,
                sets_damaged_log_aside: false,
            }),
        };
        let session = SessionConfig::new(ClientId(number), id, schema.hash());
        let mut client = Self {
            config,
            _directory: directory,
            dial,
            running: None,
            session: Session::new(session, Duration::ZERO),
            now: Duration::ZERO,
            settled: Vec::new(),
            status: None,
        };
        client.start();
        while !client.session.is_open() {
            client.turn();
        }
        client
    }

    /// The leader opens the files.
    pub(super) fn start(&mut self) {
        let place = self.config.place.as_ref().unwrap();
        let storage = block_on(Storage::open(place)).unwrap();
        let driver = Driver::open(&self.config, Rows::def().unwrap(), &storage, |_, _| {}).unwrap();
        let posts = Rc::new(Posts::new(self.config.channels()));
        let courier = Courier::with(Rc::clone(&self.dial), false, &posts);
        self.running = Some((driver, courier));
    }

    /// The leader is gone, as with `kill -9`: nothing is said to anybody.
    pub(super) fn kill(&mut self) {
        self.running = None;
    }

    /// Leads a while without a backend, as an app that has none yet.
    pub(super) fn set_backend(&mut self, backend: Option<BackendConfig>) -> Option<BackendConfig> {
        std::mem::replace(&mut self.config.backend, backend)
    }

    pub(super) fn driver(&mut self) -> &mut Driver {
        &mut self.running.as_mut().unwrap().0
    }

    fn databases(&self) -> (&crate::eventlog::EventLog, &State) {
        self.running.as_ref().unwrap().0.databases()
    }

    /// Does what there is to do; whether there was anything.
    pub(super) fn turn(&mut self) -> bool {
        let now = self.now;
        let Some((driver, courier)) = &mut self.running else { return false };
        let mut busy = false;
        while let Some(message) = self.session.poll_send(now) {
            driver.receive(now, message);
            busy = true;
        }
        if self.config.backend.is_some() {
            busy |= courier.talk(driver, now);
        }
        busy |= driver.write(now);
        while let Some(outgoing) = driver.poll_send() {
            if let ToSession::Backend { status, .. } = &outgoing.message {
                self.status = Some(status.clone());
            }
            self.session.receive(now, outgoing.message).unwrap();
            busy = true;
        }
        while let Some(settled) = self.session.poll_settled() {
            self.settled.push((settled.last.n.get(), settled.outcome));
        }
        busy
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Commits one event for each row.
    pub(super) fn commit(&mut self, rows: &[i64]) {
        let session = self.session.id();
        let mut n = self.session.next_n();
        let mut events = Vec::new();
        for row in rows {
            let args = Args::parse(&format!("{{\"id\":{row}}}")).unwrap();
            let id = EventId { client: self.config.client, session, n };
            events.push(Event { id, name: "v1.Inserted".into(), args });
            n = n.saturating_add(1);
        }
        self.session.commit(Commit::new(Lane::Synced, events).unwrap()).unwrap();
    }

    pub(super) fn state(&self, sql: &str) {
        self.databases().1.db().conn().execute_batch(sql).unwrap();
    }

    pub(super) fn rows(&self) -> Vec<i64> {
        let conn = self.databases().1.db().conn();
        let mut statement = conn.prepare("select id from rows order by id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// What the log has, as ids of rows in its order.
    pub(super) fn logged(&self) -> Vec<String> {
        let commits =
            self.databases().0.read(Lane::Synced, livestore_sync::Head::ZERO, usize::MAX).unwrap();
        let events = commits.iter().flat_map(Commit::events);
        events.map(|event| event.args.as_str().to_owned()).collect()
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.databases().0.confirmed()
    }

    /// First `n` and reason of what is in quarantine.
    pub(super) fn quarantined(&self) -> Vec<(u64, String)> {
        let page = self.databases().0.quarantine(None, usize::MAX).unwrap();
        page.commits.into_iter().map(|q| (q.commit.first_n().get(), q.reason)).collect()
    }

    pub(super) fn failed(&self) -> Vec<String> {
        let failed = self.databases().1.failed().unwrap();
        failed.into_iter().map(|(event, _)| event.args.as_str().to_owned()).collect()
    }

    /// How many undo records the state keeps.
    pub(super) fn undo_records(&self) -> i64 {
        let conn = self.databases().1.db().conn();
        conn.query_row("select count(*) from livestore_undo", [], |row| row.get(0)).unwrap()
    }

    pub(super) fn take_settled(&mut self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut self.settled)
    }

    /// The state is the fold of the log; its content.
    pub(super) fn check(&self) -> ContentHash {
        let (log, state) = self.databases();
        assert_eq!(state.heads(), log.heads());
        let db = Db::open_in_memory().unwrap();
        let mut rebuilt = State::create(db, Rows::def().unwrap()).unwrap();
        fold(log, &mut rebuilt, log.heads(), |_, _| {}).unwrap();
        let hash = |state: &State| state.content_hash(Lane::Synced).unwrap();
        assert_eq!(hash(state), hash(&rebuilt));
        hash(state)
    }
}

/// Lets all of them work until they are quiet.
pub(super) fn settle(clients: &mut [&mut Client]) {
    for _ in 0..100_000 {
        let busy = clients.iter_mut().fold(false, |busy, client| client.turn() | busy);
        if !busy {
            return;
        }
    }
    panic!("they never come to rest");
}

/// Lets time pass, in steps, and everybody work.
pub(super) fn wait(seconds: u64, clients: &mut [&mut Client]) {
    for _ in 0..seconds {
        clients.iter_mut().for_each(|client| client.pass(Duration::from_secs(1)));
        settle(clients);
    }
}
