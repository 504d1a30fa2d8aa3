//! What has no effect, for people to look at: commits in quarantine, and events that can't be applied.
//!
//! The quarantine is in the leader's log, so listing it is a question over the link, page by page; a page that does not
//! come is asked for again. Events that can't be applied are listed beside the session's own state, which is there.
//! Deliberately not here: taking anything out of the quarantine.

use std::{collections::BTreeMap, pin::pin, sync::Mutex, time::Duration};

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use livestore_sync::{Event, EventId};

use super::{
    any::{AnyStore, Shared, now},
    connection::locked,
    error::StoreError,
};
use crate::{
    link::{Answer, QuarantinePage, QuarantinedCommit, Question},
    platform::sleep,
};

/// How long to wait for a page before it is asked for again.
const AGAIN: Duration = Duration::from_secs(2);
/// And in all, before nobody seems to lead.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event as the log has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedEvent {
    /// Its id.
    pub id: EventId,
    /// Its name.
    pub name: String,
    /// Its arguments, as JSON.
    pub args: String,
}

impl ListedEvent {
    fn of(event: &Event) -> Self {
        let args = event.args.as_str().to_owned();
        Self { id: event.id, name: event.name.to_string(), args }
    }
}

/// A commit that the leader has refused: it is kept, without effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantined {
    /// Its events.
    pub events: Vec<ListedEvent>,
    /// Why it was refused.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// An event in the log that can't be applied: it stays there without effect, and is tried again when the state is
/// rebuilt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WithoutEffect {
    /// The event.
    pub event: ListedEvent,
    /// Why it can't be applied.
    pub reason: String,
}

/// Why the quarantine could not be listed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotListed {
    /// No leader has answered for ten seconds.
    #[error("no leader answers")]
    NoLeader,
    /// The leader can't read its log.
    #[error("the quarantine can't be read: {0}")]
    Log(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What was asked of the leader and is not answered yet.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    asked: u64,
    closed: bool,
    answers: BTreeMap<u64, oneshot::Sender<Result<QuarantinePage, String>>>,
}

impl Questions {
    /// Takes an answer.
    pub(super) fn hear(&self, answer: Answer) {
        let asker = locked(&self.0).answers.remove(&answer.number);
        if let Some(asker) = asker {
            // Who asked may have stopped waiting.
            let _ = asker.send(answer.page);
        }
    }

    /// Nobody is answered any more.
    pub(super) fn close(&self) {
        let mut waiting = locked(&self.0);
        waiting.closed = true;
        waiting.answers.clear();
    }

    fn ask(&self) -> Option<(u64, oneshot::Receiver<Result<QuarantinePage, String>>)> {
        let mut waiting = locked(&self.0);
        if waiting.closed {
            return None;
        }
        waiting.asked += 1;
        let number = waiting.asked;
        let (answer, answered) = oneshot::channel();
        waiting.answers.insert(number, answer);
        Some((number, answered))
    }

    fn forget(&self, number: u64) {
        locked(&self.0).answers.remove(&number);
    }
}

impl AnyStore {
    /// The commits in quarantine, oldest first: those of all sessions of this client that its leader has refused.
    ///
    /// # Errors
    /// [`NotListed`].
    pub async fn quarantine(&self) -> Result<Vec<Quarantined>, NotListed> {
        let mut commits = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.quarantine_page(after).await?;
            after = page.commits.last().map(|last| last.commit.id());
            commits.extend(page.commits);
            if !page.more || after.is_none() {
                break;
            }
        }
        commits.sort_by_key(|quarantined| (quarantined.at_ms, quarantined.commit.id()));
        let listed = |quarantined: QuarantinedCommit| Quarantined {
            events: quarantined.commit.events().iter().map(ListedEvent::of).collect(),
            reason: quarantined.reason,
            at_ms: quarantined.at_ms,
        };
        Ok(commits.into_iter().map(listed).collect())
    }

    /// The events in the log that this version of the app can't apply, in the order of the log; the first thousand.
    ///
    /// # Errors
    /// [`StoreError`] when the state can't be read, or when called from inside the store.
    pub fn without_effect(&self) -> Result<Vec<WithoutEffect>, StoreError> {
        let failed =
            self.0.enter()?.state.failed().map_err(|error| StoreError::State(error.to_string()))?;
        let listed = |(event, reason)| WithoutEffect { event: ListedEvent::of(&event), reason };
        Ok(failed.into_iter().map(listed).collect())
    }
}

impl Shared {
    async fn quarantine_page(&self, after: Option<EventId>) -> Result<QuarantinePage, NotListed> {
        let deadline = now() + PATIENCE;
        while now() < deadline {
            let (number, answered) = self.questions.ask().ok_or(NotListed::Closed)?;
            self.connection.ask(Question { from: self.session, number, after });
            match select(answered, pin!(sleep(AGAIN))).await {
                Either::Left((Ok(page), _)) => return page.map_err(NotListed::Log),
                Either::Left((Err(_), _)) => return Err(NotListed::Closed),
                Either::Right(_) => self.questions.forget(number),
            }
        }
        Err(NotListed::NoLeader)
    }
}
