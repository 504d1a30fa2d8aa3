//! The backends under test: how each is started, reached, cut off and brought back.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
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
        address: SocketAddr,
        path: &'static str,
        directory: TempDir,
        server: Mutex<Option<Serving>>,
        start: Start,
    },
}

type Start = fn(SocketAddr, PathBuf) -> Serving;

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
            Kind::Served { wire, address, path, .. } => {
                let scheme = if *wire == Wire::WebSocket { "ws" } else { "http" };
                format!("{scheme}://{address}{path}")
            }
        }
    }

    pub(crate) fn go_offline(&self) {
        match &self.kind {
            Kind::Memory(backends) => {
                backends.lock().unwrap().values().for_each(MemoryBackend::go_offline);
            }
            Kind::Served { server, .. } => drop(server.lock().unwrap().take()),
        }
    }

    pub(crate) fn go_online(&self) {
        match &self.kind {
            Kind::Memory(backends) => {
                backends.lock().unwrap().values().for_each(MemoryBackend::go_online);
            }
            Kind::Served { server, start, address, directory, .. } => {
                *server.lock().unwrap() = Some(start(*address, directory.path().to_owned()));
            }
        }
    }
}

fn serve(wire: Wire, path: &'static str, start: Start) -> Kind {
    // A port that is free now; the server is stopped and started on it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = Mutex::new(Some(start(address, directory.path().to_owned())));
    Kind::Served { wire, address, path, directory, server, start }
}

fn ours(address: SocketAddr, directory: PathBuf) -> Serving {
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
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            serving.send(()).unwrap();
            server.serve(listener, router, async { drop(stopped.await) }).await.unwrap();
        });
    };
    let thread = Some(thread::spawn(run));
    serves.recv().unwrap();
    Serving::Ours { _stop: stop, thread }
}

fn livestores(address: SocketAddr, directory: PathBuf) -> Serving {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e/livestore-js");
    let mut node = Command::new("node")
        .arg("server.mjs")
        .arg(address.port().to_string())
        .arg(directory)
        .current_dir(&scripts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs LiveStore's server; `cargo xtask setup` installs what it needs");
    let mut said = BufReader::new(node.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "ready");
    // It goes on talking, and would end if nobody listened.
    thread::spawn(move || said.for_each(drop));
    Serving::Node(node)
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
