//! Live queries: queries, signals and computed values as nodes of one [`graph`](crate::graph), over one database.
//!
//! A query's node is a thunk whose closure asks SQLite. The graph cannot know when such an answer is out of date, so the
//! [`LiveIndex`] does: it holds every query's *footprint* (what it read), finds those that a
//! [`ChangeSet`](crate::sqlite::ChangeSet) touches, and has them marked dirty. Everything after that (order, cut-off,
//! laziness) is the graph's.
//!
//! What is above reads through [`Observer`]s: a cell with the node's last value and error, readable without the engine's
//! lock. A refresh fills the cells of all that changed, and only then does its caller tell anybody; so who is told and
//! then reads several cells sees one moment.
//!
//! # Invariants
//! `Live::check_invariants` asserts them in tests, besides the graph's own.
//!
//! 1. Equal queries (by [`QueryId`](crate::query::QueryId)) and computed values of one key have one node.
//! 2. Registry, index and observers name only nodes that exist: what is freed leaves nothing behind.
//! 3. A query that has run, or failed after SQLite had understood it, has a footprint in the index.
//! 4. The cell of an observer that waits for no refresh holds the node's result.
//!
//! Deliberately not here: locks and callbacks (the store's), materializers, SQL text (the query's), and what a query
//! reads (SQLite tells).

mod cell;
mod cx;
mod error;
mod index;
mod owner;
mod query_node;
mod registry;

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub(crate) use cell::Observer;
pub use cx::Cx;
pub use error::LiveError;
pub(crate) use owner::Live;

/// A node of a store's graph: a live query, a computed value, a signal or a document.
pub type NodeHandle<T> = crate::graph::Handle<T>;
/// A node that is set from outside.
pub(crate) type Signal<T> = crate::graph::Ref<T>;
