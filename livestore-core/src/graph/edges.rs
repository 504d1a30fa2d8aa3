//! Edges: linking and unlinking in constant time, whatever the number of dependents.
//!
//! Each half of an edge knows the position of the other, so nothing is searched and nothing is hashed.

use super::{
    arena::{Arena, NodeId},
    node::{Edge, Node},
};

impl<E: ?Sized, X> Arena<Node<E, X>> {
    /// Appends an edge: `dependent` has read `input`.
    pub(super) fn link(&mut self, dependent: NodeId, input: NodeId) {
        let back = self.at(input).dependents.len();
        let inputs = &mut self.at_mut(dependent).inputs;
        let position = inputs.len();
        inputs.push(Edge { node: input, back });
        self.at_mut(input).dependents.push(Edge { node: dependent, back: position });
    }

    /// Removes the last edge of `dependent` to an input, and says which input that was.
    pub(super) fn unlink_last(&mut self, dependent: NodeId) -> Option<NodeId> {
        let edge = self.at_mut(dependent).inputs.pop()?;
        let dependents = &mut self.at_mut(edge.node).dependents;
        dependents.swap_remove(edge.back);
        // The half that took the free place has moved: tell its other half.
        if let Some(&moved) = dependents.get(edge.back) {
            self.at_mut(moved.node).inputs[moved.back].back = edge.back;
        }
        Some(edge.node)
    }
}
