//! What a store says about itself, as signals.

use std::sync::Arc;

use leptos::{
    prelude::{ArcRwSignal, Memo, Notify, Signal, Track, provide_context, use_context},
    reactive::signal::ArcTrigger,
};
use livestore_core::{
    AnyStore, BootStatus, BootWarning, Durability, LeaderStatus, NetworkStatus, Rejection,
    StorageMode, SyncStatus, binding::MissingProvider,
};

use crate::context::nearest_store;

/// The status of the nearest provider's opening; below and inside its fallback.
#[derive(Clone)]
struct Boot(ArcRwSignal<BootStatus>);

pub(crate) fn provide_boot_status(boot: ArcRwSignal<BootStatus>) {
    provide_context(Boot(boot));
}

/// How far the nearest `<StoreProvider>` has come; usable in its fallback too.
///
/// # Panics
/// Outside a provider.
#[track_caller]
pub fn use_boot_status() -> Signal<BootStatus> {
    match use_context::<Boot>() {
        Some(Boot(boot)) => boot.into(),
        None => panic!("{}", MissingProvider::Opening),
    }
}

/// Where the nearest store keeps its data.
#[track_caller]
pub fn use_storage_mode() -> Signal<StorageMode> {
    use_status_in(&nearest_store(), AnyStore::storage_mode)
}

/// Whether the nearest store's commits would survive leaving the page now.
#[track_caller]
pub fn use_durability() -> Signal<Durability> {
    use_status_in(&nearest_store(), AnyStore::durability)
}

/// Who persists the nearest store's commits.
#[track_caller]
pub fn use_leader_status() -> Signal<LeaderStatus> {
    use_status_in(&nearest_store(), AnyStore::leader_status)
}

/// How many of this session's events the leader has not persisted yet.
#[track_caller]
pub fn use_pending() -> Signal<usize> {
    use_status_in(&nearest_store(), AnyStore::pending)
}

/// How far the nearest store's session, its leader and their backend are.
#[track_caller]
pub fn use_sync_status() -> Signal<SyncStatus> {
    use_status_in(&nearest_store(), AnyStore::sync_status)
}

/// How the nearest store's connection to its backend stands.
#[track_caller]
pub fn use_network_status() -> Signal<NetworkStatus> {
    use_status_in(&nearest_store(), AnyStore::network_status)
}

/// What of the nearest store is in quarantine; `store.retry` and `store.dismiss` take it out.
#[track_caller]
pub fn use_rejections() -> Signal<Arc<[Rejection]>> {
    use_status_in(&nearest_store(), AnyStore::rejections)
}

/// What opening the nearest store mended or worked around.
#[track_caller]
pub fn use_boot_warnings() -> Signal<Vec<BootWarning>> {
    use_status_in(&nearest_store(), AnyStore::boot_warnings)
}

/// A status of a store of your choice: `use_status_in(&store, AnyStore::pending)`. Changes when that status does.
#[track_caller]
pub fn use_status_in<T: PartialEq + Send + Sync + 'static>(
    store: &AnyStore,
    read: fn(&AnyStore) -> T,
) -> Signal<T> {
    let changed = ArcTrigger::new();
    let subscription = store.on_status({
        let changed = changed.clone();
        move || changed.notify()
    });
    let store = store.clone();
    let value = Memo::new(move |_| {
        let _ends_with_the_memo = &subscription;
        changed.track();
        read(&store)
    });
    value.into()
}
