//! [`Store`]: a store of one schema, the handle that apps commit with.

use std::{fmt, marker::PhantomData, ops::Deref};

use super::{
    any::AnyStore,
    error::{CommitError, OpenError},
    open::open,
    options::StoreOptions,
    persisted::Receipt,
};
use crate::schema::{EncodedCommit, IntoCommit, Schema};

/// An open store of schema `S`. Clones share it; it is closed when the last one is dropped, or by
/// [`shutdown`](AnyStore::shutdown).
///
/// It dereferences to [`AnyStore`], which has the queries, documents and statuses.
pub struct Store<S> {
    any: AnyStore,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> Store<S> {
    /// Opens a store. Resolves when its state is there; from then on reads and commits are synchronous.
    ///
    /// # Errors
    /// [`OpenError`]; what is stored was not changed then.
    pub async fn open(options: StoreOptions<S>) -> Result<Self, OpenError> {
        Ok(Self { any: open(options).await?, schema: PhantomData })
    }

    /// Applies one event or several, all or none, and shows their effect in every query before it returns.
    ///
    /// They are persisted soon after: the receipt tells when. Inside a subscriber's callback the commit is applied at
    /// once, and queries are refreshed when the round that is under way has ended.
    ///
    /// # Errors
    /// [`CommitError`]; the log, the state and every query are then as before.
    pub fn commit(&self, events: impl IntoCommit<S>) -> Result<Receipt, CommitError> {
        self.any.commit(EncodedCommit::new::<S>(events)?)
    }

    /// The same store without its schema's type.
    pub fn any(&self) -> &AnyStore {
        &self.any
    }
}

impl<S> Deref for Store<S> {
    type Target = AnyStore;

    fn deref(&self) -> &AnyStore {
        &self.any
    }
}

impl<S> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), schema: PhantomData }
    }
}

impl<S> PartialEq for Store<S> {
    fn eq(&self, other: &Self) -> bool {
        self.any == other.any
    }
}

impl<S> fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.any, f)
    }
}
