//! The leader on a thread of its own, with an executor for its futures; restarted when it panics.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use futures_channel::oneshot;
use futures_executor::{LocalPool, LocalSpawner};
use futures_util::{FutureExt, future::Shared, task::LocalSpawnExt};

use super::locked;
use crate::platform::{LeaderEntry, LeaderEvent, LeaderFailure, SpawnLeader, supervise::Backoff};

/// Natively there is no worker and no script.
pub const WORKER_SCRIPT: &str = "";

thread_local! {
    static SPAWNER: RefCell<Option<LocalSpawner>> = const { RefCell::new(None) };
}

/// What a leader knows when it starts.
#[derive(Debug)]
pub struct LeaderScope {
    config: Vec<u8>,
    stop: Shared<oneshot::Receiver<()>>,
}

impl LeaderScope {
    /// The bytes it was started with.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Resolves when whoever started the leader wants it to end, or is gone.
    pub fn stopped(&self) -> impl Future<Output = ()> + use<> {
        self.stop.clone().map(drop)
    }
}

/// A supervised leader. Dropping it tells the leader to stop.
#[derive(Debug)]
pub struct LeaderHandle(Arc<Mutex<Stop>>);

#[derive(Debug, Default)]
struct Stop {
    wanted: bool,
    running: Option<oneshot::Sender<()>>,
}

impl Drop for LeaderHandle {
    fn drop(&mut self) {
        let mut stop = locked(&self.0);
        stop.wanted = true;
        // Dropping the sender resolves `stopped()`.
        stop.running = None;
    }
}

/// Starts a leader and keeps it alive. Events are reported on its thread.
pub fn spawn_leader(
    spawn: SpawnLeader,
    entry: LeaderEntry,
    on_event: impl Fn(LeaderEvent) + Send + 'static,
) -> LeaderHandle {
    let stop = Arc::new(Mutex::new(Stop::default()));
    let handle = LeaderHandle(Arc::clone(&stop));
    let on_event = Arc::new(Mutex::new(on_event));
    let report = Arc::clone(&on_event);
    let started = thread::Builder::new()
        .name(spawn.name.clone())
        .spawn(move || supervise(&spawn, entry, &stop, &|event| (locked(&report))(event)));
    if let Err(error) = started {
        let reason = LeaderFailure::Blocked(error.to_string());
        (locked(&on_event))(LeaderEvent::Unable(reason));
    }
    handle
}

fn supervise(
    spawn: &SpawnLeader,
    entry: LeaderEntry,
    stop: &Mutex<Stop>,
    on_event: &dyn Fn(LeaderEvent),
) {
    let mut backoff = Backoff::default();
    loop {
        let (stop_now, stopped) = oneshot::channel();
        {
            let mut stop = locked(stop);
            if stop.wanted {
                break;
            }
            stop.running = Some(stop_now);
        }
        on_event(LeaderEvent::Started);
        let born = Instant::now();
        let scope = LeaderScope { config: spawn.config.clone(), stop: stopped.shared() };
        // All the leader had is gone after a panic; nothing of it is looked at again.
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(entry, scope))) else { break };
        let retry_in = backoff.after_failure(born.elapsed());
        on_event(LeaderEvent::Failed {
            reason: LeaderFailure::Panicked(message(&*panic)),
            retry_in,
        });
        thread::sleep(retry_in);
    }
    on_event(LeaderEvent::Ended);
}

fn run(entry: LeaderEntry, scope: LeaderScope) {
    let mut pool = LocalPool::new();
    SPAWNER.set(Some(pool.spawner()));
    pool.run_until(entry(scope));
    SPAWNER.set(None);
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// Natively no process is a worker.
pub fn is_worker() -> bool {
    false
}

/// Runs the app; leaders are threads, started later.
pub fn launch(app: impl FnOnce(), _entry: LeaderEntry) {
    app();
}

/// Never runs a leader natively.
pub fn worker_main(_entry: LeaderEntry) -> bool {
    false
}

/// Runs a task on this leader's thread, until it is done or the leader ends. Only leaders' threads have an executor.
pub fn spawn_local(task: impl Future<Output = ()> + 'static) {
    let spawned =
        SPAWNER.with_borrow(|spawner| spawner.as_ref().map(|spawner| spawner.spawn_local(task)));
    if !matches!(spawned, Some(Ok(()))) {
        tracing::error!("BUG: a task was spawned on a thread that runs no leader");
    }
}

/// Exports the worker's entry in the browser; nothing natively.
#[doc(hidden)]
#[macro_export]
macro_rules! worker_entry {
    ($entry:expr) => {
        const _: $crate::platform::LeaderEntry = $entry;
    };
}

#[cfg(test)]
mod tests {
    use super::{LeaderEvent, LeaderScope, SpawnLeader, spawn_leader, spawn_local};
    use crate::platform::{LeaderFailure, sleep};
    use futures_util::{FutureExt, future::LocalBoxFuture};
    use std::{sync::mpsc, time::Duration};

    fn leader(scope: LeaderScope) -> LocalBoxFuture<'static, ()> {
        async move {
            match scope.config() {
                b"panics" => panic!("as told"),
                b"runs" => {
                    let (done, waiting) = futures_channel::oneshot::channel();
                    spawn_local(async move {
                        sleep(Duration::from_millis(5)).await;
                        done.send(()).unwrap();
                    });
                    waiting.await.unwrap();
                    scope.stopped().await;
                }
                other => unreachable!("{other:?}"),
            }
        }
        .boxed_local()
    }

    fn start(config: &[u8]) -> (super::LeaderHandle, mpsc::Receiver<LeaderEvent>) {
        let (heard, events) = mpsc::channel();
        let spawn = SpawnLeader {
            name: "test".to_owned(),
            config: config.to_vec(),
            script: None,
            inline: false,
        };
        (spawn_leader(spawn, leader, move |event| heard.send(event).unwrap()), events)
    }

    #[test]
    fn a_leader_runs_until_its_handle_is_dropped() {
        let (handle, events) = start(b"runs");
        assert_eq!(events.recv(), Ok(LeaderEvent::Started));
        assert!(events.recv_timeout(Duration::from_millis(30)).is_err());
        drop(handle);
        assert_eq!(events.recv(), Ok(LeaderEvent::Ended));
    }

    #[test]
    fn a_leader_that_panics_is_replaced() {
        let (handle, events) = start(b"panics");
        let reason = LeaderFailure::Panicked("as told".to_owned());
        let failed = LeaderEvent::Failed { reason, retry_in: Duration::from_millis(100) };
        let first: Vec<_> = events.iter().take(3).collect();
        assert_eq!(first, [LeaderEvent::Started, failed, LeaderEvent::Started]);
        drop(handle);
        assert_eq!(events.iter().last(), Some(LeaderEvent::Ended));
    }
}
