//! The test binary as a process of its own: it is started again, with one of its tests and a role.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

/// Names the data directory of a child; set in children only.
const DIRECTORY: &str = "LIVESTORE_TEST_CHILD";

/// Where a child is to work; None in the parent.
pub(crate) fn child_directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Says a line to the parent.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone, and then it is about to kill this process.
    let _ = writeln!(out, "\n> {line}").and_then(|()| out.flush());
}

/// A child at work; killed when dropped.
pub(crate) struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `test` of this binary in `directory`; `shell` is what the shell does before.
    pub(crate) fn start(test: &str, directory: &Path, shell: &str) -> Self {
        let program = env::current_exe().expect("a test has a program");
        let mut command = if shell.is_empty() {
            Command::new(&program)
        } else {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(&program);
            command
        };
        command.args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(DIRECTORY, directory).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("piped above"));
        Self { child, out }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child says; None when it has ended. Half a line is none.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).ok()?;
            let line = line.strip_suffix('\n').filter(|_| read > 0)?;
            if let Some(said) = line.strip_prefix("> ") {
                return Some(said.to_owned());
            }
        }
    }

    /// Waits for a line that begins so.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let line = std::iter::from_fn(|| self.line()).find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("the child ended without saying {start:?}"))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
