//! A page that a server renders and that opens its store in the browser.
//!
//! The server and the first render in the browser both show the store provider's fallback, so hydration finds what it
//! expects; then the store opens and its children take the fallback's place. The module that the page loads has no
//! `main`: it exports `hydrate` for the page and, by one macro line, the entry of the leader's worker.
//!
//! In reading order: `schema` (what is kept), `app` (what it looks like), `main.rs` (the server).

#[allow(unreachable_pub, reason = "Leptos's component macro makes what it writes public")]
mod app;
mod schema;

pub use app::shell;

#[cfg(feature = "hydrate")]
livestore_leptos::worker_entry!(schema::Shopping);

/// What the page calls once the module is loaded.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    livestore_leptos::launch::<schema::Shopping>(|| leptos::mount::hydrate_body(app::App));
}
