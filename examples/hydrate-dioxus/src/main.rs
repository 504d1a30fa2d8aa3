//! A page that a server renders and that opens its store in the browser, with Dioxus fullstack.
//!
//! The server and the first render in the browser both show the store provider's fallback, so hydration finds what it
//! expects; then the store opens and its children take the fallback's place. One program is both: with the feature
//! `server` it serves, with `web` it is the page's module, and in the worker that the page starts from that it leads.
//!
//! In reading order: the crate `todomvc-schema` (what is kept), `app` (what the page looks like).

#[cfg(any(feature = "web", feature = "server"))]
#[allow(unused_qualifications, reason = "what Dioxus's macros write")]
mod app;

fn main() {
    #[cfg(any(feature = "web", feature = "server"))]
    livestore_dioxus::launch::<todomvc_schema::TodoMvc>(|| dioxus::launch(app::App));
}
