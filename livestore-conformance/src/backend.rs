//! A real server in this process, for promises about sync.

use std::{net::SocketAddr, path::Path, sync::mpsc, thread};

use livestore_core::{SyncOptions, websocket};
use livestore_server::{Config, PushAttempt, Server, SqliteLog, Verdict};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    binding::granted,
    gate::{Behind, Gate},
};

/// What the text of a note must hold for the server to refuse it.
pub(crate) const REFUSED: &str = "refused there";

/// A server that can be stopped and started.
pub(crate) struct Backend {
    gate: Gate,
    directory: TempDir,
    running: Option<Running>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Backend {
    /// One that runs.
    pub(crate) fn start() -> Self {
        let mut backend = Self {
            gate: granted(Gate::open()),
            directory: granted(tempfile::tempdir()),
            running: None,
        };
        backend.go_online();
        backend
    }

    /// How stores sync with it.
    pub(crate) fn options(&self) -> SyncOptions {
        websocket(format!("ws://{}/sync", self.gate.address()))
    }

    pub(crate) fn go_offline(&mut self) {
        self.gate.leads_to(Behind::Nobody);
        self.running = None;
    }

    pub(crate) fn go_online(&mut self) {
        let (running, address) = run(self.directory.path());
        self.running = Some(running);
        self.gate.leads_to(Behind::Server(address));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map_or(Ok(()), thread::JoinHandle::join);
        assert!(ended.is_ok() || thread::panicking(), "the server panicked");
    }
}

fn run(directory: &Path) -> (Running, SocketAddr) {
    let (stop, stopped) = oneshot::channel();
    let (serving, serves) = mpsc::channel();
    let log = granted(SqliteLog::open(directory));
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        granted(runtime).block_on(async {
            let server =
                Server::new(Config::new(log).on_push(|attempt| async move { judge(&attempt) }));
            let router = server.router();
            let listener = granted(tokio::net::TcpListener::bind("127.0.0.1:0").await);
            granted(serving.send(granted(listener.local_addr())));
            granted(server.serve(listener, router, async { drop(stopped.await) }).await);
        });
    });
    let address = granted(serves.recv());
    (Running { stop: Some(stop), thread: Some(thread) }, address)
}

fn judge(attempt: &PushAttempt) -> Verdict {
    match attempt.events.iter().position(|event| event.args.as_str().contains(REFUSED)) {
        None => Verdict::Accept,
        Some(index) => Verdict::Reject { index, reason: "as asked".to_owned() },
    }
}
