//! Client documents as signals that can be written.

use std::{fmt, panic::Location, sync::Arc};

use leptos::{
    prelude::{DefinedAt, Get, IsDisposed, Memo, Notify, ReadUntracked, Signal, Track, Update},
    reactive::owner::ArenaItem,
};
use livestore_core::{AnyStore, ClientDocument, CommitError, Document, StoreError, Subscription};

use crate::{
    boundary::Boundary,
    context::nearest_store,
    live::{Triggers, ValueGuard},
};

/// A document's value and the means to change it: `Copy`, with Leptos's traits for reading (`get`, `with`, …) and for
/// writing (`set`, `update`).
///
/// A value is kept per tab or per client, as the document says; it survives reloads and is never synced. Reading it
/// never writes it.
pub struct DocumentSignal<D: 'static> {
    item: ArenaItem<Arc<Open<D>>>,
    defined_at: &'static Location<'static>,
}

struct Open<D> {
    document: Document<D>,
    triggers: Triggers,
    boundary: Boundary,
    _subscriptions: [Subscription; 2],
}

impl<D> Copy for DocumentSignal<D> {}

impl<D> Clone for DocumentSignal<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> fmt::Debug for DocumentSignal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentSignal")
            .field("defined_at", &self.defined_at)
            .finish_non_exhaustive()
    }
}

impl<D> DefinedAt for DocumentSignal<D> {
    fn defined_at(&self) -> Option<&'static Location<'static>> {
        Some(self.defined_at)
    }
}

impl<D> IsDisposed for DocumentSignal<D> {
    fn is_disposed(&self) -> bool {
        self.item.is_disposed()
    }
}

impl<D: ClientDocument> Track for DocumentSignal<D> {
    fn track(&self) {
        if let Some(open) = self.item.try_get_value() {
            open.triggers.track();
            // Only another value makes it stale.
            open.triggers.track_stale();
        }
    }
}

impl<D: ClientDocument> ReadUntracked for DocumentSignal<D> {
    type Value = ValueGuard<D>;

    fn try_read_untracked(&self) -> Option<ValueGuard<D>> {
        Some(ValueGuard::new(self.item.try_get_value()?.document.get()))
    }
}

impl<D: ClientDocument> Notify for DocumentSignal<D> {
    /// Tells readers to look again; a change does that by itself.
    fn notify(&self) {
        if let Some(open) = self.item.try_get_value() {
            open.triggers.notify();
        }
    }
}

impl<D: ClientDocument> Update for DocumentSignal<D> {
    type Value = D;

    /// A value that can't be stored goes to the error boundary; see [`DocumentSignal::try_change`].
    fn try_maybe_update<U>(&self, fun: impl FnOnce(&mut D) -> (bool, U)) -> Option<U> {
        let open = self.item.try_get_value()?;
        // What the closure returned counts even if its value can't be stored.
        let mut result = None;
        let changed = open.document.maybe_update(|value| {
            let (changed, out) = fun(value);
            result = Some(out);
            (changed, ())
        });
        if let Err(error) = changed {
            open.boundary.throw(error);
        }
        result
    }
}

impl<D: ClientDocument> DocumentSignal<D> {
    /// Changes the value like `update`, and returns what is wrong with it instead of throwing it.
    ///
    /// # Errors
    /// [`CommitError`] when the value can't be JSON; [`CommitError::Closed`] also when the signal's owner is gone.
    pub fn try_change(&self, change: impl FnOnce(&mut D)) -> Result<(), CommitError> {
        self.item.try_get_value().ok_or(CommitError::Closed)?.document.update(change)
    }
}

impl<D: ClientDocument> From<DocumentSignal<D>> for Signal<D> {
    /// For components that take a `Signal`: copies the value once per change.
    #[track_caller]
    fn from(document: DocumentSignal<D>) -> Self {
        Memo::new(move |_| document.get()).into()
    }
}

/// The document `D` of the nearest store.
///
/// # Panics
/// Outside a `<StoreProvider>`, or when the store's schema does not list `D`.
#[track_caller]
pub fn use_client_document<D: ClientDocument>() -> DocumentSignal<D> {
    match use_client_document_in(&nearest_store()) {
        Ok(document) => document,
        Err(error) => panic!("{error}"),
    }
}

/// The document `D` of a store of your choice.
///
/// # Errors
/// [`StoreError::UnknownDocument`] when its schema does not list `D`.
#[track_caller]
pub fn use_client_document_in<D: ClientDocument>(
    store: &AnyStore,
) -> Result<DocumentSignal<D>, StoreError> {
    let document = store.document::<D>()?;
    let triggers = Triggers::new();
    let _subscriptions = triggers.subscribe(document.live(), None);
    let open = Open { document, triggers, boundary: Boundary::nearest(), _subscriptions };
    Ok(DocumentSignal { item: ArenaItem::new(Arc::new(open)), defined_at: Location::caller() })
}
