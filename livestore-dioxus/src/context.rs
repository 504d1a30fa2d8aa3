//! How a component finds its store: the nearest provider of that schema, or for a query the nearest of any.

use dioxus::core::{provide_context, spawn, try_consume_context, use_hook};
use livestore_core::{AnyStore, Schema, Store, binding::MissingProvider};

/// The nearest store, whatever its schema: what a query without an explicit store reads.
#[derive(Clone)]
struct Nearest(AnyStore);

/// Makes a store that the app has opened itself the nearest one for the components below this one, as
/// [`StoreProvider`](crate::StoreProvider) does for its children: for tests, and for stores that outlive components.
/// Call it while rendering, in a `use_hook`.
///
/// From now on the store moves for this thread in turns of Dioxus's event loop only: natively, what another thread
/// brings never shows in the middle of a render.
pub fn provide_store<S: Schema>(store: &Store<S>) {
    provide_context(store.clone());
    provide_context(Nearest(store.any().clone()));
    let turns = store.any().turns();
    spawn(async move {
        while turns.wanted().await {
            turns.take();
        }
    });
}

/// The store that the nearest [`StoreProvider`](crate::StoreProvider) of schema `S` opened.
///
/// # Panics
/// Outside such a provider, as Dioxus's own `use_context` does. [`try_use_store`] returns `None` instead.
#[track_caller]
pub fn use_store<S: Schema>() -> Store<S> {
    match try_use_store() {
        Some(store) => store,
        None => panic!("{}", MissingProvider::OfSchema(std::any::type_name::<S>())),
    }
}

/// Like [`use_store`], or `None` outside a provider of that schema.
pub fn try_use_store<S: Schema>() -> Option<Store<S>> {
    use_hook(try_consume_context)
}

/// For the first render of a hook.
#[track_caller]
pub(crate) fn nearest_store() -> AnyStore {
    match try_consume_context::<Nearest>() {
        Some(Nearest(store)) => store,
        None => panic!("{}", MissingProvider::OfAny),
    }
}
