//! [`Observer`]: a node's last value and error, to be read without the engine's lock.
//!
//! All observers of a node share one cell and one effect, and the cell shares the value with the node: it is stored
//! once.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    graph::{Effect, NodeId, ReadError},
    live::NodeHandle,
    query::QueryError,
    sqlite::Db,
};

use super::owner::LiveGraph;

/// Keeps a node up to date and gives its value. Clones are cheap; drop it anywhere.
///
/// The value is that of the latest refresh. Two observers are equal if they observe the same node.
pub(crate) struct Observer<T>(Arc<Watch<T>>);

impl<T: Send + Sync + 'static> Observer<T> {
    pub(super) fn new(watch: Arc<Watch<T>>) -> Self {
        Self(watch)
    }

    /// Names it in what a refresh says has changed.
    pub(crate) fn id(&self) -> NodeId {
        self.0.effect.id()
    }

    /// The observed node.
    pub(crate) fn node(&self) -> &NodeHandle<T> {
        &self.0.node
    }

    /// The node's result.
    ///
    /// # Errors
    /// Why it has no value now; [`Observer::last`] may still have one.
    pub(crate) fn value(&self) -> Result<Arc<T>, QueryError> {
        let content = self.0.content.read().unwrap_or_else(PoisonError::into_inner);
        match (&content.error, &content.value) {
            (None, Some(value)) => Ok(Arc::clone(value)),
            (Some(error), _) => Err(error.clone()),
            (None, None) => Err(ReadError::NotReady.into()),
        }
    }

    /// The last value the node had, whatever followed it.
    pub(crate) fn last(&self) -> Option<Arc<T>> {
        self.0.content.read().unwrap_or_else(PoisonError::into_inner).value.clone()
    }
}

impl<T> Clone for Observer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Observer<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Observer<T> {}

impl<T> fmt::Debug for Observer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.effect.id()).finish()
    }
}

/// What all observers of a node share.
pub(super) struct Watch<T> {
    effect: Effect,
    node: NodeHandle<T>,
    content: RwLock<Content<T>>,
}

struct Content<T> {
    value: Option<Arc<T>>,
    error: Option<QueryError>,
}

impl<T: Send + Sync + 'static> Watch<T> {
    pub(super) fn new(effect: Effect, node: NodeHandle<T>) -> Self {
        Self { effect, node, content: RwLock::new(Content { value: None, error: None }) }
    }

    pub(super) fn effect(&self) -> NodeId {
        self.effect.id()
    }
}

/// A [`Watch`] of any type, for the refresh.
pub(super) trait Fill: Send + Sync {
    /// Takes over the node's result.
    fn fill(&self, graph: &mut LiveGraph, db: &Db);
    /// Asserts that the cell holds the node's result.
    #[cfg(test)]
    fn check(&self, graph: &mut LiveGraph, db: &Db);
}

impl<T: Send + Sync + 'static> Fill for Watch<T> {
    fn fill(&self, graph: &mut LiveGraph, db: &Db) {
        let result = graph.read(&self.node, db);
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = match result {
            Ok(value) => {
                content.error = None;
                content.value.replace(value)
            }
            Err(error) => {
                content.error = Some(error.into());
                // Another value may have come and gone in between.
                std::mem::replace(&mut content.value, graph.last_value(&self.node))
            }
        };
        // Not under the lock: dropping the last reference to a value runs the value's own code.
        drop(content);
        drop(replaced);
    }

    #[cfg(test)]
    fn check(&self, graph: &mut LiveGraph, db: &Db) {
        let result = graph.read(&self.node, db).map_err(QueryError::from);
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        match (result, &content.value, &content.error) {
            (Ok(value), Some(held), None) => {
                assert!(Arc::ptr_eq(&value, held), "4: the value is stored once");
            }
            (Err(error), _, held) => {
                assert_eq!(held.as_ref(), Some(&error), "4: the error is the node's");
            }
            (Ok(_), ..) => panic!("4: the cell has the node's value"),
        }
    }
}
