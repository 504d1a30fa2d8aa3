//! The real program, run to its end or watched while it runs.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// A client: a directory of its own.
pub(crate) struct Client {
    directory: TempDir,
    server: String,
}

/// What a run has left behind.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::over("ws", server)
    }

    pub(crate) fn over(scheme: &str, server: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, server: format!("{scheme}://{server}/sync") }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
        command.arg("--dir").arg(self.directory.path());
        command.args(["--server", &self.server, "--store", "list"]).args(args);
        command
    }

    /// Runs to the end. Unless the case names another, the time to wait for the server is one that no test reaches.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(&["--timeout", "60"]).args(args).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs with a server that is not there.
    pub(crate) fn run_offline(&self, args: &[&str]) -> Ran {
        let output = self.command(args).args(["--timeout", "2"]).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Adds a todo, which the server confirms.
    #[track_caller]
    pub(crate) fn add(&self, text: &str) {
        let ran = self.run(&["add", text]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(stages(&ran.out), [("persisted", text), ("confirmed", text)], "{}", ran.err);
    }

    #[track_caller]
    pub(crate) fn check_list(&self, expected: &str) {
        let ran = self.run(&["list"]);
        assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), expected, ""));
    }

    pub(crate) fn follow(&self) -> Following {
        let mut command = self.command(&["follow"]);
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("it starts");
        let (said, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| said.send(line))
        });
        Following { child, lines }
    }
}

/// `persisted ID TEXT` and its like, without the id.
pub(crate) fn stages(out: &str) -> Vec<(&str, &str)> {
    let stage = |line: &'_ str| -> Option<(usize, usize)> {
        let stage = line.find(' ')?;
        Some((stage, stage + 1 + line[stage + 1..].find(' ')?))
    };
    out.lines()
        .map(|line| stage(line).map_or((line, ""), |(a, b)| (&line[..a], &line[b + 1..])))
        .collect()
}

/// `notes follow`, killed when dropped.
pub(crate) struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line is the creation of this todo, at this place.
    #[track_caller]
    pub(crate) fn expect(&self, number: u64, text: &str) {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("it says a line");
        let starts = format!("{number} v1.TodoCreated {{\"id\":");
        let ends = format!(",\"text\":\"{text}\"}}");
        assert!(line.starts_with(&starts) && line.ends_with(&ends), "{line}");
    }

    /// Ctrl-C; how it ends.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.id().to_string()]).status();
        assert!(sent.expect("there is a `kill`").success());
        self.child.wait().expect("it is ours").code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
