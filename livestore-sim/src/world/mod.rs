//! A world: one client's sessions, at most one leader, its disk, the links between them, and the accounts.
//!
//! After every action the invariants of all machines and of the whole are checked (DESIGN.md, section 7):
//! each commit that returned Ok is in the log, in quarantine, or pending somewhere, and never twice; each state is the
//! fold of the log up to its head and of what is pending; nothing is pending where it is applied; what a session was
//! told of a commit is true. When the world has settled, nothing is pending and all states are equal.

mod check;
mod uplink;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    num::NonZeroU64,
    time::Duration,
};

use livestore_sync::{
    Args, ClientId, Commit, Document, DocumentKey, DocumentOwner, Event, EventId, Journal, Lane,
    Recipients, SessionId, TabId, ToBackend, ToLeader, ToSession,
};

use crate::{
    action::Action,
    counts::Counts,
    disk::Disk,
    ledger::Ledger,
    model::Schema,
    mutation::Mutation,
    nodes::{Fate, LeaderNode, SessionNode, Uplink},
};

/// An event that backends refuse.
pub const BARRED: &str = "v1.Barred";
/// How many messages may be on the way; then the oldest get lost.
const LINK_ROOM: usize = 300;

/// A message on the way.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// To whoever leads when it arrives.
    ToLeader(ToLeader),
    /// To a session, if it still lives.
    ToSession(SessionId, ToSession),
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    client: ClientId,
    uplink: Option<Uplink>,
    requests: Vec<ToBackend>,
    now: Duration,
    /// By how much clocks were set back. The terms of leaders are told from a clock that is not: set back while the log
    /// loses its tail, a term would come again.
    set_back: Duration,
    /// By how much of that the clock is still behind.
    behind: Duration,
    disk: Disk,
    leader: Option<LeaderNode>,
    sessions: Vec<SessionNode>,
    journals: BTreeMap<SessionId, Journal>,
    links: VecDeque<Envelope>,
    ledger: Ledger,
    opens: u64,
    mutation: Option<Mutation>,
    counts: Counts,
}

impl World {
    /// An empty world without a backend, with a bug if wanted.
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self::of_client(ClientId(7), None, mutation)
    }

    /// An empty world of one of many clients.
    pub fn of_client(client: ClientId, uplink: Option<Uplink>, mutation: Option<Mutation>) -> Self {
        Self {
            client,
            uplink,
            requests: Vec::new(),
            now: Duration::ZERO,
            set_back: Duration::ZERO,
            behind: Duration::ZERO,
            disk: Disk::default(),
            leader: None,
            sessions: Vec::new(),
            journals: BTreeMap::new(),
            links: VecDeque::new(),
            ledger: Ledger::default(),
            opens: 0,
            mutation,
            counts: Counts::default(),
        }
    }

    /// Whether somebody leads.
    pub fn leads(&self) -> bool {
        self.leader.is_some()
    }

    /// The messages on the way, oldest first.
    pub fn links(&self) -> &VecDeque<Envelope> {
        &self.links
    }

    /// The living sessions.
    pub fn sessions(&self) -> &[SessionNode] {
        &self.sessions
    }

    /// The leader's databases.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What has happened so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Does one action and checks everything.
    ///
    /// # Errors
    /// Says which invariant is broken.
    pub fn step(&mut self, action: Action) -> Result<(), String> {
        self.now += Duration::from_millis(1);
        match action {
            Action::Open { tab, schema } => self.open(tab, schema),
            Action::Commit { session, client_only, what } => {
                self.commit(session, client_only, what)?;
            }
            Action::SetDocument { session, shared, value } => {
                self.set_document(session, shared, value);
            }
            Action::Hide { session } => self.hide(session),
            Action::Close { session, leave } => self.close(session, leave),
            Action::Kill { session } => self.kill(session),
            Action::Reload { session, schema } => self.reload(session, schema)?,
            Action::Adopt { session, journal } => self.adopt(session, journal)?,
            Action::Freeze { session } => self.freeze(session),
            Action::Damage { session } => self.damage(session),
            Action::Deliver { message } => {
                if let Some(envelope) = self.pick(message).and_then(|at| self.links.remove(at)) {
                    self.deliver(envelope)?;
                }
            }
            Action::Lose { message } => {
                self.pick(message).and_then(|at| self.links.remove(at));
            }
            Action::Repeat { message } => {
                if let Some(at) = self.pick(message) {
                    self.post(self.links[at].clone());
                }
            }
            Action::Lead { schema } => self.lead(schema),
            Action::Write { fate } => self.write(fate),
            Action::StepDown { drains } => {
                while drains && self.write_group(Fate::Lives) {
                    self.check_whole()?;
                }
                self.leader = None;
            }
            Action::KillLeader => self.leader = None,
            Action::PowerLoss { transactions, survivors } => {
                self.power_loss(usize::from(transactions), survivors);
            }
            Action::Wait { ms } => {
                self.now += Duration::from_millis(u64::from(ms));
                self.poll_all();
                self.poll_leader();
            }
            Action::Settle => return self.settle(),
        }
        self.check()
    }

    /// Checks every invariant that must hold at every moment.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.check_whole()?;
        self.sessions.iter().try_for_each(|node| self.check_session(node))
    }

    fn index(&self, session: u8) -> Option<usize> {
        (!self.sessions.is_empty()).then(|| usize::from(session) % self.sessions.len())
    }

    fn pick(&self, message: u8) -> Option<usize> {
        (!self.links.is_empty()).then(|| usize::from(message) % self.links.len())
    }

    fn post(&mut self, envelope: Envelope) {
        self.links.push_back(envelope);
        if self.links.len() > LINK_ROOM {
            self.links.pop_front();
        }
    }

    fn open(&mut self, tab: u8, schema: Schema) {
        let tab = TabId(u64::from(tab));
        if self.sessions.iter().any(|node| node.machine.id().tab == tab) {
            return;
        }
        self.opens += 1;
        let id = SessionId { tab, open: self.opens };
        self.sessions.push(SessionNode::open(self.client, id, schema, self.now));
        self.poll(self.sessions.len() - 1);
    }

    fn commit(&mut self, session: u8, client_only: bool, what: u16) -> Result<(), String> {
        let Some(at) = self.index(session) else { return Ok(()) };
        let node = &mut self.sessions[at];
        if !node.machine.is_open() || node.damaged || node.frozen {
            return Ok(());
        }
        let name = match what % 8 {
            0..=3 => "v1.Added",
            4 | 5 => "v1.Claimed",
            6 => "v1.Freed",
            _ => "v2.Doubled",
        };
        // Only the new app makes the event that the old one does not know.
        let name =
            if node.schema == Schema::Old && name == "v2.Doubled" { "v1.Added" } else { name };
        let (count, key) = (1 + u64::from(what >> 3) % 3, (what >> 5) % 6);
        let first = node.machine.next_n().get();
        let mut events = Vec::new();
        for n in first..first + count {
            let id = EventId {
                client: self.client,
                session: node.machine.id(),
                n: NonZeroU64::new(n).ok_or("n starts at 1")?,
            };
            let args = Args::parse(&format!("[{},{n}]", u64::from(key) + n % count))
                .map_err(|error| error.to_string())?;
            let barred = self.uplink.is_some() && what >> 8 & 31 == 0 && n + 1 == first + count;
            let name = if barred { BARRED } else { name };
            events.push(Event { id, name: name.into(), args });
        }
        let lane = if client_only { Lane::ClientOnly } else { Lane::Synced };
        let commit = Commit::new(lane, events).map_err(|error| error.to_string())?;
        if node.commit(commit.clone())? {
            self.counts.commits += 1;
            self.ledger.committed(&commit);
        }
        self.poll(at);
        Ok(())
    }

    fn set_document(&mut self, session: u8, shared: bool, value: u16) {
        let Some(at) = self.index(session).filter(|at| !self.sessions[*at].frozen) else { return };
        let tab = self.sessions[at].machine.id().tab;
        let owner = if shared { DocumentOwner::Client } else { DocumentOwner::Tab(tab) };
        let key = DocumentKey { owner, name: "ui".into() };
        self.sessions[at].set_document(Document { key, json: value.to_string().into() });
        self.poll(at);
    }

    fn write_journal(&mut self, at: usize) {
        let machine = &self.sessions[at].machine;
        match machine.journal() {
            Some(journal) => self.journals.insert(machine.id(), journal),
            None => self.journals.remove(&machine.id()),
        };
    }

    fn hide(&mut self, session: u8) {
        if let Some(at) = self.index(session) {
            self.write_journal(at);
        }
    }

    fn close(&mut self, session: u8, leave: bool) {
        let Some(at) = self.index(session) else { return };
        self.write_journal(at);
        let node = self.sessions.remove(at);
        if leave {
            self.post(Envelope::ToLeader(node.machine.leave()));
        }
    }

    fn kill(&mut self, session: u8) {
        let Some(at) = self.index(session) else { return };
        let node = self.sessions.remove(at);
        let id = node.machine.id();
        let journal = self.journals.get(&id);
        let kept: HashSet<EventId> =
            journal.iter().flat_map(|journal| &journal.commits).map(Commit::id).collect();
        for commit in node.machine.pending().filter(|commit| commit.author() == id) {
            if !kept.contains(&commit.id()) {
                self.ledger.excuse(commit);
            }
        }
    }

    fn reload(&mut self, session: u8, schema: Schema) -> Result<(), String> {
        let Some(at) = self.index(session) else { return Ok(()) };
        let id = self.sessions[at].machine.id();
        self.close(session, false);
        self.open(u8::try_from(id.tab.0).unwrap_or(0), schema);
        self.adopt_author(self.sessions.len() - 1, id)
    }

    fn adopt(&mut self, session: u8, journal: u8) -> Result<(), String> {
        let awake = |at: &usize| !self.sessions[*at].frozen;
        let Some(at) = self.index(session).filter(awake) else { return Ok(()) };
        let lives = |id: &&SessionId| self.sessions.iter().any(|node| node.machine.id() == **id);
        let dead: Vec<SessionId> = self.journals.keys().filter(|id| !lives(id)).copied().collect();
        match dead.len() {
            0 => Ok(()),
            count => self.adopt_author(at, dead[usize::from(journal) % count]),
        }
    }

    fn adopt_author(&mut self, at: usize, author: SessionId) -> Result<(), String> {
        let Some(journal) = self.journals.get(&author).cloned() else { return Ok(()) };
        let node = &mut self.sessions[at];
        let documents = node.machine.adopt(self.now, journal).map_err(|error| error.to_string())?;
        for document in documents {
            node.documents.insert(document.key, document.json);
        }
        node.adopting.insert(author);
        self.counts.adoptions += 1;
        self.forget_journals(at);
        self.poll(at);
        Ok(())
    }

    /// Deletes the journals whose commits are settled.
    fn forget_journals(&mut self, at: usize) {
        let node = &mut self.sessions[at];
        let open: HashSet<SessionId> = node.machine.adopted().collect();
        node.adopting.retain(|author| {
            let keep = open.contains(author);
            if !keep {
                self.journals.remove(author);
            }
            keep
        });
        if node.machine.journal().is_none() {
            self.journals.remove(&node.machine.id());
        }
    }

    fn freeze(&mut self, session: u8) {
        let Some(at) = self.index(session) else { return };
        let frozen = &mut self.sessions[at].frozen;
        *frozen = !*frozen;
        self.poll(at);
    }

    fn damage(&mut self, session: u8) {
        let Some(at) = self.index(session) else { return };
        let now = self.now;
        let node = &mut self.sessions[at];
        if node.machine.is_open() {
            node.damaged = true;
            node.machine.state_lost(now);
            self.poll(at);
        }
    }

    fn deliver(&mut self, envelope: Envelope) -> Result<(), String> {
        self.counts.messages += 1;
        match envelope {
            Envelope::ToLeader(message) => {
                if let Some(leader) = &mut self.leader {
                    leader.receive(&self.disk, self.now, message, self.mutation);
                    self.poll_leader();
                }
            }
            Envelope::ToSession(id, message) => {
                let hears = |node: &SessionNode| node.machine.id() == id && !node.frozen;
                let at = self.sessions.iter().position(hears);
                if let Some(at) = at {
                    let node = &mut self.sessions[at];
                    node.receive(self.now, message, self.mutation, &mut self.counts)?;
                    while let Some(settled) = node.machine.poll_settled() {
                        if node.folds && node.damaged {
                            // What the log contradicts is in the way of its fold.
                            self.ledger.gave_way(&settled);
                        }
                        self.ledger.check_settled(&settled)?;
                    }
                    self.forget_journals(at);
                    self.poll(at);
                    self.check_session(&self.sessions[at])?;
                }
            }
        }
        Ok(())
    }

    fn lead(&mut self, schema: Schema) {
        if self.leader.is_none() {
            self.counts.leaders += 1;
            let who = (self.client, self.uplink);
            let clock = self.now + self.set_back;
            let node = LeaderNode::open(&mut self.disk, who, schema, clock, self.mutation);
            self.leader = Some(node);
            self.poll_leader();
        }
    }

    fn write(&mut self, fate: Fate) {
        self.write_group(fate);
    }

    /// Whether there was anything to write.
    fn write_group(&mut self, fate: Fate) -> bool {
        let Some(leader) = &mut self.leader else { return false };
        let (quarantined, epoch) = (self.disk.log.quarantine.len(), self.disk.log.epoch);
        let wrote = leader.write_merge(&mut self.disk, self.now, fate, self.mutation);
        self.counts.leader_rebases += self.disk.log.epoch - epoch;
        let wrote =
            wrote.or_else(|| leader.write_group(&mut self.disk, self.now, fate, self.mutation));
        self.counts.refused += self.disk.log.quarantine.len().saturating_sub(quarantined) as u64;
        match wrote {
            Some(true) => self.poll_leader(),
            Some(false) => self.leader = None,
            None => {}
        }
        wrote.is_some()
    }

    fn power_loss(&mut self, transactions: usize, survivors: bool) {
        self.leader = None;
        let lost = self.disk.lose_tail(transactions);
        self.counts.power_losses += u64::from(!lost.is_empty());
        self.ledger.lost(&lost, &self.disk.log);
        if !survivors {
            self.links.clear();
            while !self.sessions.is_empty() {
                self.kill(0);
            }
        }
    }

    fn poll(&mut self, at: usize) {
        if self.sessions[at].frozen {
            return;
        }
        while let Some(message) = self.sessions[at].machine.poll_send(self.now) {
            self.post(Envelope::ToLeader(message));
        }
    }

    fn poll_all(&mut self) {
        (0..self.sessions.len()).for_each(|at| self.poll(at));
    }

    fn poll_leader(&mut self) {
        let (now, node) = (self.now, self.leader.as_mut());
        if let Some(node) = node {
            self.requests.extend(std::iter::from_fn(|| node.machine.poll_backend(now)));
        }
        while let Some(outgoing) = self.leader.as_mut().and_then(|node| node.machine.poll_send()) {
            let to = match outgoing.to {
                Recipients::Sessions(sessions) => sessions,
                Recipients::Everyone => {
                    self.sessions.iter().map(|node| node.machine.id()).collect()
                }
            };
            let message = self.sent(outgoing.message);
            for id in to {
                self.post(Envelope::ToSession(id, message.clone()));
            }
        }
    }
}
