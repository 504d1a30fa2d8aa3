//! Committing from event handlers.

use leptos::reactive::owner::ArenaItem;
use livestore_core::{IntoCommit, Schema, Store};

use crate::{boundary::Boundary, context::use_store};

/// Commits to a store and sends refusals to the error boundary: `Copy`, so that every event handler can have it.
pub struct Commit<S: Schema>(ArenaItem<(Store<S>, Boundary)>);

impl<S: Schema> Copy for Commit<S> {}

impl<S: Schema> Clone for Commit<S> {
    fn clone(&self) -> Self {
        *self
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
        if let Some((store, boundary)) = self.0.try_get_value()
            && let Err(error) = store.commit(events)
        {
            boundary.throw(error);
        }
    }
}

/// Commits to the nearest store of schema `S`; a commit that is refused goes to the nearest `<ErrorBoundary>`. For the
/// receipt, or to handle a refusal yourself, commit with [`use_store`].
///
/// # Panics
/// Outside a `<StoreProvider>` of that schema.
#[track_caller]
pub fn use_commit<S: Schema>() -> Commit<S> {
    Commit(ArenaItem::new((use_store(), Boundary::nearest())))
}
