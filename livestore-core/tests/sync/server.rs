//! A real server in this process, that can be stopped and started, and refuses what a test wants it to refuse.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use livestore_core::{SyncOptions, websocket};
use livestore_server::{Config, Identity, PushAttempt, Refusal, Server, SqliteLog, Verdict};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::gate::{Behind, Gate};

/// What the server refuses.
#[derive(Default)]
pub(crate) struct Refuses {
    /// Pushes with an event whose arguments hold this.
    pub(crate) text: Mutex<Option<&'static str>>,
    /// Everybody whose payload is not `{"token":"right"}`.
    pub(crate) strangers: AtomicBool,
}

pub(crate) struct Backend {
    gate: Gate,
    directory: TempDir,
    running: Mutex<Option<Running>>,
    pub(crate) refuses: Arc<Refuses>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Backend {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let backend = Self {
            gate: Gate::open().unwrap(),
            directory: tempfile::tempdir().unwrap(),
            running: Mutex::default(),
            refuses: Arc::default(),
        };
        backend.go_online();
        backend
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/sync", self.address())
    }

    pub(crate) fn options(&self) -> SyncOptions {
        websocket(self.url())
    }

    pub(crate) fn go_offline(&self) {
        self.gate.leads_to(Behind::Nobody);
        drop(self.running.lock().unwrap().take());
    }

    pub(crate) fn go_online(&self) {
        let (running, address) = run(self.directory.path(), Arc::clone(&self.refuses));
        self.gate.leads_to(Behind::Server(address));
        *self.running.lock().unwrap() = Some(running);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map_or(Ok(()), thread::JoinHandle::join);
        assert!(ended.is_ok() || thread::panicking(), "the server panicked");
    }
}

fn run(directory: &Path, refuses: Arc<Refuses>) -> (Running, SocketAddr) {
    let (stop, stopped) = oneshot::channel();
    let (serving, serves) = std::sync::mpsc::channel();
    let directory: PathBuf = directory.to_owned();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::new(config(&directory, &refuses));
            let router = server.router();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            serving.send(listener.local_addr().unwrap()).unwrap();
            server.serve(listener, router, async { drop(stopped.await) }).await.unwrap();
        });
    });
    let address = serves.recv().unwrap();
    (Running { stop: Some(stop), thread: Some(thread) }, address)
}

fn config(directory: &Path, refuses: &Arc<Refuses>) -> Config {
    let (strangers, texts) = (Arc::clone(refuses), Arc::clone(refuses));
    Config::new(SqliteLog::open(directory).unwrap())
        .validate(move |visitor| {
            let stranger = strangers.strangers.load(Ordering::Relaxed)
                && visitor.payload.is_none_or(|payload| payload["token"] != "right");
            async move {
                if stranger {
                    Err(Refusal("nobody knows you".to_owned()))
                } else {
                    Ok(Identity::default())
                }
            }
        })
        .on_push(move |attempt| {
            let verdict = judge(&attempt, *texts.text.lock().unwrap());
            async move { verdict }
        })
}

fn judge(attempt: &PushAttempt, refused: Option<&str>) -> Verdict {
    let holds = |text: &str| attempt.events.iter().position(|e| e.args.as_str().contains(text));
    match refused.and_then(holds) {
        None => Verdict::Accept,
        Some(index) => Verdict::Reject { index, reason: "not here".to_owned() },
    }
}
