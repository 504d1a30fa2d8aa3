//! How a session gets the leader's log: the tail it lacks, or a snapshot in acknowledged chunks.

use std::{sync::Arc, time::Duration};

use super::{Leader, LeaderStorage};
use crate::{
    event::{Lane, PerLane},
    head::{ChainHash, Head},
    id::{EventId, SessionId},
    limits::Limits,
    message::{Attach, Attached, Fence, Refused, SnapshotChunk, Tail, ToSession},
    upstream::Upstream,
};

/// A snapshot on its way to one session.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    attempt: u64,
    snapshot: u64,
    bytes: Arc<[u8]>,
    heads: PerLane<Head>,
    known: Known,
    /// How many chunks have arrived.
    received: u32,
    /// How many have been sent.
    sent: u32,
    pub(super) heard: Duration,
}

/// What the log and the quarantine have of the authors that a session names; as in [`Attached`].
#[derive(Clone, Debug, Default)]
struct Known {
    last: Vec<(SessionId, u64)>,
    refused: Vec<Refused>,
    arrived: Vec<(EventId, ChainHash)>,
}

impl Transfer {
    /// How many chunks there are; an empty snapshot has one.
    fn chunks(&self, limits: &Limits) -> u32 {
        let chunks = self.bytes.len().div_ceil(limits.chunk_bytes).max(1);
        u32::try_from(chunks).unwrap_or(u32::MAX)
    }

    fn next(&mut self, fence: Fence, limits: &Limits) -> Option<SnapshotChunk> {
        let of = self.chunks(limits);
        if self.sent >= of || self.sent - self.received >= limits.chunks_in_flight {
            return None;
        }
        let chunk = self.sent;
        self.sent += 1;
        let start = (chunk as usize * limits.chunk_bytes).min(self.bytes.len());
        let end = (start + limits.chunk_bytes).min(self.bytes.len());
        // Only the chunk that completes the snapshot is read for these.
        let completes = chunk + 1 == of;
        let Known { last, refused, arrived } =
            if completes { self.known.clone() } else { Known::default() };
        Some(SnapshotChunk {
            fence,
            attempt: self.attempt,
            snapshot: self.snapshot,
            chunk,
            of,
            bytes: self.bytes[start..end].to_vec(),
            heads: self.heads,
            last,
            refused,
            arrived,
        })
    }
}

impl Leader {
    pub(super) fn on_attach<S: LeaderStorage>(
        &mut self,
        now: Duration,
        attach: &Attach,
        storage: &S,
    ) -> Result<(), S::Error> {
        let fence = self.config.fence;
        let from = attach.from;
        self.forget_unless_loading(attach);
        if attach.protocol != self.config.protocol {
            let (protocol, schema) = (self.config.protocol, self.config.schema);
            self.send(from, ToSession::Announce { fence, protocol, schema });
            return Ok(());
        }
        let same_schema = attach.schema == self.config.schema;
        let known = match attach.at {
            Some(at) => self.holds(at, storage)?.then_some(at),
            None => None,
        };
        if let Some(at) = known
            && !(same_schema && self.is_far_behind(at))
        {
            return self.send_tail(now, attach, at, storage);
        }
        if let Some(transfer) = self.transfers.get_mut(&from) {
            transfer.sent = transfer.received;
            transfer.heard = now;
            self.send_chunks(from);
            return Ok(());
        }
        let snapshot = if same_schema { storage.snapshot()? } else { None };
        match snapshot {
            // However much it lacks: there is nothing else to give.
            None if let Some(at) = known => return self.send_tail(now, attach, at, storage),
            None => self.send(from, ToSession::NoSnapshot { fence, attempt: attach.attempt }),
            Some(bytes) => {
                let known = self.known_of(attach, storage)?;
                self.snapshots += 1;
                let transfer = Transfer {
                    attempt: attach.attempt,
                    snapshot: self.snapshots,
                    bytes,
                    heads: self.heads,
                    known,
                    received: 0,
                    sent: 0,
                    heard: now,
                };
                self.transfers.insert(from, transfer);
                self.send_chunks(from);
            }
        }
        Ok(())
    }

    /// A session that attaches starts over; only a repeated question for a snapshot goes on with the same one.
    fn forget_unless_loading(&mut self, attach: &Attach) {
        let transfer = self.transfers.remove(&attach.from);
        self.forget(attach.from);
        if let Some(transfer) = transfer.filter(|transfer| transfer.attempt == attach.attempt) {
            self.transfers.insert(attach.from, transfer);
        }
    }

    fn holds<S: LeaderStorage>(&self, at: PerLane<Head>, storage: &S) -> Result<bool, S::Error> {
        for lane in Lane::ALL {
            let (theirs, ours) = (at[lane], self.heads[lane]);
            let known = theirs == ours
                || theirs == Head::ZERO
                || (theirs.number < ours.number && storage.holds(lane, theirs)?);
            if !known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_far_behind(&self, at: PerLane<Head>) -> bool {
        let lacks: u64 =
            Lane::ALL.into_iter().map(|lane| self.heads[lane].number - at[lane].number).sum();
        lacks > self.config.limits.tail_events
    }

    fn send_tail<S: LeaderStorage>(
        &mut self,
        now: Duration,
        attach: &Attach,
        at: PerLane<Head>,
        storage: &S,
    ) -> Result<(), S::Error> {
        let mut room = self.config.limits.tail_bytes;
        let mut tail = Tail { parent: at, commits: Vec::new() };
        for lane in Lane::ALL {
            if at[lane] != self.heads[lane] && room > 0 {
                let commits = storage.tail(lane, at[lane], room)?;
                let bytes: usize = commits.iter().map(crate::Commit::bytes).sum();
                room = room.saturating_sub(bytes);
                tail.commits.extend(commits);
            }
        }
        let more = tail.heads() != self.heads;
        let Known { last, refused, arrived } = self.known_of(attach, storage)?;
        let documents = if more { Vec::new() } else { storage.documents(attach.from)? };
        if !more {
            self.attached.insert(attach.from, now);
        }
        let answer = Attached {
            fence: self.config.fence,
            attempt: attach.attempt,
            tail,
            more,
            last,
            refused,
            arrived,
            documents,
            documents_count: self.documents_count,
            confirmed: self.confirmed(),
            unconfirmed: self.unconfirmed_of(attach),
            backend: self.upstream.as_ref().map(Upstream::status),
        };
        self.send(attach.from, ToSession::Attached(answer));
        Ok(())
    }

    /// What the log and the quarantine have of the authors that a session names.
    fn known_of<S: LeaderStorage>(
        &mut self,
        attach: &Attach,
        storage: &S,
    ) -> Result<Known, S::Error> {
        let client = self.config.client;
        let mut known = Known::default();
        for (author, from) in &attach.authors {
            known.last.push((*author, self.intake.last_n(*author, storage)?));
            known.refused.extend(storage.refused(*author, from.get())?);
            let arrived = self.intake.arrived_of(*author).filter(|(n, _)| n >= from);
            known
                .arrived
                .extend(arrived.map(|(n, fingerprint)| {
                    (EventId { client, session: *author, n }, fingerprint)
                }));
        }
        Ok(known)
    }

    pub(super) fn on_snapshot_ack(
        &mut self,
        now: Duration,
        from: SessionId,
        fence: Fence,
        snapshot: u64,
        received: u32,
    ) {
        let limits = &self.config.limits;
        let transfer = self
            .transfers
            .get_mut(&from)
            .filter(|transfer| fence == self.config.fence && transfer.snapshot == snapshot);
        let Some(transfer) = transfer else {
            if !self.attached.contains_key(&from) || fence != self.config.fence {
                self.reattach(from);
            }
            return;
        };
        transfer.heard = now;
        if received >= transfer.chunks(limits) {
            self.transfers.remove(&from);
            return;
        }
        if received <= transfer.received {
            // The session waits for a chunk that got lost.
            transfer.sent = transfer.received;
        } else {
            transfer.received = received;
            transfer.sent = transfer.sent.max(received);
        }
        self.send_chunks(from);
    }

    fn send_chunks(&mut self, to: SessionId) {
        let fence = self.config.fence;
        let Some(transfer) = self.transfers.get_mut(&to) else { return };
        let mut chunks = Vec::new();
        while let Some(chunk) = transfer.next(fence, &self.config.limits) {
            chunks.push(chunk);
        }
        for chunk in chunks {
            self.send(to, ToSession::Snapshot(chunk));
        }
    }
}
