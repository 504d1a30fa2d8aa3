//! [`Cx`]: what the function of a computed value reads with.

use std::{fmt, sync::Arc};

use super::{
    NodeHandle,
    query_node::{Shared, computed_node, query_node},
};
use crate::{
    graph,
    query::{Query, QueryError},
    sqlite::Db,
};

/// Lent to a computed value's function for one run: what is read through it makes the function run again when it
/// changes.
pub struct Cx<'a, 'g> {
    inner: &'a mut graph::Cx<'g, Db, QueryError>,
    shared: &'a Arc<Shared>,
}

impl<'a, 'g> Cx<'a, 'g> {
    pub(super) fn new(
        inner: &'a mut graph::Cx<'g, Db, QueryError>,
        shared: &'a Arc<Shared>,
    ) -> Self {
        Self { inner, shared }
    }

    /// The value of a signal, a document, a live query or another computed value.
    ///
    /// # Errors
    /// The node's own error. Pass errors on with `?`: some only mean that the function has to run again.
    pub fn get<T: Send + Sync + 'static>(
        &mut self,
        node: &NodeHandle<T>,
    ) -> Result<Arc<T>, QueryError> {
        Ok(self.inner.get(node)?)
    }

    /// The result of a query, as a live query that is shared with all who ask the same.
    ///
    /// # Errors
    /// As [`Cx::get`].
    pub fn query<T: PartialEq + Send + Sync + 'static>(
        &mut self,
        query: &Query<T>,
    ) -> Result<Arc<T>, QueryError> {
        let node = query_node(self.inner, self.shared, query);
        self.get(&node)
    }

    /// Another computed value, by its key: the one there is, or `compute`.
    ///
    /// # Errors
    /// As [`Cx::get`].
    pub fn computed<T: PartialEq + Send + Sync + 'static>(
        &mut self,
        key: &str,
        compute: impl Fn(&mut Cx<'_, '_>) -> Result<T, QueryError> + Send + Sync + 'static,
    ) -> Result<Arc<T>, QueryError> {
        let node = computed_node(self.inner, self.shared, Some(key), compute);
        self.get(&node)
    }
}

impl fmt::Debug for Cx<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("inner", &self.inner).finish_non_exhaustive()
    }
}
