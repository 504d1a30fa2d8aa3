//! [`AnyStore`]: a store without its schema's type. Everything but committing works on it.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use livestore_sync::{EventId, SessionId, StoreId};

use super::{
    callbacks::{Callbacks, Subscription},
    close::Handle,
    connection::{Connection, locked},
    document::Document,
    engine::Engine,
    error::{CommitError, StoreError},
    gate::{Gate, Inside, Reentered},
    journals::Journaled,
    live_query::LiveQuery,
    local::{self, LocalSubscription},
    open::{Opening, Starter},
    persisted::Receipt,
    questions::Questions,
    rejections::{Listing, Rejection},
    rounds::Rounds,
    status::{BootWarning, Durability, LeaderStatus, StorageMode},
    sync_options::Payload,
    sync_status::{NetworkStatus, SyncStatus},
    turn::Inbox,
};
use crate::{
    graph::NodeId,
    platform::{Adopted, Journal, now_ms},
    query::IntoQuery,
    schema::{ClientDocument, EncodedCommit},
};

/// A handle to an open store, whatever its schema: queries, documents, statuses. Clones are cheap and equal.
#[derive(Clone)]
pub struct AnyStore(pub(super) Arc<Handle>);

/// An [`AnyStore`] that does not keep the store open.
#[derive(Clone, Debug)]
pub struct WeakStore(Weak<Handle>);

/// How the framework wants observers to be told: it calls what it is given, once.
pub type NotifyWithin = fn(&mut dyn FnMut());

/// What all handles of a store share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The schema's type, for messages.
    pub(super) schema: &'static str,
    pub(super) id: StoreId,
    pub(super) session: SessionId,
    pub(super) engine: Gate<Engine>,
    pub(super) connection: Connection,
    pub(super) queries: Callbacks<NodeId>,
    pub(super) stale: Callbacks<NodeId>,
    pub(super) statuses: Callbacks<()>,
    pub(super) status: Mutex<Status>,
    /// Set with every change of `status` until it has been told.
    pub(super) status_changed: AtomicBool,
    /// Whether the opening turned out to wait for another tab since that was last told.
    pub(super) kept_waiting: AtomicBool,
    /// Journals of dead sessions whose commits the leader does not have yet.
    pub(super) adopted: Mutex<Vec<Adopted>>,
    /// The rejected commits that are being committed again.
    pub(super) retried: Mutex<BTreeSet<EventId>>,
    /// What this session's own journal holds.
    pub(super) journaled: Mutex<Journaled>,
    pub(super) opening: Mutex<Option<Opening>>,
    pub(super) starter: Starter,
    /// What was asked of the leader and is not answered yet.
    pub(super) questions: Questions,
    pub(super) listing: Mutex<Listing>,
    pub(super) rounds: Rounds,
    pub(super) inbox: Inbox,
    pub(super) notify_within: NotifyWithin,
    pub(super) payload: Option<Payload>,
}

/// What the store says about itself; compared after every change, so that only changes are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Status {
    pub(super) mode: StorageMode,
    /// Whether the platform has promised to keep the data.
    pub(super) protected: bool,
    /// Whether what the leader does not have is in the journal, or would fit into it.
    pub(super) fits_journal: bool,
    pub(super) leader: LeaderStatus,
    /// What is known of the leader beside what it says to the machine; until it speaks to that.
    pub(super) trouble: Option<LeaderStatus>,
    pub(super) pending: usize,
    pub(super) sync: SyncStatus,
    pub(super) network: NetworkStatus,
    /// Up to which number the backend has the leader's log.
    pub(super) confirmed: Option<u64>,
    pub(super) rejections: Arc<[Rejection]>,
    pub(super) warnings: Vec<BootWarning>,
}

impl Status {
    pub(super) fn new(mode: StorageMode) -> Self {
        Self {
            mode,
            protected: false,
            fits_journal: true,
            leader: LeaderStatus::Attaching,
            trouble: None,
            pending: 0,
            sync: SyncStatus::default(),
            network: NetworkStatus::default(),
            confirmed: None,
            rejections: Arc::default(),
            warnings: Vec::new(),
        }
    }

    /// Notes how it stands with a leader that does not speak to the machine.
    pub(super) fn note_trouble(&mut self, trouble: LeaderStatus) {
        self.leader = trouble.clone();
        self.trouble = Some(trouble);
    }

    /// The mode with the page's share of it: the leader's worker can't ask for protection.
    fn shown_mode(&self) -> StorageMode {
        match &self.mode {
            StorageMode::Persisted { protected } => {
                StorageMode::Persisted { protected: *protected || self.protected }
            }
            memory @ StorageMode::InMemory { .. } => memory.clone(),
        }
    }

    pub(super) fn durability(&self) -> Durability {
        match (&self.mode, self.fits_journal) {
            (StorageMode::InMemory { .. }, _) => Durability::InMemory,
            (StorageMode::Persisted { .. }, true) => Durability::Safe,
            (StorageMode::Persisted { .. }, false) => Durability::AtRisk,
        }
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore")
            .field("id", &self.0.id)
            .field("session", &self.0.session)
            .finish()
    }
}

impl PartialEq for AnyStore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for AnyStore {}

impl AnyStore {
    /// The store's id.
    pub fn id(&self) -> &StoreId {
        &self.0.id
    }

    /// This opening of the store: the author of its commits.
    pub fn session(&self) -> SessionId {
        self.0.session
    }

    /// Runs a query once, on the state as it is now.
    ///
    /// # Errors
    /// [`StoreError`] when the query fails, or when called from inside the store.
    pub fn query<Q: IntoQuery>(&self, query: Q) -> Result<Q::Output, StoreError> {
        let query = query.into_query();
        let engine = self.0.enter()?;
        Ok(query.run(engine.state.db().conn())?)
    }

    /// Follows a query: its value is kept up to date while the handle exists. Equal queries share one value.
    pub fn live<Q: IntoQuery>(&self, query: Q) -> LiveQuery<Q::Output>
    where
        Q::Output: PartialEq + Send + Sync + 'static,
    {
        let query = query.into_query();
        let observer = self.0.enter().map(|mut engine| {
            engine.observe(&query).expect("BUG: the node was made by this store's own graph")
        });
        LiveQuery::new(self, observer)
    }

    /// Calls `changed` with a query's value now, and after every refresh that changed it, until the subscription is
    /// dropped. A value that the query fails to give is not told; follow [`live`](Self::live) to see errors.
    ///
    /// Natively `changed` may run on the thread that delivers the leader's word (unless a thread takes
    /// [turns](Self::turns)), so it must not block until that word comes (on a receipt's `persisted()`, on a shutdown):
    /// it would wait for itself.
    pub fn subscribe<Q: IntoQuery>(
        &self,
        query: Q,
        changed: impl Fn(&Q::Output) + Send + Sync + 'static,
    ) -> Subscription
    where
        Q::Output: PartialEq + Send + Sync + 'static,
    {
        let live = self.live(query);
        let tell = live.teller(changed);
        tell();
        live.on_change(tell)
    }

    /// Like [`subscribe`](Self::subscribe) for a callback that may not leave this thread. In a browser there is no
    /// other. Natively, changes that arrive on another thread are told when this thread next commits or calls
    /// [`deliver_local`](Self::deliver_local).
    pub fn subscribe_local<Q: IntoQuery>(
        &self,
        query: Q,
        changed: impl Fn(&Q::Output) + 'static,
    ) -> LocalSubscription
    where
        Q::Output: PartialEq + Send + Sync + 'static,
    {
        let live = self.live(query);
        let tell = live.teller(changed);
        tell();
        LocalSubscription::new(tell, |changed| live.on_change(changed))
    }

    /// Runs the callbacks of [`subscribe_local`](Self::subscribe_local) that wait for this thread.
    pub fn deliver_local(&self) {
        local::deliver();
    }

    /// A client document of this store.
    ///
    /// # Errors
    /// [`StoreError::UnknownDocument`] when the schema does not list it.
    pub fn document<D: ClientDocument>(&self) -> Result<Document<D>, StoreError> {
        let mut engine = self.0.enter()?;
        if !engine.documents.has(D::DEF) {
            return Err(StoreError::UnknownDocument {
                schema: self.0.schema,
                document: D::DEF.name,
            });
        }
        let (signal, observer) = engine.document::<D>()?;
        drop(engine);
        Ok(Document::new(self.clone(), signal, LiveQuery::new(self, Ok(observer))))
    }

    /// Makes several commits and document changes look like one: queries are refreshed once, after `changes`.
    pub fn batch<R>(&self, changes: impl FnOnce() -> R) -> R {
        self.0.batch(changes)
    }

    /// Commits encoded events; [`Store::commit`](super::Store::commit) is how apps do it.
    pub(super) fn commit(&self, events: EncodedCommit) -> Result<Receipt, CommitError> {
        let mut engine = self.0.enter()?;
        let (last, lane) = engine.commit(events)?;
        self.0.flush(&mut engine);
        self.0.settle_own(engine);
        local::deliver();
        Ok(Receipt::new(self.clone(), last, lane))
    }

    /// Where the store keeps its data.
    pub fn storage_mode(&self) -> StorageMode {
        self.0.status().shown_mode()
    }

    /// Whether this session's commits and documents would survive the end of the page now.
    pub fn durability(&self) -> Durability {
        self.0.status().durability()
    }

    /// Who persists this session's commits.
    pub fn leader_status(&self) -> LeaderStatus {
        self.0.status().leader
    }

    /// How many of this session's events the leader has not persisted yet.
    pub fn pending(&self) -> usize {
        self.0.status().pending
    }

    /// What opening mended or worked around.
    pub fn boot_warnings(&self) -> Vec<BootWarning> {
        self.0.status().warnings
    }

    /// Calls `changed` whenever the storage mode, the durability, the status of leader, sync or network, the number of
    /// pending events, the rejections or the warnings have changed.
    pub fn on_status(&self, changed: impl Fn() + Send + Sync + 'static) -> Subscription {
        Subscription::new(&self.0, |store| &store.statuses, (), Arc::new(changed))
    }

    /// Like [`on_status`](Self::on_status) for a callback that may not leave this thread; see
    /// [`subscribe_local`](Self::subscribe_local).
    pub fn on_status_local(&self, changed: impl Fn() + 'static) -> LocalSubscription {
        LocalSubscription::new(changed, |changed| self.on_status(changed))
    }

    /// How many nodes the reactive graph has: for tests that nothing is left behind.
    #[doc(hidden)]
    pub fn node_count(&self) -> usize {
        self.0.enter().map_or(0, |mut engine| engine.live.node_count())
    }

    /// What a commit does for the journal, and nothing else of it: for benchmarks that compare the two.
    #[doc(hidden)]
    pub fn keep_journals(&self) -> bool {
        self.0.enter().is_ok_and(|engine| self.0.keep_journals(&engine))
    }

    /// A handle that does not keep the store open.
    pub fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.0))
    }

    /// Takes no more commits, waits until the leader has everything, at most `patience`, and closes the store. What the
    /// leader does not have by then is journaled where there is a journal.
    pub async fn shutdown(&self, patience: Duration) {
        self.0.shutdown(patience).await;
    }
}

impl WeakStore {
    /// The store, if anybody still has it open.
    pub fn upgrade(&self) -> Option<AnyStore> {
        self.0.upgrade().map(AnyStore)
    }
}

impl Shared {
    pub(super) fn enter(&self) -> Result<Inside<'_, Engine>, Reentered> {
        self.engine.enter()
    }

    /// Sends what the machine has to send, and notes how it stands.
    pub(super) fn flush(&self, engine: &mut Engine) {
        let now = now();
        while let Some(message) = engine.poll_send(now) {
            self.connection.post(message);
        }
        self.ask_for_rejections(now);
        let fits_journal = self.keep_journals(engine);
        self.note_progress(engine);
        self.update_status(|status| {
            status.pending = engine.pending();
            status.sync = SyncStatus::of(&engine.session);
            status.confirmed = engine.session.confirmed();
            status.network = NetworkStatus::of(engine.session.backend());
            let machine = || LeaderStatus::of(engine.session.status(now));
            status.leader = status.trouble.clone().unwrap_or_else(machine);
            // Where the leader's storage is full, a journal beside it would not fit either.
            let refused = Journal::SHARES_STORAGE
                && status.pending > 0
                && matches!(status.leader, LeaderStatus::Stalled { .. });
            status.fits_journal = fits_journal && !refused;
        });
    }

    pub(super) fn status(&self) -> Status {
        locked(&self.status).clone()
    }

    /// Changes the status; if it is another one then, that is told in the next round.
    pub(super) fn update_status(&self, change: impl FnOnce(&mut Status)) {
        let mut current = locked(&self.status);
        let before = current.clone();
        change(&mut current);
        if *current != before {
            self.connection.warn_on_leaving(current.durability() == Durability::AtRisk);
            self.status_changed.store(true, Ordering::Relaxed);
        }
    }
}

pub(super) fn now() -> Duration {
    Duration::from_millis(now_ms())
}
