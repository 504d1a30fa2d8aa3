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

/// What can be shown: compared cheaply, lent as its target.
pub(crate) trait Shown: 'static {
    type Target: 'static;

    fn target(&self) -> &Self::Target;

    /// Whether showing this instead of `other` would change nothing.
    fn same(&self, other: &Self) -> bool;
}

impl<T: 'static> Shown for Arc<T> {
    type Target = T;

    fn target(&self) -> &T {
        self
    }

    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }
}

/// The values that are lent or may be, oldest first.
struct Versions<V>(OnceCell<Box<Version<V>>>);

struct Version<V> {
    value: V,
    newer: Versions<V>,
}

impl<V> Versions<V> {
    fn none() -> Self {
        Self(OnceCell::new())
    }

    fn newest(&self) -> Option<&V> {
        let mut version = self.0.get()?;
        while let Some(newer) = version.newer.0.get() {
            version = newer;
        }
        Some(&version.value)
    }

    fn push(&self, value: V) {
        let mut end = self;
        while let Some(version) = end.0.get() {
            end = &version.newer;
        }
        end.0.get_or_init(|| Box::new(Version { value, newer: Self::none() }));
    }
}

/// A reference to what a slot shows.
pub(crate) type Lent<V> = ReadableRef<'static, CopyValue<V>, <V as Shown>::Target>;

/// One hook's value and its readers; lives as long as the component.
pub(crate) struct Slot<V: 'static> {
    versions: CopyValue<Versions<V>>,
    readers: Subscribers,
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { versions: self.versions, readers: self.readers.clone() }
    }
}

impl<V: Shown> Slot<V> {
    pub(crate) fn new() -> Self {
        Self { versions: CopyValue::new(Versions::none()), readers: Subscribers::new() }
    }

    /// Lends `now`, or what lies here if that is the same.
    pub(crate) fn lend(&self, now: V) -> Result<Lent<V>, BorrowError> {
        let known =
            self.versions.try_peek_unchecked()?.newest().is_some_and(|known| now.same(known));
        if !known {
            // What is still lent can't be removed; it goes with the next value that finds the slot free.
            if let Ok(mut versions) = self.versions.try_write_unchecked() {
                *versions = Versions::none();
            }
            self.versions.try_peek_unchecked()?.push(now);
        }
        let versions = self.versions.try_peek_unchecked()?;
        Ok(UnsyncStorage::map(versions, |versions| {
            versions.newest().expect("BUG: a value was pushed").target()
        }))
    }

    /// Makes whoever is rendering or computing look again when the value changes.
    pub(crate) fn track(&self) {
        if let Some(reader) = ReactiveContext::current() {
            reader.subscribe(self.readers.clone());
        }
    }

    pub(crate) fn readers(&self) -> Subscribers {
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
