//! JavaScript objects behind numbers.
//!
//! A JavaScript object belongs to its thread, a store's handles must be `Send + Sync`. So the object stays in a
//! thread-local table and the handle is its key: on another thread the key finds nothing. No `unsafe` is needed.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    marker::PhantomData,
    rc::Rc,
};

thread_local! {
    static TABLE: RefCell<HashMap<u64, Rc<dyn Any>>> = RefCell::new(HashMap::new());
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Owns a value of this thread; dropping it drops the value.
pub(super) struct Local<T: 'static> {
    key: u64,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> Local<T> {
    pub(super) fn new(value: T) -> Self {
        let key = NEXT.with(|next| next.replace(next.get() + 1));
        TABLE.with_borrow_mut(|table| table.insert(key, Rc::new(value)));
        Self { key, value: PhantomData }
    }

    /// The value; None on another thread than the one that made it.
    pub(super) fn get(&self) -> Option<Rc<T>> {
        let value = TABLE.with_borrow(|table| table.get(&self.key).cloned())?;
        value.downcast().ok()
    }
}

impl<T: 'static> Drop for Local<T> {
    fn drop(&mut self) {
        // The value's own drop may come back here, so it runs after the table is free again. While the thread ends,
        // the table is gone and the value with it.
        let value = TABLE.try_with(|table| table.borrow_mut().remove(&self.key));
        drop(value);
    }
}

impl<T: 'static> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local({})", self.key)
    }
}
