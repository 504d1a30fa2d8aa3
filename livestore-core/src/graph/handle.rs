//! [`Handle`], [`Ref`] and [`Effect`]: what keeps a node from outside.
//!
//! Dropping one takes no lock but that of the queue, which nobody holds while running foreign code.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use super::arena::NodeId;

/// The nodes that lost a [`Hold`] since the graph last looked.
#[derive(Debug, Default)]
pub(super) struct DropQueue(Mutex<Vec<NodeId>>);

impl DropQueue {
    pub(super) fn take(&self) -> Vec<NodeId> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, id: NodeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }
}

/// One unit of a node's `holds`: shared by all clones of a handle, given back when the last of them is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    id: NodeId,
    queue: Arc<DropQueue>,
}

impl Hold {
    pub(super) fn new(id: NodeId, queue: &Arc<DropQueue>) -> Arc<Self> {
        Arc::new(Self { id, queue: Arc::clone(queue) })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.queue.push(self.id);
    }
}

/// Keeps a node and names it: its values are `T`s. Clones are cheap; drop it anywhere.
pub struct Handle<T> {
    hold: Arc<Hold>,
    value: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    pub(super) fn new(hold: Arc<Hold>) -> Self {
        Self { hold, value: PhantomData }
    }

    /// The node's id. It keeps nothing.
    pub fn id(&self) -> NodeId {
        self.hold.id
    }

    pub(super) fn is_of(&self, queue: &Arc<DropQueue>) -> bool {
        Arc::ptr_eq(&self.hold.queue, queue)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.hold))
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.hold.id).finish()
    }
}

/// A handle of a node that can be set; it reads as a [`Handle`].
pub struct Ref<T>(Handle<T>);

impl<T> Ref<T> {
    pub(super) fn new(handle: Handle<T>) -> Self {
        Self(handle)
    }
}

impl<T> Deref for Ref<T> {
    type Target = Handle<T>;

    fn deref(&self) -> &Handle<T> {
        &self.0
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ref").field(&self.0.id()).finish()
    }
}

/// Keeps an effect: as long as a clone of it exists, the observed node stays up to date.
#[derive(Clone, Debug)]
pub struct Effect(Arc<Hold>);

impl Effect {
    pub(super) fn new(hold: Arc<Hold>) -> Self {
        Self(hold)
    }

    /// The effect's own id, as it appears in [`Refreshed::changed`](super::Refreshed::changed).
    pub fn id(&self) -> NodeId {
        self.0.id
    }
}
