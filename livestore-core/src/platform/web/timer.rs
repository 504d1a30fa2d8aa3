//! Timers, in pages and workers. Browsers slow the timers of hidden pages down to one a second, later one a minute.

use std::time::Duration;

use futures_channel::oneshot;
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};

use super::local::Local;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_name = setInterval)]
    fn set_interval(callback: &Function, ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearInterval)]
    fn clear_interval(id: &JsValue);
}

/// A running timer; dropping it stops it.
#[derive(Debug)]
pub struct Timer(#[expect(dead_code, reason = "held for its drop")] Local<Running>);

struct Running {
    id: JsValue,
    clear: fn(&JsValue),
    _callback: Closure<dyn FnMut()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        (self.clear)(&self.id);
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Calls back once, after the delay.
pub fn after(delay: Duration, callback: impl FnOnce() + 'static) -> Timer {
    let mut callback = Some(callback);
    let callback = Closure::<dyn FnMut()>::new(move || {
        if let Some(callback) = callback.take() {
            callback();
        }
    });
    let id = set_timeout(callback.as_ref().unchecked_ref(), millis(delay));
    Timer(Local::new(Running { id, clear: clear_timeout, _callback: callback }))
}

/// Calls back again and again.
pub fn every(period: Duration, callback: impl FnMut() + 'static) -> Timer {
    let callback = Closure::<dyn FnMut()>::new(callback);
    let id = set_interval(callback.as_ref().unchecked_ref(), millis(period));
    Timer(Local::new(Running { id, clear: clear_interval, _callback: callback }))
}

/// Waits.
pub async fn sleep(delay: Duration) {
    let (done, waiting) = oneshot::channel();
    let _timer = after(delay, move || {
        let _ = done.send(());
    });
    // The timer lives as long as this future, so the sender is not dropped unsent.
    let _ = waiting.await;
}
