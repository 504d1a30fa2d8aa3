//! The session's side of the link: channels, the leader it has started, its journal, its clock.
//!
//! Frames come in on whatever thread the platform delivers them; they are decoded and handed to the store. The link is
//! there from the store's opening to its shutdown; without it messages are lost, which the machine survives.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use livestore_sync::{SessionId, ToLeader};

use super::any::Shared;
use crate::{
    link::{
        BackendWish, ChannelNames, ForLeader, ForSession, FrameError, PayloadAnswer, Question,
        from_frame, to_frame,
    },
    platform::{
        Channel, ChannelError, Identity, Journal, LeaderHandle, LeaveWarning, Listener, Timer,
        every, now_ms,
    },
};

/// How often the machine's time-outs are looked at.
const TICK: Duration = Duration::from_millis(250);

/// What ties an open store to the outside; all of it ends with it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) journal: Journal,
    link: Mutex<Option<Link>>,
    leader: Mutex<Option<LeaderHandle>>,
    warning: Mutex<LeaveWarning>,
    watch: Mutex<Option<Listener>>,
    /// When a leader last said anything, or the link was opened; as `now_ms`.
    heard: AtomicU64,
    /// Holds the locks that make the session's ids its own.
    identity: Mutex<Option<Identity>>,
}

/// The channels to one leader.
#[derive(Debug)]
pub(super) struct Link {
    to_leader: Channel,
    _from_leader: [Channel; 2],
    _tick: Timer,
    _shown: Listener,
    _network: Listener,
}

impl Connection {
    pub(super) fn new(identity: Identity, journal: Journal) -> Self {
        Self {
            journal,
            link: Mutex::new(None),
            leader: Mutex::new(None),
            warning: Mutex::new(LeaveWarning::new()),
            watch: Mutex::new(None),
            heard: AtomicU64::new(now_ms()),
            identity: Mutex::new(Some(identity)),
        }
    }

    /// Replaces the link.
    pub(super) fn set_link(&self, link: Link) {
        self.note_word();
        let old = locked(&self.link).replace(link);
        drop(old);
    }

    /// Replaces the leader that this session has started; the old one is told to stop.
    pub(super) fn set_leader(&self, leader: LeaderHandle) {
        let old = locked(&self.leader).replace(leader);
        drop(old);
    }

    /// Keeps the listener for journals of sessions that die.
    pub(super) fn watch(&self, listener: Listener) {
        *locked(&self.watch) = Some(listener);
    }

    /// Listens for journals no more.
    pub(super) fn end_watch(&self) {
        *locked(&self.watch) = None;
    }

    /// Ends link and leader, and lets go of the session's ids. What was posted is still delivered.
    pub(super) fn end(&self) {
        let link = locked(&self.link).take();
        let leader = locked(&self.leader).take();
        let watch = locked(&self.watch).take();
        drop((link, leader, watch));
        // The last: whoever opens the store next finds the journal written, and the tab free.
        drop(locked(&self.identity).take());
    }

    fn note_word(&self) {
        self.heard.store(now_ms(), Ordering::Relaxed);
    }

    /// For how long no leader has said anything.
    pub(super) fn silence(&self) -> Duration {
        Duration::from_millis(now_ms().saturating_sub(self.heard.load(Ordering::Relaxed)))
    }

    /// Posts a message of the machine to the leader.
    pub(super) fn post(&self, message: ToLeader) {
        self.post_to_leader(&ForLeader::Sync(message));
    }

    /// Asks the leader.
    pub(super) fn ask(&self, question: Question) {
        self.post_to_leader(&ForLeader::Ask(question));
    }

    /// Tells the leader what the app wants of the connection to the backend.
    pub(super) fn wish(&self, wish: BackendWish) {
        self.post_to_leader(&ForLeader::Backend(wish));
    }

    /// Tells the leader who this is.
    pub(super) fn identify(&self, answer: PayloadAnswer) {
        self.post_to_leader(&ForLeader::Payload(answer));
    }

    fn post_to_leader(&self, message: &ForLeader) {
        let link = locked(&self.link);
        let Some(link) = link.as_ref() else { return };
        let posted = to_frame(message).map_err(|e| e.to_string());
        let posted =
            posted.and_then(|frame| link.to_leader.post(&frame).map_err(|e| e.to_string()));
        if let Err(error) = posted {
            tracing::error!(error, "a message to the leader was lost");
        }
    }

    /// Whether leaving the page asks the user first.
    pub(super) fn warn_on_leaving(&self, on: bool) {
        locked(&self.warning).set(on);
    }
}

impl Link {
    /// Opens the channels of `session` and lets the store's clock tick.
    pub(super) fn open(
        store: &Weak<Shared>,
        names: &ChannelNames,
        session: SessionId,
    ) -> Result<Self, ChannelError> {
        let hear = |name: &str| {
            let store = Weak::clone(store);
            Channel::open(name, move |frame| {
                if let Some(store) = store.upgrade() {
                    hear(&store, &frame);
                }
            })
        };
        let tick = every(TICK, {
            let store = Weak::clone(store);
            move || {
                if let Some(store) = store.upgrade() {
                    store.tick();
                }
            }
        });
        let shown = crate::platform::on_page_shown({
            let store = Weak::clone(store);
            move || {
                if let Some(store) = store.upgrade() {
                    store.tick();
                }
            }
        });
        let network = crate::platform::on_network_changed({
            let store = Weak::clone(store);
            move || {
                if let Some(store) = store.upgrade() {
                    store.connection.wish(BackendWish::Retry);
                }
            }
        });
        Ok(Self {
            _from_leader: [hear(&names.sessions())?, hear(&names.session(session))?],
            to_leader: Channel::open(&names.leader(), |_frame| {})?,
            _tick: tick,
            _shown: shown,
            _network: network,
        })
    }
}

fn hear(store: &Arc<Shared>, frame: &[u8]) {
    store.connection.note_word();
    match from_frame::<ForSession>(frame) {
        Ok(ForSession::Sync(message)) => store.receive(message),
        Ok(ForSession::Report(report)) => store.hear_report(report),
        Ok(ForSession::Answer(answer)) => store.hear_answer(answer),
        Ok(ForSession::AskPayload(question)) => store.say_who(question.number),
        Err(FrameError::OtherProtocol(leader)) => store.hear_other_protocol(leader),
        Err(FrameError::Malformed(reason)) => tracing::warn!(reason, "dropped a frame"),
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
