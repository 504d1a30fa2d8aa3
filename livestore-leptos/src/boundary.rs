//! The error boundary that is nearest where a hook is called, kept for errors that arise later.
//!
//! Leptos knows the nearest boundary while it renders only; in an event handler or an effect `throw` reaches nobody.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use leptos::{
    error::{ErrorHook, ErrorId, get_error_hook},
    prelude::use_context,
};

/// Where errors go; without an `<ErrorBoundary>` above, to the console.
#[derive(Clone)]
pub(crate) struct Boundary(Option<Arc<dyn ErrorHook>>);

impl Boundary {
    pub(crate) fn nearest() -> Self {
        Self(use_context::<Arc<dyn ErrorHook>>().or_else(get_error_hook))
    }

    /// Shows an error for good.
    pub(crate) fn throw(&self, error: impl Error + Send + Sync + 'static) {
        match &self.0 {
            Some(hook) => drop(hook.throw(error.into())),
            None => leptos::logging::error!("no <ErrorBoundary> takes this error: {error}"),
        }
    }
}

/// Shows one error at a time, as long as it lasts.
pub(crate) struct Report {
    boundary: Boundary,
    thrown: Mutex<Option<ErrorId>>,
}

impl Report {
    pub(crate) fn new(boundary: Boundary) -> Self {
        Self { boundary, thrown: Mutex::new(None) }
    }

    /// Takes back what was shown before, and shows this.
    pub(crate) fn show(&self, error: Option<impl Error + Send + Sync + 'static>) {
        let Some(hook) = &self.boundary.0 else {
            return error.into_iter().for_each(|error| self.boundary.throw(error));
        };
        // In this order: in a page that was not rendered by a server, Leptos gives all errors the same id.
        if let Some(old) = self.replace(None) {
            hook.clear(&old);
        }
        if let Some(error) = error {
            self.replace(Some(hook.throw(error.into())));
        }
    }

    /// Never held while the hook runs, which may run effects.
    fn replace(&self, id: Option<ErrorId>) -> Option<ErrorId> {
        std::mem::replace(&mut *self.thrown.lock().unwrap_or_else(PoisonError::into_inner), id)
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let (Some(hook), Some(old)) = (&self.boundary.0, self.replace(None)) {
            hook.clear(&old);
        }
    }
}
