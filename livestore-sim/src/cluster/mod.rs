//! A cluster: many clients, each with its sessions, its leader and its disk, and one backend.
//!
//! After every action the invariants of the client it happened to are checked, and that what it takes for confirmed is
//! what the backend has. When the cluster has settled, all logs and states are equal, and every synced event whose
//! commit returned Ok is in the backend's log or in quarantine: in one of them, once.

mod action;
mod backend;
mod check;

use std::{collections::VecDeque, num::NonZeroU64};

use livestore_sync::{ClientId, EventId, FromBackend, OnBackendChanged, ToBackend};

use crate::{
    action::Action, counts::Counts, mutation::Mutation, nodes::Uplink, rng::Rng, world::World,
};
pub use action::{ClusterAction, ClusterWeather};
pub use backend::Backend;

/// A client and its wire to the backend.
#[derive(Debug)]
pub struct Client {
    /// Its sessions, leader and disk.
    pub world: World,
    /// Frames to the backend, and the leader's term they come from.
    requests: VecDeque<(u64, ToBackend)>,
    /// Frames from the backend, and the leader's term they are for.
    answers: VecDeque<(u64, FromBackend)>,
    /// The last connection it asked for.
    connection: u64,
    partitioned: bool,
    /// The backend has lost something that the client may still believe in.
    stale: bool,
    /// It has asked anew since then; what it had read before is forgotten.
    asked_anew: bool,
    /// How much of the confirmed log was compared with the backend's.
    compared: usize,
    epoch: u64,
}

/// Who takes part.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many clients, and what each does when the backend has lost something.
    pub clients: Vec<OnBackendChanged>,
    /// Whether the backend is a plain peer.
    pub plain: bool,
}

impl Setup {
    /// The one that `rng` chooses.
    pub fn choose(rng: &mut Rng) -> Self {
        let policy = |rng: &mut Rng| match rng.below(10) {
            0 => OnBackendChanged::Fail,
            1..=4 => OnBackendChanged::Reset,
            _ => OnBackendChanged::Keep,
        };
        let count = 2 + rng.below(2);
        let clients = (0..count).map(|_| policy(rng)).collect();
        Self { clients, plain: rng.chance(50) }
    }
}

/// Everything there is.
#[derive(Debug)]
pub struct Cluster {
    clients: Vec<Client>,
    backend: Backend,
    mutation: Option<Mutation>,
    counts: Counts,
}

impl Cluster {
    /// Clients without sessions and an empty backend.
    pub fn new(setup: &Setup, mutation: Option<Mutation>) -> Self {
        let client = |(index, on_changed): (usize, &OnBackendChanged)| {
            let uplink = Uplink { on_changed: *on_changed, seed: index as u64 };
            let id = ClientId(1 + index as u64);
            Client {
                world: World::of_client(id, Some(uplink), mutation),
                requests: VecDeque::new(),
                answers: VecDeque::new(),
                connection: 0,
                partitioned: false,
                stale: false,
                asked_anew: true,
                compared: 0,
                epoch: 0,
            }
        };
        let clients = setup.clients.iter().enumerate().map(client).collect();
        let backend = Backend::new(setup.plain, mutation);
        Self { clients, backend, mutation, counts: Counts::default() }
    }

    /// The clients.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The backend.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let mut sum = self.counts;
        self.clients.iter().for_each(|client| sum.add(client.world.counts()));
        sum
    }

    /// How many requests and answers of a client are on the way.
    pub fn on_the_way(&self, client: usize) -> (usize, usize) {
        (self.clients[client].requests.len(), self.clients[client].answers.len())
    }

    /// Does one action and checks what it may have broken.
    ///
    /// # Errors
    /// Says which invariant is broken.
    pub fn step(&mut self, action: ClusterAction) -> Result<(), String> {
        let count = self.clients.len();
        let at = move |client: u8| usize::from(client) % count;
        match action {
            ClusterAction::Client { client, action } => {
                let client = at(client);
                if matches!(action, Action::PowerLoss { .. }) {
                    // The log may be back where the backend was before it lost something.
                    self.clients[client].stale = true;
                    self.clients[client].asked_anew = false;
                }
                if action != Action::Settle {
                    self.named(client, |client| client.world.step(action))?;
                }
                return self.after(client);
            }
            ClusterAction::Ask { client, message } => self.ask(at(client), message)?,
            ClusterAction::Answer { client, message } => return self.answer(at(client), message),
            ClusterAction::Lose { client, request, message } => {
                self.clients[at(client)].lose(request, message);
            }
            ClusterAction::Repeat { client, request, message } => {
                self.clients[at(client)].repeat(request, message);
            }
            ClusterAction::Partition { client, breaks } => {
                let client = &mut self.clients[at(client)];
                client.partitioned = !client.partitioned;
                if breaks {
                    client.break_connection();
                }
            }
            ClusterAction::SetClock { client, ms } => self.clients[at(client)].world.set_clock(ms),
            ClusterAction::Pause { client, paused } => {
                let client = at(client);
                self.clients[client].world.pause_backend(paused);
                return self.after(client);
            }
            ClusterAction::Retry { client } => {
                let client = at(client);
                self.clients[client].world.retry_backend();
                return self.after(client);
            }
            ClusterAction::Restart { up } => {
                self.backend.up = up;
                self.backend.restart();
                self.break_connections(false);
            }
            ClusterAction::BackUp => self.backend.back_up(),
            ClusterAction::Restore => {
                self.backend.restore();
                self.break_connections(true);
            }
            ClusterAction::Replace { empty } => {
                self.backend.replace(empty);
                self.break_connections(true);
            }
            ClusterAction::WriteForeign { what } => {
                let told = self.backend.write_foreign(what)?;
                self.tell(told);
            }
            ClusterAction::Forge { client, what } => {
                if let Some(id) = self.clients[at(client)].world.name_to_take(what) {
                    let told = self.backend.forge(id)?;
                    self.tell(told);
                }
            }
            ClusterAction::Settle => return self.settle(),
        }
        Ok(())
    }

    fn named<T>(
        &mut self,
        client: usize,
        what: impl FnOnce(&mut Client) -> Result<T, String>,
    ) -> Result<T, String> {
        what(&mut self.clients[client]).map_err(|error| format!("client {client}: {error}"))
    }

    /// Takes what a client's leader wants, and checks the client.
    fn after(&mut self, client: usize) -> Result<(), String> {
        self.clients[client].take_requests();
        self.check_confirmed(client)
    }

    fn break_connections(&mut self, stale: bool) {
        for client in &mut self.clients {
            if stale {
                client.stale = true;
                client.asked_anew = false;
            }
            client.break_connection();
        }
    }

    fn ask(&mut self, client: usize, message: u8) -> Result<(), String> {
        let Some((term, request)) = self.clients[client].next_request(message) else {
            return Ok(());
        };
        let told = self.backend.take(client, request)?;
        // An answer to a request goes to whoever asked, live pages to whoever leads now.
        for (to, message) in told {
            let term = if to == client { term } else { self.clients[to].world.term() };
            self.clients[to].answers.push_back((term, message));
        }
        Ok(())
    }

    fn tell(&mut self, told: Vec<(usize, FromBackend)>) {
        for (to, message) in told {
            let term = self.clients[to].world.term();
            self.clients[to].answers.push_back((term, message));
        }
    }

    fn answer(&mut self, client: usize, message: u8) -> Result<(), String> {
        let Some((term, message)) = self.clients[client].next_answer(message) else {
            return Ok(());
        };
        let world = &mut self.clients[client].world;
        if term == world.term() && world.has_room_for_pages() {
            let message = match self.mutation {
                Some(Mutation::TrustBackend) => world.trusting(message),
                Some(Mutation::LoseIds) => without_ids(message),
                _ => message,
            };
            world.hear(message);
        }
        self.named(client, |client| client.world.check())?;
        self.after(client)
    }
}

impl Client {
    fn take_requests(&mut self) {
        let term = self.world.term();
        for request in self.world.take_requests() {
            if let ToBackend::Connect { connection } = request {
                self.connection = connection;
                self.answers.clear();
            }
            self.asked_anew |= matches!(request, ToBackend::Pull { .. });
            self.requests.push_back((term, request));
        }
    }

    /// The connection is gone: its frames are, and the leader learns it.
    fn break_connection(&mut self) {
        let lost = FromBackend::Lost {
            connection: self.connection,
            reason: "the connection broke".into(),
        };
        self.answers = VecDeque::from([(self.world.term(), lost)]);
    }

    fn next_request(&mut self, message: u8) -> Option<(u64, ToBackend)> {
        let at = pick(self.requests.len(), message)?;
        if self.partitioned { None } else { self.requests.remove(at) }
    }

    fn next_answer(&mut self, message: u8) -> Option<(u64, FromBackend)> {
        let at = pick(self.answers.len(), message)?;
        let breaks = matches!(self.answers[at], (_, FromBackend::Lost { .. }));
        if self.partitioned && !breaks { None } else { self.answers.remove(at) }
    }

    fn lose(&mut self, request: bool, message: u8) {
        if request {
            pick(self.requests.len(), message).and_then(|at| self.requests.remove(at));
        } else {
            pick(self.answers.len(), message).and_then(|at| self.answers.remove(at));
        }
    }

    fn repeat(&mut self, request: bool, message: u8) {
        if request {
            let again = pick(self.requests.len(), message).map(|at| self.requests[at].clone());
            self.requests.extend(again);
        } else {
            let again = pick(self.answers.len(), message).map(|at| self.answers[at].clone());
            self.answers.extend(again);
        }
    }
}

/// The message, by a codec that does not find the events' ids.
fn without_ids(mut message: FromBackend) -> FromBackend {
    if let FromBackend::Page { page, .. } = &mut message {
        for (number, event) in (page.after..).zip(&mut page.events) {
            let number = NonZeroU64::MIN.saturating_add(number);
            event.id = EventId::foreign("somebody", "else", number);
        }
    }
    message
}

fn pick(count: usize, message: u8) -> Option<usize> {
    (count > 0).then(|| usize::from(message) % count)
}
