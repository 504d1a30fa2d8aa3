//! The worker's side: is this a leader's worker, and if so run the leader instead of the app.
//!
//! `worker.js` leaves the configuration at the worker's global scope and initialises the module; whoever comes first,
//! `main` through [`launch`] or the exported entry of a library, takes it from there, so it is taken once. An app's own
//! workers, which have none, are none of our business.

use std::panic;

use futures_channel::oneshot;
use futures_util::{FutureExt, future::Shared};
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::DedicatedWorkerGlobalScope;

use super::{page, property};
use crate::platform::LeaderEntry;

const CONFIG: &str = "livestoreLeader";

/// What a leader knows when it starts.
#[derive(Debug)]
pub struct LeaderScope {
    config: Vec<u8>,
    stop: Shared<oneshot::Receiver<()>>,
}

impl LeaderScope {
    pub(super) fn new(config: Vec<u8>, stop: oneshot::Receiver<()>) -> Self {
        Self { config, stop: stop.shared() }
    }

    /// The bytes it was started with.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Resolves when whoever started the leader wants it to end, or is gone.
    pub fn stopped(&self) -> impl Future<Output = ()> + use<> {
        self.stop.clone().map(drop)
    }
}

/// Whether this thread was started to be a leader.
pub fn is_worker() -> bool {
    worker().is_some() && property(&js_sys::global(), CONFIG).is_some()
}

/// Runs the app in a page and the leader in a leader's worker. Call it first in `main`.
pub fn launch(app: impl FnOnce(), entry: LeaderEntry) {
    if !worker_main(entry) {
        app();
    }
}

/// Runs the leader if this is a leader's worker; says whether it is one.
pub fn worker_main(entry: LeaderEntry) -> bool {
    let Some(worker) = worker() else { return false };
    let global = js_sys::global();
    let Some(config) = property(&global, CONFIG) else { return false };
    // A plain data property of the global object can be deleted.
    let _ = Reflect::delete_property(&global, &JsValue::from_str(CONFIG));

    report_panics(worker.clone());
    let (stop, stopped) = oneshot::channel();
    let scope = LeaderScope::new(Uint8Array::new(&config).to_vec(), stopped);
    let mut stop = Some(stop);
    let listener =
        page::listen(&[(worker.clone().into(), "message")], move |_stop| drop(stop.take()));
    tell(&worker, "ready", "");
    spawn_local(async move {
        entry(scope).await;
        drop(listener);
        tell(&worker, "ended", "");
        worker.close();
    });
    true
}

fn worker() -> Option<DedicatedWorkerGlobalScope> {
    js_sys::global().dyn_into().ok()
}

/// After a panic this instance is not to be trusted, and while the worker lives its lock is held: report and close.
fn report_panics(worker: DedicatedWorkerGlobalScope) {
    let worker = super::local::Local::new(worker);
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(worker) = worker.get() {
            tell(&worker, "panicked", &info.to_string());
            worker.close();
        }
        previous(info);
    }));
}

fn tell(worker: &DedicatedWorkerGlobalScope, kind: &str, text: &str) {
    let message = Object::new();
    for (name, value) in [("livestore", kind), ("text", text)] {
        // Setting a property of a fresh object and posting plain text do not throw.
        let _ = Reflect::set(&message, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    let _ = worker.post_message(&message);
}

/// Exports what a leader's worker calls in a module without `main`, such as the library that cargo-leptos hydrates
/// with. Takes the [`LeaderEntry`](crate::platform::LeaderEntry); write it once, anywhere in the library.
#[doc(hidden)]
#[macro_export]
macro_rules! worker_entry {
    ($entry:expr) => {
        const _: () = {
            use $crate::platform::wasm_bindgen;
            // wasm-bindgen wants it public, and it is private to this block.
            #[allow(unreachable_pub, missing_docs)]
            #[wasm_bindgen::prelude::wasm_bindgen(wasm_bindgen = $crate::platform::wasm_bindgen)]
            pub fn livestore_worker_entry() {
                $crate::platform::worker_main($entry);
            }
        };
    };
}
