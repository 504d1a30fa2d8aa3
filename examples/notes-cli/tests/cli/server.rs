//! `livestore-server` as a process of its own: this test binary, started again with one of its tests. It is killed and
//! started behind one address, and refuses what holds "barred".

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use livestore_server::{Config, PushAttempt, Server, SqliteLog, Verdict};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::gate::{Behind, Gate};

/// Names the server's data directory; set in servers only.
const DATA: &str = "NOTES_TEST_SERVER_DATA";

pub(crate) struct Backend {
    gate: Gate,
    data: TempDir,
    process: Option<Child>,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let (gate, data) =
            (Gate::open().expect("a port"), tempfile::tempdir().expect("a directory"));
        let mut backend = Self { gate, data, process: None };
        backend.restart();
        backend
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.gate.leads_to(Behind::Nobody);
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is ours");
            process.wait().expect("it is ours");
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        let (process, address) = serve(self.data.path());
        self.gate.leads_to(Behind::Server(address));
        self.process = Some(process);
    }

    /// Restarts with nothing of what it had.
    pub(crate) fn wipe(&mut self) {
        self.kill();
        self.data = tempfile::tempdir().expect("a directory");
        self.restart();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(data: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env::current_exe().expect("a test has a program"))
        .args(["server::serves", "--exact", "--nocapture", "--include-ignored"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines
        .map(|line| line.expect("the server writes text"))
        .find_map(|line| line.strip_prefix("> ")?.parse().ok())
        .expect("the server says where it listens");
    (child, address)
}

/// Run as a process of its own: serves until it is killed.
#[test]
#[ignore = "a process that other tests start"]
fn serves() {
    let Some(data) = env::var_os(DATA) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let log = SqliteLog::open(Path::new(&data)).expect("the log opens");
        let server =
            Server::new(Config::new(log).on_push(|attempt| async move { judge(&attempt) }));
        let router = server.router();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        writeln!(std::io::stdout(), "\n> {address}").expect("the parent listens");
        server.serve(listener, router, std::future::pending()).await.expect("it serves");
    });
}

fn judge(attempt: &PushAttempt) -> Verdict {
    let barred = attempt.events.iter().position(|event| event.args.as_str().contains("barred"));
    match barred {
        Some(index) => Verdict::Reject { index, reason: "barred here".to_owned() },
        None => Verdict::Accept,
    }
}
