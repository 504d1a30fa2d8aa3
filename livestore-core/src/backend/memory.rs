//! A backend in memory, for tests of apps and of what stands on [`Backend`]: same rules, no network.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_channel::mpsc;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream::LocalBoxStream};
use livestore_sync::{
    Args,
    wire::{BATCH_EVENTS, EVENT_BYTES, FRAME_BYTES, WireLimits},
};

use super::{
    Backend, BackendError, ConfirmedEvent, ConnectError, Connection, ConnectionLimits, Cursor,
    Page, PushBatch, Remaining,
};
use crate::new_id;

/// A backend for one store, in this process. Clones are the same backend.
#[derive(Clone)]
pub struct MemoryBackend(Arc<Mutex<Inner>>);

struct Inner {
    id: Arc<str>,
    log: Vec<ConfirmedEvent>,
    offline: bool,
    /// Steps when the backend goes offline: connections of before are gone.
    era: u64,
    live: Vec<mpsc::UnboundedSender<Result<Page, BackendError>>>,
}

#[derive(Debug)]
struct MemoryConnection {
    backend: MemoryBackend,
    era: u64,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBackend {
    /// An empty one.
    pub fn new() -> Self {
        let (log, live) = (Vec::new(), Vec::new());
        let id = new_id().into();
        Self(Arc::new(Mutex::new(Inner { id, log, offline: false, era: 0, live })))
    }

    /// Cuts all connections, and refuses new ones.
    pub fn go_offline(&self) {
        let mut inner = self.inner();
        inner.offline = true;
        inner.era += 1;
        for live in inner.live.drain(..) {
            // Whoever pulled may be gone.
            let _ = live.unbounded_send(Err(lost()));
        }
    }

    /// Takes connections again.
    pub fn go_online(&self) {
        self.inner().offline = false;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost() -> BackendError {
    BackendError::Lost("the backend is offline".into())
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        f.debug_struct("MemoryBackend").field("id", &inner.id).field("head", &inner.head()).finish()
    }
}

impl Backend for MemoryBackend {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        let inner = self.inner();
        let connected: Result<Box<dyn Connection>, _> = if inner.offline {
            Err(ConnectError::Unreachable("the backend is offline".into()))
        } else {
            Ok(Box::new(MemoryConnection { backend: self.clone(), era: inner.era }))
        };
        std::future::ready(connected).boxed_local()
    }
}

impl Connection for MemoryConnection {
    fn limits(&self) -> ConnectionLimits {
        ConnectionLimits::of_wire(WireLimits::PLAIN, true, false)
    }

    fn lost(&self) -> Option<Arc<str>> {
        self.inner().is_none().then(|| "the backend is offline".into())
    }

    fn pull(
        &self,
        cursor: Option<Cursor>,
        live: bool,
    ) -> LocalBoxStream<'static, Result<Page, BackendError>> {
        let (sender, pages) = mpsc::unbounded();
        let backlog = match self.inner() {
            None => vec![Err(lost())],
            Some(mut inner) => match inner.backlog(cursor) {
                Ok(pages) => {
                    if live {
                        inner.live.push(sender);
                    }
                    pages.into_iter().map(Ok).collect()
                }
                Err(error) => vec![Err(error)],
            },
        };
        futures_util::stream::iter(backlog).chain(pages).boxed_local()
    }

    fn push(&self, batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>> {
        let pushed = self.inner().ok_or_else(lost).and_then(|mut inner| inner.push(batch));
        std::future::ready(pushed).boxed_local()
    }
}

impl MemoryConnection {
    /// `None` once the backend has been offline.
    fn inner(&self) -> Option<MutexGuard<'_, Inner>> {
        Some(self.backend.inner()).filter(|inner| inner.era == self.era)
    }
}

impl Inner {
    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn backlog(&self, cursor: Option<Cursor>) -> Result<Vec<Page>, BackendError> {
        if cursor.as_ref().is_some_and(|cursor| cursor.backend != self.id) {
            return Err(BackendError::IdMismatch { expected: Arc::clone(&self.id) });
        }
        let after = cursor.map_or(0, |cursor| cursor.number);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX).min(self.log.len());
        let mut left = &self.log[skipped..];
        let mut pages = Vec::new();
        loop {
            let mut bytes = 0;
            let fits = |event: &&ConfirmedEvent| {
                bytes += event.bytes();
                bytes <= FRAME_BYTES
            };
            // No event is larger than a page.
            let (events, rest) =
                left.split_at(left.iter().take(BATCH_EVENTS).take_while(fits).count());
            pages.push(self.page(events, rest.len()));
            if rest.is_empty() {
                return Ok(pages);
            }
            left = rest;
        }
    }

    fn page(&self, events: &[ConfirmedEvent], remaining: usize) -> Page {
        let remaining = Remaining::Known(remaining as u64);
        Page { events: events.to_vec(), remaining, backend: Arc::clone(&self.id) }
    }

    fn push(&mut self, batch: PushBatch) -> Result<(), BackendError> {
        let refuse = |reason: &str| Err(BackendError::Refused(reason.into()));
        if batch.backend.is_some_and(|id| id != self.id) {
            return Err(BackendError::IdMismatch { expected: Arc::clone(&self.id) });
        }
        let Some(first) = batch.events.first() else { return Ok(()) };
        let mut before = first.parent;
        for event in &batch.events {
            if event.parent != before || event.number != before + 1 {
                return refuse("the chain of the batch is broken");
            }
            if event.args.as_str().len() > Args::MAX_BYTES || event.bytes() > EVENT_BYTES {
                return refuse("an event is too large");
            }
            before = event.number;
        }
        if batch.events.len() > BATCH_EVENTS {
            return refuse("too many events");
        }
        if first.parent != self.head() {
            return Err(BackendError::ServerAhead { head: self.head() });
        }
        let page = self.page(&batch.events, 0);
        self.log.extend(batch.events);
        self.live.retain(|live| live.unbounded_send(Ok(page.clone())).is_ok());
        Ok(())
    }
}
