//! What a session sends, and when.

use std::{num::NonZeroU64, ops::Range, time::Duration};

use super::{Link, Outbox, Session};
use crate::{
    event::Commit,
    id::SessionId,
    message::{Attach, Push, ToLeader},
};

impl Session {
    /// The next message for the leader. Poll until `None`: after every [`Session::receive`], [`Session::commit`],
    /// [`Session::adopt`], [`Session::set_document`] and [`Session::state_lost`], and when [`Session::poll_timeout`]
    /// is reached.
    #[must_use]
    pub fn poll_send(&mut self, now: Duration) -> Option<ToLeader> {
        self.expire_loading(now);
        if let Some(message) = self.control.pop_front() {
            return Some(message);
        }
        match self.link {
            Link::Attaching { .. } => self.next_attach(now),
            Link::Loading(_) => None,
            Link::Attached => {
                let message = self.next_push(now).or_else(|| self.next_document(now));
                message.or_else(|| self.next_ping(now))
            }
        }
    }

    /// When to poll again though nothing has happened.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.link {
            Link::Attaching { due, .. } => Some(*due),
            Link::Loading(loading) => Some(loading.due),
            Link::Attached => {
                let pushes = self.outboxes.values().filter_map(Outbox::due);
                pushes.chain(self.documents_due).chain([self.ping_due]).min()
            }
        }
    }

    /// Says good-bye; to be sent as the session's last message.
    pub fn leave(&self) -> ToLeader {
        ToLeader::Leave { from: self.config.id }
    }

    fn next_attach(&mut self, now: Duration) -> Option<ToLeader> {
        let Link::Attaching { attempt, due, wait } = &mut self.link else { return None };
        if *due > now {
            return None;
        }
        let attempt = *attempt;
        *due = now + *wait;
        *wait = (*wait * 2).min(self.config.limits.resend_max);
        self.unanswered_since.get_or_insert(now);
        Some(ToLeader::Attach(Attach {
            from: self.config.id,
            protocol: self.config.protocol,
            schema: self.config.schema,
            attempt,
            at: self.sound.then(|| self.upstream()),
            authors: self.authors(),
        }))
    }

    /// Whose commits the session holds, and from which `n` on.
    fn authors(&self) -> Vec<(SessionId, NonZeroU64)> {
        let mut authors: Vec<(SessionId, NonZeroU64)> = Vec::new();
        let awaited = self.logged.awaited().map(|awaited| &awaited.commit);
        for commit in awaited.chain(self.pending.commits()).chain(&self.parked) {
            match authors.iter_mut().find(|(author, _)| *author == commit.author()) {
                Some((_, from)) => *from = commit.first_n().min(*from),
                None => authors.push((commit.author(), commit.first_n())),
            }
        }
        authors
    }

    /// What is pending first goes first. Commits that stand behind those of another author were made on top of them, as
    /// when a reloaded page goes on where its last opening ended; so they wait until the leader has those.
    fn next_push(&mut self, now: Duration) -> Option<ToLeader> {
        for outbox in self.outboxes.values_mut() {
            outbox.expire(now, &self.config.limits);
        }
        let mut stretch = self.pending.stretch(0);
        while let Some(first) = self.pending.get(stretch.start) {
            let (author, n) = (first.author(), first.first_n());
            if let Some(push) = self.push_of(now, author, stretch.clone()) {
                return Some(push);
            }
            if self.outboxes.get(&author).is_some_and(|outbox| outbox.is_under_way(n)) {
                return None;
            }
            stretch = self.pending.stretch(stretch.end);
        }
        None
    }

    /// The next of these pending commits, which are all `author`'s.
    fn push_of(
        &mut self,
        now: Duration,
        author: SessionId,
        stretch: Range<usize>,
    ) -> Option<ToLeader> {
        let limits = &self.config.limits;
        let outbox = self.outboxes.get_mut(&author)?;
        let sent = outbox.sent;
        if sent >= outbox.acknowledged.saturating_add(limits.in_flight_events) {
            // Without a look at what is pending: behind a silent leader that grows with every commit.
            return None;
        }
        // An author's commits ascend, so what is not sent yet is at the end.
        let newest = self.pending.commits().take(stretch.end).skip(stretch.start).rev();
        let unsent: Vec<&Commit> =
            newest.take_while(|commit| commit.first_n().get() > sent).collect();
        let mut unsent = unsent.into_iter().rev();
        let first = unsent.next()?;
        if !outbox.passes_to(first.first_n()) {
            return None;
        }
        let window = outbox.acknowledged.saturating_add(limits.in_flight_events);
        let mut bytes = 0;
        let mut commits: Vec<Commit> = Vec::new();
        for commit in std::iter::once(first).chain(unsent) {
            bytes += commit.bytes();
            let full = commits.len() == limits.push_commits || bytes > limits.push_bytes;
            let before = commits.last().map(|before| before.last_n().get() + 1);
            let gap = before.is_some_and(|next| next != commit.first_n().get());
            let beyond = commit.first_n().get() > window;
            if beyond || gap || (full && !commits.is_empty()) {
                break;
            }
            commits.push(commit.clone());
        }
        outbox.note_sent(now, commits.last()?.last_n().get());
        self.unanswered_since.get_or_insert(now);
        Some(ToLeader::Push(Push {
            from: self.config.id,
            author,
            fence: self.fence,
            parent: self.pending.base(),
            acknowledged: outbox.acknowledged,
            commits,
        }))
    }

    fn next_document(&mut self, now: Duration) -> Option<ToLeader> {
        if self.documents_due.is_some_and(|due| due <= now) {
            self.documents.resend_all();
        }
        let next = self.documents.next_to_send();
        let resend = now + self.config.limits.resend;
        let Some((document, version)) = next else {
            if self.documents.is_empty() {
                self.documents_due = None;
            }
            return None;
        };
        self.documents_due = Some(resend);
        self.unanswered_since.get_or_insert(now);
        Some(ToLeader::SetDocument { from: self.config.id, fence: self.fence, document, version })
    }

    fn next_ping(&mut self, now: Duration) -> Option<ToLeader> {
        if self.ping_due > now {
            return None;
        }
        self.ping_due = now + self.config.limits.ping;
        self.unanswered_since.get_or_insert(now);
        Some(ToLeader::Ping { from: self.config.id, fence: self.fence })
    }
}
