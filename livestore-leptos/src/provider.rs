//! The gate: children are built once the store is open.

use leptos::{
    children::{TypedChildrenFn, ViewFn},
    either::EitherOf3,
    prelude::*,
    reactive::spawn_local_scoped,
};
use livestore_core::{BootStatus, OpenError, Schema, Store, StoreOptions};

use crate::{context::provide_store, status::provide_boot_status};

/// Opens a store and shows `children` once it is open, `fallback` until then.
///
/// A failure to open goes to the nearest `<ErrorBoundary>`. When the provider is unmounted, the store is closed as
/// soon as nobody else holds it; what it accepted is persisted first. The options are read once.
#[component]
pub fn StoreProvider<S, C>(
    /// Which store to open, and how.
    options: StoreOptions<S>,
    /// Shown while the store opens, and by server rendering always.
    #[prop(optional, into)]
    fallback: ViewFn,
    /// Built once the store is open; every read below is synchronous.
    children: TypedChildrenFn<C>,
) -> impl IntoView
where
    S: Schema,
    C: IntoView + 'static,
{
    let boot = ArcRwSignal::new(BootStatus::Loading);
    provide_boot_status(boot.clone());
    let opened: ArcRwSignal<Option<Result<Store<S>, OpenError>>> = ArcRwSignal::new(None);
    // An effect runs in the browser only and after the first render: the server and the hydrating client both render
    // the fallback.
    Effect::new({
        let opened = opened.clone();
        move |_| {
            let (opened, boot) = (opened.clone(), boot.clone());
            let options = options.clone().on_boot(move |status| boot.set(status));
            spawn_local_scoped(async move { opened.set(Some(Store::open(options).await)) });
        }
    });
    let children = children.into_inner();
    move || match opened.get() {
        None => EitherOf3::A(fallback.run()),
        Some(Ok(store)) => {
            provide_store(&store);
            EitherOf3::B(children())
        }
        Some(Err(error)) => EitherOf3::C(Err::<(), _>(error)),
    }
}
