//! [`Graph`]: its data and its public methods. How they work is next door, in `evaluate` and `collect`.

use std::{any::TypeId, fmt, sync::Arc};

use super::{
    arena::{Arena, NodeId},
    cx::Cx,
    error::ReadError,
    evaluate::{Frame, MAX_NESTED, discard},
    handle::{DropQueue, Effect, Handle, Hold, Ref},
    node::{Color, Content, Equality, Kind, Node, NodeStats, Revision, Value},
};

/// An incremental graph; the module's header says how it works.
///
/// `E` is the environment that closures reach through their [`Cx`], lent to each evaluation. `X` is what closures fail
/// with.
///
/// ```
/// use livestore_core::graph::{Cx, Equality, Graph};
///
/// let mut graph = Graph::<(), String>::new();
/// let price = graph.add_ref(Equality::by_value(), 3);
/// let input = price.clone();
/// let total = graph.add_thunk(Equality::by_value(), move |cx: &mut Cx<'_, (), String>| Ok(*cx.get(&input)? * 2));
/// let effect = graph.observe(&total, &())?;
/// graph.set(&price, 4)?;
/// assert_eq!(graph.refresh(&()).changed, [effect.id()]);
/// assert_eq!(graph.read(&total, &())?, 8.into());
/// # Ok::<(), livestore_core::graph::ReadError<String>>(())
/// ```
pub struct Graph<E: ?Sized, X> {
    pub(super) nodes: Arena<Node<E, X>>,
    /// The revision of the latest mark.
    pub(super) revision: Revision,
    /// Nothing was evaluated since that mark, so the next mark belongs to the same revision.
    pub(super) open: bool,
    /// The `Ref`s that remember what they were before this revision.
    pub(super) reopened: Vec<NodeId>,
    /// The effects that are not clean, and some that were freed meanwhile.
    pub(super) stale: Vec<NodeId>,
    /// The members of cycles: dirty again in the next revision.
    pub(super) cycles: Vec<NodeId>,
    /// The nodes under evaluation, each demanded by the one before it. Empty between calls.
    pub(super) stack: Vec<Frame>,
    /// What may have lost the last that kept it. Empty between calls.
    pub(super) unkept: Vec<NodeId>,
    /// Where handles report that they were dropped.
    pub(super) drops: Arc<DropQueue>,
    /// What was freed since [`Graph::take_freed`].
    pub(super) freed: Vec<NodeId>,
    /// What ran, and what of it was cut off, in the evaluation under way.
    pub(super) ran: Vec<NodeId>,
    pub(super) cut_off: Vec<NodeId>,
    born: u64,
    /// [`MAX_NESTED`]; tests lower it.
    pub(super) max_nested: usize,
}

/// What one [`Graph::refresh`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refreshed {
    /// The effects whose node has another result than at the last refresh, oldest effect first.
    pub changed: Vec<NodeId>,
    /// The thunks that ran, each once, inputs before dependents.
    pub ran: Vec<NodeId>,
    /// Those of them whose result stayed what it was.
    pub cut_off: Vec<NodeId>,
}

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Graph<E, X> {
    /// An empty graph.
    pub fn new() -> Self {
        Self {
            nodes: Arena::new(),
            revision: Revision::FIRST,
            open: false,
            reopened: Vec::new(),
            stale: Vec::new(),
            cycles: Vec::new(),
            stack: Vec::new(),
            unkept: Vec::new(),
            drops: Arc::default(),
            freed: Vec::new(),
            ran: Vec::new(),
            cut_off: Vec::new(),
            born: 0,
            max_nested: MAX_NESTED,
        }
    }

    /// Adds a node that is set from outside.
    pub fn add_ref<T: Send + Sync + 'static>(&mut self, equality: Equality<T>, value: T) -> Ref<T> {
        self.collect();
        let content = Content::new(equality, Some(Arc::new(value)));
        Ref::new(Handle::new(self.insert(Kind::Ref { content, before: None }, Color::Clean)))
    }

    /// Adds a node that `compute` computes from other nodes and the environment. It runs when it is first needed.
    ///
    /// `compute` must be a function of what it reads through its [`Cx`]; where it depends on more (the environment),
    /// somebody has to call [`Graph::mark_dirty`]. The handles it captures keep their nodes.
    pub fn add_thunk<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut Cx<'_, E, X>) -> Result<T, ReadError<X>> + Send + Sync + 'static,
    ) -> Handle<T> {
        self.collect();
        self.insert_thunk(equality, compute)
    }

    /// Adds an effect on `node`, and brings the node up to date: later changes are those from its result now.
    ///
    /// # Errors
    /// [`ReadError::Foreign`]. That the node has an error is none here.
    pub fn observe<T>(&mut self, node: &Handle<T>, env: &E) -> Result<Effect, ReadError<X>> {
        self.require(node)?;
        self.evaluate_now(node.id(), env);
        let hold = self.insert(Kind::Effect, Color::Clean);
        let effect = Effect::new(hold);
        self.nodes.link(effect.id(), node.id());
        self.collect();
        Ok(effect)
    }

    /// Gives a `Ref` another value, and says if it was another one.
    ///
    /// # Errors
    /// [`ReadError::Foreign`].
    pub fn set<T: Send + Sync + 'static>(
        &mut self,
        node: &Ref<T>,
        value: T,
    ) -> Result<bool, ReadError<X>> {
        self.require(node)?;
        self.collect();
        let id = node.id();
        let new: Value = Arc::new(value);
        let Kind::Ref { content, .. } = &self.nodes.at(id).kind else {
            unreachable!("BUG: a `Ref` names a node of another kind");
        };
        // Foreign code, so before anything has changed.
        if content.value.as_ref().is_some_and(|old| (content.equal)(old, &new)) {
            return Ok(false);
        }
        self.open_revision();
        let old = self.replace_ref(id, new);
        self.mark_dependents(id);
        discard(old);
        Ok(true)
    }

    /// Makes a thunk run again when it is next needed, whether or not its inputs change. Other ids do nothing.
    pub fn mark_dirty(&mut self, id: NodeId) {
        self.collect();
        if self.nodes.find(id).is_some_and(|node| matches!(node.kind, Kind::Thunk { .. })) {
            self.open_revision();
            self.mark_thunk(id);
        }
    }

    /// The node's result, brought up to date if it is not.
    ///
    /// # Errors
    /// The node's own error, or [`ReadError::Foreign`].
    pub fn read<T: Send + Sync + 'static>(
        &mut self,
        node: &Handle<T>,
        env: &E,
    ) -> Result<Arc<T>, ReadError<X>> {
        self.require(node)?;
        self.collect();
        self.evaluate_now(node.id(), env);
        let result =
            self.nodes.at(node.id()).content().map_or(Err(ReadError::NotReady), Content::result);
        self.collect();
        Ok(result?.downcast().expect("BUG: a handle's type is its node's type"))
    }

    /// The last value the node had, be it out of date or followed by an error. Computes nothing.
    pub fn last_value<T: Send + Sync + 'static>(&self, node: &Handle<T>) -> Option<Arc<T>> {
        let content = self.nodes.find(node.id()).filter(|_| self.owns(node))?.content()?;
        content.value.clone()?.downcast().ok()
    }

    /// Brings all that effects observe up to date, and says which of them have another result than before.
    ///
    /// A result that was read in between and has since gone back to what it was counts as changed.
    pub fn refresh(&mut self, env: &E) -> Refreshed {
        self.collect();
        self.begin_evaluation();
        let mut stale = std::mem::take(&mut self.stale);
        stale.retain(|&id| self.nodes.find(id).is_some());
        stale.sort_unstable_by_key(|&id| self.nodes.at(id).born);
        let mut changed = Vec::new();
        for effect in stale {
            let observed = self.nodes.at(effect).inputs[0].node;
            self.evaluate(observed, env, 0);
            let changed_at = self.nodes.at(observed).changed_at;
            let revision = self.revision;
            let node = self.nodes.at_mut(effect);
            if changed_at > node.verified_at {
                changed.push(effect);
            }
            node.color = Color::Clean;
            node.verified_at = revision;
        }
        let (ran, cut_off) = (std::mem::take(&mut self.ran), std::mem::take(&mut self.cut_off));
        self.collect();
        Refreshed { changed, ran, cut_off }
    }

    /// The effects that wait for the next refresh, in the order in which they were marked. Some may have been freed.
    pub fn stale(&self) -> &[NodeId] {
        &self.stale
    }

    /// A further handle of a node that still exists and has values of type `T`.
    pub fn handle<T: 'static>(&mut self, id: NodeId) -> Option<Handle<T>> {
        self.collect();
        self.hold(id)
    }

    /// Whether the node still exists.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.find(id).is_some()
    }

    /// Whether the node's last result was an error.
    pub fn has_error(&self, id: NodeId) -> bool {
        self.nodes.find(id).and_then(Node::content).is_some_and(|content| content.error.is_some())
    }

    /// The ids of the nodes freed since the last call. They pile up until somebody takes them.
    pub fn take_freed(&mut self) -> Vec<NodeId> {
        self.collect();
        std::mem::take(&mut self.freed)
    }

    /// What happened to a node so far; nothing for one that does not exist.
    pub fn stats(&self, id: NodeId) -> NodeStats {
        self.nodes.find(id).map_or_else(NodeStats::default, |node| node.stats)
    }

    /// How many nodes there are.
    pub fn node_count(&mut self) -> usize {
        self.collect();
        self.nodes.len()
    }

    /// How many edges there are.
    pub fn edge_count(&mut self) -> usize {
        self.collect();
        self.nodes.iter().map(|(_, node)| node.inputs.len()).sum()
    }

    pub(super) fn owns<T>(&self, node: &Handle<T>) -> bool {
        node.is_of(&self.drops)
    }

    fn require<T>(&self, node: &Handle<T>) -> Result<(), ReadError<X>> {
        if self.owns(node) { Ok(()) } else { Err(ReadError::Foreign) }
    }

    /// As [`Graph::add_thunk`], also while an evaluation is under way: frees nothing.
    pub(super) fn insert_thunk<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut Cx<'_, E, X>) -> Result<T, ReadError<X>> + Send + Sync + 'static,
    ) -> Handle<T> {
        let content = Content::new::<T>(equality, None);
        let compute = Arc::new(move |cx: &mut Cx<'_, E, X>| {
            compute(cx).map(|value| Arc::new(value) as Value)
        });
        Handle::new(self.insert(Kind::Thunk { content, compute }, Color::Dirty))
    }

    /// As [`Graph::handle`], also while an evaluation is under way: frees nothing.
    pub(super) fn hold<T: 'static>(&mut self, id: NodeId) -> Option<Handle<T>> {
        let node = self.nodes.find_mut(id)?;
        node.content().filter(|content| content.type_id == TypeId::of::<T>())?;
        node.holds += 1;
        Some(Handle::new(Hold::new(id, &self.drops)))
    }

    fn insert(&mut self, kind: Kind<E, X>, color: Color) -> Arc<Hold> {
        self.born += 1;
        let id = self.nodes.insert(Node {
            kind,
            color,
            born: self.born,
            holds: 1,
            inputs: Vec::new(),
            dependents: Vec::new(),
            verified_at: self.revision,
            changed_at: self.revision,
            on_stack: false,
            stats: NodeStats::default(),
        });
        Hold::new(id, &self.drops)
    }

    fn evaluate_now(&mut self, id: NodeId, env: &E) {
        self.begin_evaluation();
        self.evaluate(id, env, 0);
        // Only a refresh reports them.
        self.ran.clear();
        self.cut_off.clear();
    }
}

impl<E: ?Sized, X: Clone + PartialEq + Send + Sync + 'static> Default for Graph<E, X> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: ?Sized, X> fmt::Debug for Graph<E, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("nodes", &self.nodes.len())
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
