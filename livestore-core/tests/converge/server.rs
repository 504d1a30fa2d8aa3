//! Our server in this process, on one port: stopped and started, wiped, and brought back to an older copy.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use livestore_server::{Config, PushAttempt, Server, SqliteLog, Verdict};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::gate::{Behind, Gate};

pub(crate) struct Backend {
    gate: Gate,
    directory: TempDir,
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let (gate, directory) = (Gate::open().unwrap(), tempfile::tempdir().unwrap());
        let mut backend = Self { gate, directory, running: None };
        backend.go_online();
        backend
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/sync", self.gate.address())
    }

    pub(crate) fn go_offline(&mut self) {
        self.gate.leads_to(Behind::Nobody);
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    pub(crate) fn go_online(&mut self) {
        let directory = self.directory.path().to_owned();
        let (stop, stopped) = oneshot::channel();
        let (serving, serves) = std::sync::mpsc::channel();
        let run = move || serve(&directory, stopped, &serving);
        self.running = Some((stop, thread::spawn(run)));
        self.gate.leads_to(Behind::Server(serves.recv().unwrap()));
    }

    /// A copy of what a server that is offline has.
    pub(crate) fn copy(&self) -> TempDir {
        // The log's writer may close its database a moment later, and takes the WAL away then: begin again.
        for _ in 0..100 {
            let copy = tempfile::tempdir().unwrap();
            if copy_files(self.directory.path(), copy.path()).is_ok() {
                return copy;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the server's files don't come to rest");
    }

    /// Takes the place of what a server that is offline has; `None` is nothing.
    pub(crate) fn restore(&mut self, copy: Option<&TempDir>) {
        self.directory = tempfile::tempdir().unwrap();
        if let Some(copy) = copy {
            copy_files(copy.path(), self.directory.path()).unwrap();
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.go_offline();
    }
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let file: PathBuf = entry?.path();
        fs::copy(&file, to.join(file.file_name().unwrap()))?;
    }
    Ok(())
}

fn serve(
    directory: &Path,
    stopped: oneshot::Receiver<()>,
    serving: &std::sync::mpsc::Sender<SocketAddr>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = SqliteLog::open(directory).unwrap();
        let server =
            Server::new(Config::new(log).on_push(|attempt| async move { judge(&attempt) }));
        let router = server.router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        serving.send(listener.local_addr().unwrap()).unwrap();
        server.serve(listener, router, async { drop(stopped.await) }).await.unwrap();
    });
}

/// Takes no note that is "barred".
fn judge(attempt: &PushAttempt) -> Verdict {
    let barred = attempt.events.iter().position(|event| event.args.as_str().contains("barred"));
    match barred {
        Some(index) => Verdict::Reject { index, reason: "barred here".to_owned() },
        None => Verdict::Accept,
    }
}
