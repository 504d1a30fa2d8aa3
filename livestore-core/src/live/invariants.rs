//! What tests ask of [`Live`]: its invariants, and what is in it.

use super::owner::Live;
use crate::{
    graph::{NodeId, NodeStats},
    sqlite::Db,
};

impl Live {
    /// What happened to a node so far.
    pub(crate) fn stats(&self, node: NodeId) -> NodeStats {
        self.graph.stats(node)
    }

    /// How many entries the index has.
    pub(crate) fn index_entries(&mut self) -> usize {
        self.settle();
        self.index.entry_count()
    }

    /// Asserts the invariants of the module's header, and the graph's.
    ///
    /// # Panics
    /// If one does not hold.
    pub(crate) fn check_invariants(&mut self) {
        self.settle();
        self.graph.check_invariants();
        self.index.check_invariants();
        let registry = self.shared.registry();
        registry.check_invariants();
        let (cells, nodes) = (self.cells.keys(), self.cells.values().map(|cell| cell.node));
        let named = self.index.nodes().chain(registry.nodes()).chain(cells.copied()).chain(nodes);
        for node in named {
            assert!(self.graph.contains(node), "2: {node:?} exists");
        }
        for node in registry.queries().filter(|node| self.graph.stats(*node).runs > 0) {
            assert!(
                self.index.contains(node) || self.graph.has_error(node),
                "3: {node:?} has a footprint"
            );
        }
        assert_eq!(self.cells.len(), self.effects.len(), "2: one effect for each observed node");
    }

    /// Asserts that every cell holds its node's result; only right after a refresh.
    ///
    /// # Panics
    /// If one does not.
    pub(crate) fn check_cells(&mut self, db: &Db) {
        for watch in self.cells.values().filter_map(|cell| cell.fill.upgrade()).collect::<Vec<_>>()
        {
            watch.check(&mut self.graph, db);
        }
    }
}
