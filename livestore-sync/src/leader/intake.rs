//! What sessions have pushed and the log does not have yet; every event of an author once.

use std::collections::{BTreeMap, VecDeque};

use super::{Leader, LeaderStorage};
use crate::{
    event::Commit,
    id::SessionId,
    limits::Limits,
    message::{Push, ToSession},
};

use std::num::NonZeroU64;

/// How far an author's events are.
#[derive(Clone, Copy, Debug)]
struct Author {
    /// In the log or in quarantine.
    last: u64,
    /// In the log, in quarantine, in the group being written, or waiting.
    accepted: u64,
}

/// The waiting commits, in the order the log will have.
#[derive(Clone, Debug, Default)]
pub(super) struct Intake {
    queue: VecDeque<Commit>,
    bytes: usize,
    authors: BTreeMap<SessionId, Author>,
}

impl Intake {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The last `n` of `author` in the log or in quarantine; read once, then kept.
    pub(super) fn last_n<S: LeaderStorage>(
        &mut self,
        author: SessionId,
        storage: &S,
    ) -> Result<u64, S::Error> {
        if let Some(known) = self.authors.get(&author) {
            return Ok(known.last);
        }
        let last = storage.last_n(author)?;
        self.authors.insert(author, Author { last, accepted: last });
        Ok(last)
    }

    fn accepted(&self, author: SessionId) -> u64 {
        self.authors.get(&author).map_or(0, |author| author.accepted)
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.queue.len() >= limits.queue_commits || self.bytes >= limits.queue_bytes
    }

    fn accept(&mut self, commit: Commit) {
        if let Some(author) = self.authors.get_mut(&commit.author()) {
            author.accepted = commit.last_n().get();
            self.bytes += commit.bytes();
            self.queue.push_back(commit);
        }
    }

    /// The first waiting commits, as many as one transaction may have.
    pub(super) fn next_group(&mut self, limits: &Limits) -> Vec<Commit> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(commit) = self.queue.front() {
            bytes += commit.bytes();
            let full = group.len() >= limits.group_commits || bytes > limits.group_bytes;
            if full && !group.is_empty() {
                break;
            }
            self.bytes -= commit.bytes();
            group.extend(self.queue.pop_front());
        }
        group
    }

    /// Takes a group back that could not be written.
    pub(super) fn put_back(&mut self, group: Vec<Commit>) {
        for commit in group.into_iter().rev() {
            self.bytes += commit.bytes();
            self.queue.push_front(commit);
        }
    }

    /// Notes that `commit` is in the log or in quarantine.
    pub(super) fn written(&mut self, commit: &Commit) {
        if let Some(author) = self.authors.get_mut(&commit.author()) {
            author.last = commit.last_n().get();
        }
    }

    /// Notes that the backend has `author`'s events up to `n`: they wait no more.
    pub(super) fn arrived(&mut self, author: SessionId, n: u64) {
        if let Some(known) = self.authors.get_mut(&author) {
            known.last = known.last.max(n);
            known.accepted = known.accepted.max(n);
        }
        let waiting = std::mem::take(&mut self.queue).into_iter();
        self.queue = waiting
            .filter_map(|commit| {
                let first = commit.first_n().get();
                let known =
                    if commit.author() == author { (n + 1).saturating_sub(first) } else { 0 };
                commit.without_first(usize::try_from(known).unwrap_or(usize::MAX))
            })
            .collect();
        self.bytes = self.queue.iter().map(Commit::bytes).sum();
    }

    pub(super) fn check_invariants(&self, group: &[Commit]) -> Result<(), String> {
        let bytes: usize = self.queue.iter().map(Commit::bytes).sum();
        if bytes != self.bytes {
            return Err(format!("{} bytes wait, the commits have {bytes}", self.bytes));
        }
        let mut reached: BTreeMap<SessionId, u64> =
            self.authors.iter().map(|(id, author)| (*id, author.last)).collect();
        for commit in group.iter().chain(&self.queue) {
            let before = reached.insert(commit.author(), commit.last_n().get());
            if before.is_none_or(|before| commit.first_n().get() <= before) {
                return Err(format!("commit {} waits after n = {before:?}", commit.id()));
            }
        }
        for (id, author) in &self.authors {
            if reached.get(id) != Some(&author.accepted) {
                return Err(format!(
                    "of {id} up to {} is accepted, waiting: {reached:?}",
                    author.accepted
                ));
            }
        }
        Ok(())
    }
}

impl Leader {
    /// Takes what follows the author's last accepted event, and answers what it had already or can't place.
    pub(super) fn on_push<S: LeaderStorage>(
        &mut self,
        push: Push,
        storage: &S,
    ) -> Result<(), S::Error> {
        let Push { from, author, acknowledged, commits, .. } = push;
        let fence = self.config.fence;
        let last = self.intake.last_n(author, storage)?;
        let mut repeats = false;
        for commit in commits {
            if commit.author() != author {
                break;
            }
            let (accepted, first) = (self.intake.accepted(author), commit.first_n().get());
            let known = usize::try_from((accepted + 1).saturating_sub(first)).unwrap_or(usize::MAX);
            let Some(commit) = commit.without_first(known) else {
                repeats |= first <= last;
                continue;
            };
            if self.intake.is_full(&self.config.limits) {
                break;
            }
            let follows = commit.first_n().get() == accepted + 1;
            // What the log has lost with the power was acknowledged before, and nobody sends it again.
            let lost = accepted < acknowledged && commit.first_n().get() == acknowledged + 1;
            if !(follows || lost) {
                let from_n = NonZeroU64::MIN.saturating_add(accepted);
                self.send(from, ToSession::Resend { fence, author, from: from_n });
                break;
            }
            self.intake.accept(commit);
        }
        if repeats {
            self.send(from, ToSession::Acked { fence, author, n: last });
        }
        Ok(())
    }
}
