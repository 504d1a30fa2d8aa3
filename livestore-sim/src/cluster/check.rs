//! What must hold between clients and backend, at every moment and when the cluster has settled.

use livestore_sync::{Commit, ConnectionStatus, Event, EventId};

use super::{Client, Cluster};
use crate::ledger::is_forged;

impl Client {
    /// Whether it has stopped syncing, by its policy.
    fn is_stopped(&self) -> bool {
        let status = self.world.leader().and_then(|leader| leader.machine.backend_status());
        status.is_some_and(|status| status.connection == ConnectionStatus::Stopped)
    }
}

impl Cluster {
    /// What a client takes for confirmed is what the backend has under those numbers, unless the backend has lost
    /// something and the client has yet to notice.
    pub(super) fn check_confirmed(&mut self, at: usize) -> Result<(), String> {
        let client = &mut self.clients[at];
        let log = &client.world.disk().log;
        let confirmed = usize::try_from(log.confirmed).unwrap_or(usize::MAX);
        if client.stale || log.epoch != client.epoch || confirmed < client.compared {
            client.compared = 0;
            client.epoch = log.epoch;
        }
        let rows = &log.lanes.synced;
        let from = rows.partition_point(|row| row.head.number as usize <= client.compared);
        let skip =
            client.compared - from.checked_sub(1).map_or(0, |at| rows[at].head.number as usize);
        let ours = rows[from..].iter().flat_map(|row| row.commit.events()).skip(skip);
        let theirs = self.backend.log.iter().skip(client.compared);
        let count = confirmed - client.compared;
        let equal = self.backend.log.len() >= confirmed
            && ours.take(count).zip(theirs).all(|(ours, theirs)| ours == theirs);
        if equal {
            client.stale &= !client.asked_anew;
            client.compared = confirmed;
            return Ok(());
        }
        if client.stale {
            return Ok(());
        }
        Err(format!("client {at}: {confirmed} events are confirmed that the backend does not have"))
    }

    /// Lets everything heal and come to rest; then all must be equal.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        const ROUNDS: u32 = 2000;
        // More than this many new events and somebody sends the same ones again and again.
        const NEW_EVENTS: usize = 10_000;
        let most = self.backend.log.len() + NEW_EVENTS;
        // A session that has missed something learns it from the answer to its next ping.
        const PING_ROUNDS: u32 = 6;
        let mut rest = 0;
        self.backend.up = true;
        for at in 0..self.clients.len() {
            self.clients[at].partitioned = false;
            self.clients[at].world.pause_backend(false);
        }
        for _ in 0..ROUNDS {
            for at in 0..self.clients.len() {
                self.clients[at].world.heal();
                while self.go_on(at)? {}
                self.after(at)?;
            }
            if self.backend.log.len() > most {
                return Err("the backend's log does not end".into());
            }
            let moving = (0..self.clients.len()).find_map(|at| self.unrest(at));
            rest = if moving.is_none() { rest + 1 } else { 0 };
            if rest == PING_ROUNDS {
                if self.is_mistaken() {
                    self.counts.mistaken += 1;
                    self.backend.rename();
                    self.break_connections(true);
                    rest = 0;
                    continue;
                }
                return self.check_settled();
            }
            self.clients.iter_mut().for_each(|client| client.world.pass_time());
        }
        let moving = (0..self.clients.len()).find_map(|at| self.unrest(at));
        Err(format!("the cluster did not come to rest: {moving:?}"))
    }

    /// Whether a client takes a backend that has lost something for the one it knew, as its log has grown again and has
    /// the same event under the number that the client looks at. Nothing but another name tells those apart.
    fn is_mistaken(&self) -> bool {
        let log = &self.backend.log;
        let believes = |client: &&Client| client.stale && !client.is_stopped();
        self.clients.iter().filter(believes).any(|client| {
            let rows = &client.world.disk().log.lanes.synced;
            let last = rows.last().and_then(|row| row.commit.events().last());
            last.is_some() && last == log.last()
        })
    }

    /// Whether anything moved.
    fn go_on(&mut self, at: usize) -> Result<bool, String> {
        self.clients[at].take_requests();
        let (requests, answers) = self.on_the_way(at);
        for _ in 0..requests {
            self.ask(at, 0)?;
        }
        for _ in 0..answers {
            self.answer(at, 0)?;
            // Merges make room for the next page.
            while self.named(at, |client| client.world.go_on())? {}
        }
        let wrote = self.named(at, |client| client.world.go_on())?;
        Ok(wrote || requests + answers > 0)
    }

    fn unrest(&self, at: usize) -> Option<String> {
        let world = &self.clients[at].world;
        if let Some(unrest) = world.unrest() {
            return Some(format!("client {at}: {unrest}"));
        }
        let leader = world.leader()?;
        let status = leader.machine.backend_status()?;
        if status.connection == ConnectionStatus::Stopped {
            return None;
        }
        let confirmed = leader.machine.confirmed().unwrap_or(0);
        let pending = leader.machine.unconfirmed().count();
        let behind = (self.backend.log.len() as u64) != confirmed;
        let moves = pending > 0 || behind || status.connection != ConnectionStatus::Current;
        moves.then(|| format!("client {at}: {status:?}, {confirmed} confirmed, {pending} pending"))
    }

    fn check_settled(&mut self) -> Result<(), String> {
        for at in 0..self.clients.len() {
            self.named(at, |client| client.world.check_settled())?;
        }
        let mut states = Vec::new();
        for (at, client) in self.clients.iter().enumerate() {
            if client.is_stopped() {
                continue;
            }
            let rows = &client.world.disk().log.lanes.synced;
            let ours: Vec<&Event> =
                rows.iter().map(|row| &row.commit).flat_map(Commit::events).collect();
            if !ours.into_iter().eq(&self.backend.log) {
                return Err(format!("client {at} has another log than the backend"));
            }
            client.world.check_synced(|id: EventId| {
                self.backend.log.iter().any(|event| event.id == id && !is_forged(event))
            })?;
            states.extend(client.world.leader().map(|leader| (at, leader)));
        }
        for (at, leader) in &states {
            let same = states.iter().find(|(_, other)| other.schema == leader.schema);
            let other = same.map(|(_, other)| other.state.lane(livestore_sync::Lane::Synced));
            if other != Some(leader.state.lane(livestore_sync::Lane::Synced)) {
                return Err(format!("client {at} has another state"));
            }
        }
        Ok(())
    }
}
