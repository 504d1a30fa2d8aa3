//! A real server in this process, for promises about sync.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::mpsc,
    thread,
};

use livestore_core::{SyncOptions, websocket};
use livestore_server::{Config, PushAttempt, Server, SqliteLog, Verdict};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::binding::granted;

/// What the text of a note must hold for the server to refuse it.
pub(crate) const REFUSED: &str = "refused there";

/// A server that can be stopped and started.
pub(crate) struct Backend {
    address: SocketAddr,
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
        // A port that is free now; the server is stopped and started on it.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let mut backend = Self {
            address: granted(address),
            directory: granted(tempfile::tempdir()),
            running: None,
        };
        backend.go_online();
        backend
    }

    /// How stores sync with it.
    pub(crate) fn options(&self) -> SyncOptions {
        websocket(format!("ws://{}/sync", self.address))
    }

    pub(crate) fn go_offline(&mut self) {
        self.running = None;
    }

    pub(crate) fn go_online(&mut self) {
        self.running = Some(run(self.address, self.directory.path()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map_or(Ok(()), thread::JoinHandle::join);
        assert!(ended.is_ok() || thread::panicking(), "the server panicked");
    }
}

fn run(address: SocketAddr, directory: &Path) -> Running {
    let (stop, stopped) = oneshot::channel();
    let (serving, serves) = mpsc::channel();
    let log = granted(SqliteLog::open(directory));
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        granted(runtime).block_on(async {
            let server =
                Server::new(Config::new(log).on_push(|attempt| async move { judge(&attempt) }));
            let router = server.router();
            let listener = granted(tokio::net::TcpListener::bind(address).await);
            granted(serving.send(()));
            granted(server.serve(listener, router, async { drop(stopped.await) }).await);
        });
    });
    granted(serves.recv());
    Running { stop: Some(stop), thread: Some(thread) }
}

fn judge(attempt: &PushAttempt) -> Verdict {
    match attempt.events.iter().position(|event| event.args.as_str().contains(REFUSED)) {
        None => Verdict::Accept,
        Some(index) => Verdict::Reject { index, reason: "as asked".to_owned() },
    }
}
