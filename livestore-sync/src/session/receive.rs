//! What a session does with the messages of its leader.

use std::{sync::Arc, time::Duration};

use super::{Link, Outcome, Session, Settled, Work};
use crate::{
    document::Document,
    event::{Commit, Lane},
    id::EventId,
    merge::{Merge, MergeError},
    message::{Refused, Tail, ToSession},
};

impl Session {
    /// Takes a message. The driver executes what comes back, then polls.
    ///
    /// # Errors
    /// [`MergeError`] when the log contradicts what is pending here. The session takes the log's side and asks for a new
    /// state by itself; the leader then has the word on the contradicted commit.
    pub fn receive(&mut self, now: Duration, message: ToSession) -> Result<Vec<Work>, MergeError> {
        let fence = message.fence();
        if fence < self.fence {
            return Ok(Vec::new());
        }
        self.unanswered_since = None;
        let newer = fence > self.fence;
        let next_epoch =
            fence.term == self.fence.term && fence.epoch == self.fence.epoch.saturating_add(1);
        self.fence = fence;
        match message {
            ToSession::Announce { protocol, .. } => {
                self.other_protocol = (protocol != self.config.protocol).then_some(protocol);
                if self.other_protocol.is_none() && !matches!(self.link, Link::Attached) {
                    self.attach_now(now);
                }
            }
            ToSession::Attached(attached) if self.link.awaits(attached.attempt) => {
                return self.on_attached(now, attached);
            }
            ToSession::Snapshot(chunk) if self.link.awaits(chunk.attempt) => {
                return Ok(self.on_chunk(now, &chunk));
            }
            ToSession::NoSnapshot { attempt, .. } if self.link.awaits(attempt) => {
                return Ok(vec![self.on_no_snapshot(now)]);
            }
            // It can't answer; the question is repeated when its answer is overdue, less and less often.
            ToSession::Stalled { reason, .. } if matches!(self.link, Link::Attaching { .. }) => {
                self.stalled = Some(reason);
            }
            ToSession::Rebase { before, tail, refused, heads, confirmed, .. }
                if next_epoch && matches!(self.link, Link::Attached) =>
            {
                self.confirmed = Some(confirmed);
                return self.on_rebase(now, before, &tail, &refused, heads);
            }
            _ if newer => self.attach_now(now),
            ToSession::Reattach { .. } if !matches!(self.link, Link::Attaching { .. }) => {
                self.attach_again(now);
            }
            message if matches!(self.link, Link::Attached) => return self.on_news(now, message),
            _ => {}
        }
        if newer && matches!(self.link, Link::Attached) {
            self.attach_again(now);
        }
        Ok(Vec::new())
    }

    /// Takes what an attached session hears of its leader.
    fn on_news(&mut self, now: Duration, message: ToSession) -> Result<Vec<Work>, MergeError> {
        match message {
            ToSession::Advance { tail, refused, confirmed, .. } => {
                self.stalled = None;
                if tail.parent != self.upstream() {
                    let (here, there) = (self.upstream(), tail.heads());
                    let known = there.synced.number <= here.synced.number
                        && there.client_only.number <= here.client_only.number;
                    if !known {
                        self.attach_again(now);
                    }
                    return Ok(Vec::new());
                }
                let ids: Vec<EventId> = refused.iter().map(|refused| refused.id).collect();
                self.confirmed = confirmed;
                let merges = self.take_tail(now, &tail, &ids, &refused)?;
                self.ask_after_missed(now);
                return Ok(if merges.is_empty() { Vec::new() } else { vec![Work::Merge(merges)] });
            }
            ToSession::Acked { author, n, .. } => {
                if let Some(outbox) = self.outboxes.get_mut(&author) {
                    outbox.acknowledge(now, n, &self.config.limits);
                }
                self.ask_after_missed(now);
            }
            ToSession::Resend { author, from, .. } => {
                if let Some(outbox) = self.outboxes.get_mut(&author) {
                    outbox.rewind(from);
                }
            }
            ToSession::Pong { heads, documents, confirmed, .. } => {
                self.stalled = None;
                if heads == self.upstream() && confirmed != self.confirmed {
                    self.confirmed = confirmed;
                    let tail = Tail { parent: heads, commits: Vec::new() };
                    let merges = self.take_tail(now, &tail, &[], &[])?;
                    return Ok(if merges.is_empty() {
                        Vec::new()
                    } else {
                        vec![Work::Merge(merges)]
                    });
                }
                if heads != self.upstream() || documents != self.documents_seen {
                    self.attach_again(now);
                }
            }
            ToSession::Document { before, count, document, saved, .. } => {
                self.stalled = None;
                if before != self.documents_seen {
                    // Something got lost, or this is late: attaching brings all values and the missing word.
                    if count > self.documents_seen || saved.is_some() {
                        self.attach_again(now);
                    }
                    return Ok(Vec::new());
                }
                self.documents_seen = count;
                if saved.is_some_and(|version| !self.documents.saved(&document.key, version)) {
                    return Ok(Vec::new());
                }
                return Ok(self.take_documents(vec![document]));
            }
            ToSession::Stalled { reason, .. } => self.stalled = Some(reason),
            ToSession::Backend { status, .. } => self.backend = Some(status),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// What is pending and acknowledged: its echo, or the word that it was refused, has got lost; or the leader went on
    /// without it, because its log had lost it after an acknowledgement. Attaching tells.
    pub(super) fn ask_after_missed(&mut self, now: Duration) {
        let missed = |commit: &Commit| {
            let outbox = self.outboxes.get(&commit.author());
            outbox.is_some_and(|outbox| commit.last_n().get() <= outbox.acknowledged)
        };
        if self.pending.commits().any(missed) && matches!(self.link, Link::Attached) {
            self.attach_again(now);
        }
    }

    /// The documents of `arrived` that count here.
    pub(super) fn take_documents(&self, arrived: Vec<Document>) -> Vec<Work> {
        let counts = |document: &Document| {
            document.key.concerns(self.config.id) && !self.documents.hides(&document.key)
        };
        arrived.into_iter().filter(counts).map(Work::Document).collect()
    }

    /// On a contradiction the log is right. What is pending under the taken id is not lost by that: it meets the leader,
    /// which puts it into quarantine, once the state is one that has the other event. Only if that state does not come,
    /// as this session has to fold the log itself, it goes.
    pub(super) fn take_side<T>(
        &mut self,
        now: Duration,
        merged: Result<T, MergeError>,
    ) -> Result<T, MergeError> {
        let Err(error) = merged else { return merged };
        if let MergeError::OtherContent { id } = &error
            && self.contradicted.replace(*id) == Some(*id)
        {
            let taken = |commit: &Commit| commit.events().iter().any(|event| event.id == *id);
            let stays = |commit: &Commit| (!taken(commit)).then(|| commit.clone());
            let gone = self.pending.move_to(self.pending.base(), stays);
            let reason: Arc<str> = error.to_string().into();
            self.settled.extend(gone.iter().map(|commit| Settled {
                last: commit.last_id(),
                outcome: Outcome::Refused { reason: reason.clone() },
            }));
        }
        self.state_lost(now);
        Err(error)
    }

    /// Notes what merges have taken out of pending.
    pub(super) fn settle(&mut self, now: Duration, merges: &[Merge], refused: &[Refused]) {
        for merge in merges {
            for commit in merge.arrived() {
                self.settle_one(now, commit, Outcome::Persisted);
                if merge.lane == Lane::Synced && self.confirmed.is_some() {
                    self.logged.awaits(commit);
                }
            }
            for commit in &merge.refused {
                self.settle_one(now, commit, refusal(commit, refused));
            }
        }
        self.forget_settled_authors();
        let placeable = |parked: &Commit| self.pending.last_n(parked.author()).is_none();
        if self.parked.iter().any(placeable) && matches!(self.link, Link::Attached) {
            self.attach_again(now);
        }
    }

    pub(super) fn settle_one(&mut self, now: Duration, commit: &Commit, outcome: Outcome) {
        if let Some(outbox) = self.outboxes.get_mut(&commit.author()) {
            outbox.acknowledge(now, commit.last_n().get(), &self.config.limits);
        }
        self.settled.push_back(Settled { last: commit.last_id(), outcome });
    }

    pub(super) fn forget_settled_authors(&mut self) {
        let (own, pending, parked) = (self.config.id, &self.pending, &self.parked);
        self.outboxes.retain(|author, _| {
            *author == own
                || pending.last_n(*author).is_some()
                || parked.iter().any(|commit| commit.author() == *author)
        });
    }
}

/// Why `commit` is not in the log, as far as the leader said.
pub(super) fn refusal(commit: &Commit, refused: &[Refused]) -> Outcome {
    let ids = |id: EventId| commit.events().iter().any(|event| event.id == id);
    // A part of it may have been refused under a name of its own.
    let known = refused.iter().find(|refused| ids(refused.id));
    let reason = known.map_or_else(
        || "the leader passed over it: its log has lost what came before".into(),
        |refused| refused.reason.clone(),
    );
    Outcome::Refused { reason }
}
