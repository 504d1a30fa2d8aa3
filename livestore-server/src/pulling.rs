//! One pull: where it stands, and its next frame.
//!
//! A pull is a place in the log and nothing else: no queue. Whoever reads slowly is behind, and costs no memory.

use livestore_sync::{
    StoreId,
    wire::{Cursor, Exit, Failure, Remaining, RequestId, ServerFrame, WireLimits, encode_chunk},
};

use crate::{log::PageSize, server::Shared};

/// Bytes around the events of a page.
const ENVELOPE_BYTES: usize = 2_000;

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
        Ok(Self { id, store, live, after, answered: false, caught_up: false })
    }

    /// The log may have grown.
    pub(crate) fn wake(&mut self) {
        self.caught_up = false;
    }

    /// Whether it would wait; one that is not live has an end to tell.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.live && self.caught_up
    }

    pub(crate) async fn next(&mut self, shared: &Shared, limits: WireLimits) -> Step {
        if self.caught_up {
            return match self.live {
                true => Step::Wait,
                false => Step::Last(self.exit(Exit::PullDone)),
            };
        }
        let size = PageSize {
            events: limits.batch_events,
            bytes: limits.frame_bytes.saturating_sub(ENVELOPE_BYTES),
        };
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
