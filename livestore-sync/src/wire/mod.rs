//! The backend's wire: LiveStore 0.4's sync-cf protocol, as a pure codec between JSON text and typed messages.
//!
//! Effect RPC over JSON: one object per WebSocket text frame; over HTTP a request body and an array of frames as the
//! answer. Both generations are tolerated and told apart by the request's id: text is 0.4.0's ("v3"), a number its
//! successor's ("v4"); answers take the asker's shape.
//!
//! Invariants:
//! - Decoding never panics and recurses no deeper than serde_json's own limit, whatever arrives.
//! - An event's arguments pass through as the text they are: peers compare them, key order included.
//! - What LiveStore lacks ([`Extensions`]) is asked for in the address and counts only once the server's first frame,
//!   [`ServerFrame::Hello`], has granted it.
//!
//! Deliberately not here: sockets, time, what a frame means for a log.

mod author;
mod client_frame;
mod event;
mod exit;
mod hello;
mod limits;
mod query;
mod request_id;
mod server_frame;

pub use author::Author;
pub use client_frame::{BadFrame, ClientFrame, Pull, Push, Request, Transport};
pub use event::{ConfirmedEvent, Cursor, InvalidEvent, Page, RawArgs, Remaining};
pub use exit::{Exit, Failure};
pub use hello::{Extensions, Hello};
pub use limits::{BATCH_EVENTS, EVENT_BYTES, FRAME_BYTES, NAME_BYTES, WireLimits};
pub use query::{BadQuery, ConnectQuery};
pub use request_id::{Generation, RequestId};
pub use server_frame::{BadAnswer, ServerFrame, encode_chunk, encode_item};
