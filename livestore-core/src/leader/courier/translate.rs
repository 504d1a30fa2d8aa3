//! Between the words of the wire and those of the machine, and what of the wire is believed.
//!
//! The wire's events have numbers and names of authors, the machine's have ids; the wire's limits count what stands in a
//! frame, the machine's what stands in a log. A page is believed if its events are numbered one after the other and, as
//! long as there is more, each brings something new; a count is believed as far as numbers go.

use livestore_sync::{
    BackendId, BackendLimits, Batch, Event, Failure, Page,
    wire::{self, ConfirmedEvent, EVENT_BYTES, Remaining},
};
use std::num::NonZeroU64;

use crate::backend::{BackendError, ConnectionLimits, PushBatch};

/// How many bytes more an event of ours has on the wire than [`Event::bytes`] counts.
const WIRE_BYTES: usize = 300;

/// The longest name of a backend, in bytes.
const NAME_BYTES: usize = 1_000;

/// More bytes than any frame has.
const BYTES_MOST: usize = 1 << 28;

/// More events than any log has.
const MOST: u64 = 1 << 53;

/// A page that comes after event `last`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn page(page: wire::Page, last: u64) -> Result<Page, &'static str> {
    let wire::Page { events, remaining, backend } = page;
    if backend.len() > NAME_BYTES {
        return Err("the backend's name is too long");
    }
    let remaining = match remaining {
        Remaining::Known(count) => count.min(MOST),
        Remaining::Unknown => 1,
    };
    let after = match events.first() {
        Some(first) => first.number.checked_sub(1).ok_or("an event has the number 0")?,
        None => last,
    };
    let mut pulled = Vec::with_capacity(events.len());
    for (event, number) in events.iter().zip(after + 1..) {
        let number = NonZeroU64::new(number).filter(|number| number.get() == event.number);
        let number = number.ok_or("the backend's events are not numbered one after the other")?;
        pulled.push(machine_event(event, number));
    }
    if remaining > 0 && after + pulled.len() as u64 <= last {
        return Err("the backend says that there is more, and gives nothing new");
    }
    Ok(Page { backend: BackendId(backend), after, events: pulled, remaining })
}

fn machine_event(event: &ConfirmedEvent, number: NonZeroU64) -> Event {
    let author = (&*event.author.client, &*event.author.session);
    Event::pulled(number, event.author.event_id(), author, &event.name, event.args.as_str())
}

/// The batch as the wire has it.
pub(super) fn push_batch(batch: &Batch) -> PushBatch {
    let events = batch.events().zip(batch.parent..);
    PushBatch {
        events: events.map(|(event, parent)| ConfirmedEvent::new(event, parent)).collect(),
        commits: batch.commits.iter().map(|commit| commit.events().len()).collect(),
        backend: batch.backend.as_ref().map(|backend| backend.0.clone()),
    }
}

/// The limits as the machine counts: whatever keeps to them fits on the wire.
pub(super) fn backend_limits(limits: &ConnectionLimits) -> BackendLimits {
    // A server may promise more than there is, and more events than its frames have room for.
    let batch_bytes = limits.batch_bytes.min(BYTES_MOST);
    let batch_events = limits.batch_events.min(batch_bytes / (2 * WIRE_BYTES)).max(1);
    let around_args = EVENT_BYTES.saturating_sub(livestore_sync::Args::MAX_BYTES + WIRE_BYTES);
    BackendLimits {
        batch_events,
        batch_bytes: batch_bytes.saturating_sub(batch_events * WIRE_BYTES),
        event_bytes: limits.args_bytes.min(BYTES_MOST) + around_args,
        live: limits.live,
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Lost(reason) => Self::Unavailable { reason },
            BackendError::ServerAhead { head } => Self::ServerAhead { head },
            BackendError::IdMismatch { .. } => Self::Changed,
            BackendError::Rejected { number, reason, .. } => Self::Rejected { number, reason },
            BackendError::Refused(reason) => Self::Unknown { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use livestore_sync::wire::WireLimits;

    use super::{WIRE_BYTES, backend_limits};
    use crate::{backend::ConnectionLimits, testing::test};

    #[test]
    fn whatever_a_server_promises_some_event_fits_and_nothing_overflows() {
        let most = usize::MAX;
        for (batch_events, frame_bytes, args_bytes) in
            [(most, most, most), (most, 1_000_000, 500_000), (0, 0, 0), (1, 900_000, most)]
        {
            let wire = WireLimits { batch_events, frame_bytes, args_bytes };
            let limits = backend_limits(&ConnectionLimits::of_wire(wire, true, true));
            assert!(limits.batch_events >= 1, "{wire:?}");
            assert!(limits.batch_events == 1 || limits.batch_bytes >= WIRE_BYTES, "{wire:?}");
        }
    }
}
