//! The page's side: starts the leader in a dedicated worker made of the app's own wasm module, and starts a new one
//! when it dies.
//!
//! The worker's script is a Blob (or a file of the app, for strict content security policies). It gets the address of
//! the page's wasm-bindgen glue and the compiled module, so nothing is downloaded or compiled again, and no bundler has
//! to know of it. Needs wasm-bindgen's target `web`, which trunk, cargo-leptos and dx all use.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use futures_channel::oneshot;
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    Blob, BlobPropertyBag, ErrorEvent, Event, MessageEvent, Url, Worker, WorkerOptions, WorkerType,
};

use super::{
    describe,
    local::Local,
    lock::lock_exclusive,
    page::{self, Listener},
    property,
    scope::LeaderScope,
    timer,
};
use crate::platform::{
    LeaderEntry, LeaderEvent, LeaderFailure, SpawnLeader, now_ms, random_u64, supervise::Backoff,
};

/// The worker's script. An app whose content security policy forbids `blob:` workers serves this text as a file of its
/// own and names its address in [`SpawnLeader::script`].
pub const WORKER_SCRIPT: &str = include_str!("worker.js");

/// How long a leader that was told to stop may take before its worker is terminated.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How often in a row a worker may fail to load its script or the app's module (perhaps the network does) before the
/// page does without. A Blob needs no network: if the browser refuses it once, it always will.
const STARTS: u32 = 5;

#[wasm_bindgen]
extern "C" {
    type ImportMeta;

    #[wasm_bindgen(thread_local_v2, js_namespace = import, js_name = meta)]
    static META: ImportMeta;

    #[wasm_bindgen(method, getter)]
    fn url(this: &ImportMeta) -> String;
}

/// A supervised leader. Dropping it tells the leader to stop; the page's end ends it too.
#[derive(Debug)]
pub struct LeaderHandle(Local<Rc<Supervisor>>);

impl Drop for LeaderHandle {
    fn drop(&mut self) {
        if let Some(supervisor) = self.0.get() {
            supervisor.stop();
        }
    }
}

/// Starts a leader and keeps it alive. `entry` is what the worker's [`launch`](super::launch) was given, and runs here
/// only if no worker can be started and [`SpawnLeader::inline`] allows it.
pub fn spawn_leader(
    spawn: SpawnLeader,
    entry: LeaderEntry,
    on_event: impl Fn(LeaderEvent) + 'static,
) -> LeaderHandle {
    let supervisor = Rc::new(Supervisor {
        spawn,
        entry,
        on_event: Box::new(on_event),
        running: RefCell::new(Running::Nothing),
        backoff: Cell::new(Backoff::default()),
        unstarted: Cell::new(0),
    });
    supervisor.start();
    LeaderHandle(Local::new(supervisor))
}

struct Supervisor {
    spawn: SpawnLeader,
    entry: LeaderEntry,
    on_event: Box<dyn Fn(LeaderEvent)>,
    running: RefCell<Running>,
    backoff: Cell<Backoff>,
    /// How many workers in a row have not come as far as to run the entry.
    unstarted: Cell<u32>,
}

#[expect(dead_code, reason = "listeners and timers are held for their drop")]
enum Running {
    Nothing,
    Worker {
        worker: Worker,
        /// The lock that the worker holds for life.
        alive: String,
        script: Option<Script>,
        born: u64,
        listeners: [Listener; 2],
    },
    Waiting(timer::Timer),
    Inline(oneshot::Sender<()>),
    Stopped,
}

/// Where the worker's script is, kept until its first line has run.
enum Script {
    File(String),
    Blob(String),
}

impl Script {
    fn blob() -> Result<Self, JsValue> {
        let kind = BlobPropertyBag::new();
        kind.set_type("text/javascript");
        let parts = Array::of1(&JsValue::from_str(WORKER_SCRIPT));
        let blob = Blob::new_with_str_sequence_and_options(&parts, &kind)?;
        Ok(Self::Blob(Url::create_object_url_with_blob(&blob)?))
    }

    fn address(&self) -> &str {
        let (Self::File(address) | Self::Blob(address)) = self;
        address
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Self::Blob(address) = self {
            // Revoking our own address does not throw.
            let _ = Url::revoke_object_url(address);
        }
    }
}

impl Supervisor {
    fn start(self: &Rc<Self>) {
        match self.start_worker() {
            Ok(running) => *self.running.borrow_mut() = running,
            Err(error) => self.died(LeaderFailure::Blocked(describe(&error))),
        }
    }

    fn start_worker(self: &Rc<Self>) -> Result<Running, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(&self.spawn.name);
        let script = match &self.spawn.script {
            Some(address) => Script::File(address.clone()),
            None => Script::blob()?,
        };
        let worker = Worker::new_with_options(script.address(), &options)?;
        let message = Object::new();
        let set =
            |name: &str, value: &JsValue| Reflect::set(&message, &JsValue::from_str(name), value);
        set("glue", &JsValue::from_str(&META.with(ImportMeta::url)))?;
        set("module", &wasm_bindgen::module())?;
        let alive = format!("livestore-worker-{:016x}", random_u64());
        set("alive", &JsValue::from_str(&alive))?;
        set("config", &Uint8Array::from(self.spawn.config.as_slice()))?;
        worker.post_message(&message)?;

        let weak = Rc::downgrade(self);
        let on_message = page::listen(&[(worker.clone().into(), "message")], move |event| {
            if let Some(supervisor) = weak.upgrade() {
                supervisor.heard(&event);
            }
        });
        let weak = Rc::downgrade(self);
        let on_error = page::listen(&[(worker.clone().into(), "error")], move |event| {
            if let Some(supervisor) = weak.upgrade() {
                supervisor.failed(&event);
            }
        });
        let listeners = [on_message, on_error];
        Ok(Running::Worker { worker, alive, script: Some(script), born: now_ms(), listeners })
    }

    /// A report of the worker (`worker.js`, `scope.rs`).
    fn heard(self: &Rc<Self>, event: &Event) {
        let Some(message) = event.dyn_ref::<MessageEvent>().map(MessageEvent::data) else { return };
        let text_of =
            |name| property(&message, name).and_then(|value| value.as_string()).unwrap_or_default();
        let text = text_of("text");
        match text_of("livestore").as_str() {
            "hello" => {
                if let Running::Worker { script, .. } = &mut *self.running.borrow_mut() {
                    *script = None;
                }
            }
            "alive" => self.watch(),
            "ready" => {
                self.unstarted.set(0);
                (self.on_event)(LeaderEvent::Started);
            }
            "failed" => self.died(LeaderFailure::NotLoaded(text)),
            "panicked" => self.died(LeaderFailure::Panicked(text)),
            "crashed" => self.died(LeaderFailure::Crashed(text)),
            "ended" => {
                self.stop();
                (self.on_event)(LeaderEvent::Ended);
            }
            _ => {}
        }
    }

    /// Waits for the lock that the worker holds for life: a worker that the browser ends says nothing.
    fn watch(self: &Rc<Self>) {
        let Some(alive) = self.alive() else { return };
        let weak = Rc::downgrade(self);
        spawn_local(async move {
            // Without locks nobody leads from a worker either.
            let ended = lock_exclusive(&alive).await.is_ok();
            if let Some(supervisor) = weak.upgrade()
                && ended
                && supervisor.alive().as_deref() == Some(&alive)
            {
                supervisor.died(LeaderFailure::Crashed("it ended without a word".to_owned()));
            }
        });
    }

    fn alive(&self) -> Option<String> {
        match &*self.running.borrow() {
            Running::Worker { alive, .. } => Some(alive.clone()),
            _ => None,
        }
    }

    /// An error event: before the first line ran it means that the browser refuses the script; later the script itself
    /// reports what matters.
    fn failed(self: &Rc<Self>, event: &Event) {
        let started = matches!(&*self.running.borrow(), Running::Worker { script: None, .. });
        if !started {
            event.prevent_default();
            let text = event
                .dyn_ref::<ErrorEvent>()
                .map(ErrorEvent::message)
                .filter(|text| !text.is_empty());
            let unsaid =
                || "the browser refused its script (a content security policy?)".to_owned();
            self.died(LeaderFailure::Blocked(text.unwrap_or_else(unsaid)));
        }
    }

    fn died(self: &Rc<Self>, reason: LeaderFailure) {
        let lived = match &*self.running.borrow() {
            Running::Stopped | Running::Inline(_) => return,
            Running::Worker { worker, born, .. } => {
                worker.terminate();
                Duration::from_millis(now_ms().saturating_sub(*born))
            }
            Running::Nothing | Running::Waiting(_) => Duration::ZERO,
        };
        let refused = matches!(reason, LeaderFailure::Blocked(_));
        if refused || matches!(reason, LeaderFailure::NotLoaded(_)) {
            self.unstarted.set(self.unstarted.get().saturating_add(1));
            let forever = refused && self.spawn.script.is_none();
            if self.unstarted.get() == STARTS || forever {
                if self.spawn.inline {
                    return self.run_inline(reason);
                }
                (self.on_event)(LeaderEvent::Unable(reason.clone()));
            }
            if forever {
                return drop(self.replace(Running::Stopped));
            }
        }
        let mut backoff = self.backoff.get();
        let retry_in = backoff.after_failure(lived);
        self.backoff.set(backoff);
        let weak = Rc::downgrade(self);
        let retry = timer::after(retry_in, move || {
            if let Some(supervisor) = weak.upgrade() {
                supervisor.start();
            }
        });
        self.replace(Running::Waiting(retry));
        (self.on_event)(LeaderEvent::Failed { reason, retry_in });
    }

    fn run_inline(self: &Rc<Self>, reason: LeaderFailure) {
        let (stop, stopped) = oneshot::channel();
        self.replace(Running::Inline(stop));
        (self.on_event)(LeaderEvent::Inline(reason));
        let leader = (self.entry)(LeaderScope::new(self.spawn.config.clone(), stopped));
        let weak = Rc::downgrade(self);
        spawn_local(async move {
            leader.await;
            if let Some(supervisor) = weak.upgrade() {
                supervisor.replace(Running::Stopped);
                (supervisor.on_event)(LeaderEvent::Ended);
            }
        });
    }

    fn stop(&self) {
        if let Running::Worker { worker, .. } = self.replace(Running::Stopped) {
            // Any message after the first tells it to stop; posting one does not throw.
            let _ = worker.post_message(&JsValue::NULL);
            spawn_local(async move {
                timer::sleep(STOP_GRACE).await;
                worker.terminate();
            });
        }
    }

    /// The old value is dropped, or returned, after the cell is free again.
    fn replace(&self, running: Running) -> Running {
        self.running.replace(running)
    }
}
