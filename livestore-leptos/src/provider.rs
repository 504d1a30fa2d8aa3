//! The gate: children are built once the store is open.

use leptos::{
    children::{TypedChildrenFn, ViewFn},
    either::EitherOf3,
    prelude::*,
    reactive::{effect::batch, spawn_local_scoped_with_cancellation},
};
use livestore_core::{BootStatus, OpenError, Schema, Store, StoreOptions, binding};

use crate::{context::provide_store, status::provide_boot_status};

/// Opens a store and shows `children` once it is open, `fallback` until then.
///
/// A failure to open goes to the nearest `<ErrorBoundary>`. When the provider is unmounted, the store is closed as
/// soon as nobody else holds it; what its leader does not have by then is journaled. The options are read once.
///
/// An app with several stores nests their providers: [`use_store`](crate::use_store) finds each by its schema, and
/// [`use_query_in`](crate::use_query_in) reads the one it is given.
#[component]
pub fn StoreProvider<S, C>(
    /// Which store to open, and how.
    options: StoreOptions<S>,
    /// Shown while the store opens, and by server rendering always.
    #[prop(optional, into)]
    fallback: ViewFn,
    /// Built once, when the store is open; every read below is synchronous.
    children: TypedChildrenFn<C>,
) -> impl IntoView
where
    S: Schema,
    C: IntoView + 'static,
{
    let opened = open(options);
    let children = children.into_inner();
    move || match opened.get() {
        None => EitherOf3::A(fallback.run()),
        Some(Ok(store)) => {
            provide_store(&store);
            // What the children read while they are built must not build them again.
            EitherOf3::B(untrack(&*children))
        }
        Some(Err(error)) => EitherOf3::C(Err::<(), _>(error)),
    }
}

/// Opens a store, and gives up if the owner is gone before it is open.
fn open<S: Schema>(options: StoreOptions<S>) -> ArcReadSignal<Option<Result<Store<S>, OpenError>>> {
    let boot = ArcRwSignal::new(BootStatus::Loading);
    provide_boot_status(boot.clone());
    let (opened, set_opened) = arc_signal(None);
    // All observers of one refresh are told together.
    let options = options.notify_within(|tell| batch(tell));
    // An effect runs in the browser only and after the first render: the server and the hydrating client both render
    // the fallback.
    Effect::new(move |_| {
        let (options, boot, set_opened) = (options.clone(), boot.clone(), set_opened.clone());
        spawn_local_scoped_with_cancellation(async move {
            set_opened.set(Some(binding::open(options, |status| boot.set(status)).await));
        });
    });
    opened
}
