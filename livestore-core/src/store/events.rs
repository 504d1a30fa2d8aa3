//! Confirmed events as a stream, read from the leader's log page by page.
//!
//! A place in the log is a head: its hash says whether the log still goes through there. A log that was replaced since
//! (its backend was restored or reset) is an error, so that nobody takes the events of another log for a continuation.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{Stream, StreamExt, stream};
use livestore_sync::Head;

use super::{
    any::{AnyStore, Shared},
    questions::NotAnswered,
    rejections::ListedEvent,
};
use crate::link::{Ask, Said};

/// A confirmed event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedEvent {
    /// The place right after it: where to begin next time.
    pub head: Head,
    /// The event.
    pub event: ListedEvent,
}

/// Why a stream of events has ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventsError {
    /// The log does not go through the place where it was to begin or go on: the backend's log was replaced, or the place
    /// is of another client. The events are there from [`Head::ZERO`] on.
    #[error("the log does not go through {0} any more: begin anew")]
    Moved(Head),
    /// The leader does not answer.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
}

struct Reading {
    store: Arc<Shared>,
    after: Head,
    names: Vec<String>,
    /// What has come and was not taken yet.
    page: VecDeque<LoggedEvent>,
    /// The log has more that is confirmed.
    more: bool,
    /// How much was confirmed when it was last asked.
    confirmed: Option<u64>,
    ended: bool,
}

impl AnyStore {
    /// The confirmed events that follow a place in the log, and then those that are confirmed later, until the store is
    /// closed; with `names`, only those of these names. Without a backend nothing is confirmed, and none comes.
    ///
    /// [`Head::ZERO`] is the log's start. Whoever keeps the [`head`](LoggedEvent::head) of the last event it has dealt
    /// with (it is serde data) goes on from there, on the same client, also in another process. After an error the
    /// stream ends. It does not keep the store open.
    ///
    /// ```
    /// # use livestore_core::{AnyStore, EventsError, Head};
    /// use std::pin::pin;
    /// use futures_util::StreamExt;
    ///
    /// # async fn doc(store: AnyStore) -> Result<(), EventsError> {
    /// let mut events = pin!(store.events(Head::ZERO, &["v1.TodoCreated"]));
    /// while let Some(logged) = events.next().await {
    ///     let logged = logged?;
    ///     println!("{}: {}", logged.head.number, logged.event.args);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(
        &self,
        since: Head,
        names: &[&str],
    ) -> impl Stream<Item = Result<LoggedEvent, EventsError>> + use<> {
        let reading = Reading {
            store: Arc::clone(&self.0),
            after: since,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            page: VecDeque::new(),
            more: true,
            confirmed: None,
            ended: false,
        };
        stream::unfold(reading, |mut reading| async {
            let next = reading.next().await?;
            Some((next, reading))
        })
        .fuse()
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<LoggedEvent, EventsError>> {
        while !self.ended {
            if let Some(event) = self.page.pop_front() {
                return Some(Ok(event));
            }
            if let Err(error) = self.read().await {
                self.ended = true;
                // A stream that ends with its store has simply ended.
                let is_closed = error == EventsError::NotAnswered(NotAnswered::Closed);
                return (!is_closed).then_some(Err(error));
            }
        }
        None
    }

    /// Reads a page, once there is one.
    async fn read(&mut self) -> Result<(), EventsError> {
        if !self.more {
            let seen = self.confirmed;
            self.store
                .until(|status| status.confirmed.is_some() && status.confirmed != seen)
                .await?;
        }
        self.confirmed = self.store.status().confirmed;
        let ask = Ask::Events { after: self.after, names: self.names.clone() };
        let page = match self.store.ask(ask).await? {
            Said::Events(page) => page.ok_or(EventsError::Moved(self.after))?,
            _ => return Err(NotAnswered::NoLeader.into()),
        };
        let listed = |(head, event)| LoggedEvent { head, event: ListedEvent::of(&event) };
        self.page.extend(page.events.into_iter().map(listed));
        (self.after, self.more) = (page.end, page.more);
        Ok(())
    }
}
