//! What only the end-to-end tests do in a browser; not part of any app.

use livestore_core::{OnBackendChanged, StoreOptions, SyncOptions};
use tracing::Level;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_tracing::{ConsoleConfig, WasmLayerConfig};

use crate::TodoMvc;

/// Shows what the engine warns of in the console, where every message that a test does not expect fails it; and gives the
/// global scope of the page, and of the leader's worker, a function that panics in this module.
pub fn expose() {
    let mut warnings = WasmLayerConfig::new();
    warnings
        .set_max_level(Level::WARN)
        .set_report_logs_in_timings(false)
        .set_console_config(ConsoleConfig::ReportWithoutConsoleColor);
    wasm_tracing::set_as_global_default_with_config(warnings)
        .expect("BUG: somebody else has set the subscriber");
    let panic = Closure::<dyn Fn()>::new(|| panic!("as the test asked"));
    // Setting a property of the global object does not throw.
    let _ = js_sys::Reflect::set(
        &js_sys::global(),
        &"livestorePanic".into(),
        panic.as_ref().unchecked_ref(),
    );
    panic.forget();
}

/// The options with the worker's script that the page names in the global `livestoreWorkerScript`, if it does.
pub fn with_worker_script(options: StoreOptions<TodoMvc>) -> StoreOptions<TodoMvc> {
    let script = js_sys::Reflect::get(&js_sys::global(), &"livestoreWorkerScript".into());
    match script.ok().and_then(|script| script.as_string()) {
        Some(address) => options.worker_script(address),
        None => options,
    }
}

/// The options with what the page's query wants to happen when the backend has lost events.
pub fn with_policy(sync: SyncOptions, policy: Option<&str>) -> SyncOptions {
    match policy {
        Some("keep") => sync.on_backend_changed(OnBackendChanged::Keep),
        Some("fail") => sync.on_backend_changed(OnBackendChanged::Fail),
        _ => sync,
    }
}
