//! The session machine: one UI's side of the link to its leader.
//!
//! The driver holds the state (an in-memory database) and executes what [`Session::receive`] returns, in order; it
//! applies a commit first and then tells [`Session::commit`]. It calls [`Session::poll_send`] after every other call
//! and when [`Session::poll_timeout`] says so, until there is nothing to send.
//!
//! Invariants:
//! 1. The state is the fold of the log up to [`Session::upstream`], then of the pending commits; per lane.
//! 2. `upstream` is a place in the log of the leader named by `fence`, once attached to it.
//! 3. A pending commit leaves only because the log has it, because it is in quarantine, or because its id was taken.
//! 4. Adopted commits are pending only once a leader has said that it lacks them; until then they are parked.
//! 5. The session's own `n` starts at 1 and has no gaps; what is pending of an author ascends.
//! 6. Messages of an older fence change nothing.
//! 7. With a backend, what the log has beyond its confirmed stretch can be rolled back here too, unless it came with a
//!    snapshot or is too much; then the session asks for a new one.
//!
//! Deliberately not here: the state, receipts (the driver matches [`Settled`]), when a journal is written.

mod attach;
mod logged;
mod outbox;
mod receive;
mod send;
mod upstream;

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU64,
    sync::Arc,
    time::Duration,
};

use crate::{
    backend::BackendStatus,
    document::{Document, Unsaved},
    event::{Commit, PerLane},
    head::Head,
    id::{ClientId, EventId, SessionId},
    journal::{InvalidJournal, Journal, JournalMark},
    limits::Limits,
    merge::Merge,
    message::{Fence, PROTOCOL, ToLeader},
    pending::Pending,
};
use attach::Link;
use logged::Logged;
use outbox::Outbox;
pub use upstream::SyncStatus;

/// Who a session is.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Its client.
    pub client: ClientId,
    /// Its id.
    pub id: SessionId,
    /// The protocol it speaks: [`PROTOCOL`].
    pub protocol: u32,
    /// The hash of its schema.
    pub schema: u64,
    /// Bounds and time-outs.
    pub limits: Limits,
}

impl SessionConfig {
    /// The configuration of an app's session.
    pub fn new(client: ClientId, id: SessionId, schema: u64) -> Self {
        Self { client, id, protocol: PROTOCOL, schema, limits: Limits::default() }
    }
}

/// What the driver does to the session's state; in the order given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Execute the merges (one per lane at most), then refresh once.
    Merge(Vec<Merge>),
    /// Replace the whole state by a snapshot, then apply the pending commits on it.
    Load {
        /// What the leader's driver made.
        snapshot: Vec<u8>,
        /// Pending commits; one that fails stays pending without effect.
        reapply: Vec<Commit>,
    },
    /// Empty the state, then apply the pending commits on it: the log follows from its start.
    Reset {
        /// Pending commits; one that fails stays pending without effect.
        reapply: Vec<Commit>,
    },
    /// A document has this value now.
    Document(Document),
}

/// What became of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// The id of the commit's last event. (A plain backend may split a commit; its last event stays its last.)
    pub last: EventId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the leader, or the backend, did with a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in the leader's log.
    Persisted,
    /// The backend has it; said after [`Outcome::Persisted`], and never without a backend.
    Confirmed,
    /// It is in quarantine; with a backend this can come after [`Outcome::Persisted`].
    Refused {
        /// Why, for people.
        reason: Arc<str>,
    },
}

/// How a session stands with its leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaderStatus {
    /// Asking for what it lacks.
    Attaching,
    /// Up to date and receiving.
    Attached,
    /// No answer since then.
    Silent {
        /// When the first question was asked that has no answer.
        since: Duration,
    },
    /// The leader is of another version of the app, with which this one can't talk.
    OtherProtocol {
        /// What the leader speaks.
        protocol: u32,
    },
    /// The leader's storage refuses to write.
    Stalled {
        /// Why, for people.
        reason: Arc<str>,
    },
}

/// A commit that the session can't take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitRefused {
    /// There is no state yet.
    #[error("the session is not open yet")]
    NotOpen,
    /// The commit is another session's, or does not carry the next `n`.
    #[error("commit {id} is not this session's next one, n = {next}")]
    OutOfSequence {
        /// The commit's name.
        id: EventId,
        /// What its first `n` must be.
        next: NonZeroU64,
    },
}

/// One session.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    link: Link,
    attempts: u64,
    fence: Fence,
    /// Whether the driver's state really is at `pending.base()`.
    sound: bool,
    /// How often the state was lost since the session was last attached.
    losses: u32,
    opened: bool,
    next_n: NonZeroU64,
    pending: Pending,
    logged: Logged,
    confirmed: Option<u64>,
    backend: Option<BackendStatus>,
    parked: Vec<Commit>,
    outboxes: BTreeMap<SessionId, Outbox>,
    documents: Unsaved,
    documents_due: Option<Duration>,
    /// The leader's count of shared values that have arrived.
    documents_seen: u64,
    settled: VecDeque<Settled>,
    /// The last id under which the log had something else than what is pending here.
    contradicted: Option<EventId>,
    control: VecDeque<ToLeader>,
    ping_due: Duration,
    unanswered_since: Option<Duration>,
    other_protocol: Option<u32>,
    stalled: Option<Arc<str>>,
}

impl Session {
    /// A session without state; it asks for a snapshot at once.
    pub fn new(config: SessionConfig, now: Duration) -> Self {
        let own = Outbox::new(0, &config.limits);
        let mut session = Self {
            link: Link::attaching(0, now, &config.limits),
            attempts: 0,
            fence: Fence::default(),
            sound: false,
            losses: 0,
            opened: false,
            next_n: NonZeroU64::MIN,
            pending: Pending::default(),
            logged: Logged::default(),
            confirmed: None,
            backend: None,
            parked: Vec::new(),
            outboxes: BTreeMap::from([(config.id, own)]),
            documents: Unsaved::default(),
            documents_due: None,
            documents_seen: 0,
            settled: VecDeque::new(),
            contradicted: None,
            control: VecDeque::new(),
            ping_due: now,
            unanswered_since: None,
            other_protocol: None,
            stalled: None,
            config,
        };
        session.attach_again(now);
        session
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.config.id
    }

    /// Whether the state has been complete once; commits are taken from then on.
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// The `n` of the next event committed here.
    pub fn next_n(&self) -> NonZeroU64 {
        self.next_n
    }

    /// How far the state has the leader's log.
    pub fn upstream(&self) -> PerLane<Head> {
        self.pending.base()
    }

    /// How far the state goes, pending commits included.
    pub fn heads(&self) -> PerLane<Head> {
        self.pending.heads()
    }

    /// The pending commits, adopted ones included, oldest first.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = &Commit> + ExactSizeIterator {
        self.pending.commits()
    }

    /// Adopted commits whose fate the leader has yet to tell; they are not applied.
    pub fn parked(&self) -> &[Commit] {
        &self.parked
    }

    /// The leader this session last heard of.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// How the session stands with its leader.
    pub fn status(&self, now: Duration) -> LeaderStatus {
        if let Some(protocol) = self.other_protocol {
            return LeaderStatus::OtherProtocol { protocol };
        }
        let patience = self.config.limits.silent;
        if let Some(since) = self.unanswered_since
            && now.saturating_sub(since) >= patience
        {
            return LeaderStatus::Silent { since };
        }
        match (&self.stalled, &self.link) {
            (Some(reason), _) => LeaderStatus::Stalled { reason: reason.clone() },
            (None, Link::Attached) => LeaderStatus::Attached,
            (None, _) => LeaderStatus::Attaching,
        }
    }

    /// Takes a commit that the driver has just applied.
    ///
    /// # Errors
    /// [`CommitRefused`]; nothing has changed then.
    pub fn commit(&mut self, commit: Commit) -> Result<(), CommitRefused> {
        if !self.opened {
            return Err(CommitRefused::NotOpen);
        }
        let id = commit.id();
        let refused = CommitRefused::OutOfSequence { id, next: self.next_n };
        if id.client != self.config.client || id.session != self.config.id || id.n != self.next_n {
            return Err(refused);
        }
        let next = commit.last_n().checked_add(1).ok_or_else(|| refused.clone())?;
        self.pending.push(commit).map_err(|_| refused)?;
        self.next_n = next;
        Ok(())
    }

    /// Takes the journal of a dead session (of this tab's last open, too). Its commits are parked until the leader has
    /// said which of them it lacks. The driver deletes the journal once [`Session::adopted`] no longer names its author.
    ///
    /// Returns the document values that count here from now on.
    ///
    /// # Errors
    /// [`InvalidJournal`]; nothing has changed then.
    pub fn adopt(
        &mut self,
        now: Duration,
        journal: Journal,
    ) -> Result<Vec<Document>, InvalidJournal> {
        journal.check(self.config.client)?;
        let author = journal.author;
        if author == self.config.id {
            return Ok(Vec::new());
        }
        let parked = self.parked.iter().rev().find(|commit| commit.author() == author);
        let known = parked.map(|commit| commit.last_n().get()).or(self.pending.last_n(author));
        let mut commits = journal.commits;
        commits.retain(|commit| known.is_none_or(|known| commit.last_n().get() > known));
        if !commits.is_empty() {
            let outbox = Outbox::new(journal.acknowledged, &self.config.limits);
            self.outboxes.entry(author).or_insert(outbox);
            self.parked.extend(commits);
            if matches!(self.link, Link::Attached) {
                self.attach_again(now);
            }
        }
        let mut counted = Vec::new();
        for document in journal.documents {
            // A dead tab's own documents concern nobody any more, and what it had set for the client may be older than
            // what the leader has by now. Only what this very tab had set before it was reloaded is sure to be the latest.
            if author.tab == self.config.id.tab
                && document.key.concerns(self.config.id)
                && self.documents.set_if_absent(document.clone())
            {
                counted.push(document);
            }
        }
        Ok(counted)
    }

    /// Gives back what it has adopted and not made pending: its leader keeps nothing, and another session's may.
    pub fn disown(&mut self) {
        self.parked.clear();
        self.forget_settled_authors();
    }

    /// Whose journals' commits are not settled yet.
    pub fn adopted(&self) -> impl Iterator<Item = SessionId> + '_ {
        let own = self.config.id;
        self.outboxes.keys().copied().filter(move |author| *author != own)
    }

    /// Sets a document's value; it counts here at once.
    pub fn set_document(&mut self, document: Document) {
        self.documents.set(document);
    }

    /// The journal to write when the page hides; `None` when the leader has acknowledged everything.
    pub fn journal(&self) -> Option<Journal> {
        self.journal_after(JournalMark::default())
    }

    /// What has to be added to a journal that goes up to `mark`; `None` when that is nothing. Its cost does not depend
    /// on what is in the journal already.
    pub fn journal_after(&self, mark: JournalMark) -> Option<Journal> {
        let author = self.config.id;
        let acknowledged = self.outboxes.get(&author).map_or(0, |outbox| outbox.acknowledged);
        let after = acknowledged.max(mark.n);
        // Own commits ascend, so the newest are at the end.
        let newest = self.pending.commits().rev().filter(|commit| commit.author() == author);
        let mut commits: Vec<Commit> =
            newest.take_while(|commit| commit.first_n().get() > after).cloned().collect();
        commits.reverse();
        let documents: Vec<Document> = self.documents.set_after(mark.documents).collect();
        let empty = commits.is_empty() && documents.is_empty();
        (!empty).then_some(Journal { author, acknowledged, commits, documents })
    }

    /// How far a journal goes that has everything up to now.
    pub fn journal_mark(&self) -> JournalMark {
        JournalMark { n: self.next_n.get() - 1, documents: self.documents.version() }
    }

    /// Whether the leader has everything of this session: [`Session::journal`] would be `None`, and nothing adopted waits.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.parked.is_empty() && self.documents.is_empty()
    }

    /// Whether the commit that ends with this event of its own waits for the leader's word.
    pub fn is_pending(&self, last: EventId) -> bool {
        // The newest are asked for most often.
        self.pending.commits().rev().any(|commit| commit.last_id() == last)
    }

    /// Whether the leader has every value of a document that was set or adopted here.
    pub fn has_saved_documents(&self) -> bool {
        self.documents.is_empty()
    }

    /// How many events are pending; costs nothing.
    pub fn pending_events(&self) -> usize {
        self.pending.events()
    }

    /// How large [`Session::journal`] is, at most. Its cost does not depend on how much is pending.
    pub fn unacknowledged_bytes(&self) -> usize {
        let content = self.pending.bytes(self.config.id) + self.documents.bytes();
        if content == 0 { 0 } else { Journal::OWN_BYTES + content }
    }

    /// What has become of a commit, in the order in which it was learned. Poll after [`Session::receive`].
    #[must_use]
    pub fn poll_settled(&mut self) -> Option<Settled> {
        self.settled.pop_front()
    }

    /// The driver's state is damaged or gone (a merge could not be executed, a snapshot could not be read): asks for
    /// a new one, less and less often while none can be used.
    pub fn state_lost(&mut self, now: Duration) {
        self.sound = false;
        self.attach_after_loss(now);
    }

    /// Checks the invariants that the machine alone can know.
    ///
    /// # Errors
    /// Says which one is broken.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.pending.check_invariants()?;
        self.documents.check_invariants()?;
        self.logged.check_invariants(self.upstream().synced)?;
        let own_last = self.pending.last_n(self.config.id);
        if own_last.is_some_and(|last| last >= self.next_n.get()) {
            return Err(format!("next n is {}, the last pending one {own_last:?}", self.next_n));
        }
        for commit in self.pending.commits().chain(&self.parked) {
            if !self.outboxes.contains_key(&commit.author()) {
                return Err(format!("nobody sends commit {}", commit.id()));
            }
            if commit.id().client != self.config.client {
                return Err(format!("commit {} of another client is pending", commit.id()));
            }
        }
        for (author, outbox) in &self.outboxes {
            if outbox.acknowledged > outbox.sent {
                return Err(format!("of {author} more is acknowledged than sent"));
            }
        }
        if matches!(self.link, Link::Attached) && !(self.opened && self.sound) {
            return Err("the session is attached without a state".into());
        }
        Ok(())
    }
}
