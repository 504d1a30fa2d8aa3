//! Marks: what happens at once when a value is set or a thunk is told to run, before anything is evaluated.
//!
//! Only colours travel here, and only to nodes that were clean: what a batch marks, it marks once.

use std::mem;

use super::{
    arena::NodeId,
    evaluate::discard,
    node::{Color, Kind, Node, Value},
    owner::Graph,
};

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Graph<E, X> {
    /// From here on the values of this revision have been seen.
    pub(super) fn begin_evaluation(&mut self) {
        self.open = false;
        for id in mem::take(&mut self.reopened) {
            if let Some(Node { kind: Kind::Ref { before, .. }, .. }) = self.nodes.find_mut(id) {
                discard(before.take());
            }
        }
    }

    pub(super) fn open_revision(&mut self) {
        if self.open {
            return;
        }
        self.open = true;
        self.revision = self.revision.next();
        for id in mem::take(&mut self.cycles) {
            if self.nodes.find(id).is_some() {
                self.mark_thunk(id);
            }
        }
    }

    /// Stores the `Ref`'s new value, and returns one that is no longer needed.
    pub(super) fn replace_ref(&mut self, id: NodeId, new: Value) -> Option<Value> {
        let revision = self.revision;
        let node = self.nodes.at_mut(id);
        let Kind::Ref { content, before } = &mut node.kind else { return None };
        match before.take() {
            // Back to what it was when somebody last looked: then nothing has happened.
            Some((value, since)) if (content.equal)(&value, &new) => {
                node.changed_at = since;
                content.value.replace(value)
            }
            Some(earlier) => {
                *before = Some(earlier);
                content.value.replace(new)
            }
            None => {
                let old = content.value.replace(new);
                if node.changed_at < revision {
                    *before = old.map(|value| (value, node.changed_at));
                    self.reopened.push(id);
                    node.changed_at = revision;
                    return None;
                }
                old
            }
        }
    }

    pub(super) fn mark_thunk(&mut self, id: NodeId) {
        let node = self.nodes.at_mut(id);
        let was = mem::replace(&mut node.color, Color::Dirty);
        // Otherwise its dependents have been marked with it.
        if was == Color::Clean {
            self.mark_dependents(id);
        }
    }

    pub(super) fn mark_dependents(&mut self, id: NodeId) {
        let mut marked = vec![id];
        while let Some(id) = marked.pop() {
            // Indices, as the edges cannot stay borrowed while the nodes at their ends are coloured.
            for position in 0..self.nodes.at(id).dependents.len() {
                let dependent = self.nodes.at(id).dependents[position].node;
                let node = self.nodes.at_mut(dependent);
                if node.color == Color::Clean {
                    node.color = Color::Check;
                    match node.kind {
                        Kind::Effect => self.stale.push(dependent),
                        Kind::Ref { .. } | Kind::Thunk { .. } => marked.push(dependent),
                    }
                }
            }
        }
    }
}
