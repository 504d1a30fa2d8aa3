//! What only the end-to-end tests do in a browser; not part of any app.

use js_sys::{Reflect, global};
use livestore_core::{OnBackendChanged, Store, StoreOptions, SyncOptions};
use tracing::Level;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
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
    give("livestorePanic", || panic!("as the test asked"));
}

/// Gives the page functions that do what only some apps have buttons for.
pub fn drive(store: &Store<TodoMvc>) {
    let (pausing, resuming, leaving) = (store.clone(), store.clone(), store.clone());
    give("livestorePause", move || pausing.pause_sync());
    give("livestoreResume", move || resuming.resume_sync());
    give("livestoreDelete", move || {
        let store = leaving.clone();
        spawn_local(async move {
            let outcome = match store.delete().await {
                Ok(()) => "deleted".to_owned(),
                Err(error) => error.to_string(),
            };
            // Setting a property of the global object does not throw.
            let _ = Reflect::set(&global(), &"livestoreDeleted".into(), &outcome.into());
        });
    });
}

/// Gives the global scope a function.
fn give(name: &str, function: impl Fn() + 'static) {
    let function = Closure::<dyn Fn()>::new(function);
    // Setting a property of the global object does not throw.
    let _ = Reflect::set(&global(), &name.into(), function.as_ref().unchecked_ref());
    function.forget();
}

/// The options with the worker's script that the page names in the global `livestoreWorkerScript`, if it does.
pub fn with_worker_script(options: StoreOptions<TodoMvc>) -> StoreOptions<TodoMvc> {
    let script = Reflect::get(&global(), &"livestoreWorkerScript".into());
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
