//! What a store says about itself, as signals.

use leptos::{
    prelude::{ArcRwSignal, Get, Set, Signal, on_cleanup, provide_context, use_context},
    reactive::owner::StoredValue,
};
use livestore_core::{AnyStore, BootStatus, Durability, LeaderStatus, StorageMode};

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
        Some(Boot(boot)) => Signal::derive(move || boot.get()),
        None => panic!(
            "`use_boot_status` was called outside a `<StoreProvider>`: put the component below one"
        ),
    }
}

/// Where the nearest store keeps its data.
#[track_caller]
pub fn use_storage_mode() -> Signal<StorageMode> {
    follow(AnyStore::storage_mode)
}

/// Whether the nearest store's commits would survive leaving the page now.
#[track_caller]
pub fn use_durability() -> Signal<Durability> {
    follow(AnyStore::durability)
}

/// Who persists the nearest store's commits.
#[track_caller]
pub fn use_leader_status() -> Signal<LeaderStatus> {
    follow(AnyStore::leader_status)
}

/// How many of this session's events the leader has not persisted yet.
#[track_caller]
pub fn use_pending() -> Signal<usize> {
    follow(AnyStore::pending)
}

#[track_caller]
fn follow<T: Clone + PartialEq + Send + Sync + 'static>(read: fn(&AnyStore) -> T) -> Signal<T> {
    let store = nearest_store();
    let value = ArcRwSignal::new(read(&store));
    let subscription = store.on_status({
        let value = value.clone();
        let store = store.downgrade();
        move || {
            if let Some(store) = store.upgrade() {
                value.set(read(&store));
            }
        }
    });
    let subscription = StoredValue::new(Some(subscription));
    on_cleanup(move || drop(subscription));
    Signal::derive(move || value.get())
}
