//! Timers, run by one thread of the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use futures_channel::oneshot;

use super::{locked, survive};

type Callback = Arc<Mutex<dyn FnMut() + Send>>;

struct Entry {
    callback: Callback,
    period: Option<Duration>,
}

#[derive(Default)]
struct Clock {
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    /// By time, then by the order of their making.
    entries: BTreeMap<(Instant, u64), Entry>,
    made: u64,
}

/// A running timer; dropping it stops it.
#[derive(Debug)]
pub struct Timer {
    id: u64,
}

impl Drop for Timer {
    fn drop(&mut self) {
        locked(&clock().due).entries.retain(|(_, id), _| *id != self.id);
    }
}

fn clock() -> &'static Arc<Clock> {
    static CLOCK: OnceLock<Arc<Clock>> = OnceLock::new();
    CLOCK.get_or_init(|| {
        let clock = Arc::new(Clock::default());
        let run = Arc::clone(&clock);
        // Without this thread no timer fires; a process that cannot start one has no leader either.
        let started =
            thread::Builder::new().name("livestore timers".to_owned()).spawn(move || run.run());
        if let Err(error) = started {
            tracing::error!(%error, "no thread for timers");
        }
        clock
    })
}

impl Clock {
    fn run(&self) {
        let mut due = locked(&self.due);
        loop {
            let now = Instant::now();
            let next = due.entries.first_key_value().map(|(key, _)| *key);
            due = match next {
                Some(key) if key.0 <= now => {
                    let Some(entry) = due.entries.remove(&key) else { continue };
                    let callback = Arc::clone(&entry.callback);
                    if let Some(period) = entry.period {
                        due.entries.insert((now + period, key.1), entry);
                    }
                    drop(due);
                    survive("timer", || (locked(&callback))());
                    locked(&self.due)
                }
                Some(key) => match self.changed.wait_timeout(due, key.0 - now) {
                    Ok((due, _)) => due,
                    Err(poisoned) => poisoned.into_inner().0,
                },
                None => self.changed.wait(due).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
        }
    }

    fn add(&self, delay: Duration, period: Option<Duration>, callback: Callback) -> Timer {
        let mut due = locked(&self.due);
        due.made += 1;
        let id = due.made;
        due.entries.insert((Instant::now() + delay, id), Entry { callback, period });
        self.changed.notify_one();
        Timer { id }
    }
}

/// Calls back once, after the delay, on the timers' thread.
pub fn after(delay: Duration, callback: impl FnOnce() + Send + 'static) -> Timer {
    let mut callback = Some(callback);
    let callback = move || {
        if let Some(callback) = callback.take() {
            callback();
        }
    };
    clock().add(delay, None, Arc::new(Mutex::new(callback)))
}

/// Calls back again and again, on the timers' thread.
pub fn every(period: Duration, callback: impl FnMut() + Send + 'static) -> Timer {
    clock().add(period, Some(period), Arc::new(Mutex::new(callback)))
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

#[cfg(test)]
mod tests {
    use super::{after, every, sleep};
    use futures_executor::block_on;
    use std::{sync::mpsc, time::Duration};

    #[test]
    fn a_timer_that_panics_does_not_stop_the_others() {
        let (fired, fires) = mpsc::channel();
        let _panics = after(Duration::ZERO, || panic!("on purpose"));
        let _fires = after(Duration::from_millis(10), move || fired.send(()).unwrap());
        assert_eq!(fires.recv(), Ok(()));
    }

    #[test]
    fn timers_fire_in_the_order_of_their_times_until_they_are_dropped() {
        let (fired, fires) = mpsc::channel();
        let fire = |what: &'static str| {
            let fired = fired.clone();
            move || fired.send(what).unwrap()
        };
        let ms = Duration::from_millis;
        // However slowly this thread comes to the next line, the soon one is due before the late one.
        let dropped = after(Duration::from_secs(60), fire("dropped"));
        let _soon = after(ms(10), fire("soon"));
        let _late = after(ms(40), fire("late"));
        drop(dropped);
        assert_eq!([fires.recv().unwrap(), fires.recv().unwrap()], ["soon", "late"]);
        let again = every(ms(5), fire("again"));
        assert_eq!(fires.iter().take(3).collect::<Vec<_>>(), ["again"; 3]);
        drop(again);
        block_on(sleep(ms(20)));
        let left = fires.try_iter().count();
        assert!(left <= 1, "one may have been under way, {left} came");
    }
}
