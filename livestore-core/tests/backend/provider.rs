//! The backends under test: how each is started, reached, cut off and brought back.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
};

use livestore_core::backend::{
    Backend, BackendAddress, HttpBackend, MemoryBackend, WebSocketBackend,
};
use livestore_server::{Config, Identity, Refusal, Server, SqliteLog};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::gate::{Behind, Gate};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    WebSocket,
    Http,
}

pub(crate) struct Provider {
    kind: Kind,
    /// Whether a batch whose events do not follow each other, or one that no frame can hold, is refused. LiveStore's
    /// own server takes both.
    pub(crate) is_strict: bool,
    /// Whether it knows who asks.
    pub(crate) validates: bool,
    /// How many events a long log has: LiveStore's own server takes minutes for what others do in seconds.
    pub(crate) long_log: u64,
}

enum Kind {
    Memory(Mutex<HashMap<String, MemoryBackend>>),
    Served {
        wire: Wire,
        gate: Gate,
        path: &'static str,
        directory: TempDir,
        server: Mutex<Option<Serving>>,
        start: Start,
    },
}

type Start = fn(PathBuf) -> (Serving, SocketAddr);

/// A server that runs until it is dropped.
enum Serving {
    Ours { _stop: oneshot::Sender<()>, thread: Option<thread::JoinHandle<()>> },
    Node(Child),
}

impl Provider {
    pub(crate) fn memory() -> Self {
        Self {
            kind: Kind::Memory(Mutex::default()),
            is_strict: true,
            validates: false,
            long_log: 10_000,
        }
    }

    pub(crate) fn ours(wire: Wire) -> Self {
        Self {
            kind: serve(wire, "/sync", ours),
            is_strict: true,
            validates: true,
            long_log: 10_000,
        }
    }

    pub(crate) fn livestores(wire: Wire) -> Self {
        Self {
            kind: serve(wire, "/", livestores),
            is_strict: false,
            validates: true,
            long_log: 2_000,
        }
    }

    pub(crate) fn backend(&self, store: &str) -> Box<dyn Backend> {
        self.backend_as(store, "right")
    }

    /// The backend of a store, asked with a token.
    pub(crate) fn backend_as(&self, store: &str, token: &'static str) -> Box<dyn Backend> {
        match &self.kind {
            Kind::Memory(backends) => {
                let mut backends = backends.lock().unwrap();
                Box::new(backends.entry(store.to_owned()).or_default().clone())
            }
            Kind::Served { wire, .. } => {
                let address = BackendAddress::new(self.url(), store.parse().unwrap())
                    .with_payload(move || async move { Some(json!({ "authToken": token })) });
                match wire {
                    Wire::WebSocket => Box::new(WebSocketBackend::new(address)),
                    Wire::Http => Box::new(HttpBackend::new(address)),
                }
            }
        }
    }

    /// Where a served backend is.
    pub(crate) fn url(&self) -> String {
        match &self.kind {
            Kind::Memory(_) => unreachable!("it is in this process"),
            Kind::Served { wire, gate, path, .. } => {
                let scheme = if *wire == Wire::WebSocket { "ws" } else { "http" };
                format!("{scheme}://{}{path}", gate.address())
            }
        }
    }

    pub(crate) fn go_offline(&self) {
        match &self.kind {
            Kind::Memory(backends) => {
                backends.lock().unwrap().values().for_each(MemoryBackend::go_offline);
            }
            Kind::Served { server, gate, .. } => {
                gate.leads_to(Behind::Nobody);
                drop(server.lock().unwrap().take());
            }
        }
    }

    pub(crate) fn go_online(&self) {
        match &self.kind {
            Kind::Memory(backends) => {
                backends.lock().unwrap().values().for_each(MemoryBackend::go_online);
            }
            Kind::Served { server, start, gate, directory, .. } => {
                let (serving, address) = start(directory.path().to_owned());
                *server.lock().unwrap() = Some(serving);
                gate.leads_to(Behind::Server(address));
            }
        }
    }
}

fn serve(wire: Wire, path: &'static str, start: Start) -> Kind {
    let (gate, directory) = (Gate::open().unwrap(), tempfile::tempdir().unwrap());
    let (serving, address) = start(directory.path().to_owned());
    gate.leads_to(Behind::Server(address));
    Kind::Served { wire, gate, path, directory, server: Mutex::new(Some(serving)), start }
}

fn ours(directory: PathBuf) -> (Serving, SocketAddr) {
    let (stop, stopped) = oneshot::channel();
    let (serving, serves) = std::sync::mpsc::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let log = SqliteLog::open(&directory).unwrap();
            let config = Config::new(log).validate(|visitor| async move {
                match visitor.payload {
                    Some(payload) if payload["authToken"] == "wrong" => {
                        Err(Refusal("this token is wrong".to_owned()))
                    }
                    _ => Ok(Identity::default()),
                }
            });
            let server = Server::new(config);
            let router = server.router();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            serving.send(listener.local_addr().unwrap()).unwrap();
            server.serve(listener, router, async { drop(stopped.await) }).await.unwrap();
        });
    };
    let thread = Some(thread::spawn(run));
    let address = serves.recv().unwrap();
    (Serving::Ours { _stop: stop, thread }, address)
}

fn livestores(directory: PathBuf) -> (Serving, SocketAddr) {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e/livestore-js");
    let mut node = Command::new("node")
        .arg("server.mjs")
        .arg(directory)
        .current_dir(&scripts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs LiveStore's server; `cargo xtask setup` installs what it needs");
    let mut said = BufReader::new(node.stdout.take().unwrap()).lines();
    let ready = said.next().unwrap().unwrap();
    let address = ready.strip_prefix("ready on ").and_then(|address| address.parse().ok());
    let address = address.unwrap_or_else(|| panic!("{ready:?}"));
    // It goes on talking, and would end if nobody listened.
    thread::spawn(move || said.for_each(drop));
    (Serving::Node(node), address)
}

impl Drop for Serving {
    fn drop(&mut self) {
        match self {
            Self::Ours { thread, _stop } => {
                // Replacing the sender drops it, which stops the server.
                *_stop = oneshot::channel().0;
                if let Some(thread) = thread.take() {
                    let ended = thread.join();
                    assert!(ended.is_ok() || thread::panicking(), "the server panicked");
                }
            }
            Self::Node(node) => {
                // Its end of input tells it to go.
                drop(node.stdin.take());
                let _ = node.wait();
            }
        }
    }
}
