//! Web Locks, in pages and workers. Never stolen.
//!
//! The externs are our own: web-sys keeps Web Locks behind an unstable cfg, which every user would have to set.

use std::{cell::RefCell, rc::Rc};

use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{describe, local::Local, property};
use crate::platform::LockError;

#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn query(this: &LockManager) -> Result<Promise, JsValue>;
}

/// A held lock; dropping it, or the end of its page or worker, frees it.
#[derive(Debug)]
pub struct LockGuard(Local<Function>);

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Some(release) = self.0.get() {
            // Resolving a promise does not throw.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Waits until the lock is free, then holds it. Dropping the future withdraws the request.
pub async fn lock_exclusive(name: &str) -> Result<LockGuard, LockError> {
    let withdraw = Withdraw(web_sys::AbortController::new().map_err(|e| LockError(describe(&e)))?);
    let guard = request(name, "signal", &withdraw.0.signal()).await?;
    guard.ok_or_else(|| LockError(format!("`{name}` was not granted")))
}

/// The lock, if it is free now.
pub async fn try_lock(name: &str) -> Result<Option<LockGuard>, LockError> {
    request(name, "ifAvailable", &JsValue::TRUE).await
}

/// Whether somebody of this origin holds the lock now.
pub async fn is_held(name: &str) -> Result<bool, LockError> {
    let answer = manager()?.query().map_err(|e| LockError(describe(&e)))?;
    let state = JsFuture::from(answer).await.map_err(|e| LockError(describe(&e)))?;
    let held = property(&state, "held").map(|held| js_sys::Array::from(&held)).unwrap_or_default();
    Ok(held.iter().any(|lock| property(&lock, "name").is_some_and(|found| found == *name)))
}

/// Aborts a request that nobody waits for any more; after the grant it has no effect.
struct Withdraw(web_sys::AbortController);

impl Drop for Withdraw {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn manager() -> Result<LockManager, LockError> {
    let locks = property(&js_sys::global(), "navigator")
        .and_then(|navigator| property(&navigator, "locks"));
    locks
        .map(JsCast::unchecked_into)
        .ok_or_else(|| LockError("this page has no Web Locks (HTTPS is needed)".to_owned()))
}

async fn request(
    name: &str,
    option: &str,
    value: &JsValue,
) -> Result<Option<LockGuard>, LockError> {
    let manager = manager()?;
    let options = Object::new();
    Reflect::set(&options, &JsValue::from_str(option), value)
        .map_err(|e| LockError(describe(&e)))?;

    let mut release = None;
    let hold = Promise::new(&mut |resolve, _reject| release = Some(resolve));
    let release = release.ok_or_else(|| LockError("the browser made no promise".to_owned()))?;

    let (answer, answered) = oneshot::channel();
    let answer = Rc::new(RefCell::new(Some(answer)));
    let refusal = Rc::clone(&answer);
    let granted = Closure::once_into_js(move |lock: JsValue| {
        let guard = (!lock.is_null()).then(|| LockGuard(Local::new(release)));
        let waiting = answer.borrow_mut().take();
        // If nobody waits, the guard is dropped here and with it the lock.
        drop(waiting.map(|waiting| waiting.send(Ok(guard))));
        JsValue::from(hold)
    });
    let finished = manager
        .request(name, &options, granted.unchecked_ref())
        .map_err(|e| LockError(describe(&e)))?;
    spawn_local(async move {
        // Resolves when the lock is freed; rejects when it was never granted.
        if let Err(error) = JsFuture::from(finished).await
            && let Some(waiting) = refusal.borrow_mut().take()
        {
            drop(waiting.send(Err(LockError(describe(&error)))));
        }
    });
    answered.await.unwrap_or_else(|_| Err(LockError("the request was withdrawn".to_owned())))
}
