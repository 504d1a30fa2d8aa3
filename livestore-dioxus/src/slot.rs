//! Where a hook keeps the value it shows, so that Dioxus can lend it, and who has read it.
//!
//! Dioxus lends references into its own storage. What lies there is the engine's `Arc`, so the rows exist once however
//! many components read them. A value that is still lent when the next one comes stays where it is until nobody looks.
//!
//! Deliberately absent: knowledge of queries. A slot is told what is the value now, and who is to look again.

use std::{cell::OnceCell, sync::Arc};

use dioxus::{
    core::{ReactiveContext, Subscribers},
    signals::{AnyStorage, BorrowError, CopyValue, Readable, ReadableRef, UnsyncStorage, Writable},
};

use crate::closure::is_closure;

/// The values that are lent or may be, oldest first.
struct Versions<T>(OnceCell<Box<Version<T>>>);

struct Version<T> {
    value: Arc<T>,
    newer: Versions<T>,
}

impl<T> Versions<T> {
    fn none() -> Self {
        Self(OnceCell::new())
    }

    fn newest(&self) -> Option<&Arc<T>> {
        let mut version = self.0.get()?;
        while let Some(newer) = version.newer.0.get() {
            version = newer;
        }
        Some(&version.value)
    }

    fn push(&self, value: Arc<T>) {
        let mut end = self;
        while let Some(version) = end.0.get() {
            end = &version.newer;
        }
        end.0.get_or_init(|| Box::new(Version { value, newer: Self::none() }));
    }
}

impl<T> Drop for Versions<T> {
    /// One by one: however long something was lent, this does not recurse.
    fn drop(&mut self) {
        let mut oldest = self.0.take();
        while let Some(mut version) = oldest {
            oldest = version.newer.0.take();
        }
    }
}

/// One hook's value and its readers: what the hook's signal reads. Lives as long as the component.
pub(crate) struct Slot<T: 'static> {
    now: Box<dyn Fn() -> Arc<T>>,
    versions: CopyValue<Versions<T>>,
    readers: Subscribers,
}

impl<T> Slot<T> {
    /// `now` gives the value, and owns what that takes; whoever changes it tells `readers`.
    pub(crate) fn new(readers: Subscribers, now: impl Fn() -> Arc<T> + 'static) -> Self {
        Self { now: Box::new(now), versions: CopyValue::new(Versions::none()), readers }
    }
}

impl<T> Readable for Slot<T> {
    type Target = T;
    type Storage = UnsyncStorage;

    fn try_read_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        let value = self.try_peek_unchecked();
        // Only now: what giving the value has changed is no news to who reads it here.
        if let Some(reader) = ReactiveContext::current() {
            reader.subscribe(self.readers.clone());
        }
        value
    }

    /// Lends the value of now, or what lies here if that is the same.
    fn try_peek_unchecked(&self) -> Result<ReadableRef<'static, Self>, BorrowError> {
        let now = (self.now)();
        let versions = self.versions.try_peek_unchecked()?;
        let known = versions.newest().is_some_and(|known| Arc::ptr_eq(known, &now));
        drop(versions);
        if !known {
            // What is still lent can't be removed; it goes with the next value that finds the slot free.
            if let Ok(mut versions) = self.versions.try_write_unchecked() {
                *versions = Versions::none();
            }
            self.versions.try_peek_unchecked()?.push(now);
        }
        let versions = self.versions.try_peek_unchecked()?;
        Ok(UnsyncStorage::map(versions, |versions| {
            &**versions.newest().expect("BUG: a value was pushed")
        }))
    }

    fn subscribers(&self) -> Subscribers {
        self.readers.clone()
    }
}

/// Makes all readers look again.
pub(crate) fn tell(readers: &Subscribers) {
    tell_those(readers, |_| true);
}

/// Makes those readers look again that are closures of queries: the query that they return may be another one now.
pub(crate) fn tell_closures(readers: &Subscribers) {
    tell_those(readers, is_closure);
}

fn tell_those(readers: &Subscribers, whom: impl Fn(&ReactiveContext) -> bool) {
    let mut told = Vec::new();
    // Not from inside: being told may end a reader, which then leaves the list.
    readers.visit(|reader| told.push(*reader));
    for reader in told.iter().filter(|reader| whom(reader)) {
        reader.mark_dirty();
    }
}
