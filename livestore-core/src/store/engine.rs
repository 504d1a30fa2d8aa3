//! The engine: a session's state, its sync machine and its graph, which change together under one lock.
//!
//! Two flows end here. Local: [`Engine::commit`]. From the leader: [`Engine::receive`]. Both end in the same "what
//! changed", which marks the graph; the caller then runs one refresh for all of it.
//!
//! Invariants:
//! 1. The state is the fold of the log up to the machine's upstream, then of the pending commits that have an effect.
//! 2. `effects` has one entry per pending commit of a lane, in the same order.
//!
//! Deliberately not here: telling observers (that is done without the lock), channels, timers.

use std::{sync::Arc, time::Duration};

use futures_channel::oneshot;
use livestore_sync::{
    Commit, Document, Event, EventId, Journal, Lane, Outcome as SettledAs, Session, SessionConfig,
    Settled, ToLeader, ToSession,
};

use super::{
    documents::Documents,
    effects::Effects,
    error::{CommitError, OpenError},
    receipt::{NotConfirmed, Outcome, Receipts, Stage},
};
use crate::{
    graph::NodeId,
    live::{Cx, Live, NodeHandle, Observer, Signal},
    query::{Query, QueryError},
    schema::{ClientDocument, EncodeError, EncodedCommit, SchemaDef},
    sqlite::Db,
    state::{ApplyError, State},
};

/// A session's inside.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) session: Session,
    pub(super) state: State,
    pub(super) live: Live,
    pub(super) documents: Documents,
    pub(super) receipts: Receipts,
    pub(super) effects: Effects,
    config: SessionConfig,
    /// Up to which `n` this session's commits were persisted while there was no backend.
    unordered: u64,
    closing: bool,
    /// No commit is taken while the leader deletes the store.
    deleting: bool,
    closed: bool,
}

impl Engine {
    /// A session without state.
    pub(super) fn new(
        store: &str,
        schema: &'static SchemaDef,
        config: SessionConfig,
        now: Duration,
    ) -> Result<Self, OpenError> {
        let state = Db::open_in_memory()
            .map_err(|error| error.to_string())
            .and_then(|db| State::create(db, schema).map_err(|error| error.to_string()))
            .map_err(|reason| OpenError::Session { store: store.to_owned(), reason })?;
        Ok(Self {
            session: Session::new(config.clone(), now),
            state,
            live: Live::new(),
            documents: Documents::new(schema, config.id.tab),
            receipts: Receipts::default(),
            effects: Effects::default(),
            config,
            unordered: 0,
            closing: false,
            deleting: false,
            closed: false,
        })
    }

    /// Applies events, all or none, and queues them for the leader. Returns the last one's id, and their lane.
    pub(super) fn commit(
        &mut self,
        encoded: EncodedCommit,
    ) -> Result<(EventId, Lane), CommitError> {
        self.check_open()?;
        let commit = self.number(encoded)?;
        let (last, lane) = (commit.last_id(), commit.lane());
        let applied = self.state.apply(&commit).map_err(|error| refusal(&commit, error))?;
        self.effects.push(&commit, applied.undo, true);
        self.live.invalidate(&applied.changes);
        self.session.commit(commit).map_err(|error| CommitError::State(error.to_string()))?;
        Ok((last, lane))
    }

    fn number(&self, encoded: EncodedCommit) -> Result<Commit, CommitError> {
        let lane = encoded.lane().ok_or(CommitError::Encode(EncodeError::Empty))?;
        let mut n = self.session.next_n();
        let mut events = Vec::with_capacity(encoded.events().len());
        for event in encoded.into_events() {
            let id = EventId { client: self.config.client, session: self.config.id, n };
            events.push(Event { id, name: event.name.into(), args: event.args });
            n = n.saturating_add(1);
        }
        Commit::new(lane, events).map_err(|error| CommitError::State(error.to_string()))
    }

    /// Takes a leader's message and brings the state to where it says.
    pub(super) fn receive(&mut self, now: Duration, message: ToSession) {
        let had_backend = self.session.confirmed().is_some();
        match self.session.receive(now, message) {
            Ok(works) => works.into_iter().for_each(|work| self.execute(now, work)),
            Err(error) => {
                tracing::error!(%error, "a leader's message contradicts this session's commits");
            }
        }
        while let Some(Settled { last, outcome }) = self.session.poll_settled() {
            if last.session == self.config.id {
                self.settle(last.n.get(), outcome);
            }
        }
        if had_backend && self.session.confirmed().is_none() {
            self.receipts.lose_backend();
            // Of what was persisted by now it won't be known whether a later backend has it.
            self.unordered = self.session.next_n().get() - 1;
        }
    }

    /// Notes what has become of this session's commit that ends with event `n`.
    fn settle(&mut self, n: u64, outcome: SettledAs) {
        match outcome {
            SettledAs::Persisted => {
                if self.session.confirmed().is_none() {
                    self.unordered = self.unordered.max(n);
                }
                self.receipts.reach(n, Stage::Persisted);
            }
            SettledAs::Confirmed => self.receipts.reach(n, Stage::Confirmed),
            SettledAs::Refused { reason } => self.receipts.refuse(n, &reason),
        }
    }

    /// The next message for the leader.
    pub(super) fn poll_send(&mut self, now: Duration) -> Option<ToLeader> {
        self.session.poll_send(now)
    }

    /// Takes a dead session's journal.
    /// False if it is none that this client wrote; then nothing has changed.
    pub(super) fn adopt(&mut self, now: Duration, journal: Journal) -> bool {
        match self.session.adopt(now, journal) {
            Ok(documents) => {
                for document in &documents {
                    self.documents.arrive(&mut self.live, document);
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a journal can't be adopted; it stays where it is");
                false
            }
        }
    }

    /// A document's signal, and an observer of it.
    pub(super) fn document<D: ClientDocument>(
        &mut self,
    ) -> Result<(Signal<D>, Observer<D>), QueryError> {
        let signal = self.documents.signal::<D>(&mut self.live);
        let observer = self.live.observe(&signal, self.state.db())?;
        Ok((signal, observer))
    }

    /// A node's value on the state as it is, be its cell filled or not.
    pub(super) fn read<T: Send + Sync + 'static>(
        &mut self,
        node: &NodeHandle<T>,
    ) -> Result<Arc<T>, QueryError> {
        self.live.read(node, self.state.db())
    }

    /// Sets a document here at once, and queues it for the leader.
    pub(super) fn set_document<D: ClientDocument>(
        &mut self,
        signal: &Signal<D>,
        value: D,
        document: Document,
    ) -> Result<(), QueryError> {
        self.live.set(signal, value)?;
        self.documents.note(D::DEF, &document);
        self.session.set_document(document);
        Ok(())
    }

    /// Follows a computed value of its own.
    pub(super) fn computed<T: PartialEq + Send + Sync + 'static>(
        &mut self,
        compute: impl Fn(&mut Cx<'_, '_>) -> Result<T, QueryError> + Send + Sync + 'static,
    ) -> Result<Observer<T>, QueryError> {
        let node = self.live.computed(None, compute);
        self.live.observe(&node, self.state.db())
    }

    /// A signal of its own, and an observer of it.
    pub(super) fn signal<T: PartialEq + Send + Sync + 'static>(
        &mut self,
        value: T,
    ) -> Result<(Signal<T>, Observer<T>), QueryError> {
        let signal = self.live.signal(value);
        let observer = self.live.observe(&signal, self.state.db())?;
        Ok((signal, observer))
    }

    /// Follows a query.
    pub(super) fn observe<T: PartialEq + Send + Sync + 'static>(
        &mut self,
        query: &Query<T>,
    ) -> Result<Observer<T>, QueryError> {
        let node = self.live.query_node(query);
        self.live.observe(&node, self.state.db())
    }

    /// Brings every followed value up to date; says which changed.
    pub(super) fn refresh(&mut self) -> Vec<NodeId> {
        self.live.refresh(self.state.db()).changed
    }

    /// Whether a commit of this session has come as far as is wanted, or where that will be told.
    pub(super) fn outcome(
        &mut self,
        last: EventId,
        wants: Stage,
    ) -> Result<Outcome, oneshot::Receiver<Outcome>> {
        let n = last.n.get();
        if let Some(refused) = self.receipts.refusal(n) {
            return Ok(Err(refused));
        }
        let has_backend = self.session.confirmed().is_some() && n > self.unordered;
        let has = if self.session.is_pending(last) {
            Stage::Pending
        } else if !has_backend || self.session.is_unconfirmed(last) {
            Stage::Persisted
        } else {
            Stage::Confirmed
        };
        if has >= wants {
            Ok(Ok(()))
        } else if wants == Stage::Confirmed && !has_backend {
            Ok(Err(NotConfirmed::NoBackend))
        } else {
            match self.receipts.wait(n, wants) {
                Ok(waiting) => Err(waiting),
                Err(closed) => Ok(Err(closed)),
            }
        }
    }

    /// How many events the leader has not persisted yet.
    pub(super) fn pending(&self) -> usize {
        self.session.pending_events()
    }

    /// Whether commits are taken.
    pub(super) fn check_open(&self) -> Result<(), CommitError> {
        if self.closing || self.deleting || !self.session.is_open() {
            Err(CommitError::Closed)
        } else {
            Ok(())
        }
    }

    /// Takes no more commits.
    pub(super) fn stop_taking(&mut self) {
        self.closing = true;
    }

    /// Takes no commits while the leader deletes the store, or takes them again.
    pub(super) fn note_deleting(&mut self, deleting: bool) {
        self.deleting = deleting;
    }

    /// Ends: receipts that wait are told. False if it had ended before.
    pub(super) fn close(&mut self) -> bool {
        self.closing = true;
        self.receipts.close();
        !std::mem::replace(&mut self.closed, true)
    }
}

fn refusal(commit: &Commit, error: ApplyError) -> CommitError {
    match error {
        ApplyError::Event(failed) => CommitError::Materialize {
            event: failed.name.to_string(),
            source: Box::new(failed.error),
        },
        ApplyError::Storage(error) => CommitError::State(format!("{}: {error}", commit.id())),
    }
}
