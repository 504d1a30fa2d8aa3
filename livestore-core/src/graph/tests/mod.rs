//! What the header promises, one sentence per test. Every step is checked against the invariants by [`World`].
//!
//! A panic ends a wasm program, and it has no threads: tests of these say `std::prelude::v1::test`, which is native only.

mod changes;
mod depth;
mod failures;
mod life;

use super::{Cx, Effect, Equality, Graph, Handle, NodeId, NodeStats, ReadError, Ref};

type Result<T> = std::result::Result<T, ReadError<String>>;

/// A graph whose environment is a number, checked before and after each step.
struct World {
    graph: Graph<i64, String>,
    env: i64,
}

impl World {
    fn new() -> Self {
        Self { graph: Graph::new(), env: 0 }
    }

    fn step<R>(&mut self, step: impl FnOnce(&mut Graph<i64, String>, &i64) -> R) -> R {
        self.graph.check_invariants();
        let result = step(&mut self.graph, &self.env);
        self.graph.check_invariants();
        result
    }

    fn input(&mut self, value: i64) -> Ref<i64> {
        self.step(|graph, _| graph.add_ref(Equality::by_value(), value))
    }

    fn thunk(
        &mut self,
        compute: impl Fn(&mut Cx<'_, i64, String>) -> Result<i64> + Send + Sync + 'static,
    ) -> Handle<i64> {
        self.step(|graph, _| graph.add_thunk(Equality::by_value(), compute))
    }

    /// `node + add`, as the commonest thunk.
    fn plus(&mut self, node: &Handle<i64>, add: i64) -> Handle<i64> {
        let node = node.clone();
        self.thunk(move |cx| Ok(*cx.get(&node)? + add))
    }

    fn observe(&mut self, node: &Handle<i64>) -> Effect {
        self.step(|graph, env| graph.observe(node, env)).unwrap()
    }

    fn set(&mut self, node: &Ref<i64>, value: i64) {
        self.step(|graph, _| graph.set(node, value)).unwrap();
    }

    fn read(&mut self, node: &Handle<i64>) -> Result<i64> {
        self.step(|graph, env| graph.read(node, env)).map(|value| *value)
    }

    fn refresh(&mut self) -> super::Refreshed {
        self.step(|graph, env| graph.refresh(env))
    }

    fn mark_dirty(&mut self, id: NodeId) {
        self.step(|graph, _| graph.mark_dirty(id));
    }

    /// (runs, cut-offs)
    fn stats(&self, node: &Handle<i64>) -> (u64, u64) {
        let NodeStats { runs, cut_offs, .. } = self.graph.stats(node.id());
        (runs, cut_offs)
    }

    fn counts(&mut self) -> (usize, usize) {
        self.step(|graph, _| (graph.node_count(), graph.edge_count()))
    }
}
