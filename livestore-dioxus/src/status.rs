//! What a store says about itself, as signals.

use std::{rc::Rc, sync::Arc};

use dioxus::{
    core::{provide_context, try_consume_context, use_hook},
    signals::{ReadSignal, ReadableExt, Signal, WritableExt},
};
use livestore_core::{
    AnyStore, BootStatus, BootWarning, Durability, LeaderStatus, NetworkStatus, Rejection,
    StorageMode, SyncStatus, binding::MissingProvider,
};

use crate::context::nearest_store;

/// The status of the nearest provider's opening; below and inside its fallback.
#[derive(Clone)]
struct Boot(Signal<BootStatus>);

pub(crate) fn provide_boot_status(boot: Signal<BootStatus>) -> Signal<BootStatus> {
    provide_context(Boot(boot)).0
}

/// How far the nearest `StoreProvider` has come; usable in components of its fallback, too.
///
/// # Panics
/// Outside a provider.
#[track_caller]
pub fn use_boot_status() -> ReadSignal<BootStatus> {
    use_hook(|| match try_consume_context::<Boot>() {
        Some(Boot(boot)) => boot.into(),
        None => panic!("{}", MissingProvider::Opening),
    })
}

/// Where the nearest store keeps its data.
#[track_caller]
pub fn use_storage_mode() -> ReadSignal<StorageMode> {
    use_status(nearest_store, AnyStore::storage_mode)
}

/// Whether the nearest store's commits would survive leaving the page now.
#[track_caller]
pub fn use_durability() -> ReadSignal<Durability> {
    use_status(nearest_store, AnyStore::durability)
}

/// Who persists the nearest store's commits.
#[track_caller]
pub fn use_leader_status() -> ReadSignal<LeaderStatus> {
    use_status(nearest_store, AnyStore::leader_status)
}

/// How many of this session's events the leader has not persisted yet.
#[track_caller]
pub fn use_pending() -> ReadSignal<usize> {
    use_status(nearest_store, AnyStore::pending)
}

/// How far the nearest store's session, its leader and their backend are.
#[track_caller]
pub fn use_sync_status() -> ReadSignal<SyncStatus> {
    use_status(nearest_store, AnyStore::sync_status)
}

/// How the nearest store's connection to its backend stands.
#[track_caller]
pub fn use_network_status() -> ReadSignal<NetworkStatus> {
    use_status(nearest_store, AnyStore::network_status)
}

/// What of the nearest store is in quarantine; `store.retry` and `store.dismiss` take it out.
#[track_caller]
pub fn use_rejections() -> ReadSignal<Arc<[Rejection]>> {
    use_status(nearest_store, AnyStore::rejections)
}

/// What opening the nearest store mended or worked around.
#[track_caller]
pub fn use_boot_warnings() -> ReadSignal<Vec<BootWarning>> {
    use_status(nearest_store, AnyStore::boot_warnings)
}

/// A status of a store of your choice: `use_status_in(&store, AnyStore::pending)`. Changes when that status does.
#[track_caller]
pub fn use_status_in<T: PartialEq + 'static>(
    store: &AnyStore,
    read: fn(&AnyStore) -> T,
) -> ReadSignal<T> {
    use_status(|| store.clone(), read)
}

#[track_caller]
fn use_status<T: PartialEq + 'static>(
    store: impl FnOnce() -> AnyStore,
    read: fn(&AnyStore) -> T,
) -> ReadSignal<T> {
    let (shown, _subscription) = use_hook(|| {
        let store = store();
        let shown = Signal::new(read(&store));
        let subscription = store.clone().on_status_local(move || {
            let (mut shown, now) = (shown, read(&store));
            // The component may be gone already.
            if shown.try_peek().is_ok_and(|shown| *shown != now) {
                shown.set(now);
            }
        });
        (shown, Rc::new(subscription))
    });
    shown.into()
}
