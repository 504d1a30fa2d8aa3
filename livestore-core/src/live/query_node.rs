//! Making the nodes of queries and computed values, from outside the graph or from inside a computed value's run.

use std::{
    any::TypeId,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    cx::Cx,
    error::not_live,
    index::{Footprint, Key},
    owner::LiveGraph,
    registry::{NodeKey, Registry},
};
use crate::{
    graph::{self, Equality, Handle, NodeId, ReadError},
    query::{Query, QueryError},
    sqlite::{Db, SqliteError},
};

/// What the closures of nodes reach besides the graph.
#[derive(Debug, Default)]
pub(super) struct Shared {
    registry: Mutex<Registry>,
    /// The footprints of queries that ran, until the index takes them over.
    learned: Mutex<Vec<(NodeId, Footprint)>>,
}

impl Shared {
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_learned(&self) -> Vec<(NodeId, Footprint)> {
        std::mem::take(&mut *self.learned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a footprint, unless it is the one `known` from the node's last run.
    fn learn(&self, node: NodeId, footprint: Footprint, known: &Mutex<Option<Footprint>>) {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != Some(&footprint) {
            *known = Some(footprint.clone());
            self.learned.lock().unwrap_or_else(PoisonError::into_inner).push((node, footprint));
        }
    }
}

/// Where nodes can be made.
pub(super) trait Maker {
    fn existing<T: Send + Sync + 'static>(&mut self, id: NodeId) -> Option<Handle<T>>;

    fn make<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut graph::Cx<'_, Db, QueryError>) -> Result<T, ReadError<QueryError>>
        + Send
        + Sync
        + 'static,
    ) -> Handle<T>;
}

impl Maker for LiveGraph {
    fn existing<T: Send + Sync + 'static>(&mut self, id: NodeId) -> Option<Handle<T>> {
        self.handle(id)
    }

    fn make<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut graph::Cx<'_, Db, QueryError>) -> Result<T, ReadError<QueryError>>
        + Send
        + Sync
        + 'static,
    ) -> Handle<T> {
        self.add_thunk(equality, compute)
    }
}

impl Maker for graph::Cx<'_, Db, QueryError> {
    fn existing<T: Send + Sync + 'static>(&mut self, id: NodeId) -> Option<Handle<T>> {
        self.handle(id)
    }

    fn make<T: Send + Sync + 'static>(
        &mut self,
        equality: Equality<T>,
        compute: impl Fn(&mut graph::Cx<'_, Db, QueryError>) -> Result<T, ReadError<QueryError>>
        + Send
        + Sync
        + 'static,
    ) -> Handle<T> {
        self.add_thunk(equality, compute)
    }
}

/// The node of a query: the one there is, or a new one.
pub(super) fn query_node<T>(
    maker: &mut impl Maker,
    shared: &Arc<Shared>,
    query: &Query<T>,
) -> Handle<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    find_or_make(maker, shared, NodeKey::Query(query.id()), || {
        let (query, shared) = (query.clone(), Arc::clone(shared));
        let known = Mutex::new(None);
        move |cx| {
            let result = query.run(cx.env().conn());
            match (footprint(cx.env(), &query), result) {
                // Also of one that failed: what it read may be repaired.
                (Ok(footprint), result) => {
                    shared.learn(cx.node(), footprint, &known);
                    Ok(result?)
                }
                (Err(_), Err(error)) => Err(error.into()),
                // A result that nobody would know to be out of date is none.
                (Err(error), Ok(_)) => Err(not_live(query.sql(), error).into()),
            }
        }
    })
}

/// The node of a computed value: the one there is for `name` and the type, or a new one.
pub(super) fn computed_node<T>(
    maker: &mut impl Maker,
    shared: &Arc<Shared>,
    name: Option<&str>,
    compute: impl Fn(&mut Cx<'_, '_>) -> Result<T, QueryError> + Send + Sync + 'static,
) -> Handle<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    let run = {
        let shared = Arc::clone(shared);
        move |cx: &mut graph::Cx<'_, Db, QueryError>| {
            compute(&mut Cx::new(cx, &shared)).map_err(ReadError::from)
        }
    };
    match name {
        Some(name) => {
            let key = NodeKey::Computed { name: name.into(), value: TypeId::of::<T>() };
            find_or_make(maker, shared, key, || run)
        }
        None => maker.make(Equality::by_value(), run),
    }
}

fn find_or_make<T, F>(
    maker: &mut impl Maker,
    shared: &Shared,
    key: NodeKey,
    compute: impl FnOnce() -> F,
) -> Handle<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: Fn(&mut graph::Cx<'_, Db, QueryError>) -> Result<T, ReadError<QueryError>>
        + Send
        + Sync
        + 'static,
{
    let mut registry = shared.registry();
    if let Some(handle) = registry.find(&key).and_then(|id| maker.existing(id)) {
        return handle;
    }
    let handle = maker.make(Equality::by_value(), compute());
    registry.insert(key, handle.id());
    handle
}

/// What a query reads. The database keeps the answer for each text, so asking at every run is cheap.
fn footprint<T>(db: &Db, query: &Query<T>) -> Result<Footprint, SqliteError> {
    let read = db.read_set(query.sql())?;
    read.check_parameters(query.binds())?;
    let Some(filter) = query.key() else { return Ok(Footprint { read, key: None }) };
    let key = db.table(filter.table)?.and_then(|table| {
        let column = table.column(filter.column)?;
        Some(Key {
            table: Arc::clone(&table.name),
            column,
            values: filter.values.as_slice().into(),
        })
    });
    Ok(Footprint { read, key })
}
