//! A world's side towards a backend: what a cluster does to it.

use std::{num::NonZeroU64, time::Duration};

use livestore_sync::{EventId, Fence, FromBackend, Tail, ToBackend, ToSession};

use super::World;
use crate::{mutation::Mutation, nodes::LeaderNode};

impl World {
    /// Whoever leads.
    pub fn leader(&self) -> Option<&LeaderNode> {
        self.leader.as_ref()
    }

    /// The leader's term; 0 when nobody leads.
    pub(crate) fn term(&self) -> u64 {
        self.leader.as_ref().map_or(0, |leader| leader.machine.fence().term)
    }

    /// Sets the client's clock.
    pub(crate) fn set_clock(&mut self, ms: i32) {
        let by = Duration::from_millis(u64::from(ms.unsigned_abs()));
        let before = self.now;
        self.now = if ms < 0 { self.now.saturating_sub(by) } else { self.now + by };
        let by = before.saturating_sub(self.now);
        self.set_back += by;
        self.behind += by;
    }

    /// Whether the driver reads another frame.
    pub(crate) fn has_room_for_pages(&self) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.machine.has_room_for_pages())
    }

    /// Stops talking to the backend, or goes on.
    pub(crate) fn pause_backend(&mut self, paused: bool) {
        if let Some(leader) = &mut self.leader {
            leader.machine.pause_backend(paused);
            self.poll_leader();
        }
    }

    /// Connects anew.
    pub(crate) fn retry_backend(&mut self) {
        if let Some(leader) = &mut self.leader {
            leader.machine.retry_backend();
            self.poll_leader();
        }
    }

    /// Takes what the driver heard of the backend.
    pub(crate) fn hear(&mut self, message: FromBackend) {
        if let Some(leader) = &mut self.leader {
            leader.hear(&self.disk, self.now, message, self.mutation);
            self.poll_leader();
        }
    }

    /// What the leader wants of the backend.
    pub(crate) fn take_requests(&mut self) -> Vec<ToBackend> {
        std::mem::take(&mut self.requests)
    }

    /// A name under which a session commits, has committed, will soon commit or never will.
    pub(crate) fn name_to_take(&self, what: u16) -> Option<EventId> {
        const MOST: u64 = (1 << 53) - 1;
        let at = usize::from(what >> 8).checked_rem(self.sessions().len())?;
        let machine = &self.sessions()[at].machine;
        let next = machine.next_n().get();
        let n = match what % 8 {
            0 => MOST,
            1..=4 => next + u64::from(what >> 3) % 4,
            _ => 1 + u64::from(what >> 3) % next,
        };
        Some(EventId { client: self.client, session: machine.id(), n: NonZeroU64::new(n)? })
    }

    /// The message, by a driver that takes every backend for the one it knew.
    pub(crate) fn trusting(&self, mut message: FromBackend) -> FromBackend {
        let log = &self.disk.log;
        let start = log.start(livestore_sync::OnBackendChanged::Fail, 0);
        if let (FromBackend::Page { page, .. }, Some(anchor)) = (&mut message, start.anchor)
            && page.after + 1 == log.confirmed
        {
            page.events.splice(..page.events.len().min(1), [anchor]);
            page.backend = log.backend.clone().unwrap_or_else(|| page.backend.clone());
        }
        message
    }

    /// The message as it goes over the link.
    pub(super) fn sent(&self, message: ToSession) -> ToSession {
        match message {
            ToSession::Rebase { fence, before, tail, refused, confirmed, .. }
                if self.mutation == Some(Mutation::RebaseAsAdvance) =>
            {
                let fence = Fence { epoch: fence.epoch.saturating_sub(1), ..fence };
                let tail = Tail { parent: before, ..tail };
                ToSession::Advance { fence, tail, refused, confirmed: Some(confirmed) }
            }
            message => message,
        }
    }
}
