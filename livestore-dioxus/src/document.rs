//! Client documents as signals that can be written.

use dioxus::{
    core::{Subscribers, use_hook},
    signals::{
        BorrowError, BorrowMutError, CopyValue, Readable, ReadableRef, UnsyncStorage, Writable,
        WritableExt, WritableRef, WriteLock, WriteSignal,
    },
};
use livestore_core::{AnyStore, ClientDocument, Document, StoreError};

use crate::{
    boundary::Boundary,
    context::nearest_store,
    slot::{Slot, tell, tell_closures},
};

/// The document `D` of the nearest store: read it like a signal, change it with `set`, `with_mut` or `write`.
///
/// A value is kept per tab or per client, as the document says; it survives reloads and is never synced. Reading it
/// never writes it. A value that can't be stored goes to the nearest `ErrorBoundary`; to handle that yourself, change
/// it with [`AnyStore::document`].
///
/// # Panics
/// Outside a `StoreProvider`, or when the store's schema does not list `D`.
#[track_caller]
pub fn use_client_document<D: ClientDocument>() -> WriteSignal<D> {
    match use_hook(|| open(&nearest_store())) {
        Ok(document) => document,
        Err(error) => panic!("{error}"),
    }
}

/// The document `D` of a store of your choice; the store is that of the first render.
///
/// # Errors
/// [`StoreError::UnknownDocument`] when its schema does not list `D`.
#[track_caller]
pub fn use_client_document_in<D: ClientDocument>(
    store: &AnyStore,
) -> Result<WriteSignal<D>, StoreError> {
    use_hook(|| open(store))
}

fn open<D: ClientDocument>(store: &AnyStore) -> Result<WriteSignal<D>, StoreError> {
    let document = store.document::<D>()?;
    let readers = Subscribers::new();
    let (all, closures) = (readers.clone(), readers.clone());
    let subscriptions = (
        document.live().on_change_local(move || tell(&all)),
        document.live().on_stale(move || tell_closures(&closures)),
    );
    let slot = Slot::new(readers, {
        let document = document.clone();
        move || {
            let _live_as_long = &subscriptions;
            document.get()
        }
    });
    let (draft, boundary) = (CopyValue::new(None), Boundary::nearest());
    Ok(WriteSignal::new(DocumentValue { document, slot, draft, boundary }))
}

/// What a `WriteSignal` of a document reads and writes.
struct DocumentValue<D: 'static> {
    document: Document<D>,
    slot: Slot<D>,
    /// What is being changed.
    draft: CopyValue<Option<D>>,
    boundary: Boundary,
}

impl<D: ClientDocument> Readable for DocumentValue<D> {
    type Target = D;
    type Storage = UnsyncStorage;

    fn try_read_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        self.slot.try_read_unchecked()
    }

    fn try_peek_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        self.slot.try_peek_unchecked()
    }

    fn subscribers(&self) -> Subscribers {
        self.slot.subscribers()
    }
}

impl<D: ClientDocument> Writable for DocumentValue<D> {
    type WriteMetadata = Save<D>;

    /// Lends a copy of the value, which is stored when the loan ends.
    fn try_write_unchecked(&self) -> Result<WritableRef<'static, Self>, BorrowMutError> {
        let draft = self.draft.try_write_unchecked()?;
        // Not `get`: a batch that is under way may have changed it.
        let current = self.document.maybe_update(|value| (false, value.clone()));
        let draft = WriteLock::map(draft, |draft| {
            draft.insert(current.unwrap_or_else(|_| D::clone(&self.document.get())))
        });
        let save = Save {
            document: self.document.clone(),
            draft: self.draft,
            boundary: self.boundary.clone(),
        };
        Ok(draft.map_metadata(|()| save))
    }
}

/// Stores a changed value when its loan has ended.
struct Save<D: ClientDocument> {
    document: Document<D>,
    draft: CopyValue<Option<D>>,
    boundary: Boundary,
}

impl<D: ClientDocument> Drop for Save<D> {
    fn drop(&mut self) {
        // If the component is gone by now, so is the draft.
        let value = self.draft.try_write().ok().and_then(|mut draft| draft.take());
        if let Some(value) = value
            && let Err(error) = self.document.set(value)
        {
            self.boundary.throw(error);
        }
    }
}
