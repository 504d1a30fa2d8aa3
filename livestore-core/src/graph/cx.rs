//! [`Cx`]: what a thunk's closure sees of the graph while it runs.
//!
//! It can read nodes, make thunks to read, and use the environment. It cannot set, mark or free anything: an evaluation
//! computes what is, and never changes what it computes from.

use std::{collections::HashSet, fmt, sync::Arc};

use super::{
    arena::NodeId,
    error::ReadError,
    handle::Handle,
    node::{Color, Equality, Value},
    owner::Graph,
};

/// Lent to a thunk's closure for one run. Every read through it becomes an edge.
pub struct Cx<'a, E: ?Sized, X> {
    graph: &'a mut Graph<E, X>,
    env: &'a E,
    node: NodeId,
    /// How many closures are running on the native stack, this one included.
    nested: usize,
    pub(super) reads: Reads,
    /// The node this run was started too early for. All later reads fail, whatever the closure does with the error.
    pub(super) waits_for: Option<NodeId>,
}

impl<'a, E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Cx<'a, E, X> {
    pub(super) fn new(graph: &'a mut Graph<E, X>, env: &'a E, node: NodeId, nested: usize) -> Self {
        Self { graph, env, node, nested, reads: Reads::default(), waits_for: None }
    }

    /// The environment of this evaluation.
    pub fn env(&self) -> &'a E {
        self.env
    }

    /// The node whose closure is running.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Reads a node: its value is up to date, and when it changes this closure runs again.
    ///
    /// # Errors
    /// The node's own error; [`ReadError::Cycle`] if it is waiting for this closure (then this node's result is that
    /// error too, whatever the closure returns); [`ReadError::NotReady`] if the closure has to be run again later (what
    /// it returns now is thrown away).
    pub fn get<T: Send + Sync + 'static>(
        &mut self,
        node: &Handle<T>,
    ) -> Result<Arc<T>, ReadError<X>> {
        if !self.graph.owns(node) {
            return Err(ReadError::Foreign);
        }
        let value = self.demand(node.id())?;
        Ok(value.downcast().expect("BUG: a handle's type is its node's type"))
    }

    /// Makes a thunk while another one runs, as [`Graph::add_thunk`]. Unless the closure keeps the handle, only a read
    /// keeps the node: until the run of this closure that no longer reads it.
    pub fn add_thunk<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut Cx<'_, E, X>) -> Result<T, ReadError<X>> + Send + Sync + 'static,
    ) -> Handle<T> {
        self.graph.insert_thunk(equality, compute)
    }

    /// A further handle of a node, as [`Graph::handle`].
    pub fn handle<T: 'static>(&mut self, id: NodeId) -> Option<Handle<T>> {
        self.graph.hold(id)
    }

    fn demand(&mut self, id: NodeId) -> Result<Value, ReadError<X>> {
        if self.waits_for.is_some() {
            return Err(ReadError::NotReady);
        }
        let node = self.graph.nodes.at(id);
        if node.on_stack {
            self.graph.found_cycle(id);
            return Err(ReadError::Cycle);
        }
        if node.color != Color::Clean {
            if self.nested >= self.graph.max_nested {
                self.waits_for = Some(id);
                return Err(ReadError::NotReady);
            }
            self.graph.evaluate(id, self.env, self.nested);
        }
        self.reads.record(id);
        self.graph
            .nodes
            .at(id)
            .content()
            .map_or(Err(ReadError::NotReady), |content| content.result())
    }
}

impl<E: ?Sized, X> fmt::Debug for Cx<'_, E, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("node", &self.node)
            .field("reads", &self.reads.order.len())
            .finish_non_exhaustive()
    }
}

/// What a run has read, each node once, in the order of the first reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) order: Vec<NodeId>,
    /// Filled only once `order` is too long to be searched.
    seen: HashSet<NodeId>,
}

impl Reads {
    const SEARCHED: usize = 16;

    fn record(&mut self, id: NodeId) {
        if self.order.len() < Self::SEARCHED {
            if !self.order.contains(&id) {
                self.order.push(id);
            }
            return;
        }
        if self.seen.is_empty() {
            self.seen.extend(&self.order);
        }
        if self.seen.insert(id) {
            self.order.push(id);
        }
    }
}
