//! Whether this is still the backend that confirmed the log, and what to do if it is not.

use std::{collections::VecDeque, time::Duration};

use super::{Link, Upstream};
use crate::{
    backend::{BackendId, OnBackendChanged, Page},
    event::{Commit, Event, Lane},
    head::Head,
    leader::LeaderStorage,
};

/// What is known of the backend's identity.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// The next page has to begin with the last confirmed event.
    Anchor,
    /// It did.
    Known,
    /// It did not: the backend's log is compared from its start.
    Compare(Compare),
}

impl Identity {
    pub(super) fn is_comparing(&self) -> bool {
        matches!(self, Self::Compare(_))
    }
}

/// A comparison of two logs.
#[derive(Clone, Debug, Default)]
pub(super) struct Compare {
    /// Up to here they are equal.
    at: Head,
    /// The last end of one of our commits up to there, and the event that stands there: the log is only cut between
    /// commits.
    whole: (Head, Option<Event>),
    /// The next events of our own log, as far as they were read, and whether each ends its commit.
    ours: VecDeque<(Event, bool)>,
}

impl Compare {
    pub(super) fn at(&self) -> Head {
        self.at
    }
}

/// What the app's policy has decided, to be executed.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    /// Reset or keep.
    pub(super) keep: bool,
    /// Up to here the backend has the log.
    pub(super) at: Head,
    /// What the log has after that as confirmed.
    pub(super) lost: Vec<Commit>,
    /// The backend's last event there.
    pub(super) anchor: Option<Event>,
    /// The backend's name.
    pub(super) backend: BackendId,
}

impl Upstream {
    /// Compares the logs from the start, from the next pull on.
    pub(super) fn compare(&mut self, now: Duration) {
        self.identity = Identity::Compare(Compare::default());
        self.pull_at(now);
    }

    pub(super) fn on_compared_page<S: LeaderStorage>(
        &mut self,
        now: Duration,
        page: Page,
        storage: &S,
    ) -> Result<(), S::Error> {
        const CHUNK_BYTES: usize = 1 << 20;
        let Identity::Compare(compare) = &mut self.identity else { return Ok(()) };
        let Some(known) = compare.at.number.checked_sub(page.after) else {
            let wait = self.retry.failed("the backend left out events");
            self.pull_at(now + wait);
            return Ok(());
        };
        let mut differs = false;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        for event in page.events.into_iter().skip(known) {
            if compare.at.number == self.confirmed.number {
                break;
            }
            if compare.ours.is_empty() {
                let commits = storage.tail(Lane::Synced, compare.at, CHUNK_BYTES)?;
                let ends = |commit: &Commit, event: &Event| commit.last_id() == event.id;
                compare.ours.extend(commits.iter().flat_map(|commit| {
                    commit.events().iter().map(|event| (event.clone(), ends(commit, event)))
                }));
            }
            let Some((_, ends)) = compare.ours.pop_front_if(|(ours, _)| *ours == event) else {
                differs = true;
                break;
            };
            compare.at = compare.at.then(&event);
            if ends {
                compare.whole = (compare.at, Some(event));
            }
        }
        let (at, whole) = (compare.at, compare.whole.clone());
        if at.number == self.confirmed.number {
            // The same log under another name, or a page that was not what it seemed.
            self.name_is_new |= self.backend.as_ref() != Some(&page.backend);
            self.backend = Some(page.backend);
            self.identity = Identity::Anchor;
            let wait = self.retry.failed("the backend has another name and the same log");
            self.pull_at(now + wait);
        } else if differs || page.remaining == 0 {
            return self.changed(whole, page.backend, storage);
        } else {
            self.wait_for_more(now);
        }
        Ok(())
    }

    fn wait_for_more(&mut self, now: Duration) {
        let due = now + self.limits.answer;
        if let Link::Up { pull: super::pull::Pull::Reading { give_up, .. }, .. } = &mut self.link {
            *give_up = due;
        }
    }

    fn changed<S: LeaderStorage>(
        &mut self,
        (at, anchor): (Head, Option<Event>),
        backend: BackendId,
        storage: &S,
    ) -> Result<(), S::Error> {
        let keep = match self.on_changed {
            OnBackendChanged::Fail => {
                self.disconnect(Duration::ZERO);
                self.hangs_up = true;
                self.link = Link::Stopped;
                self.retry.failed("the backend has lost what it had confirmed");
                return Ok(());
            }
            OnBackendChanged::Reset => false,
            OnBackendChanged::Keep => true,
        };
        let rest = storage.tail(Lane::Synced, at, usize::MAX)?;
        let mut number = at.number;
        let confirmed = |commit: &Commit| {
            number += commit.events().len() as u64;
            number <= self.confirmed.number
        };
        let lost = rest.into_iter().take_while(confirmed).collect();
        self.decision = Some(Decision { keep, at, lost, anchor, backend });
        Ok(())
    }
}
