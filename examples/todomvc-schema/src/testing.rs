//! What only the end-to-end tests do in a browser; not part of any app.

use livestore_core::StoreOptions;
use wasm_bindgen::{JsCast, closure::Closure};

use crate::TodoMvc;

/// Gives the global scope of the page, and of the leader's worker, a function that panics in this module.
pub fn expose() {
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
