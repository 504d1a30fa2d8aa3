//! Freeing what is kept by nobody.
//!
//! A work list, not recursion: to free a node takes away its edges (which may leave its inputs unkept) and drops its
//! closure (which may drop handles, and these only go to the queue).

use super::{arena::NodeId, evaluate::discard, owner::Graph};

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Graph<E, X> {
    /// Frees every node without handle and dependent, until there is none.
    pub(super) fn collect(&mut self) {
        loop {
            for id in self.drops.take() {
                self.release(id);
            }
            if self.unkept.is_empty() {
                return;
            }
            let mut removed = Vec::new();
            while let Some(id) = self.unkept.pop() {
                // It may have found a new reader since, or be on the list twice.
                if self.nodes.find(id).is_some_and(|node| !node.is_kept()) {
                    for _ in 0..self.nodes.at(id).inputs.len() {
                        self.unlink_last(id);
                    }
                    removed.extend(self.nodes.remove(id));
                    self.freed.push(id);
                }
            }
            // Only now, with all lists in order: this runs foreign code.
            removed.into_iter().for_each(discard);
        }
    }

    fn release(&mut self, id: NodeId) {
        let node = self.nodes.at_mut(id);
        node.holds -= 1;
        if !node.is_kept() {
            self.unkept.push(id);
        }
    }
}
