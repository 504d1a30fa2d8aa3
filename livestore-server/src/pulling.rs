//! One pull: where it stands, and its next frame.
//!
//! A pull is a place in the log and nothing else: no queue. Whoever reads slowly is behind, and costs no memory. A client
//! that acknowledges its pages has no more than a few on their way, so that it need not hold a backlog either.

use livestore_sync::{
    StoreId,
    wire::{Cursor, Exit, Failure, Remaining, RequestId, ServerFrame, encode_chunk},
};

use crate::{log::PageSize, server::Shared};

/// Pages on their way to a client that says when it has them.
const UNACKNOWLEDGED: usize = 32;

/// A pull under way.
#[derive(Debug)]
pub(crate) struct Pulling {
    pub(crate) id: RequestId,
    store: StoreId,
    live: bool,
    after: u64,
    /// A pull answers with at least one page, even if that is empty.
    answered: bool,
    caught_up: bool,
    /// Pages that the client has not acknowledged. Nobody counts those of a client that need not.
    unacknowledged: Option<usize>,
}

/// What a pull has to say.
#[derive(Debug)]
pub(crate) enum Step {
    /// This, and perhaps more.
    Frame(String),
    /// This, and then nothing.
    Last(String),
    /// Nothing until the log grows.
    Wait,
}

impl Pulling {
    pub(crate) async fn start(
        shared: &Shared,
        id: RequestId,
        store: StoreId,
        live: bool,
        cursor: Option<Cursor>,
    ) -> Result<Self, Failure> {
        let after = match cursor {
            None => 0,
            Some(Cursor { backend: received, number }) => {
                let expected = shared.head(&store).await?.backend;
                if expected != received {
                    return Err(Failure::BackendIdMismatch { expected, received });
                }
                number
            }
        };
        let unacknowledged = None;
        Ok(Self { id, store, live, after, answered: false, caught_up: false, unacknowledged })
    }

    /// Waits for the client, which acknowledges each page.
    pub(crate) fn with_acknowledgements(mut self) -> Self {
        self.unacknowledged = Some(0);
        self
    }

    /// The client has a page.
    pub(crate) fn acknowledge(&mut self) {
        self.unacknowledged = self.unacknowledged.map(|count| count.saturating_sub(1));
    }

    /// The log may have grown.
    pub(crate) fn wake(&mut self) {
        self.caught_up = false;
    }

    /// Whether it would wait: for the log, or for the client. One that is not live has an end to tell.
    pub(crate) fn waits(&self) -> bool {
        if self.caught_up { self.live } else { self.is_full() }
    }

    fn is_full(&self) -> bool {
        self.unacknowledged.is_some_and(|count| count >= UNACKNOWLEDGED)
    }

    pub(crate) async fn next(&mut self, shared: &Shared, size: PageSize) -> Step {
        if self.caught_up {
            return match self.live {
                true => Step::Wait,
                false => Step::Last(self.exit(Exit::PullDone)),
            };
        }
        if self.is_full() {
            return Step::Wait;
        }
        let page = match shared.log.read(&self.store, self.after, size).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(store = %self.store, %error, "the log can't be read");
                return Step::Last(
                    self.exit(Exit::Failed(Failure::Unknown(error.to_string().into()))),
                );
            }
        };
        if let Some(last) = page.items.last() {
            self.after = last.number;
        }
        let remaining = page.head.number.saturating_sub(self.after);
        self.caught_up = remaining == 0;
        if page.items.is_empty() && self.answered {
            return match self.live {
                true => Step::Wait,
                false => Step::Last(self.exit(Exit::PullDone)),
            };
        }
        self.answered = true;
        self.unacknowledged = self.unacknowledged.map(|count| count + 1);
        shared.metrics.events_out.inc_by(page.items.len() as u64);
        let items = page.items.iter().map(|item| item.json.as_ref());
        Step::Frame(encode_chunk(&self.id, items, Remaining::Known(remaining), &page.head.backend))
    }

    /// Ends it, wherever it is.
    pub(crate) fn end(&self) -> String {
        self.exit(Exit::PullDone)
    }

    fn exit(&self, exit: Exit) -> String {
        ServerFrame::Exit { id: self.id.clone(), exit }.encode()
    }
}
