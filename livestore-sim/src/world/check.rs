//! What must hold after every action, and what must hold when the world has settled.

use std::time::Duration;

use livestore_sync::{
    Commit, Document, EventId, Lane, LeaderStatus, LeaderStorage as _, OnBackendChanged,
};

use super::World;
use crate::{
    disk::Reader,
    model::Schema,
    nodes::{Fate, SessionNode},
};

impl World {
    pub(super) fn check_whole(&mut self) -> Result<(), String> {
        let policy = self.uplink.map_or(OnBackendChanged::Fail, |uplink| uplink.on_changed);
        self.ledger.read(&self.disk.log, self.client, policy)?;
        if let Some(leader) = &self.leader {
            leader.machine.check_invariants()?;
            if leader.machine.heads() != self.disk.log.heads() {
                return Err("the leader's heads are not the log's".into());
            }
            self.ledger.check_fold(&self.disk, leader.schema, &leader.state)?;
        }
        let pending = self
            .sessions
            .iter()
            .flat_map(|node| node.machine.pending().chain(node.machine.parked()));
        let journals = self.journals.values().flat_map(|journal| &journal.commits);
        self.ledger.check_kept(pending.chain(journals))
    }

    pub(super) fn check_session(&self, node: &SessionNode) -> Result<(), String> {
        let machine = &node.machine;
        let fail = |error: String| Err(format!("session {}: {error}", machine.id()));
        machine.check_invariants().or_else(fail)?;
        let upstream = machine.upstream();
        let in_log = Lane::ALL
            .into_iter()
            .all(|lane| self.disk.log.after(lane, upstream[lane], None).is_some());
        if in_log {
            self.ledger.check_apart(node, self.client).or_else(fail)?;
        }
        let leader = self.leader.as_ref().map(|leader| leader.machine.fence());
        let attached = machine.status(self.now) == LeaderStatus::Attached;
        if attached && Some(machine.fence()) == leader && !in_log {
            return fail(format!("upstream {upstream:?} is not in its leader's log"));
        }
        if node.damaged {
            return Ok(());
        }
        let Some(mut state) = self.ledger.state_at(node.schema, upstream) else {
            return fail(format!("no log ever had {upstream:?}"));
        };
        for commit in machine.pending() {
            let _ = state.apply(node.schema, commit);
        }
        if state == node.state {
            Ok(())
        } else {
            fail("its state is not the fold of the log and of what is pending".into())
        }
    }

    /// Lets the links heal, journals be adopted and everything come to rest; then all must be equal.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        const ROUNDS: u32 = 300;
        // A session that has missed something learns it from the answer to its next ping.
        const PING_ROUNDS: u32 = 6;
        let mut rest = 0;
        self.heal();
        for _ in 0..ROUNDS {
            if self.go_on()? {
                continue;
            }
            rest = if self.unrest().is_none() { rest + 1 } else { 0 };
            if rest == PING_ROUNDS {
                return self.check_settled();
            }
            self.pass_time();
        }
        let unrest = self.unrest().unwrap_or_else(|| "messages go round".into());
        Err(format!("the world did not come to rest: {unrest}"))
    }

    /// Somebody leads, somebody is there, nobody is frozen, and the clock is where it was.
    pub(crate) fn heal(&mut self) {
        self.now += std::mem::take(&mut self.behind);
        if self.sessions.is_empty() {
            self.open(0, Schema::Old);
        }
        self.lead(Schema::Old);
        self.sessions.iter_mut().for_each(|node| node.frozen = false);
    }

    /// Delivers everything and writes once; whether there was something to write.
    pub(crate) fn go_on(&mut self) -> Result<bool, String> {
        while let Some(envelope) = self.links.pop_front() {
            self.deliver(envelope)?;
        }
        if self.write_group(Fate::Lives) {
            self.check_whole()?;
            return Ok(true);
        }
        for journal in 0..self.journals.len() {
            self.adopt(0, u8::try_from(journal).unwrap_or(0))?;
        }
        Ok(false)
    }

    /// Half a second.
    pub(crate) fn pass_time(&mut self) {
        self.now += Duration::from_millis(500);
        self.poll_all();
        self.poll_leader();
    }

    /// What is still moving.
    pub(crate) fn unrest(&self) -> Option<String> {
        let Some(leader) = &self.leader else { return Some("nobody leads".into()) };
        if !self.links.is_empty() {
            return Some(format!("{} messages are on the way", self.links.len()));
        }
        if leader.machine.waiting() > 0 {
            return Some(format!("{} things wait to be written", leader.machine.waiting()));
        }
        let moves = |node: &&SessionNode| {
            let machine = &node.machine;
            machine.status(self.now) != LeaderStatus::Attached
                || machine.fence() != leader.machine.fence()
                || machine.pending().len() > 0
                || !machine.parked().is_empty()
                || machine.journal().is_some()
                || machine.upstream() != leader.machine.heads()
                || !node.adopting.is_empty()
        };
        let node = self.sessions.iter().find(moves)?;
        let machine = &node.machine;
        let status = machine.status(self.now);
        let names = |commits: Vec<&Commit>| {
            commits.iter().map(|commit| commit.id().to_string()).collect::<Vec<_>>().join(", ")
        };
        Some(format!(
            "session {} is {status:?}; pending: [{}]; parked: [{}]; adopting {:?}",
            machine.id(),
            names(machine.pending().collect()),
            names(machine.parked().iter().collect()),
            node.adopting,
        ))
    }

    /// Every synced event whose commit returned Ok is in the backend's log or in quarantine, and not in both.
    pub(crate) fn check_synced(&self, backend_has: impl Fn(EventId) -> bool) -> Result<(), String> {
        for id in self.ledger.synced() {
            let (there, quarantined) = (backend_has(id), self.ledger.is_quarantined(id));
            if there && quarantined {
                return Err(format!("event {id} is in quarantine and in the backend's log"));
            }
            if !there && !quarantined && !self.ledger.is_excused(id) {
                return Err(format!(
                    "event {id} is neither in the backend's log nor in quarantine"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn check_settled(&mut self) -> Result<(), String> {
        self.check_whole()?;
        self.ledger.check_all_settled()?;
        let Some(leader) = &self.leader else { return Err("nobody leads".into()) };
        if self.disk.log.fold(leader.schema) != leader.state {
            return Err("rebuilding the state gives another one".into());
        }
        let reader = Reader { log: &self.disk.log, state: &leader.state, mutation: None };
        for node in &self.sessions {
            self.check_session(node)?;
            if node.schema == leader.schema && node.state != leader.state {
                return Err(format!("session {} has another state", node.machine.id()));
            }
            let Ok(saved) = reader.documents(node.machine.id());
            // A value that went with the power stays in sight until somebody sets it again.
            let differs = |saved: &&Document| node.documents.get(&saved.key) != Some(&saved.json);
            if let Some(saved) = saved.iter().find(differs) {
                let shown = node.documents.get(&saved.key);
                return Err(format!(
                    "session {} shows {shown:?}, saved is {saved:?}",
                    node.machine.id()
                ));
            }
        }
        if self.journals.is_empty() {
            Ok(())
        } else {
            Err(format!("journals are left: {:?}", self.journals.keys()))
        }
    }
}
