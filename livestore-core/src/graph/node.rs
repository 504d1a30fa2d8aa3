//! [`Node`]: what the graph stores for each value, and [`Equality`], which decides what counts as a change.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use super::{arena::NodeId, cx::Cx, error::ReadError};

/// A node's value: one allocation, shared with all who read it.
pub(super) type Value = Arc<dyn Any + Send + Sync>;
/// What a thunk runs.
pub(super) type Compute<E, X> =
    dyn Fn(&mut Cx<'_, E, X>) -> Result<Value, ReadError<X>> + Send + Sync;
type ErasedEquality = Box<dyn Fn(&Value, &Value) -> bool + Send + Sync>;

/// Counts the batches of marks; see the module's header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Revision(u64);

impl Revision {
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How sure a node may be of its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Color {
    /// The value is up to date.
    Clean,
    /// An input may have changed.
    Check,
    /// It must run: it never did, an input has changed, or the graph was told so.
    Dirty,
}

/// One half of an edge: the node at the other end, and where in that node's list the other half is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) node: NodeId,
    pub(super) back: usize,
}

/// What happened to a node since it was made. Tests assert what ran with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStats {
    /// How often its closure ran to its end.
    pub runs: u64,
    /// How many of these runs gave what the node already had.
    pub cut_offs: u64,
    /// How often its closure was started too early and thrown away; see the module's header on depth.
    pub aborted: u64,
}

/// The result of a `Ref` or a thunk.
pub(super) struct Content<X> {
    pub(super) type_id: TypeId,
    pub(super) equal: ErasedEquality,
    /// The last value, kept while there is an error. `None`: it never had one.
    pub(super) value: Option<Value>,
    pub(super) error: Option<ReadError<X>>,
}

impl<X: Clone> Content<X> {
    pub(super) fn new<T: Send + Sync + 'static>(
        equality: Equality<T>,
        value: Option<Value>,
    ) -> Self {
        let equal: ErasedEquality =
            Box::new(move |a, b| match (a.downcast_ref(), b.downcast_ref()) {
                (Some(a), Some(b)) => (equality.0)(a, b),
                _ => false,
            });
        Self { type_id: TypeId::of::<T>(), equal, value, error: None }
    }

    /// The result; a thunk that never ran has none.
    pub(super) fn result(&self) -> Result<Value, ReadError<X>> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => self.value.clone().ok_or(ReadError::NotReady),
        }
    }
}

pub(super) enum Kind<E: ?Sized, X> {
    Ref {
        content: Content<X>,
        /// What it was, and since when, before the first `set` of a revision that nobody has looked at yet.
        before: Option<(Value, Revision)>,
    },
    Thunk {
        content: Content<X>,
        compute: Arc<Compute<E, X>>,
    },
    Effect,
}

pub(super) struct Node<E: ?Sized, X> {
    pub(super) kind: Kind<E, X>,
    pub(super) color: Color,
    /// Counts nodes in the order they were made: ids cannot tell, as slots are used again.
    pub(super) born: u64,
    /// How many [`Hold`](super::handle::Hold)s name it, those on the drop queue included.
    pub(super) holds: u32,
    /// What it read, in the order of the first reads.
    pub(super) inputs: Vec<Edge>,
    /// What read it, in no order.
    pub(super) dependents: Vec<Edge>,
    /// The revision in which its value was last known to be right; for an effect, reported.
    pub(super) verified_at: Revision,
    /// The revision in which its result last became another one.
    pub(super) changed_at: Revision,
    /// It is being evaluated: to ask for it now is a cycle.
    pub(super) on_stack: bool,
    pub(super) stats: NodeStats,
}

impl<E: ?Sized, X> Node<E, X> {
    pub(super) fn content(&self) -> Option<&Content<X>> {
        match &self.kind {
            Kind::Ref { content, .. } | Kind::Thunk { content, .. } => Some(content),
            Kind::Effect => None,
        }
    }

    pub(super) fn content_mut(&mut self) -> Option<&mut Content<X>> {
        match &mut self.kind {
            Kind::Ref { content, .. } | Kind::Thunk { content, .. } => Some(content),
            Kind::Effect => None,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.holds > 0 || !self.dependents.is_empty()
    }
}

/// When a new value counts as the one a node already has, so that nothing travels on.
pub struct Equality<T>(Box<EqualFn<T>>);

type EqualFn<T> = dyn Fn(&T, &T) -> bool + Send + Sync;

impl<T> Equality<T> {
    /// Values are equal if `equal` says so.
    pub fn by(equal: impl Fn(&T, &T) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(equal))
    }

    /// Every run and every `set` counts as a change.
    pub fn never() -> Self {
        Self::by(|_, _| false)
    }

    /// Values are equal if `==` says so.
    pub fn by_value() -> Self
    where
        T: PartialEq,
    {
        Self::by(|a, b| a == b)
    }
}

impl<T> fmt::Debug for Equality<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Equality(..)")
    }
}
