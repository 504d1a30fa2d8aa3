//! What a store says about itself, as signals.

use std::cell::RefCell;

use dioxus::{
    core::{Subscribers, provide_context, try_consume_context, use_hook},
    signals::{BorrowError, ReadSignal, Readable, ReadableRef, Signal, UnsyncStorage},
};
use livestore_core::{
    AnyStore, BootStatus, BootWarning, Durability, LeaderStatus, LocalSubscription, StorageMode,
};

use crate::{
    context::nearest_store,
    slot::{Shown, Slot, tell},
};

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
        None => panic!(
            "`use_boot_status` was called outside a `StoreProvider`: call it in a component below one or in its fallback"
        ),
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
    use_hook(|| {
        let store = store();
        let slot = Slot::new();
        let told = RefCell::new(read(&store));
        let _subscription = store.on_status_local({
            let (store, readers) = (store.clone(), slot.readers());
            move || {
                let now = read(&store);
                if *told.borrow() != now {
                    told.replace(now);
                    tell(&readers);
                }
            }
        });
        ReadSignal::new(StatusValue { store, read, slot, _subscription })
    })
}

/// What a `ReadSignal` of a status reads.
struct StatusValue<T: 'static> {
    store: AnyStore,
    read: fn(&AnyStore) -> T,
    slot: Slot<Status<T>>,
    _subscription: LocalSubscription,
}

struct Status<T>(T);

impl<T: PartialEq + 'static> Shown for Status<T> {
    type Target = T;

    fn target(&self) -> &T {
        &self.0
    }

    fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: PartialEq + 'static> Readable for StatusValue<T> {
    type Target = T;
    type Storage = UnsyncStorage;

    fn try_read_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        self.slot.track();
        self.try_peek_unchecked()
    }

    fn try_peek_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        self.slot.lend(Status((self.read)(&self.store)))
    }

    fn subscribers(&self) -> Subscribers {
        self.slot.readers()
    }
}
