//! [`Registry`]: finds the node of an equal query or of a computed value's key.
//!
//! It keeps no node. An id it holds may have been freed since; then the graph says so and the node is made anew.

use std::{any::TypeId, collections::HashMap, sync::Arc};

use crate::{graph::NodeId, query::QueryId};

/// What makes two requests for a node mean the same node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum NodeKey {
    Query(QueryId),
    Computed { name: Arc<str>, value: TypeId },
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    nodes: HashMap<NodeKey, NodeId>,
    keys: HashMap<NodeId, NodeKey>,
}

impl Registry {
    pub(super) fn find(&self, key: &NodeKey) -> Option<NodeId> {
        self.nodes.get(key).copied()
    }

    pub(super) fn insert(&mut self, key: NodeKey, node: NodeId) {
        if let Some(freed) = self.nodes.insert(key.clone(), node) {
            self.keys.remove(&freed);
        }
        self.keys.insert(node, key);
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        if let Some(key) = self.keys.remove(&node) {
            self.nodes.remove(&key);
        }
    }

    /// The nodes of queries.
    pub(super) fn queries(&self) -> impl Iterator<Item = NodeId> {
        self.keys.iter().filter(|(_, key)| matches!(key, NodeKey::Query(_))).map(|(node, _)| *node)
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.keys.keys().copied()
    }

    /// Asserts that both directions agree.
    ///
    /// # Panics
    /// If they don't.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.nodes.len(), self.keys.len(), "1: one node for each key");
        assert!(
            self.keys.iter().all(|(node, key)| self.nodes.get(key) == Some(node)),
            "1: both directions agree"
        );
    }
}
