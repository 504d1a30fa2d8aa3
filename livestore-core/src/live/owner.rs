//! [`Live`]: the graph, the index, the registry and the observers of one store, which change together.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
};

use super::{
    NodeHandle, Signal,
    cell::{Fill, Observer, Watch},
    cx::Cx,
    index::LiveIndex,
    query_node::{Shared, computed_node, query_node},
};
use crate::{
    graph::{Equality, Graph, NodeId, Refreshed},
    query::{Query, QueryError},
    sqlite::{ChangeSet, Db},
};

pub(super) type LiveGraph = Graph<Db, QueryError>;

/// The reactive side of a store; the module's header says how it works.
pub(crate) struct Live {
    pub(super) graph: LiveGraph,
    pub(super) index: LiveIndex,
    pub(super) shared: Arc<Shared>,
    /// By effect: whose cells a refresh fills.
    pub(super) cells: HashMap<NodeId, Cell>,
    /// By observed node: its effect, which all its observers share.
    pub(super) effects: HashMap<NodeId, NodeId>,
    /// How many of the graph's stale effects have been announced.
    announced: usize,
}

pub(super) struct Cell {
    pub(super) node: NodeId,
    pub(super) fill: Weak<dyn Fill>,
    /// The same watch, to be found again by its type.
    watch: Weak<dyn Any + Send + Sync>,
}

/// What a change did to the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Invalidated {
    /// How many live queries were marked.
    pub(crate) marked: usize,
    /// How many entries of the index were looked at.
    pub(crate) visited: usize,
}

impl Live {
    /// A store's reactive side, before anybody asked for anything.
    pub(crate) fn new() -> Self {
        Self {
            graph: Graph::new(),
            index: LiveIndex::default(),
            shared: Arc::default(),
            cells: HashMap::new(),
            effects: HashMap::new(),
            announced: 0,
        }
    }

    /// The node of a query. Equal queries have one.
    pub(crate) fn query_node<T>(&mut self, query: &Query<T>) -> NodeHandle<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        query_node(&mut self.graph, &self.shared, query)
    }

    /// A node computed from others. Computed values of one key and type have one, with the function that came first.
    pub(crate) fn computed<T>(
        &mut self,
        key: Option<&str>,
        compute: impl Fn(&mut Cx<'_, '_>) -> Result<T, QueryError> + Send + Sync + 'static,
    ) -> NodeHandle<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        computed_node(&mut self.graph, &self.shared, key, compute)
    }

    /// A node that is set: an app's signal, a client document.
    pub(crate) fn signal<T: PartialEq + Send + Sync + 'static>(&mut self, value: T) -> Signal<T> {
        self.graph.add_ref(Equality::by_value(), value)
    }

    /// Sets a signal; says if that was a change. Observers see it after the next refresh.
    ///
    /// # Errors
    /// [`LiveError::Foreign`](super::LiveError::Foreign).
    pub(crate) fn set<T: Send + Sync + 'static>(
        &mut self,
        signal: &Signal<T>,
        value: T,
    ) -> Result<bool, QueryError> {
        Ok(self.graph.set(signal, value)?)
    }

    /// A node's result now, be it observed or not.
    ///
    /// # Errors
    /// The node's own.
    pub(crate) fn read<T: Send + Sync + 'static>(
        &mut self,
        node: &NodeHandle<T>,
        db: &Db,
    ) -> Result<Arc<T>, QueryError> {
        let result = self.graph.read(node, db);
        self.settle();
        // Whoever derives from what is read now has to hear of the next change.
        self.announced = 0;
        Ok(result?)
    }

    /// Keeps a node up to date in a cell. All observers of a node share one.
    ///
    /// # Errors
    /// [`LiveError::Foreign`](super::LiveError::Foreign). That the node has an error is none here.
    pub(crate) fn observe<T: Send + Sync + 'static>(
        &mut self,
        node: &NodeHandle<T>,
        db: &Db,
    ) -> Result<Observer<T>, QueryError> {
        self.settle();
        if let Some(watch) = self.watch(node) {
            return Ok(Observer::new(watch));
        }
        let effect = self.graph.observe(node, db)?;
        let watch = Arc::new(Watch::new(effect, node.clone()));
        watch.fill(&mut self.graph, db);
        let fill: Arc<dyn Fill> = Arc::<Watch<T>>::clone(&watch);
        let any: Arc<dyn Any + Send + Sync> = Arc::<Watch<T>>::clone(&watch);
        let cell =
            Cell { node: node.id(), fill: Arc::downgrade(&fill), watch: Arc::downgrade(&any) };
        self.cells.insert(watch.effect(), cell);
        self.effects.insert(node.id(), watch.effect());
        self.settle();
        Ok(Observer::new(watch))
    }

    /// Marks the live queries that a change touches.
    pub(crate) fn invalidate(&mut self, changes: &ChangeSet) -> Invalidated {
        self.settle();
        let touched = self.index.touched(changes);
        for &node in &touched.nodes {
            self.graph.mark_dirty(node);
        }
        Invalidated { marked: touched.nodes.len(), visited: touched.visited }
    }

    /// Marks all live queries: the database is another one now.
    pub(crate) fn invalidate_all(&mut self) {
        self.settle();
        let queries: Vec<_> = self.shared.registry().queries().collect();
        for node in queries {
            self.graph.mark_dirty(node);
        }
    }

    /// Brings all that is observed up to date and fills the cells of what changed. Tell their observers next, without
    /// the engine's lock: [`Refreshed::changed`] has their ids, the oldest observer first.
    pub(crate) fn refresh(&mut self, db: &Db) -> Refreshed {
        let refreshed = self.graph.refresh(db);
        self.announced = 0;
        self.settle();
        for effect in &refreshed.changed {
            if let Some(watch) = self.cells.get(effect).and_then(|cell| cell.fill.upgrade()) {
                watch.fill(&mut self.graph, db);
            }
        }
        refreshed
    }

    /// Whether a refresh would have anything to look at.
    pub(crate) fn is_stale(&self) -> bool {
        !self.graph.stale().is_empty()
    }

    /// The observers whose node may have changed since a refresh, each once until something is [read](Self::read).
    pub(crate) fn take_stale(&mut self) -> Vec<NodeId> {
        let stale = self.graph.stale();
        let new = stale[self.announced.min(stale.len())..].to_vec();
        self.announced = stale.len();
        new
    }

    /// How many nodes there are.
    pub(crate) fn node_count(&mut self) -> usize {
        self.settle();
        self.graph.node_count()
    }

    fn watch<T: Send + Sync + 'static>(&self, node: &NodeHandle<T>) -> Option<Arc<Watch<T>>> {
        let effect = self.effects.get(&node.id())?;
        self.cells.get(effect)?.watch.upgrade()?.downcast().ok()
    }

    /// Takes over what queries have learned, and forgets what was freed.
    pub(super) fn settle(&mut self) {
        // Forgetting a cell may free its node in turn.
        loop {
            let freed = self.graph.take_freed();
            if freed.is_empty() {
                break;
            }
            for node in freed {
                self.forget(node);
            }
        }
        for (node, footprint) in self.shared.take_learned() {
            if self.graph.contains(node) {
                self.index.insert(node, footprint);
            }
        }
    }

    fn forget(&mut self, node: NodeId) {
        self.index.remove(node);
        self.shared.registry().remove(node);
        if let Some(cell) = self.cells.remove(&node)
            && self.effects.get(&cell.node) == Some(&node)
        {
            self.effects.remove(&cell.node);
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("graph", &self.graph)
            .field("observers", &self.cells.len())
            .finish_non_exhaustive()
    }
}
