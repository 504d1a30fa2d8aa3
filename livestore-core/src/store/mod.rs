//! [`Store`]: what apps hold. It ties the state, the graph and the sync machine of one session together.
//!
//! In reading order: `typed` is what an app sees, `any` the same without the schema's type, `engine` what changes under
//! the lock, `merge` how a leader's word is executed, `settle`, `rounds` and `callbacks` how observers are told without
//! the lock, `turn` on which thread, `open`, `connection` and `close` the life of it all; `sync_options` and `sync_status` what apps
//! say and see of the backend.
//!
//! Invariants:
//! 1. A commit is synchronous: it never awaits, and after an error log, state and graph are as before.
//! 2. One commit, batch or merge makes one refresh; observers see all of it or nothing.
//! 3. Of the app's code run under the lock: materializers, `computed` functions, and what its types implement (decoding,
//!    `PartialEq`, `Drop`). No callback does. From inside, the store answers with a typed error.

mod any;
mod callbacks;
mod close;
mod computed;
mod connection;
mod delete;
mod document;
mod documents;
mod effects;
mod engine;
mod error;
mod events;
mod gate;
mod journals;
mod live_query;
mod local;
mod merge;
mod open;
mod options;
mod persisted;
mod questions;
mod receipt;
mod record;
mod rejections;
mod rounds;
mod settle;
mod status;
mod sync_options;
mod sync_status;
#[cfg(test)]
mod tests;
mod turn;
mod typed;

pub use any::{AnyStore, NotifyWithin, WeakStore};
pub use callbacks::Subscription;
pub use computed::StoreSignal;
pub use delete::NotDeleted;
pub use document::Document;
pub use error::{CommitError, OpenError, StoreError};
pub use events::{EventsError, LoggedEvent};
pub use gate::Reentered;
pub use live_query::LiveQuery;
pub use local::LocalSubscription;
pub use options::StoreOptions;
pub use persisted::Receipt;
pub use questions::NotAnswered;
pub use receipt::{NotConfirmed, NotPersisted};
#[cfg(all(test, target_arch = "wasm32"))]
pub(crate) use record::from_record;
pub use rejections::{ListedEvent, NotRetried, Rejection, WithoutEffect};
pub use status::{BootStatus, BootWarning, Durability, LeaderStatus, StorageMode};
pub use sync_options::{SyncOptions, http_polling, websocket};
pub use sync_status::{NetworkStatus, SyncStatus};
pub use turn::Turns;
pub use typed::Store;
