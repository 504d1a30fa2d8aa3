//! What has no effect, for people to look at: commits in quarantine, and events that can't be applied.
//!
//! The quarantine is in the leader's log. Every session keeps a list of it: it asks for all of it, page by page, when it
//! has attached and whenever something may have changed there; a page that does not come is asked for again. So the list
//! is right soon after, and reading it never waits. Events that can't be applied are listed beside the session's own
//! state, which is there.

use std::{sync::Arc, time::Duration};

use livestore_sync::{Args, Event, EventId, ToSession};

use super::{
    any::{AnyStore, Shared},
    connection::locked,
    error::{CommitError, StoreError},
    persisted::Receipt,
    questions::{AGAIN, NotAnswered},
    receipt::NotPersisted,
};
use crate::{
    link::{Answer, Ask, QuarantinedCommit, Said},
    schema::{EncodedCommit, EncodedEvent, SchemaDef},
};

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
    pub(super) fn of(event: &Event) -> Self {
        let args = event.args.as_str().to_owned();
        Self { id: event.id, name: event.name.to_string(), args }
    }
}

/// A commit that the leader or the backend has refused: it is kept in quarantine, without effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Its name: the id of its first event.
    pub id: EventId,
    /// Its events.
    pub events: Vec<ListedEvent>,
    /// Why it was refused.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Rejection {
    fn of(quarantined: QuarantinedCommit) -> Self {
        let QuarantinedCommit { commit, reason, at_ms } = quarantined;
        let events = commit.events().iter().map(ListedEvent::of).collect();
        Self { id: commit.id(), events, reason, at_ms }
    }
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

/// Why a rejected commit was not committed again, or is still listed though it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotRetried {
    /// It is being committed again already.
    #[error("the commit is being retried already")]
    UnderWay,
    /// It is no longer in quarantine.
    #[error("the commit is no longer in quarantine")]
    Gone,
    /// This version of the app does not know one of its events.
    #[error("this version of the app knows no event `{0}`")]
    UnknownEvent(String),
    /// It still can't be applied.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It was committed again, and the store was closed before that was persisted.
    #[error("it was committed again, but not persisted: {0}")]
    NotPersisted(NotPersisted),
    /// It was committed again, and is still in quarantine, too.
    #[error("it was committed again, but is still in quarantine: {0}")]
    NotDismissed(NotAnswered),
}

/// The list of the quarantine that is on its way.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// It may be another one now.
    wanted: bool,
    asked: Option<Asked>,
    found: Vec<QuarantinedCommit>,
}

#[derive(Debug)]
struct Asked {
    number: u64,
    at: Duration,
}

impl Listing {
    /// From now on the list has to be asked for.
    fn want(&mut self) {
        self.wanted = true;
    }

    /// What to ask now, under this number, if anything: the page after the one that has come last.
    fn ask(&mut self, now: Duration, number: impl FnOnce() -> Option<u64>) -> Option<(u64, Ask)> {
        match &self.asked {
            Some(asked) if now < asked.at + AGAIN => return None,
            None if !self.wanted => return None,
            Some(_) => {}
            None => {
                self.wanted = false;
                self.found.clear();
            }
        }
        let after = self.found.last().map(|last| last.commit.id());
        let number = number()?;
        self.asked = Some(Asked { number, at: now });
        Some((number, Ask::Quarantine { after }))
    }

    /// Takes an answer; the whole list if that was its last page.
    fn hear(&mut self, answer: Answer) -> Option<Vec<Rejection>> {
        self.asked = None;
        match answer.said {
            Ok(Said::Quarantine(page)) => {
                let more = page.more && !page.commits.is_empty();
                self.found.extend(page.commits);
                if more {
                    // Due at once.
                    self.asked = Some(Asked { number: 0, at: Duration::ZERO });
                    return None;
                }
                Some(oldest_first(std::mem::take(&mut self.found)))
            }
            Ok(_) => None,
            Err(reason) => {
                tracing::warn!(reason, "the quarantine can't be listed");
                None
            }
        }
    }
}

fn oldest_first(mut quarantined: Vec<QuarantinedCommit>) -> Vec<Rejection> {
    quarantined.sort_by_key(|quarantined| (quarantined.at_ms, quarantined.commit.id()));
    quarantined.into_iter().map(Rejection::of).collect()
}

impl AnyStore {
    /// The commits in quarantine, oldest first: those of all sessions of this client that its leader or the backend has
    /// refused. [`on_status`](Self::on_status) tells when the list changes; right after a receipt has told of a refusal
    /// it may still be on its way.
    ///
    /// ```
    /// # use livestore_core::AnyStore;
    /// # async fn doc(store: AnyStore) {
    /// for rejection in store.rejections().iter() {
    ///     println!("{}: {}", rejection.events[0].name, rejection.reason);
    ///     // Tries it again as a new commit; `store.dismiss(rejection)` would drop it.
    ///     if let Err(error) = store.retry(rejection).await {
    ///         println!("it stays there: {error}");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn rejections(&self) -> Arc<[Rejection]> {
        self.0.status().rejections
    }

    /// The same list, asked of the leader now: for a process that opens a store, looks, and closes it, when
    /// [`rejections`](Self::rejections) may still be on its way.
    ///
    /// # Errors
    /// [`NotAnswered`].
    pub async fn rejections_now(&self) -> Result<Vec<Rejection>, NotAnswered> {
        let mut found: Vec<QuarantinedCommit> = Vec::new();
        loop {
            let after = found.last().map(|last| last.commit.id());
            let Said::Quarantine(page) = self.0.ask(Ask::Quarantine { after }).await? else {
                return Err(NotAnswered::NoLeader);
            };
            let more = page.more && !page.commits.is_empty();
            found.extend(page.commits);
            if !more {
                return Ok(oldest_first(found));
            }
        }
    }

    /// Commits the events of a rejected commit again, as a new commit with new ids, and takes the old one out of the
    /// quarantine once the new one is persisted. What becomes of the new one its receipt tells.
    ///
    /// # Errors
    /// [`NotRetried`].
    pub async fn retry(&self, rejection: &Rejection) -> Result<Receipt, NotRetried> {
        let _retry = Retry::begin(&self.0, rejection.id).ok_or(NotRetried::UnderWay)?;
        if !self.rejections().iter().any(|listed| listed.id == rejection.id) {
            return Err(NotRetried::Gone);
        }
        let schema = self.0.enter().map_err(CommitError::from)?.state.schema();
        let receipt = self.commit(encode(schema, &rejection.events)?)?;
        match receipt.persisted().await {
            // Refused anew, it is in quarantine under its new name.
            Ok(()) | Err(NotPersisted::Refused(_)) => {}
            Err(error @ NotPersisted::Closed) => return Err(NotRetried::NotPersisted(error)),
        }
        self.dismiss(rejection).await.map_err(NotRetried::NotDismissed)?;
        Ok(receipt)
    }

    /// Takes a commit out of the quarantine for good. One that is not there is no error.
    ///
    /// # Errors
    /// [`NotAnswered`]: it is still there, or that is not known.
    pub async fn dismiss(&self, rejection: &Rejection) -> Result<(), NotAnswered> {
        self.0.ask(Ask::Dismiss { commit: rejection.id }).await?;
        self.0.update_status(|status| {
            let left = status.rejections.iter().filter(|listed| listed.id != rejection.id);
            status.rejections = left.cloned().collect();
        });
        self.0.settle();
        Ok(())
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

/// A rejected commit that is being committed again: a second click must not commit it twice.
struct Retry<'a> {
    store: &'a Shared,
    id: EventId,
}

impl<'a> Retry<'a> {
    /// None if it is under way.
    fn begin(store: &'a Shared, id: EventId) -> Option<Self> {
        let is_new = locked(&store.retried).insert(id);
        is_new.then(|| Self { store, id })
    }
}

impl Drop for Retry<'_> {
    fn drop(&mut self) {
        locked(&self.store.retried).remove(&self.id);
    }
}

/// The same events for a new commit.
fn encode(schema: &SchemaDef, events: &[ListedEvent]) -> Result<EncodedCommit, NotRetried> {
    let mut commit = EncodedCommit::default();
    for event in events {
        let unknown = || NotRetried::UnknownEvent(event.name.clone());
        let def = schema.event(&event.name).ok_or_else(unknown)?;
        let args = Args::try_from(event.args.clone())
            .map_err(|error| CommitError::State(error.to_string()))?;
        let encoded = EncodedEvent { name: def.name, lane: def.lane, args };
        commit.push(encoded).map_err(CommitError::from)?;
    }
    Ok(commit)
}

impl Shared {
    /// Notes that the quarantine may be another one.
    pub(super) fn want_rejections(&self) {
        locked(&self.listing).want();
    }

    /// Notes it if a leader's message says so: there may be news, or this session has missed some.
    pub(super) fn look_for_rejections(&self, message: &ToSession) {
        let changes = match message {
            ToSession::Attached(attached) => !attached.more,
            ToSession::Advance { refused, .. } | ToSession::Rebase { refused, .. } => {
                !refused.is_empty()
            }
            _ => false,
        };
        if changes {
            self.want_rejections();
        }
    }

    /// Asks for what is missing of the list.
    pub(super) fn ask_for_rejections(&self, now: Duration) {
        let question = locked(&self.listing).ask(now, || self.questions.number());
        if let Some((number, ask)) = question {
            self.put(number, ask);
        }
    }

    /// Takes an answer, if it is about the list.
    pub(super) fn hear_answer(&self, answer: Answer) {
        let mut listing = locked(&self.listing);
        if listing.asked.as_ref().is_none_or(|asked| asked.number != answer.number) {
            drop(listing);
            return self.questions.hear(answer);
        }
        let list = listing.hear(answer);
        drop(listing);
        match list {
            Some(list) => {
                self.update_status(|status| status.rejections = list.into());
                self.settle();
            }
            // The next page is due.
            None => self.ask_for_rejections(super::any::now()),
        }
    }
}
