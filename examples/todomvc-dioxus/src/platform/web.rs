//! In a browser: the data lies in OPFS, and the filter is the address's hash, so links, reload and the back button all
//! work.

use std::rc::Rc;

use dioxus::prelude::*;
use livestore_dioxus::StoreOptions;
use todomvc_schema::{Filter, TodoMvc, list_of_page};
use wasm_bindgen::{JsCast, prelude::Closure};

use crate::components::App;

/// What keeps the todos, in the words of the status line's attribute.
pub(crate) const STORAGE: &str = "opfs";

/// Runs the app in the page, and the leader in the worker that the page starts from this same module.
pub(crate) fn run() {
    #[cfg(feature = "testing")]
    todomvc_schema::testing::expose();
    livestore_dioxus::launch::<TodoMvc>(|| LaunchBuilder::new().launch(App));
}

/// Which store to open: the address names it.
pub(crate) fn use_options() -> StoreOptions<TodoMvc> {
    let query = web_sys::window().and_then(|window| window.location().search().ok());
    let options = list_of_page(&query.unwrap_or_default());
    #[cfg(feature = "testing")]
    let options = todomvc_schema::testing::with_worker_script(options);
    options
}

/// The filter that the address names, now and after every change.
pub(crate) fn use_filter() -> Signal<Filter> {
    let mut filter = use_signal(in_address);
    let listener = use_hook(|| {
        let listener = Closure::<dyn FnMut()>::new(move || filter.set(in_address()));
        if let Some(window) = web_sys::window() {
            // Adding a listener for a known event does not throw.
            let function = listener.as_ref().unchecked_ref();
            let _ = window.add_event_listener_with_callback("hashchange", function);
        }
        Rc::new(listener)
    });
    use_drop(move || {
        if let Some(window) = web_sys::window() {
            let function = listener.as_ref().as_ref().unchecked_ref();
            let _ = window.remove_event_listener_with_callback("hashchange", function);
        }
    });
    filter
}

fn in_address() -> Filter {
    let hash = web_sys::window().and_then(|window| window.location().hash().ok());
    Filter::from_hash(&hash.unwrap_or_default())
}

/// A click on a filter's link: the browser follows it, and the new address sets the filter.
pub(crate) fn follow(_click: &MouseEvent, _filter: Signal<Filter>, _to: Filter) {}
