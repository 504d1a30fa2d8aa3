//! `demo`: TodoMVC from `livestore-server`, which is also the backend that the page's list is shared through: two windows
//! edit one list.

use anyhow::Result;

use crate::example::{Build, Profile};
use crate::process::{self, Process};
use crate::setup::{self, Need};
use crate::shell;
use crate::workspace::Workspace;

/// The program of the sync backend.
pub(crate) const SERVER: &str = "livestore-server";

/// Builds the app and the server, and serves until Ctrl-C. The list stays in `target/demo`.
pub(crate) fn run(workspace: &Workspace, app: &str, port: u16) -> Result<()> {
    setup::run(workspace, Need::Demo)?;
    let address = process::free(port)?;
    // The server has little to do here; what a release build of it takes nobody wants to wait for.
    shell::run(workspace.cargo().args(["build", "--package", SERVER, "--bin", SERVER]))?;
    let site = Build::new(app, Profile::Release).run(workspace)?;
    let data = workspace.target().join("demo");
    let mut command = std::process::Command::new(workspace.program(SERVER));
    command.args(["--listen", &address.to_string(), "--data"]).arg(&data);
    let server = Process::start(command.arg("--static").arg(site), address)?;
    let url = server.url();
    println!(
        "\nopen this in two windows, of two browsers, or one of them private: both edit one list\n\n    \
         {url}?store=demo\n\nit stays in {}; {url} is a list that is not shared; Ctrl-C ends it",
        data.display()
    );
    server.wait()
}
