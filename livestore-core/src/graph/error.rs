//! [`ReadError`]: why a node has no value.

use std::sync::Arc;

/// Why a node has no value right now. `X` is what its closure fails with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError<X> {
    /// The node's closure, or that of a node it read, returned this error.
    #[error("{0}")]
    Failed(X),
    /// The node needs its own value to compute its value.
    #[error("the value depends on itself")]
    Cycle,
    /// The node's closure panicked, with this message.
    #[error("the computation panicked: {0}")]
    Panicked(Arc<str>),
    /// Only seen inside closures: the node is computed first, then the closure runs again. Pass it on with `?`.
    #[error("the value is not computed yet, the reader runs again when it is")]
    NotReady,
    /// The handle is one of another graph.
    #[error("the node belongs to another graph")]
    Foreign,
}
