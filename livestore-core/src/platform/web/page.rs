//! What happens to a page: hidden, shown again, about to be left; and the request to keep its data. Pages only; in a
//! worker nothing is ever reported.

use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BeforeUnloadEvent, Event, EventTarget, VisibilityState};

use super::local::Local;
use crate::platform::Persistence;

/// A registered callback; dropping it removes it.
#[derive(Debug)]
pub struct Listener(#[expect(dead_code, reason = "held for its drop")] Local<Vec<Registered>>);

struct Registered {
    target: EventTarget,
    kind: &'static str,
    callback: Function,
    // Keeps the function alive.
    _closure: std::rc::Rc<Closure<dyn FnMut(Event)>>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Removing what was added does not throw.
        let _ = self.target.remove_event_listener_with_callback(self.kind, &self.callback);
    }
}

/// Adds one callback for several kinds of events.
pub(super) fn listen(
    kinds: &[(EventTarget, &'static str)],
    callback: impl FnMut(Event) + 'static,
) -> Listener {
    let closure = std::rc::Rc::new(Closure::<dyn FnMut(Event)>::new(callback));
    let function: Function = closure.as_ref().as_ref().unchecked_ref::<Function>().clone();
    let registered = kinds.iter().filter_map(|(target, kind)| {
        target.add_event_listener_with_callback(kind, &function).ok()?;
        let _closure = std::rc::Rc::clone(&closure);
        Some(Registered { target: target.clone(), kind, callback: function.clone(), _closure })
    });
    Listener(Local::new(registered.collect()))
}

/// Whether nobody sees the page now.
pub(super) fn is_hidden() -> bool {
    web_sys::window()
        .and_then(|window| window.document())
        .is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
}

fn targets() -> Option<(EventTarget, EventTarget)> {
    let window = web_sys::window()?;
    let document = window.document()?;
    Some((window.into(), document.into()))
}

/// Calls back whenever this may be the last moment of the page: it became hidden, is frozen or is left. Several of
/// them may come for one departure. What the callback does has to be synchronous.
pub fn on_page_hidden(mut callback: impl FnMut() + 'static) -> Listener {
    on_departure(move |_event| callback())
}

/// The same, with the event's name: only after `pagehide` is the page gone, unless the back button restores it.
pub(super) fn on_departure(mut callback: impl FnMut(&str) + 'static) -> Listener {
    let Some((window, document)) = targets() else { return Listener(Local::new(Vec::new())) };
    let kinds =
        [(document.clone(), "visibilitychange"), (document, "freeze"), (window, "pagehide")];
    listen(&kinds, move |event| {
        let kind = event.type_();
        if kind != "visibilitychange" || is_hidden() {
            callback(&kind);
        }
    })
}

/// Calls back when the page is seen again, thawed, or restored by the back button.
pub fn on_page_shown(mut callback: impl FnMut() + 'static) -> Listener {
    let Some((window, document)) = targets() else { return Listener(Local::new(Vec::new())) };
    let kinds =
        [(document.clone(), "visibilitychange"), (document, "resume"), (window, "pageshow")];
    listen(&kinds, move |event| {
        if event.type_() != "visibilitychange" || !is_hidden() {
            callback();
        }
    })
}

/// Calls back when the browser says that there is a network again, or none any more.
pub fn on_network_changed(mut callback: impl FnMut() + 'static) -> Listener {
    let Some((window, _)) = targets() else { return Listener(Local::new(Vec::new())) };
    listen(&[(window.clone(), "online"), (window, "offline")], move |_event| callback())
}

/// The browser's question before the page is left, while it is on.
#[derive(Debug, Default)]
pub struct LeaveWarning {
    asking: Option<Listener>,
}

impl LeaveWarning {
    /// A warning that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Turns it on or off. The listener exists only while it is on: it keeps a page out of the back/forward cache.
    pub fn set(&mut self, on: bool) {
        if on == self.asking.is_some() {
            return;
        }
        self.asking = targets().filter(|_| on).map(|(window, _)| {
            listen(&[(window, "beforeunload")], |event| {
                event.prevent_default();
                if let Some(event) = event.dyn_ref::<BeforeUnloadEvent>() {
                    // Older browsers ask only if there is a text, which none of them shows.
                    event.set_return_value("unsaved");
                }
            })
        });
    }
}

/// Asks the browser to keep this origin's data when space is short. Some browsers ask the user, who may take long.
pub fn ask_for_persistence(answered: impl FnOnce(Persistence) + 'static) {
    spawn_local(async move { answered(request_persistence().await) });
}

async fn request_persistence() -> Persistence {
    let Some(window) = web_sys::window().filter(web_sys::Window::is_secure_context) else {
        return Persistence::Unsupported;
    };
    let Ok(answer) = window.navigator().storage().persist() else {
        return Persistence::Unsupported;
    };
    match JsFuture::from(answer).await.as_ref().map(JsValue::as_bool) {
        Ok(Some(true)) => Persistence::Granted,
        Ok(_) => Persistence::Denied,
        Err(_) => Persistence::Unsupported,
    }
}
