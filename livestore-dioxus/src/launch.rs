//! One wasm module, two roles.

use livestore_core::SchemaSet;

/// Runs `app` in the page; in the worker that a page started from this same module it runs the leader instead.
///
/// Call it first thing in `main`, around Dioxus's own launch: `livestore_dioxus::launch::<App>(|| dioxus::launch(Root))`.
/// Nothing may touch the DOM before it: a worker has none. `S` is the app's schema, or a tuple of schemas when the app
/// opens stores of several. Natively (desktop, tests, server rendering) it just runs `app`.
pub fn launch<S: SchemaSet>(app: impl FnOnce()) {
    console_error_panic_hook::set_once();
    livestore_core::launch::<S>(app);
}
