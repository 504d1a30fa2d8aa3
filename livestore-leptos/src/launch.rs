//! One wasm module, two roles.

use livestore_core::SchemaSet;

/// Runs `app` in the page; in the worker that a page started from this same module it runs the leader instead.
///
/// Call it first thing in `main`, before anything touches the DOM: a worker has none. `S` is the app's schema, or a
/// tuple of schemas when the app opens stores of several. Natively (tests, server rendering) it just runs `app`.
///
/// A library that a server's page hydrates with has no `main`: there [`worker_entry!`](crate::worker_entry) is needed,
/// too.
pub fn launch<S: SchemaSet>(app: impl FnOnce()) {
    console_error_panic_hook::set_once();
    livestore_core::launch::<S>(app);
}

/// Exports what the leader's worker calls in a module without `main`, such as the library that cargo-leptos hydrates
/// with. Write it once, anywhere in that library, with the app's schemas: `livestore_leptos::worker_entry!(App);`
#[macro_export]
macro_rules! worker_entry {
    ($schema:ty) => {
        $crate::__core::worker_entry!($crate::__core::run_leader::<$schema>);
    };
    ($($schema:ty),+ $(,)?) => {
        $crate::worker_entry!(($($schema,)+));
    };
}
