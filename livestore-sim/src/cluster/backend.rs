//! A backend that keeps its word: it appends at its head or says no, and tells everyone who listens.
//!
//! As a plain peer it refuses a batch whole and says nothing of why; as one of ours it keeps the commits before the
//! refused one. It can also lose what it had: restored from a copy, wiped, replaced.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU64,
    sync::Arc,
};

use livestore_sync::{
    Args, BackendId, BackendLimits, Batch, Event, EventId, Failure, FromBackend, Page, ToBackend,
};

use crate::{
    ledger::{FORGED, is_forged},
    mutation::Mutation,
    world::BARRED,
};

/// Events in one page.
const PAGE: usize = 5;

/// The double.
#[derive(Debug)]
pub struct Backend {
    /// Its name.
    pub id: BackendId,
    /// Its log; the first event has number 1.
    pub log: Vec<Event>,
    /// Whether it knows no more than LiveStore's protocol.
    pub plain: bool,
    /// Whether it answers.
    pub up: bool,
    ids: HashSet<EventId>,
    copy: (BackendId, Vec<Event>),
    /// The pull of each client that goes on.
    live: BTreeMap<usize, u64>,
    names: u64,
    foreign: u64,
    mutation: Option<Mutation>,
}

impl Backend {
    /// An empty one.
    pub fn new(plain: bool, mutation: Option<Mutation>) -> Self {
        let id = BackendId("backend-0".into());
        Self {
            copy: (id.clone(), Vec::new()),
            id,
            log: Vec::new(),
            plain,
            up: true,
            ids: HashSet::new(),
            live: BTreeMap::new(),
            names: 0,
            foreign: 0,
            mutation,
        }
    }

    fn limits(&self) -> BackendLimits {
        let batch_events = if self.plain { 3 } else { 8 };
        BackendLimits { batch_events, batch_bytes: 700, event_bytes: 10_000, live: true }
    }

    /// Makes a copy of what it has.
    pub fn back_up(&mut self) {
        self.copy = (self.id.clone(), self.log.clone());
    }

    /// Every connection ends.
    pub fn restart(&mut self) {
        self.live.clear();
    }

    /// Takes the copy's place.
    pub fn restore(&mut self) {
        (self.id, self.log) = self.copy.clone();
        self.forget();
    }

    /// Goes on under another name.
    pub fn rename(&mut self) {
        self.names += 1;
        self.id = BackendId(format!("backend-{}", self.names).into());
        self.restart();
    }

    /// Starts over under another name, empty or with the copy.
    pub fn replace(&mut self, empty: bool) {
        self.log = if empty { Vec::new() } else { self.copy.1.clone() };
        self.rename();
        self.back_up();
        self.forget();
    }

    fn forget(&mut self) {
        let named = self.log.iter().filter(|event| !is_forged(event));
        self.ids = named.map(|event| event.id).collect();
        self.restart();
    }

    /// A peer that gives no ids appends an event.
    pub fn write_foreign(&mut self, what: u16) -> Result<Vec<(usize, FromBackend)>, String> {
        let number = NonZeroU64::MIN.saturating_add(self.log.len() as u64);
        let name = ["v1.Added", "v1.Claimed", "v1.Freed", "v3.Unknown"][usize::from(what % 4)];
        // No two are equal, or a log that has lost one and got the other would look as if nothing had happened.
        self.foreign += 1;
        let args = format!("[{},{}]", (what >> 2) % 6, self.foreign);
        let event = Event::pulled(number, None, ("js", "tab"), name, &args);
        self.append([event])
    }

    /// Takes a request of a client; returns who is told what.
    pub fn take(
        &mut self,
        client: usize,
        request: ToBackend,
    ) -> Result<Vec<(usize, FromBackend)>, String> {
        let unavailable = || Failure::Unavailable { reason: "the backend is down".into() };
        Ok(match request {
            ToBackend::Connect { connection } if self.up => {
                self.live.remove(&client);
                vec![(client, FromBackend::Connected { connection, limits: self.limits() })]
            }
            ToBackend::Connect { connection } => {
                let reason = Arc::from("the backend is down");
                vec![(client, FromBackend::Lost { connection, reason })]
            }
            ToBackend::Disconnect => {
                self.live.remove(&client);
                Vec::new()
            }
            ToBackend::Pull { pull, .. } if !self.up => {
                vec![(client, FromBackend::NotPulled { pull, failure: unavailable() })]
            }
            ToBackend::Pull { pull, backend, .. }
                if backend.as_ref().is_some_and(|b| *b != self.id) =>
            {
                vec![(client, FromBackend::NotPulled { pull, failure: Failure::Changed })]
            }
            ToBackend::Pull { pull, after, live, .. } => {
                self.live.remove(&client);
                if live {
                    self.live.insert(client, pull);
                }
                self.pages(after).map(|page| (client, FromBackend::Page { pull, page })).collect()
            }
            ToBackend::Push { push, .. } if !self.up => {
                vec![(client, FromBackend::NotPushed { push, failure: unavailable() })]
            }
            ToBackend::Push { push, batch } => {
                let (mut told, failure) = self.push(&batch)?;
                told.push(match failure {
                    None => (client, FromBackend::Pushed { push }),
                    Some(failure) => (client, FromBackend::NotPushed { push, failure }),
                });
                told
            }
        })
    }

    fn pages(&self, after: u64) -> impl Iterator<Item = Page> + '_ {
        let start = usize::try_from(after).unwrap_or(usize::MAX).min(self.log.len());
        let rest = &self.log[start..];
        let count = rest.len().div_ceil(PAGE).max(1);
        (0..count).map(move |page| {
            let from = (page * PAGE).min(rest.len());
            let to = (from + PAGE).min(rest.len());
            Page {
                backend: self.id.clone(),
                after: after + from as u64,
                events: rest[from..to].to_vec(),
                remaining: (rest.len() - to) as u64,
            }
        })
    }

    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    fn push(
        &mut self,
        batch: &Batch,
    ) -> Result<(Vec<(usize, FromBackend)>, Option<Failure>), String> {
        let head = self.log.len() as u64;
        if batch.backend.as_ref().is_some_and(|known| *known != self.id) {
            return Ok((Vec::new(), Some(Failure::Changed)));
        }
        if batch.parent != head && self.mutation != Some(Mutation::IgnoreParent) {
            return Ok((Vec::new(), Some(Failure::ServerAhead { head })));
        }
        let barred = |event: &&Event| &*event.name == BARRED;
        if self.plain {
            if batch.events().any(|event| barred(&event)) {
                let reason = Arc::from("onPush threw");
                return Ok((Vec::new(), Some(Failure::Unknown { reason })));
            }
            let events: Vec<Event> = batch.events().cloned().collect();
            return Ok((self.append(events)?, None));
        }
        let mut taken = Vec::new();
        for commit in &batch.commits {
            if let Some(at) = commit.events().iter().position(|event| barred(&event)) {
                let number = head + (taken.len() + at) as u64 + 1;
                let reason = Arc::from("barred");
                return Ok((self.append(taken)?, Some(Failure::Rejected { number, reason })));
            }
            taken.extend(commit.events().iter().cloned());
        }
        Ok((self.append(taken)?, None))
    }

    /// A peer of the same store appends an event under somebody's name.
    pub fn forge(&mut self, id: EventId) -> Result<Vec<(usize, FromBackend)>, String> {
        self.foreign += 1;
        let args = Args::parse(&format!("[0,{}]", self.foreign)).map_err(|e| e.to_string())?;
        self.append([Event { id, name: FORGED.into(), args }])
    }

    fn append(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Vec<(usize, FromBackend)>, String> {
        let after = self.log.len() as u64;
        for event in events {
            if !is_forged(&event) && !self.ids.insert(event.id) {
                return Err(format!("the backend has event {} twice", event.id));
            }
            self.log.push(event);
        }
        let page = |page: Page| {
            let to = |(client, pull): (&usize, &u64)| {
                (*client, FromBackend::Page { pull: *pull, page: page.clone() })
            };
            self.live.iter().map(to).collect::<Vec<_>>()
        };
        let new = self.log.len() as u64 > after;
        Ok(self.pages(after).filter(|_| new).flat_map(page).collect())
    }
}
