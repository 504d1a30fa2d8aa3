//! The leader's thread: wait for the lock, open, then take what arrives until told to stop.
//!
//! Everything that has arrived is taken before a group is written, so a burst of commits becomes one transaction; and
//! all pages that there is room for before a merge is. After each merge a group has its turn.
//! Whoever tells it to stop may have posted just before; that is still taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use futures_channel::mpsc;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, pending, select},
};
use livestore_sync::{FromBackend, PROTOCOL, Recipients, SessionId, ToLeader};

use super::{
    LeaderConfig, SchemaSet,
    collect::NOTED_EVERY,
    courier::Courier,
    driver::{Driver, Ended},
    posts::Posts,
};
use crate::{
    link::{ForLeader, ForSession, FrameError, LeaderReport, OpenFailure, Said, from_frame},
    platform::{Channel, LeaderScope, Storage, StorageRefused, lock_exclusive, now_ms, sleep},
};

/// The longest the leader sleeps with nothing to do.
const IDLE: Duration = Duration::from_secs(60);

/// The shortest: what was due was looked at just before, and what could not be done then waits for something else.
const NAP: Duration = Duration::from_millis(20);

/// How often it takes and writes before it looks whether it is told to stop: a backend may have a long log.
const ROUNDS: u32 = 4;

/// Runs the leader of a store whose schema is one of `S`: the entry that a worker or thread is started with.
pub fn run<S: SchemaSet>(scope: LeaderScope) -> LocalBoxFuture<'static, ()> {
    async move {
        let config: LeaderConfig = match postcard::from_bytes(scope.config()) {
            Ok(config) => config,
            Err(error) => {
                return tracing::error!(%error, "the leader's configuration is unreadable");
            }
        };
        let serving = pin!(lead::<S>(&config));
        let stopped = pin!(scope.stopped());
        // Until it serves, nothing is lost by dropping it; `serve` itself watches for the stop and drains.
        match select(serving, stopped).await {
            Either::Left((Ok(mut serving), stopped)) => serving.serve(stopped).await,
            Either::Left((Err(failure), _)) => report_failure(&config, failure),
            Either::Right(_) => {}
        }
    }
    .boxed_local()
}

fn report_failure(config: &LeaderConfig, failure: OpenFailure) {
    tracing::warn!(store = %config.store, %failure, "the leader can't serve");
    let names = config.channels();
    let posts = Posts::new(names);
    posts.to_sessions(&[config.starter], &ForSession::Report(LeaderReport::Failed(failure)));
}

/// Becomes the leader and opens the store.
async fn lead<S: SchemaSet>(config: &LeaderConfig) -> Result<Serving, OpenFailure> {
    let schema = S::find(config.schema)
        .ok_or_else(|| OpenFailure::UnknownSchema(config.schema_name.clone()))?;
    let posts = Rc::new(Posts::new(config.channels()));
    let (lock, storage) = match &config.place {
        None => (None, Storage::in_memory(StorageRefused::Wished)),
        Some(place) => {
            let lock = lock_exclusive(&LeaderConfig::lock(place))
                .await
                .map_err(|e| OpenFailure::Unavailable(e.to_string()))?;
            let storage = Storage::open(place).await.map_err(open_failure)?;
            storage.reserve(2).await.map_err(open_failure)?;
            (Some(lock), storage)
        }
    };
    // Subscribed before the log is read: what sessions post meanwhile waits in the queue.
    let (arrived, inbox) = mpsc::unbounded();
    let channel = Channel::open(&posts.names().leader(), move |frame| {
        // The leader is gone when nobody listens; then nobody needs the frame.
        let _ = arrived.unbounded_send(frame);
    })
    .map_err(|error| OpenFailure::Unavailable(error.to_string()))?;
    let progress = {
        let posts = Rc::clone(&posts);
        move |done, total| {
            posts.to_all(&ForSession::Report(LeaderReport::Rebuilding { done, total }));
        }
    };
    let driver = Driver::open(config, schema, &storage, progress)?;
    let courier =
        config.backend.as_ref().map(|backend| Courier::new(backend, &config.store, &posts));
    posts.to_all(&ForSession::Report(driver.serving()));
    Ok(Serving {
        driver,
        courier,
        posts,
        starter: config.starter,
        inbox,
        sessions: BTreeMap::new(),
        note_due: now() + NOTED_EVERY,
        channel: Some(channel),
        _storage: storage,
        _lock: lock,
    })
}

fn open_failure(refused: StorageRefused) -> OpenFailure {
    match refused {
        StorageRefused::Busy(holder) => OpenFailure::Held { holder },
        StorageRefused::Damaged(_) | StorageRefused::Other(_) => {
            OpenFailure::Storage(refused.to_string())
        }
        _ => OpenFailure::Unavailable(refused.to_string()),
    }
}

/// A leader at work. The fields are dropped in order: the databases first, then the files' own lock, the lock among
/// this platform's leaders last.
struct Serving {
    driver: Driver,
    /// None without a backend.
    courier: Option<Courier>,
    posts: Rc<Posts>,
    /// Whose leader this is.
    starter: SessionId,
    inbox: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Sessions that were told how this leader was opened, and their schemas.
    sessions: BTreeMap<SessionId, u64>,
    /// When the sessions that are there are noted again.
    note_due: Duration,
    channel: Option<Channel>,
    _storage: Storage,
    _lock: Option<crate::platform::LockGuard>,
}

/// What a leader wakes up for.
enum Next {
    /// A session has posted.
    Frame(Vec<u8>),
    /// The backend has said something.
    Heard(FromBackend),
    /// Something is due.
    Time,
    /// Whoever started it wants it to end, or nobody can post any more.
    Stop,
}

impl Serving {
    async fn serve(&mut self, mut stopped: impl Future<Output = ()> + Unpin) {
        let mut more = self.work();
        loop {
            match self.next(more, &mut stopped).await {
                Next::Frame(frame) => self.take(&frame),
                Next::Heard(message) => self.driver.hear(now(), message),
                Next::Time => {}
                Next::Stop => break,
            }
            more = self.work();
            if let Some(ended) = self.driver.ended() {
                return self.hand_over(ended);
            }
            self.note_sessions();
        }
        // What is on its way to the backend is settled by the next leader's first pull.
        self.courier = None;
        // A closed channel still delivers what was posted to it before (in a browser, where it does not, the journal
        // has it); then the inbox ends.
        drop(self.channel.take());
        while let Some(frame) = self.inbox.next().await {
            self.take(&frame);
            // Nobody is left to send again what finds the queue full.
            self.write_waiting();
        }
    }

    /// Lets the session that started it start the next one, if there is anything left to lead.
    fn hand_over(&self, ended: &Ended) {
        if let Ended::Replaced(failure) = ended {
            let report = ForSession::Report(LeaderReport::Failed(failure.clone()));
            self.posts.to_sessions(&[self.starter], &report);
        }
    }

    /// Waits for whatever comes first; not at all if there is `more` to do.
    async fn next(&mut self, more: bool, stopped: &mut (impl Future<Output = ()> + Unpin)) -> Next {
        let due = self.driver.poll_timeout();
        let patience = match due {
            _ if more => Duration::ZERO,
            Some(due) => due.saturating_sub(now()).max(NAP),
            None => IDLE,
        };
        let room = self.driver.has_room_for_pages();
        let wake = pin!(sleep(patience));
        let heard = pin!(match &mut self.courier {
            Some(courier) => courier.heard(room).left_future(),
            None => pending().right_future(),
        });
        // In this order: what was posted before a stop is taken in groups, and no backend that never stops talking keeps
        // anybody waiting.
        match select(select(self.inbox.next(), stopped), select(heard, wake)).await {
            Either::Left((Either::Left((Some(frame), _)), _)) => Next::Frame(frame),
            Either::Left((Either::Left((None, _)) | Either::Right(_), _)) => Next::Stop,
            Either::Right((Either::Left((message, _)), _)) => Next::Heard(message),
            Either::Right((Either::Right(_), _)) => Next::Time,
        }
    }

    /// Notes those that are still there, from time to time.
    fn note_sessions(&mut self) {
        if now() < self.note_due {
            return;
        }
        self.note_due = now() + NOTED_EVERY;
        let attached: BTreeSet<SessionId> = self.driver.attached().collect();
        self.sessions.retain(|session, _| attached.contains(session));
        for (session, schema) in &self.sessions {
            self.driver.note_session(*session, *schema);
        }
    }

    /// Takes everything that has arrived, and writes what waits, again and again; whether something may still wait.
    fn work(&mut self) -> bool {
        // What a leader that has ended would take would be lost.
        for _ in 0..ROUNDS {
            while self.driver.ended().is_none()
                && let Ok(frame) = self.inbox.try_recv()
            {
                self.take(&frame);
            }
            if self.driver.ended().is_some() {
                return false;
            }
            self.talk();
            if !self.write() {
                return false;
            }
        }
        true
    }

    fn talk(&mut self) {
        if let Some(courier) = &mut self.courier {
            courier.talk(&mut self.driver, now());
        }
    }

    fn write_waiting(&mut self) {
        while self.write() {}
    }

    /// False when nothing waits, or while the storage is given a rest.
    fn write(&mut self) -> bool {
        let wrote = self.driver.write(now());
        self.send();
        wrote
    }

    fn take(&mut self, frame: &[u8]) {
        match from_frame::<ForLeader>(frame) {
            Ok(ForLeader::Sync(message)) => self.take_message(message),
            Ok(ForLeader::Ask(question)) => {
                // Whoever asks sees what was posted before.
                self.write_waiting();
                let answer = self.driver.answer(&question);
                let is_dismissal = matches!(answer.said, Ok(Said::Dismissed));
                self.posts.to_sessions(&[question.from], &ForSession::Answer(answer));
                if is_dismissal {
                    self.posts.to_all(&ForSession::Report(LeaderReport::QuarantineChanged));
                }
            }
            Ok(ForLeader::Backend(wish)) => self.driver.obey(wish),
            Ok(ForLeader::Payload(answer)) => {
                if let Some(courier) = &mut self.courier {
                    courier.answer(answer);
                }
            }
            Err(FrameError::OtherProtocol(protocol)) => {
                tracing::warn!(
                    protocol,
                    PROTOCOL,
                    "a session of another version of livestore asks"
                );
                // The frame's header tells that session that this leader speaks another protocol.
                self.posts.to_all(&ForSession::Report(self.driver.serving()));
            }
            Err(FrameError::Malformed(reason)) => tracing::warn!(%reason, "dropped a frame"),
        }
    }

    fn take_message(&mut self, message: ToLeader) {
        let from = message.from();
        let attaches = matches!(message, ToLeader::Attach(_));
        if attaches {
            // Whoever comes sees what was posted before: a reopened store has what its last opening committed.
            self.write_waiting();
        }
        match &message {
            ToLeader::Leave { .. } => {
                self.sessions.remove(&from);
                self.posts.forget(from);
            }
            ToLeader::Attach(attach) if self.sessions.insert(from, attach.schema).is_none() => {
                self.driver.note_session(from, attach.schema);
                self.posts.to_sessions(&[from], &ForSession::Report(self.driver.serving()));
                if let Some(courier) = &self.courier {
                    courier.ask_newcomer(from);
                }
            }
            _ => {}
        }
        self.driver.receive(now(), message);
        self.send();
        if let Some(reason) = self.driver.damage().filter(|_| attaches) {
            let report = LeaderReport::Damaged(reason.to_owned());
            self.posts.to_sessions(&[from], &ForSession::Report(report));
        }
    }

    fn send(&mut self) {
        if self.driver.has_mended() {
            self.posts.to_all(&ForSession::Report(self.driver.serving()));
        }
        if self.driver.has_released() {
            self.posts.to_all(&ForSession::Report(LeaderReport::QuarantineChanged));
        }
        while let Some(outgoing) = self.driver.poll_send() {
            let message = ForSession::Sync(outgoing.message);
            match outgoing.to {
                Recipients::Everyone => self.posts.to_all(&message),
                Recipients::Sessions(sessions) => self.posts.to_sessions(&sessions, &message),
            }
        }
    }
}

fn now() -> Duration {
    Duration::from_millis(now_ms())
}

/// A leader's life from its opening until `stopped`, with a backend that a test gives.
#[cfg(test)]
pub(super) async fn serve_dialling<S: SchemaSet>(
    config: &LeaderConfig,
    dial: super::courier::Dial,
    stopped: impl Future<Output = ()> + Unpin,
) -> Result<(), OpenFailure> {
    let mut serving = lead::<S>(config).await?;
    serving.courier = Some(Courier::with(dial, false, &serving.posts));
    serving.serve(stopped).await;
    Ok(())
}
