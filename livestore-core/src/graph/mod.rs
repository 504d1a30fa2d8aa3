//! The incremental graph: values that are derived from other values, and re-derived only where something changed.
//!
//! It knows neither SQLite nor any framework. Live queries, `computed`s and signals are nodes in it (`live` puts them
//! there), but a [`Graph`] by itself only knows three kinds of nodes:
//!
//! - a **`Ref`** is set from outside;
//! - a **`Thunk`** is computed by a pure closure, which reads other nodes through its [`Cx`]: each read is an *edge*
//!   from the thunk (the *dependent*) to what it read (its *input*);
//! - an **`Effect`** observes one node: it keeps it up to date, and [`Graph::refresh`] names it when that node changed.
//!
//! # How a change travels
//! A *mark* travels down at once, values travel up on demand. [`Graph::set`] colours all that depends on the `Ref`
//! *check* ("something below may have changed"), [`Graph::mark_dirty`] colours a thunk *dirty* ("run again") and its
//! dependents *check*. Then [`Graph::refresh`] goes through the effects that were coloured and asks for their inputs. A
//! *check* node first asks for its own inputs, in the order in which it read them; at the first that has *changed*
//! since the node was last *verified* it turns *dirty*; if none has, it is *clean* again without having run. A *dirty*
//! node runs. If its result equals the one it had, that is a *cut-off*: it has run but not changed, so its dependents
//! find nothing to do. What no effect needs keeps its colour until somebody reads it: it is *lazy*.
//!
//! Time is counted in *revisions*: one begins with the first mark after an evaluation. So any number of `set`s up to
//! the next `refresh` (or read) are one batch, and a `Ref` set back to what it was in the same batch has not changed.
//!
//! A result is a value or an error. Both travel alike, and while a node has an error its last value stays
//! ([`Graph::last_value`]). A closure that panics has the error [`ReadError::Panicked`]; nodes that read each other in a
//! circle all have the error [`ReadError::Cycle`], and run again in every revision until they no longer do.
//!
//! # Depth
//! A wasm stack has 1 MB, so no walk here recurses: marks, checks, and frees keep work lists. The exception is a
//! closure that reads a node which is not clean: its value is computed there and then, inside the closure, but only
//! [`MAX_NESTED`] closures deep. Below that the read answers [`ReadError::NotReady`], the closure is expected to pass that
//! on (`?`), whatever it returns is thrown away, and it runs again when the node it wanted is ready. So only the very
//! first evaluation of a chain deeper than [`MAX_NESTED`] starts closures twice (counted as `aborted`): afterwards the
//! edges are known, and inputs are checked before their dependents.
//!
//! # Life
//! A [`Handle`] keeps its node, a dependent keeps its inputs, a closure keeps the handles it captured. What is kept by
//! nobody is freed. Handles may be dropped anywhere (any thread, inside closures, under any lock): that only puts the
//! node's id on a queue, which the graph empties in its next call.
//!
//! # Invariants
//! [`Graph::check_invariants`] asserts them; they hold whenever no method is running.
//!
//! 1. Edges are mutual, and form no circle.
//! 2. What depends on a node that is not clean is not clean.
//! 3. No input of a clean node has changed since the node was verified.
//! 4. A `Ref` is clean and has no inputs; a clean thunk has a value or an error; an effect has one input, no dependents.
//! 5. An effect is not clean if and only if it waits, once, for the next refresh.
//! 6. Every node has a handle or a dependent.
//! 7. No node was verified or changed in a revision that is still to come.
//! 8. No evaluation is under way.
//!
//! Not its job: notifying anybody (the caller does, with what `refresh` returned, when it has released its locks),
//! keeping the environment (it is lent to each evaluation), or being shared (one owner, `&mut self`).

mod arena;
mod collect;
mod cx;
mod edges;
mod error;
mod evaluate;
mod handle;
mod invariants;
mod mark;
mod node;
mod owner;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use arena::NodeId;
pub use cx::Cx;
pub use error::ReadError;
pub use evaluate::MAX_NESTED;
pub use handle::{Effect, Handle, Ref};
pub use node::{Equality, NodeStats};
pub use owner::{Graph, Refreshed};
