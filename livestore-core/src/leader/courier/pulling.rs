//! One pull: its pages, judged before the machine sees them.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::LocalBoxStream};
use livestore_sync::{Page, wire};

use super::translate::page;
use crate::backend::BackendError;

/// What a pull brought.
#[derive(Debug)]
pub(super) enum Pulled {
    /// Events.
    Page(Page),
    /// It has ended as it should.
    Done,
    /// It has failed.
    Failed(BackendError),
    /// The backend does not answer this client.
    Refused(Arc<str>),
}

/// A pull under way.
pub(super) struct Pulling {
    number: u64,
    /// The number of the last event that has come.
    after: u64,
    live: bool,
    /// The backlog has been read to its end.
    is_current: bool,
    pages: LocalBoxStream<'static, Result<wire::Page, BackendError>>,
}

impl Pulling {
    pub(super) fn new(
        number: u64,
        after: u64,
        live: bool,
        pages: LocalBoxStream<'static, Result<wire::Page, BackendError>>,
    ) -> Self {
        Self { number, after, live, is_current: false, pages }
    }

    /// What the machine calls it.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pulled> {
        self.pages.poll_next_unpin(cx).map(|next| match next {
            Some(Ok(came)) => match page(came, self.after) {
                Ok(page) => {
                    self.after = self.after.max(page.after + page.events.len() as u64);
                    self.is_current = page.remaining == 0;
                    Pulled::Page(page)
                }
                Err(reason) => Pulled::Failed(BackendError::Lost(reason.into())),
            },
            Some(Err(BackendError::Refused(reason))) => Pulled::Refused(reason),
            Some(Err(error)) => Pulled::Failed(error),
            None if self.is_current && !self.live => Pulled::Done,
            None => Pulled::Failed(BackendError::Lost("the backend has ended the pull".into())),
        })
    }
}
