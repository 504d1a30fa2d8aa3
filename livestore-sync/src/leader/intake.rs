//! What sessions have pushed and the log does not have yet; every event of an author once.
//!
//! What an author has pushed to this log, its last `n` says. What a backend brings under the author's name may be the
//! author's (this log has lost it), or anybody's: it is believed event by event, and only as far as its content is what
//! the author pushes. A commit that meets another event under its own name goes to quarantine.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU64,
    sync::Arc,
};

use super::{Leader, LeaderStorage};
use crate::{
    event::{Commit, Lane},
    head::ChainHash,
    id::{EventId, SessionId},
    limits::Limits,
    message::{Push, ToSession},
};

/// How far an author's events are.
#[derive(Clone, Debug)]
struct Author {
    /// In the log or in quarantine.
    last: u64,
    /// In the log, in quarantine, in the group being written, or waiting.
    accepted: u64,
    /// What the backend has brought under its name after `last`; none when that has to be read again.
    arrived: Option<BTreeMap<NonZeroU64, ChainHash>>,
}

impl Author {
    fn there(&self, id: EventId) -> Option<ChainHash> {
        self.arrived.as_ref()?.get(&id.n).copied()
    }
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
        let known = self.authors.get(&author);
        if let Some(Author { last, arrived: Some(_), .. }) = known {
            return Ok(*last);
        }
        let (last, accepted) = match known {
            Some(known) => (known.last, known.accepted),
            None => storage.last_n(author).map(|last| (last, last))?,
        };
        let arrived = storage.arrived(author, last)?.into_iter();
        let numbered = arrived.filter_map(|(n, print)| Some((NonZeroU64::new(n)?, print)));
        let arrived = Some(numbered.collect());
        self.authors.insert(author, Author { last, accepted, arrived });
        Ok(last)
    }

    /// What the backend has brought under `author`'s name, of which no session has said that it is so.
    pub(super) fn arrived_of(
        &self,
        author: SessionId,
    ) -> impl Iterator<Item = (NonZeroU64, ChainHash)> + '_ {
        let arrived = self.authors.get(&author).and_then(|author| author.arrived.as_ref());
        arrived.into_iter().flatten().map(|(n, fingerprint)| (*n, *fingerprint))
    }

    /// How many of the commit's events, from the first on, the backend has brought as they are.
    fn brought(&self, commit: &Commit) -> usize {
        let Some(author) = self.authors.get(&commit.author()) else { return 0 };
        let there = |event: &&crate::Event| author.there(event.id) == Some(event.fingerprint());
        commit.events().iter().take_while(there).count()
    }

    /// Those of a group that the log must not have: it has other events under their names.
    pub(super) fn contradicted(&self, group: &[Commit]) -> Vec<(Commit, Arc<str>)> {
        // A client-only event and what a backend brings never meet.
        let synced = group.iter().filter(|commit| commit.lane() == Lane::Synced);
        let taken = |commit: &&Commit| {
            let author = self.authors.get(&commit.author());
            let there = |event: &crate::Event| author.is_some_and(|a| a.there(event.id).is_some());
            commit.events().iter().any(there)
        };
        let reason: Arc<str> = "the backend has another event under its name".into();
        synced.filter(taken).map(|commit| (commit.clone(), Arc::clone(&reason))).collect()
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
            if let Some(arrived) = &mut author.arrived {
                arrived.retain(|n, _| *n > commit.last_n());
            }
        }
    }

    /// Notes that the log has an event that the backend has brought. What waits and is the same waits no more.
    pub(super) fn arrived(&mut self, id: EventId, fingerprint: ChainHash) {
        let Some(author) = self.authors.get_mut(&id.session) else { return };
        if id.n.get() <= author.last {
            return;
        }
        if let Some(arrived) = &mut author.arrived {
            arrived.insert(id.n, fingerprint);
        }
        let waits = |commit: &Commit| commit.events().iter().any(|event| event.id == id);
        let Some(at) = self.queue.iter().position(waits) else { return };
        let brought = self.brought(&self.queue[at]);
        match self.queue[at].without_first(brought) {
            Some(left) => self.queue[at] = left,
            None => drop(self.queue.remove(at)),
        }
        self.bytes = self.queue.iter().map(Commit::bytes).sum();
        let mut waiting = self.queue.iter().rev().filter(|commit| commit.author() == id.session);
        let newest = waiting.next().map(|commit| commit.last_n().get());
        if let Some(author) = self.authors.get_mut(&id.session) {
            author.accepted = newest.unwrap_or(author.last);
        }
    }

    /// The log may have lost what the backend had brought: that is read again.
    pub(super) fn forget_arrived(&mut self) {
        self.authors.values_mut().for_each(|author| author.arrived = None);
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
            let Some(commit) = commit.without_first(self.intake.brought(&commit)) else {
                // The session has missed that it came.
                self.reattach(from);
                return Ok(());
            };
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
