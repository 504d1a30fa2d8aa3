//! The leader machine, its side towards the sessions: it orders what they push, and tells everyone what it wrote.
//!
//! The leader never refuses a push as stale: it appends at its own head whatever the session had seen, which is what
//! a rebase by the session would do. So two busy sessions can't starve each other.
//!
//! The driver owns two databases. One round: [`Leader::next_group`]; begin on the state; apply each commit in a
//! savepoint and note those that fail deterministically; write the log in one transaction (the accepted commits from
//! [`Group::parent`] on, [`Group::last`], the documents, the quarantine); commit the state; [`Leader::finish`]; then
//! [`Leader::poll_send`] until there is nothing to send. [`Leader::receive`] is not called between the two. With a
//! backend, a [`LeaderMerge`](crate::LeaderMerge) of [`Leader::next_merge`] is written in the same way.
//!
//! Invariants:
//! 1. `heads` and `last` are those of the log: they change only in [`Leader::finish`].
//! 2. Of each author `last ≤ accepted`, and what waits of it is exactly `last + 1 ..= accepted`, ascending (a gap
//!    stands only where the author says that the log has lost an acknowledged stretch, and where the backend has brought
//!    what the author had made). `last` is moved by what the author has pushed, never by what a backend says.
//! 3. Waiting commits are bounded by [`Limits`]; what does not fit is dropped, and its sender sends it again.
//! 4. Only attached sessions are told news; whoever is told has been told everything before.
//! 5. Once stopped it takes nothing, writes nothing and tells whoever asks why.
//!
//! Deliberately not here: reading and writing ([`LeaderStorage`] reads, the driver writes), what to ask a backend and
//! what its answers mean ([`crate::upstream`]).

mod attach;
mod backend;
mod documents;
mod intake;
mod storage;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    backend::BackendStatus,
    document::{Document, DocumentKey},
    event::{Commit, Lane, PerLane},
    head::Head,
    id::{ClientId, EventId, SessionId},
    limits::Limits,
    message::{Fence, PROTOCOL, Refused, Tail, ToLeader, ToSession},
    upstream::{LeaderMerge, Upstream},
};
use attach::Transfer;
use documents::WaitingDocument;
use intake::Intake;
pub use storage::LeaderStorage;

/// Who a leader is, and what its log holds when it starts.
#[derive(Clone, Debug)]
pub struct LeaderConfig {
    /// Its client.
    pub client: ClientId,
    /// The protocol it speaks: [`PROTOCOL`].
    pub protocol: u32,
    /// The hash of its schema.
    pub schema: u64,
    /// Its term, greater than that of every leader before it and already persisted; and the log's epoch.
    pub fence: Fence,
    /// How far the log goes.
    pub heads: PerLane<Head>,
    /// Bounds and time-outs.
    pub limits: Limits,
}

impl LeaderConfig {
    /// The configuration of an app's leader.
    pub fn new(client: ClientId, schema: u64, fence: Fence, heads: PerLane<Head>) -> Self {
        Self { client, protocol: PROTOCOL, schema, fence, heads, limits: Limits::default() }
    }
}

/// What the driver writes in one transaction of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Where the log stands.
    pub parent: PerLane<Head>,
    /// To apply and append, in this order; those that fail go to quarantine instead.
    pub commits: Vec<Commit>,
    /// To put into quarantine, and why.
    pub quarantined: Vec<(Commit, Arc<str>)>,
    /// The last `n` of each author afterwards, whether its commits were appended or refused.
    pub last: Vec<(SessionId, u64)>,
    /// The new values of documents.
    pub documents: Vec<Document>,
}

/// A group that the driver writes, as the machine took it.
#[derive(Clone, Debug)]
struct Writing {
    taken: Vec<Commit>,
    quarantined: Vec<(Commit, Arc<str>)>,
    documents: BTreeMap<DocumentKey, WaitingDocument>,
}

/// A message and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Where.
    pub to: Recipients,
    /// What.
    pub message: ToSession,
}

/// Where a message goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipients {
    /// Everyone who listens, attached or not.
    Everyone,
    /// These sessions, at least one.
    Sessions(Vec<SessionId>),
}

/// One leader.
#[derive(Clone, Debug)]
pub struct Leader {
    config: LeaderConfig,
    heads: PerLane<Head>,
    intake: Intake,
    documents: BTreeMap<DocumentKey, WaitingDocument>,
    /// The newest version of each document that each session has sent.
    versions: BTreeMap<SessionId, BTreeMap<DocumentKey, u64>>,
    /// How many values of shared documents this leader has saved.
    documents_count: u64,
    group: Option<Writing>,
    /// When each attached session was last heard.
    attached: BTreeMap<SessionId, Duration>,
    transfers: BTreeMap<SessionId, Transfer>,
    snapshots: u64,
    stalled: Option<(Arc<str>, Duration)>,
    /// Why nothing is read or written any more.
    stopped: Option<Arc<str>>,
    upstream: Option<Upstream>,
    merging: Option<LeaderMerge>,
    /// What sessions know of the backend.
    told: Option<BackendStatus>,
    outgoing: VecDeque<Outgoing>,
}

impl Leader {
    /// A leader on an opened log; it announces itself.
    pub fn new(config: LeaderConfig) -> Self {
        let announce = ToSession::Announce {
            fence: config.fence,
            protocol: config.protocol,
            schema: config.schema,
        };
        Self {
            heads: config.heads,
            intake: Intake::default(),
            documents: BTreeMap::new(),
            versions: BTreeMap::new(),
            documents_count: 0,
            group: None,
            attached: BTreeMap::new(),
            transfers: BTreeMap::new(),
            snapshots: 0,
            stalled: None,
            stopped: None,
            upstream: None,
            merging: None,
            told: None,
            outgoing: VecDeque::from([Outgoing { to: Recipients::Everyone, message: announce }]),
            config,
        }
    }

    /// How far the log goes.
    pub fn heads(&self) -> PerLane<Head> {
        self.heads
    }

    /// The leader's term and epoch.
    pub fn fence(&self) -> Fence {
        self.config.fence
    }

    /// The sessions that are told news.
    pub fn attached(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.attached.keys().copied()
    }

    /// The sessions that are attached, or about to be.
    pub fn present(&self) -> impl Iterator<Item = SessionId> + '_ {
        let loading = self.transfers.keys().filter(|session| !self.attached.contains_key(session));
        self.attached.keys().chain(loading).copied()
    }

    /// How many commits and documents wait to be written.
    pub fn waiting(&self) -> usize {
        self.intake.len() + self.documents.len()
    }

    /// The next message. Poll until `None` after [`Leader::new`], [`Leader::receive`] and [`Leader::finish`].
    #[must_use]
    pub fn poll_send(&mut self) -> Option<Outgoing> {
        if self.outgoing.is_empty() {
            self.tell_status();
        }
        self.outgoing.pop_front()
    }

    /// Takes a message of a session.
    ///
    /// # Errors
    /// The storage's when a read failed. The message counts as lost: its sender asks again.
    pub fn receive<S: LeaderStorage>(
        &mut self,
        now: Duration,
        message: ToLeader,
        storage: &S,
    ) -> Result<(), S::Error> {
        let from = message.from();
        self.forget_silent(now);
        if let Some(heard) = self.attached.get_mut(&from) {
            *heard = now;
        }
        if let Some(reason) = self.stopped.clone()
            && !matches!(message, ToLeader::Leave { .. })
        {
            self.send(from, ToSession::Stalled { fence: self.config.fence, reason });
            return Ok(());
        }
        match message {
            ToLeader::Attach(attach) => return self.on_attach(now, &attach, storage),
            ToLeader::Leave { .. } => {
                self.forget(from);
                self.versions.remove(&from);
            }
            ToLeader::SnapshotAck { fence, snapshot, received, .. } => {
                self.on_snapshot_ack(now, from, fence, snapshot, received);
            }
            ToLeader::Push(push) => {
                let current = push.fence == self.config.fence;
                if self.knows(from, push.fence) && !(current && self.is_beyond_log(push.parent)) {
                    return self.on_push(push, storage);
                }
                self.reattach(from);
            }
            ToLeader::SetDocument { fence, document, version, .. } => {
                if self.knows(from, fence) {
                    return self.on_set_document(from, document, version, storage);
                }
                self.reattach(from);
            }
            ToLeader::Ping { fence, .. } => {
                if self.knows(from, fence) {
                    self.on_ping(from);
                } else {
                    self.reattach(from);
                }
            }
        }
        Ok(())
    }

    /// Tells a session whose message could not be answered why; it asks again by itself.
    pub fn could_not_read(&mut self, from: SessionId, reason: Arc<str>) {
        self.send(from, ToSession::Stalled { fence: self.config.fence, reason });
    }

    /// Stops: the log is damaged, so nothing of it is given away and nothing is added to it. Every session is told; what
    /// they commit stays with them, for a leader that finds the log mended.
    pub fn stop(&mut self, reason: Arc<str>) {
        if self.stopped.is_none() {
            self.broadcast(ToSession::Stalled { fence: self.config.fence, reason: reason.clone() });
            self.stopped = Some(reason);
        }
    }

    /// Whether `from` is attached to this very leader, in whichever epoch.
    fn knows(&self, from: SessionId, fence: Fence) -> bool {
        let ours = self.config.fence;
        let known = fence.term == ours.term && fence.epoch <= ours.epoch;
        known && self.attached.contains_key(&from)
    }

    /// Whether a session claims to have seen what this log never held.
    fn is_beyond_log(&self, parent: PerLane<Head>) -> bool {
        Lane::ALL.into_iter().any(|lane| {
            let (theirs, ours) = (parent[lane], self.heads[lane]);
            theirs.number > ours.number || (theirs.number == ours.number && theirs != ours)
        })
    }

    fn reattach(&mut self, session: SessionId) {
        self.forget(session);
        self.send(session, ToSession::Reattach { fence: self.config.fence });
    }

    fn on_ping(&mut self, from: SessionId) {
        let fence = self.config.fence;
        let answer = match &self.stalled {
            Some((reason, _)) => ToSession::Stalled { fence, reason: reason.clone() },
            None => ToSession::Pong {
                fence,
                heads: self.heads,
                documents: self.documents_count,
                confirmed: self.confirmed(),
            },
        };
        self.send(from, answer);
    }

    /// What to write next; `None` when nothing waits, or while the storage is given a rest. The driver answers with
    /// [`Leader::finish`] before it does anything else with the machine.
    #[must_use]
    pub fn next_group(&mut self, now: Duration) -> Option<Group> {
        if self.stopped.is_some() || self.is_writing() || self.rests(now) {
            return None;
        }
        let taken = self.intake.next_group(&self.config.limits);
        let waiting = std::mem::take(&mut self.documents);
        if taken.is_empty() && waiting.is_empty() {
            return None;
        }
        let mut last: BTreeMap<SessionId, u64> = BTreeMap::new();
        for commit in &taken {
            last.insert(commit.author(), commit.last_n().get());
        }
        let quarantined = self.intake.contradicted(&taken);
        let admitted = |commit: &&Commit| quarantined.iter().all(|(other, _)| other != *commit);
        let group = Group {
            parent: self.heads,
            commits: taken.iter().filter(admitted).cloned().collect(),
            quarantined: quarantined.clone(),
            last: last.into_iter().collect(),
            documents: waiting.values().map(|waiting| waiting.document.clone()).collect(),
        };
        self.group = Some(Writing { taken, quarantined, documents: waiting });
        Some(group)
    }

    /// When to call [`Leader::next_group`], [`Leader::next_merge`] and [`Leader::poll_backend`] again although nothing
    /// has arrived.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.stopped.is_some() {
            return None;
        }
        let stalled = self.stalled.as_ref().map(|(_, due)| *due);
        let upstream = self.upstream.as_ref().and_then(Upstream::poll_timeout);
        stalled.into_iter().chain(upstream).min()
    }

    fn is_writing(&self) -> bool {
        self.group.is_some() || self.merging.is_some()
    }

    /// Whether the storage is given a rest.
    fn rests(&self, now: Duration) -> bool {
        self.stalled.as_ref().is_some_and(|(_, due)| *due > now)
    }

    fn stall(&mut self, now: Duration, reason: Arc<str>) {
        let due = now + self.config.limits.stalled;
        let first = self.stalled.replace((Arc::clone(&reason), due)).is_none();
        if first {
            self.broadcast(ToSession::Stalled { fence: self.config.fence, reason });
        }
    }

    /// Takes what became of the group or merge: written, but for the refused commits; or not written, for a reason that
    /// may pass (full disk, I/O error), and then it is tried again.
    pub fn finish(&mut self, now: Duration, outcome: Result<Vec<Refused>, Arc<str>>) {
        if let Some(merge) = self.merging.take() {
            return self.finish_merge(now, merge, outcome);
        }
        let Some(Writing { taken, quarantined, documents }) = self.group.take() else { return };
        match outcome {
            Err(reason) => {
                self.intake.put_back(taken);
                self.put_back_documents(documents);
                self.stall(now, reason);
            }
            Ok(mut refused) => {
                self.stalled = None;
                let quarantined = quarantined.into_iter();
                refused.extend(quarantined.map(|(c, reason)| Refused { id: c.id(), reason }));
                self.note_written(taken, refused);
                for (key, waiting) in documents {
                    self.note_saved(&key, &waiting);
                }
            }
        }
    }

    fn note_written(&mut self, mut commits: Vec<Commit>, refused: Vec<Refused>) {
        if commits.is_empty() {
            return;
        }
        for commit in &commits {
            self.intake.written(commit);
        }
        let refused_ids: Vec<EventId> = refused.iter().map(|refused| refused.id).collect();
        commits.retain(|commit| !refused_ids.contains(&commit.id()));
        let tail = Tail { parent: self.heads, commits };
        self.heads = tail.heads();
        if let Some(upstream) = &mut self.upstream {
            let synced = tail.commits.iter().filter(|commit| commit.lane() == Lane::Synced);
            upstream.appended(synced.cloned());
        }
        let (fence, confirmed) = (self.config.fence, self.confirmed());
        self.broadcast(ToSession::Advance { fence, tail, refused, confirmed });
    }

    fn broadcast(&mut self, message: ToSession) {
        let sessions: Vec<SessionId> = self.attached().collect();
        if !sessions.is_empty() {
            self.outgoing.push_back(Outgoing { to: Recipients::Sessions(sessions), message });
        }
    }

    fn send(&mut self, to: SessionId, message: ToSession) {
        self.outgoing.push_back(Outgoing { to: Recipients::Sessions(vec![to]), message });
    }

    /// Forgets a session that is gone (its lock is free, its channel is closed); what it pushed stays.
    pub fn forget(&mut self, session: SessionId) {
        self.attached.remove(&session);
        self.transfers.remove(&session);
    }

    fn forget_silent(&mut self, now: Duration) {
        let patience = self.config.limits.forget;
        let silent = |heard: &Duration| now.saturating_sub(*heard) > patience;
        let gone: Vec<SessionId> =
            self.attached.iter().filter(|(_, heard)| silent(heard)).map(|(id, _)| *id).collect();
        for session in gone {
            self.forget(session);
            self.versions.remove(&session);
        }
        self.transfers.retain(|_, transfer| !silent(&transfer.heard));
    }

    /// Checks the invariants that the machine alone can know.
    ///
    /// # Errors
    /// Says which one is broken.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.intake.check_invariants(self.group.as_ref().map_or(&[], |group| &group.taken))?;
        if self.intake.len() > self.config.limits.queue_commits {
            return Err(format!("{} commits wait", self.intake.len()));
        }
        match &self.upstream {
            Some(upstream) if self.merging.is_none() => {
                upstream.check_invariants(self.heads.synced)
            }
            _ => Ok(()),
        }
    }
}
