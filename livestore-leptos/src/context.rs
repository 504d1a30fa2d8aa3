//! How a component finds its store: the nearest provider of that schema, or for a query the nearest of any.

use leptos::prelude::{provide_context, use_context};
use livestore_core::{AnyStore, Schema, Store, binding::MissingProvider};

/// The nearest store, whatever its schema: what a query without an explicit store reads.
#[derive(Clone)]
struct Nearest(AnyStore);

/// Makes a store that the app has opened itself the nearest one for the current owner, as
/// [`StoreProvider`](crate::StoreProvider) does for its children: for tests, and for stores that outlive components.
///
/// Open it with `.notify_within(|tell| reactive_graph::effect::batch(tell))`, or an `ImmediateEffect` that reads several
/// queries runs once for each of them.
pub fn provide_store<S: Schema>(store: &Store<S>) {
    provide_context(store.clone());
    provide_context(Nearest(store.any().clone()));
}

/// The store that the nearest [`StoreProvider`](crate::StoreProvider) of schema `S` opened.
///
/// # Panics
/// Outside such a provider, as Leptos's own `expect_context` does. [`try_use_store`] returns `None` instead.
#[track_caller]
pub fn use_store<S: Schema>() -> Store<S> {
    match try_use_store() {
        Some(store) => store,
        None => panic!("{}", MissingProvider::OfSchema(std::any::type_name::<S>())),
    }
}

/// Like [`use_store`], or `None` outside a provider of that schema.
pub fn try_use_store<S: Schema>() -> Option<Store<S>> {
    use_context()
}

#[track_caller]
pub(crate) fn nearest_store() -> AnyStore {
    match use_context::<Nearest>() {
        Some(Nearest(store)) => store,
        None => panic!("{}", MissingProvider::OfAny),
    }
}
