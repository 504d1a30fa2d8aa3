//! How large things may be on the wire.

/// The largest frame, in bytes of JSON: a sync-cf server's and ours.
pub const FRAME_BYTES: usize = 900_000;

/// The most events in one push and in one page of a plain peer.
pub const BATCH_EVENTS: usize = 100;

/// The largest event as it stands in a page, its arguments (at most [`crate::Args::MAX_BYTES`]) and its names together.
///
/// A sync-cf server stores an event that no frame can hold and can never serve its store again.
pub const EVENT_BYTES: usize = 890_000;

/// The longest name of an event, of a client and of a session, in bytes.
pub const NAME_BYTES: usize = 1_000;

/// The most characters in a request's id.
pub(super) const REQUEST_ID_BYTES: usize = 64;

/// The most frames in one JSON array.
pub(super) const FRAMES: usize = 64;

/// The largest number that every peer can hold.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How much a server takes at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireLimits {
    /// Events in one push and in one page.
    pub batch_events: usize,
    /// Bytes in one frame.
    pub frame_bytes: usize,
    /// Bytes of one event's arguments.
    pub args_bytes: usize,
}

impl WireLimits {
    /// What every sync-cf server takes.
    pub const PLAIN: Self = Self {
        batch_events: BATCH_EVENTS,
        frame_bytes: FRAME_BYTES,
        args_bytes: crate::Args::MAX_BYTES,
    };
}
