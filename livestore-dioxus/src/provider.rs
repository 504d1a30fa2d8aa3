//! The gate: children are built once the store is open.

use dioxus::{
    core::{CapturedError, RenderError, spawn, use_hook},
    hooks::{use_effect, use_signal},
    prelude::{Callback, Element, Props, VNode, dioxus_core},
    signals::{ReadableExt, Signal, WritableExt},
};
use livestore_core::{BootStatus, Schema, Store, StoreOptions, binding::open};

use crate::{context::provide_store, status::provide_boot_status};

/// What [`StoreProvider`] takes.
#[derive(Props)]
pub struct StoreProviderProps<S: Schema> {
    /// Which store to open, and how. Read once.
    options: StoreOptions<S>,
    /// Shown while the store opens, and by server rendering always.
    #[props(default = Callback::new(|()| VNode::empty()))]
    fallback: Callback<(), Element>,
    /// Built once, when the store is open; every read below is synchronous.
    children: Element,
}

impl<S: Schema> Clone for StoreProviderProps<S> {
    fn clone(&self) -> Self {
        let Self { options, fallback, children } = self;
        Self { options: options.clone(), fallback: *fallback, children: children.clone() }
    }
}

impl<S: Schema> std::fmt::Debug for StoreProviderProps<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreProviderProps").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<S: Schema> PartialEq for StoreProviderProps<S> {
    /// Whether it would render the same.
    fn eq(&self, other: &Self) -> bool {
        self.fallback == other.fallback && self.children == other.children
    }
}

/// Opens a store and shows `children` once it is open, `fallback` until then.
///
/// A failure to open goes to the nearest `ErrorBoundary`. When the provider is unmounted, the store is closed as soon as
/// nobody else holds it; what its leader does not have by then is journaled. The options are read once.
///
/// An app with several stores nests their providers: [`use_store`](crate::use_store) finds each by its schema, and
/// [`use_query_in`](crate::use_query_in) reads the one it is given.
#[allow(non_snake_case, reason = "components are named like types")]
pub fn StoreProvider<S: Schema>(props: StoreProviderProps<S>) -> Element {
    match use_store_provider(|| props.options)? {
        None => props.fallback.call(()),
        Some(_open) => props.children,
    }
}

/// Opens a store for the components below this one: `None` until it is open, and by server rendering always. What
/// [`StoreProvider`] is made of; components below may call the other hooks only once it is open.
///
/// # Errors
/// The store can't be opened; returned with `?` it reaches the nearest `ErrorBoundary`.
pub fn use_store_provider<S: Schema>(
    options: impl FnOnce() -> StoreOptions<S>,
) -> Result<Option<Store<S>>, RenderError> {
    let mut boot = use_hook(|| provide_boot_status(Signal::new(BootStatus::Loading)));
    let mut opened = use_signal(|| None);
    let options = use_hook(options);
    // An effect runs on clients only and after the first render: the server and the hydrating client both render the
    // fallback.
    use_effect(move || {
        let options = options.clone();
        spawn(async move {
            let store = open(options, |status| boot.set(status)).await;
            if let Ok(store) = &store {
                provide_store(store);
            }
            opened.set(Some(store.map_err(CapturedError::from)));
        });
    });
    let opened = opened.read();
    match &*opened {
        None => Ok(None),
        Some(Ok(store)) => Ok(Some(store.clone())),
        Some(Err(error)) => Err(error.clone().into()),
    }
}
