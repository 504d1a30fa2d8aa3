//! Named locks inside the process, granted in the order they were asked for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use futures_channel::oneshot;

use super::locked;
use crate::platform::LockError;

/// The names whose locks are held, and who waits for them.
static HELD: Mutex<Option<HashMap<String, VecDeque<oneshot::Sender<()>>>>> = Mutex::new(None);

/// A held lock, freed on drop.
#[derive(Debug)]
pub struct LockGuard {
    name: String,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut held = locked(&HELD);
        let Some(names) = held.as_mut() else { return };
        // To the first who still waits; if there is none the lock is free.
        while let Some(next) = names.get_mut(&self.name).and_then(VecDeque::pop_front) {
            if next.send(()).is_ok() {
                return;
            }
        }
        names.remove(&self.name);
    }
}

/// Waits until the lock is free, then holds it. Dropping the future withdraws the request.
pub async fn lock_exclusive(name: &str) -> Result<LockGuard, LockError> {
    let granted = {
        let mut held = locked(&HELD);
        let names = held.get_or_insert_default();
        match names.get_mut(name) {
            Some(waiting) => {
                let (grant, granted) = oneshot::channel();
                waiting.push_back(grant);
                Some(granted)
            }
            None => {
                names.insert(name.to_owned(), VecDeque::new());
                None
            }
        }
    };
    if let Some(granted) = granted {
        Granted { name, granted: Some(granted) }.wait().await?;
    }
    Ok(LockGuard { name: name.to_owned() })
}

/// A request in the queue. If it is dropped after the grant was sent, the lock is passed on.
struct Granted<'a> {
    name: &'a str,
    granted: Option<oneshot::Receiver<()>>,
}

impl Granted<'_> {
    async fn wait(mut self) -> Result<(), LockError> {
        let Some(granted) = self.granted.as_mut() else { return Ok(()) };
        let answer = granted.await;
        self.granted = None;
        answer.map_err(|_| LockError("the request was withdrawn".to_owned()))
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        if let Some(granted) = self.granted.as_mut() {
            granted.close();
            if let Ok(Some(())) = granted.try_recv() {
                drop(LockGuard { name: self.name.to_owned() });
            }
        }
    }
}

/// The lock, if it is free now.
pub async fn try_lock(name: &str) -> Result<Option<LockGuard>, LockError> {
    let mut held = locked(&HELD);
    let names = held.get_or_insert_default();
    if names.contains_key(name) {
        return Ok(None);
    }
    names.insert(name.to_owned(), VecDeque::new());
    Ok(Some(LockGuard { name: name.to_owned() }))
}

/// Whether somebody in this process holds the lock now.
pub async fn is_held(name: &str) -> Result<bool, LockError> {
    Ok(locked(&HELD).as_ref().is_some_and(|names| names.contains_key(name)))
}

#[cfg(test)]
mod tests {
    use super::{is_held, lock_exclusive, try_lock};
    use futures_executor::block_on;
    use futures_util::FutureExt;

    #[test]
    fn a_lock_goes_to_the_waiting_in_their_order_and_skips_who_gave_up() {
        block_on(async {
            let first = lock_exclusive("test-order").await.unwrap();
            assert!(try_lock("test-order").await.unwrap().is_none());
            let mut second = Box::pin(lock_exclusive("test-order"));
            let mut gave_up = Box::pin(lock_exclusive("test-order"));
            let mut fourth = Box::pin(lock_exclusive("test-order"));
            assert!((&mut second).now_or_never().is_none());
            assert!((&mut gave_up).now_or_never().is_none());
            assert!((&mut fourth).now_or_never().is_none());
            drop(first);
            let second = second.now_or_never().unwrap().unwrap();
            assert!((&mut fourth).now_or_never().is_none());
            drop(gave_up);
            drop(second);
            let fourth = fourth.now_or_never().unwrap().unwrap();
            assert!(is_held("test-order").await.unwrap());
            drop(fourth);
            assert!(!is_held("test-order").await.unwrap());
        });
    }

    #[test]
    fn a_grant_that_nobody_took_is_passed_on() {
        block_on(async {
            let first = lock_exclusive("test-pass").await.unwrap();
            let mut second = Box::pin(lock_exclusive("test-pass"));
            assert!((&mut second).now_or_never().is_none());
            drop(first);
            drop(second);
            assert!(try_lock("test-pass").await.unwrap().is_some());
        });
    }
}
