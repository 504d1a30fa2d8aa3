//! Opening: ids, journals, a leader, and what it serves.
//!
//! If nothing can be persisted here (a private window, no OPFS, a full quota), the store opens in memory, for this
//! session alone, and says so. A page that can start no worker is an ordinary session of another tab's leader; only where
//! there is none does its store, too, open in memory. Anything that is wrong with files that can be reached is an error
//! instead: a damaged log is never hidden behind an empty store.

use std::{
    any::type_name,
    future,
    pin::pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use livestore_sync::{SessionConfig, StoreId};

use super::{
    any::{AnyStore, Shared, Status, now},
    callbacks::Callbacks,
    close::Handle,
    connection::{Connection, Link, locked},
    engine::Engine,
    error::OpenError,
    gate::Gate,
    options::{OnBoot, Persistence, StoreOptions},
    questions::Questions,
    rounds::Rounds,
    status::{BootStatus, BootWarning, LeaderStatus, StorageMode},
    sync_options::SyncOptions,
    turn::Inbox,
};
use crate::{
    leader::{LeaderConfig, run},
    link::{LeaderReport, OpenFailure},
    platform::{
        Journal, LeaderEntry, LeaderEvent, LeaderFailure, Persistence as Promise, SpawnLeader,
        StoragePlace, after, ask_for_persistence, data_directory, identify, is_held, sleep,
        spawn_leader,
    },
    schema::Schema,
};

/// How long to wait before starting a leader again that could not open its storage; doubles up to `RETRY_MOST`.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MOST: Duration = Duration::from_secs(64);

/// How long a session that can't lead waits, while it opens, for a leader that is there and says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// And how long for one to come: a tab that reloads, or a worker that is replaced, leads again within this time.
const VACANCY: Duration = Duration::from_secs(2);

/// How often in a row this session's leader may panic, or die of something else (memory that is freed late), before
/// opening fails: it does the same at each attempt, such as folding an event that the app's materializer panics at.
const PANICS: u32 = 4;
const DEATHS: u32 = 8;

/// How often such a session looks whether anybody leads.
const LOOK: Duration = Duration::from_millis(100);

/// Somebody waits for the store to open.
pub(super) struct Opening {
    done: oneshot::Sender<Result<(), OpenFailure>>,
    /// Hears that this session can't lead.
    unable: Option<oneshot::Sender<LeaderFailure>>,
    on_boot: Option<OnBoot>,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// What starting a leader takes; kept to start another one.
#[derive(Debug)]
pub(super) struct Starter {
    config: Mutex<LeaderConfig>,
    entry: LeaderEntry,
    script: Option<String>,
    retry: Mutex<Option<crate::platform::Timer>>,
    /// How often its leader has died since any leader served.
    deaths: AtomicU32,
    /// How long to wait before the next retry.
    patience: Mutex<Duration>,
}

impl Starter {
    fn new<S: Schema>(config: LeaderConfig, script: Option<String>) -> Self {
        Self {
            config: Mutex::new(config),
            entry: run::<S>,
            script,
            retry: Mutex::new(None),
            deaths: AtomicU32::new(0),
            patience: Mutex::new(RETRY),
        }
    }
}

/// Opens the store that `options` name.
pub(super) async fn open<S: Schema>(options: StoreOptions<S>) -> Result<AnyStore, OpenError> {
    let on_boot = options.on_boot.clone();
    let tell = |status| {
        if let Some(on_boot) = &on_boot {
            on_boot(status);
        }
    };
    tell(BootStatus::Loading);
    let initial_sync = options.sync.as_ref().and_then(|sync| sync.initial_sync);
    let opened = open_quietly(options).await;
    if let (Ok(store), Some(at_most)) = (&opened, initial_sync) {
        store.0.catch_up(at_most, on_boot.as_ref()).await;
    }
    tell(match &opened {
        Ok(_) => BootStatus::Ready,
        Err(error) => BootStatus::Failed { error: error.to_string() },
    });
    opened
}

async fn open_quietly<S: Schema>(options: StoreOptions<S>) -> Result<AnyStore, OpenError> {
    let schema = S::def()?;
    let id: StoreId = options.id.parse()?;
    let place = match &options.persistence {
        Persistence::Memory => None,
        Persistence::Files(directory) => {
            let session = |reason| OpenError::Session { store: options.id.clone(), reason };
            let directory = data_directory(directory.as_deref()).map_err(session)?;
            Some(StoragePlace { store: id.clone(), directory })
        }
    };
    let identity = identify(place.as_ref()).await;
    let (client, session) = (identity.client(), identity.session());
    let config = LeaderConfig {
        store: id.clone(),
        client,
        starter: session,
        schema_name: type_name::<S>().to_owned(),
        schema: schema.hash(),
        place: place.clone(),
        backend: options.sync.as_ref().map(SyncOptions::config).transpose()?,
    };
    let engine = Engine::new(
        &options.id,
        schema,
        SessionConfig::new(client, session, schema.hash()),
        now(),
    )?;
    let mode = StorageMode::InMemory { reason: None };
    let shared = Arc::new_cyclic(|weak: &Weak<Shared>| {
        let journal = Journal::open(place.as_ref(), session);
        journal.on_hide({
            let weak = Weak::clone(weak);
            move || weak.upgrade().is_some_and(|shared| shared.journal_all())
        });
        Shared {
            schema: type_name::<S>(),
            id: id.clone(),
            session,
            engine: Gate::new(engine),
            connection: Connection::new(identity, journal),
            queries: Callbacks::default(),
            stale: Callbacks::default(),
            statuses: Callbacks::default(),
            status: Mutex::new(Status::new(mode)),
            status_changed: AtomicBool::new(false),
            kept_waiting: AtomicBool::new(false),
            adopted: Mutex::default(),
            retried: Mutex::default(),
            journaled: Mutex::default(),
            opening: Mutex::new(None),
            starter: Starter::new::<S>(config, options.worker_script),
            questions: Questions::default(),
            listing: Mutex::default(),
            rounds: Rounds::default(),
            inbox: Inbox::default(),
            notify_within: options.notify_within,
            payload: options.sync.as_ref().and_then(|sync| sync.payload.clone()),
        }
    });
    boot(&shared, options.on_boot, place).await?;
    Ok(AnyStore(Arc::new(Handle(shared))))
}

/// Waits until a leader serves; without lasting storage, one of our own in memory.
async fn boot(
    shared: &Arc<Shared>,
    on_boot: Option<OnBoot>,
    place: Option<StoragePlace>,
) -> Result<(), OpenError> {
    let persisted = place.is_some();
    let failed = |failure| OpenError::Leader { store: shared.id.to_string(), failure };
    if let Some(place) = &place {
        // Before the first question to the leader, so that its answer covers them.
        shared.adopt_journals(place).await;
    }
    if persisted {
        ask_for_protection(shared);
    }
    match shared.open_link(on_boot.clone()).await {
        Ok(()) => Ok(()),
        Err(OpenFailure::Unavailable(reason)) if persisted => {
            tracing::warn!(store = %shared.id, reason, "nothing can be persisted here");
            shared.release_journals();
            locked(&shared.starter.config).place = None;
            shared.update_status(|status| {
                status.mode = StorageMode::InMemory { reason: Some(reason.clone()) };
                status.warnings.push(BootWarning::NotPersisted { reason });
            });
            shared.open_link(on_boot).await.map_err(failed)
        }
        Err(failure) => Err(failed(failure)),
    }
}

/// Asks the platform to keep the data. The user may look at the question for long, and the store does not wait for that.
fn ask_for_protection(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    ask_for_persistence(move |promise| {
        if let Some(shared) = weak.upgrade() {
            shared.update_status(|status| status.protected = promise == Promise::Granted);
            shared.settle();
        }
    });
}

impl Shared {
    /// Starts a leader and resolves when this session has attached to one, or when none can be had.
    async fn open_link(self: &Arc<Self>, on_boot: Option<OnBoot>) -> Result<(), OpenFailure> {
        let (done, opened) = oneshot::channel();
        let (unable, told) = oneshot::channel();
        *locked(&self.opening) = Some(Opening { done, unable: Some(unable), on_boot });
        self.link()?;
        match select(opened, pin!(self.without_leader(told))).await {
            // The sender lives in `self`, which the caller holds.
            Either::Left((opened, _)) => opened.unwrap_or_else(|_| {
                Err(OpenFailure::Unavailable("the store was closed".to_owned()))
            }),
            Either::Right((reason, _)) => Err(OpenFailure::Unavailable(reason.to_string())),
        }
    }

    /// Resolves if this session can't lead and nobody else leads it; with the reason why it can't.
    async fn without_leader(&self, unable: oneshot::Receiver<LeaderFailure>) -> LeaderFailure {
        let Ok(reason) = unable.await else { return future::pending().await };
        let lock = locked(&self.starter.config).place.as_ref().map(LeaderConfig::lock);
        let mut vacant = Duration::ZERO;
        loop {
            let led = match &lock {
                // Without locks nobody leads.
                Some(lock) => is_held(lock).await.unwrap_or(false),
                None => false,
            };
            vacant = if led { Duration::ZERO } else { vacant + LOOK };
            if vacant > VACANCY || self.connection.silence() > PATIENCE {
                return reason;
            }
            sleep(LOOK).await;
        }
    }

    /// Hears that this session can't lead; whoever leads it, or will, is another tab's.
    fn hear_unable(&self, reason: LeaderFailure) {
        tracing::warn!(store = %self.id, %reason, "this session can't lead");
        let opening = locked(&self.opening).as_mut().and_then(|opening| opening.unable.take());
        if let Some(opening) = opening {
            // Whoever opens may have stopped waiting.
            let _ = opening.send(reason);
        }
    }

    /// Starts a leader and opens the channels to whoever leads.
    fn link(self: &Arc<Self>) -> Result<(), OpenFailure> {
        let config = locked(&self.starter.config).clone();
        let unavailable = |reason: String| OpenFailure::Unavailable(reason);
        let spawn = SpawnLeader {
            name: format!("livestore {}", self.id),
            config: postcard::to_stdvec(&config).map_err(|error| unavailable(error.to_string()))?,
            script: self.starter.script.clone(),
            inline: config.place.is_none(),
        };
        let weak = Arc::downgrade(self);
        // The channels first: a leader that fails at once must be heard.
        let link = Link::open(&weak, &config.channels(), self.session)
            .map_err(|error| unavailable(error.to_string()))?;
        self.connection.set_link(link);
        let leader = spawn_leader(spawn, self.starter.entry, move |event| match event {
            LeaderEvent::Failed { reason, retry_in } => {
                tracing::error!(%reason, ?retry_in, "the leader died; another one is started");
                if let Some(shared) = weak.upgrade() {
                    shared.leader_died(&reason);
                }
            }
            LeaderEvent::Inline(reason) => tracing::warn!(%reason, "the leader runs in the page"),
            LeaderEvent::Unable(reason) => {
                if let Some(shared) = weak.upgrade() {
                    shared.hear_unable(reason);
                }
            }
            LeaderEvent::Started | LeaderEvent::Ended => {}
        });
        self.connection.set_leader(leader);
        self.tick();
        Ok(())
    }

    /// Takes what a leader says about its own opening.
    pub(super) fn hear_report(self: &Arc<Self>, report: LeaderReport) {
        match report {
            LeaderReport::Rebuilding { done, total } => {
                self.tell_boot(BootStatus::Rebuilding { done, total });
            }
            LeaderReport::Serving { mode, warnings } => {
                *locked(&self.starter.patience) = RETRY;
                self.starter.deaths.store(0, Ordering::Relaxed);
                self.update_status(|status| {
                    // What this session was told when it fell back to memory says more.
                    if !matches!(status.mode, StorageMode::InMemory { reason: Some(_) }) {
                        status.mode = mode;
                    }
                    let new =
                        warnings.into_iter().filter(|warning| !status.warnings.contains(warning));
                    let new: Vec<BootWarning> = new.collect();
                    status.warnings.extend(new);
                });
                self.settle();
            }
            LeaderReport::Failed(failure) => self.leader_failed(failure),
            LeaderReport::QuarantineChanged => {
                self.want_rejections();
                self.tick();
            }
            // An open session hears it through its machine, and keeps what it commits.
            LeaderReport::Damaged(reason) => {
                if let Some(opening) = locked(&self.opening).take() {
                    // Whoever opens may have stopped waiting.
                    let _ = opening.done.send(Err(OpenFailure::LogDamaged(reason)));
                }
            }
        }
    }

    /// The leader of this session died, and another one is started. One that never comes to serve is told.
    fn leader_died(&self, reason: &LeaderFailure) {
        let most = match reason {
            LeaderFailure::Panicked(_) => PANICS,
            LeaderFailure::Crashed(_) => DEATHS,
            // It never lived; `hear_unable` is told.
            LeaderFailure::NotLoaded(_) | LeaderFailure::Blocked(_) => return,
        };
        let deaths = self.starter.deaths.fetch_add(1, Ordering::Relaxed) + 1;
        if deaths < most {
            return;
        }
        if let Some(opening) = locked(&self.opening).take() {
            // Whoever opens may have stopped waiting.
            let _ = opening.done.send(Err(OpenFailure::Died(reason.to_string())));
            return;
        }
        self.update_status(|status| {
            status.note_trouble(LeaderStatus::Stalled { reason: reason.to_string() });
        });
        self.settle();
    }

    fn leader_failed(self: &Arc<Self>, failure: OpenFailure) {
        let opening = locked(&self.opening).take();
        match opening {
            // Whoever opens may have stopped waiting.
            Some(opening) => drop(opening.done.send(Err(failure))),
            None => {
                // The session is open and keeps its commits; it tries again to have them persisted.
                tracing::error!(store = %self.id, %failure, "the leader can't open the storage");
                self.update_status(|status| {
                    status.note_trouble(LeaderStatus::Stalled { reason: failure.to_string() });
                });
                self.settle();
                let weak = Arc::downgrade(self);
                let wait = {
                    let mut patience = locked(&self.starter.patience);
                    let next = (*patience * 2).min(RETRY_MOST);
                    std::mem::replace(&mut *patience, next)
                };
                let retry = after(wait, move || {
                    if let Some(shared) = weak.upgrade()
                        && let Err(error) = shared.link()
                    {
                        shared.leader_failed(error);
                    }
                });
                *locked(&self.starter.retry) = Some(retry);
            }
        }
    }

    /// A leader of another version of livestore answers.
    pub(super) fn hear_other_protocol(&self, leader: u32) {
        tracing::warn!(leader, "the leader speaks another protocol");
        self.update_status(|status| status.note_trouble(LeaderStatus::OtherProtocol { leader }));
        self.tell_boot(BootStatus::OtherVersion);
        self.settle();
    }

    /// Tells whoever opens the store that it is open, once it is; notes if another tab keeps it waiting.
    pub(super) fn note_progress(&self, engine: &Engine) {
        let mut opening = locked(&self.opening);
        if opening.is_none() {
            return;
        }
        if engine.session.is_open() {
            if let Some(opening) = opening.take() {
                let _ = opening.done.send(Ok(()));
            }
        } else if self.status().trouble.is_none()
            && matches!(engine.session.status(now()), livestore_sync::LeaderStatus::Silent { .. })
        {
            // Told without the engine's lock, by whoever settles.
            self.kept_waiting.store(true, Ordering::Relaxed);
        }
    }

    /// Tells that another tab keeps the opening waiting, if that was noted.
    pub(super) fn tell_progress(&self) {
        if self.kept_waiting.swap(false, Ordering::Relaxed) {
            self.tell_boot(BootStatus::WaitingForAnotherTab);
        }
    }

    fn tell_boot(&self, status: BootStatus) {
        let on_boot = locked(&self.opening).as_ref().and_then(|opening| opening.on_boot.clone());
        if let Some(on_boot) = on_boot {
            on_boot(status);
        }
    }
}
