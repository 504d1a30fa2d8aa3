//! Pulling: pages by number, from one event early.

use std::time::Duration;

use super::{Identity, Link, Upstream};
use crate::{
    backend::{Failure, Page, ToBackend},
    event::Event,
    leader::LeaderStorage,
};

/// What is being read of the backend.
#[derive(Clone, Debug)]
pub(super) enum Pull {
    /// To be asked for.
    Due { at: Duration },
    /// Being read.
    Reading { pull: u64, give_up: Duration },
    /// Read to its end; what comes later arrives by itself, or is asked for then.
    Current { pull: u64, again: Duration },
}

impl Pull {
    pub(super) fn is_current(&self) -> bool {
        matches!(self, Self::Current { .. })
    }

    pub(super) fn due(&self) -> Duration {
        match self {
            Self::Due { at: due }
            | Self::Reading { give_up: due, .. }
            | Self::Current { again: due, .. } => *due,
        }
    }

    fn is(&self, number: u64) -> bool {
        match self {
            Self::Due { .. } => false,
            Self::Reading { pull, .. } | Self::Current { pull, .. } => *pull == number,
        }
    }
}

impl Upstream {
    pub(super) fn is_current(&self) -> bool {
        matches!(&self.link, Link::Up { pull, .. } if pull.is_current())
    }

    fn is_pulling(&self, number: u64) -> bool {
        matches!(&self.link, Link::Up { pull, .. } if pull.is(number))
    }

    /// Asks anew then; what was being read is not waited for. There is something to learn.
    pub(super) fn pull_at(&mut self, at: Duration) {
        self.has_all = false;
        if let Link::Up { pull, .. } = &mut self.link {
            *pull = Pull::Due { at };
        }
    }

    pub(super) fn next_pull(&mut self, now: Duration) -> Option<ToBackend> {
        let Link::Up { pull: Pull::Due { at }, limits, .. } = &self.link else { return None };
        if *at > now || self.is_deciding() {
            return None;
        }
        let (after, backend, live) = match &self.identity {
            Identity::Compare(compare) => (compare.at().number, None, false),
            _ => (self.confirmed.number.saturating_sub(1), self.backend.clone(), limits.live),
        };
        if matches!(self.identity, Identity::Known) {
            self.identity = Identity::Anchor;
        }
        self.inbox.clear();
        self.received = self.confirmed.number;
        let number = self.next_number();
        if let Link::Up { pull, .. } = &mut self.link {
            *pull = Pull::Reading { pull: number, give_up: now + self.limits.answer };
        }
        Some(ToBackend::Pull { pull: number, after, backend, live })
    }

    pub(super) fn expire_pull(&mut self, now: Duration) {
        let Link::Up { pull, .. } = &mut self.link else { return };
        match *pull {
            Pull::Reading { give_up, .. } if give_up <= now => {
                let wait = self.retry.failed("the backend did not answer a pull");
                self.pull_at(now + wait);
            }
            // As far as anybody knows there is nothing to learn.
            Pull::Current { again, .. } if again <= now => *pull = Pull::Due { at: now },
            _ => {}
        }
    }

    pub(super) fn on_not_pulled(&mut self, now: Duration, number: u64, failure: &Failure) {
        if !self.is_pulling(number) {
            return;
        }
        match failure {
            Failure::Changed if !self.identity.is_comparing() => self.compare(now),
            failure => {
                let wait = self.retry.failed(&failure.to_string());
                self.pull_at(now + wait);
            }
        }
    }

    pub(super) fn on_page<S: LeaderStorage>(
        &mut self,
        now: Duration,
        number: u64,
        page: Page,
        storage: &S,
    ) -> Result<(), S::Error> {
        if !self.is_pulling(number) {
            return Ok(());
        }
        if self.identity.is_comparing() {
            let compared = self.on_compared_page(now, page, storage);
            if compared.is_err() {
                let wait = self.retry.failed("the log could not be read");
                self.pull_at(now + wait);
            }
            return compared;
        }
        if self.backend.as_ref().is_some_and(|known| *known != page.backend) {
            self.compare(now);
            return Ok(());
        }
        let ends = page.remaining == 0;
        if matches!(self.identity, Identity::Anchor) && !self.finds_anchor(&page) {
            self.compare(now);
            return Ok(());
        }
        self.identity = Identity::Known;
        if self.backend.is_none() {
            self.backend = Some(page.backend);
            self.name_is_new = true;
        }
        self.remaining = page.remaining;
        if self.take(page.after, page.events) {
            self.note_read(now, number, ends);
        } else {
            let wait = self.retry.failed("the backend left out events, or sent too many");
            self.pull_at(now + wait);
        }
        Ok(())
    }

    /// Whether the page begins with the event that is the last one confirmed.
    fn finds_anchor(&self, page: &Page) -> bool {
        match &self.anchor {
            None => true,
            Some(anchor) => {
                page.after + 1 == self.confirmed.number && page.events.first() == Some(anchor)
            }
        }
    }

    fn note_read(&mut self, now: Duration, number: u64, ends: bool) {
        let live = self.backend_limits().is_some_and(|limits| limits.live);
        self.has_all = ends;
        let Link::Up { pull, .. } = &mut self.link else { return };
        if ends {
            let again = now + if live { self.limits.refresh } else { self.limits.poll };
            *pull = Pull::Current { pull: number, again };
            if self.blame.is_none() && self.ahead_at != Some(self.received) {
                self.retry.succeeded();
            }
        } else if let Pull::Reading { give_up, .. } = pull {
            *give_up = now + self.limits.answer;
        }
    }

    /// Takes what is new of a page; false if something is missing before it, or there is no room for it.
    pub(super) fn take(&mut self, after: u64, events: Vec<Event>) -> bool {
        let Some(known) = self.received.checked_sub(after) else { return false };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if !self.has_room() && events.len() > known {
            return false;
        }
        let before = self.inbox.len();
        self.inbox.extend(events.into_iter().skip(known));
        self.received += (self.inbox.len() - before) as u64;
        true
    }
}
