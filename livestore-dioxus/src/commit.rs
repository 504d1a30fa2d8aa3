//! Committing from event handlers.

use dioxus::{
    core::use_hook,
    signals::{CopyValue, ReadableExt},
};
use livestore_core::{IntoCommit, Schema, Store};

use crate::{boundary::Boundary, context::use_store};

/// Commits to a store and sends refusals to the error boundary: `Copy`, so that every event handler can have it.
pub struct Commit<S: Schema>(CopyValue<(Store<S>, Boundary)>);

impl<S: Schema> Copy for Commit<S> {}

impl<S: Schema> Clone for Commit<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Schema> PartialEq for Commit<S> {
    /// Whether they are the same component's, so that it can be a prop.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<S: Schema> std::fmt::Debug for Commit<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Commit")
    }
}

impl<S: Schema> Commit<S> {
    /// Applies one event or several, all or none, and shows their effect in every query before it returns. Nothing
    /// happens once the component that made this is gone.
    pub fn run(&self, events: impl IntoCommit<S>) {
        // Copied out: what the commit tells may end the component.
        let found = self.0.try_read().map(|found| found.clone());
        if let Ok((store, boundary)) = found
            && let Err(error) = store.commit(events)
        {
            boundary.throw(error);
        }
    }
}

/// Commits to the nearest store of schema `S`; a commit that is refused goes to the nearest `ErrorBoundary`. For the
/// receipt, or to handle a refusal yourself, commit with [`use_store`].
///
/// # Panics
/// Outside a `StoreProvider` of that schema.
#[track_caller]
pub fn use_commit<S: Schema>() -> Commit<S> {
    let store = use_store();
    use_hook(|| Commit(CopyValue::new((store, Boundary::nearest()))))
}
