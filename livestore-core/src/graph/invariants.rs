//! [`Graph::check_invariants`]: the list in the module's header, as code.

use std::collections::HashMap;

use super::{
    arena::NodeId,
    node::{Color, Kind},
    owner::Graph,
};

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Graph<E, X> {
    /// Asserts the invariants of the module's header, by their numbers. Walks the whole graph: for tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check_invariants(&self) {
        self.check_edges();
        self.check_no_circle();
        self.check_colors();
        self.check_waiting_effects();
        assert!(self.unkept.is_empty(), "6: all that is kept by nobody was freed");
        assert!(self.stack.is_empty(), "8: no frames are left");
    }

    fn check_edges(&self) {
        for (id, node) in self.nodes.iter() {
            for (position, edge) in node.inputs.iter().enumerate() {
                let half = self.nodes.at(edge.node).dependents[edge.back];
                assert_eq!(
                    (half.node, half.back),
                    (id, position),
                    "1: {id:?} is known to its input"
                );
            }
            for (position, edge) in node.dependents.iter().enumerate() {
                let half = self.nodes.at(edge.node).inputs[edge.back];
                assert_eq!(
                    (half.node, half.back),
                    (id, position),
                    "1: {id:?} is known to its dependent"
                );
            }
            assert!(node.is_kept(), "6: {id:?} has a handle or a dependent");
            assert!(!node.on_stack, "8: {id:?} is not under evaluation");
            match &node.kind {
                Kind::Ref { content, .. } => {
                    assert!(
                        node.inputs.is_empty() && node.color == Color::Clean,
                        "4: {id:?} is a Ref"
                    );
                    assert!(
                        content.value.is_some() && content.error.is_none(),
                        "4: a Ref has a value"
                    );
                }
                Kind::Thunk { content, .. } => {
                    let has_result = content.value.is_some() || content.error.is_some();
                    assert!(has_result || node.color == Color::Dirty, "4: {id:?} has run or must");
                }
                Kind::Effect => {
                    assert_eq!(
                        (node.inputs.len(), node.dependents.len()),
                        (1, 0),
                        "4: {id:?} is an effect"
                    );
                }
            }
        }
    }

    /// Takes away, again and again, a node without inputs; a circle would be left.
    fn check_no_circle(&self) {
        let mut missing: HashMap<NodeId, usize> =
            self.nodes.iter().map(|(id, node)| (id, node.inputs.len())).collect();
        let mut free: Vec<NodeId> =
            missing.iter().filter(|(_, inputs)| **inputs == 0).map(|(id, _)| *id).collect();
        while let Some(id) = free.pop() {
            missing.remove(&id);
            for edge in &self.nodes.at(id).dependents {
                let inputs = missing.get_mut(&edge.node).expect("BUG: 1: taken away once");
                *inputs -= 1;
                if *inputs == 0 {
                    free.push(edge.node);
                }
            }
        }
        assert!(missing.is_empty(), "1: a circle of edges in {missing:?}");
    }

    fn check_colors(&self) {
        for (id, node) in self.nodes.iter() {
            assert!(
                node.verified_at <= self.revision && node.changed_at <= self.revision,
                "7: {id:?} is of the past"
            );
            for edge in node.inputs.iter().filter(|_| node.color == Color::Clean) {
                let input = self.nodes.at(edge.node);
                assert_eq!(input.color, Color::Clean, "2: an input of the clean {id:?}");
                assert!(
                    input.changed_at <= node.verified_at,
                    "3: {id:?} has seen its input {:?}",
                    edge.node
                );
            }
        }
    }

    fn check_waiting_effects(&self) {
        let mut waits: HashMap<NodeId, usize> = HashMap::new();
        for id in &self.stale {
            *waits.entry(*id).or_default() += 1;
        }
        for (id, node) in self.nodes.iter().filter(|(_, node)| matches!(node.kind, Kind::Effect)) {
            let expected = usize::from(node.color != Color::Clean);
            assert_eq!(
                waits.get(&id).copied().unwrap_or(0),
                expected,
                "5: {id:?} waits if it is not clean"
            );
        }
    }
}
