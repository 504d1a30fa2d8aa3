//! What only the end-to-end tests do in a browser; not part of any app.

use wasm_bindgen::{JsCast, closure::Closure};

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
