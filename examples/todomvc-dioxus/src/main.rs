//! TodoMVC on livestore and Dioxus: one source for browsers and desktops.
//!
//! In reading order: the crate `todomvc-schema` (what a todo is and what can happen to one), `components` (how it looks,
//! what it reads, what it commits), `platform` (what a page and a window do differently: where the data lies, and what the
//! filter is kept in).

#[cfg(any(feature = "web", feature = "desktop"))]
#[allow(unused_qualifications, reason = "what Dioxus's macros write")]
mod components;
#[cfg(any(feature = "web", feature = "desktop"))]
mod platform;

fn main() {
    #[cfg(any(feature = "web", feature = "desktop"))]
    platform::run();
}
