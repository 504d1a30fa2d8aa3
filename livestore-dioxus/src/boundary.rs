//! The error boundary that is nearest where a hook is called, kept for errors that arise later.
//!
//! A boundary of Dioxus shows one error instead of its children until the app clears it; the children are then built
//! anew. So nothing here is ever taken back.

use dioxus::core::{CapturedError, ErrorContext, try_consume_context};

/// Where errors go. Every app has one: Dioxus puts its own around the root.
#[derive(Clone)]
pub(crate) struct Boundary(Option<ErrorContext>);

impl Boundary {
    pub(crate) fn nearest() -> Self {
        Self(try_consume_context())
    }

    pub(crate) fn throw(&self, error: impl Into<CapturedError>) {
        if let Some(errors) = &self.0 {
            errors.insert_error(error.into());
        }
    }
}
