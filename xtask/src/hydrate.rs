//! The example whose page a server renders: its module for the browser, its server, and the server running.
//!
//! Does what cargo-leptos does with the example's `[package.metadata.leptos]`, without needing it: the module goes to
//! `target/site/<example>/pkg`, the server learns the rest from the same environment variables. The two are built by
//! two calls of cargo, so that Leptos's features `hydrate` and `ssr` never meet in one build.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::example::{Build, Profile};
use crate::shell;
use crate::workspace::Workspace;

/// The example.
pub(crate) const HYDRATED: &str = "hydrate-leptos";

/// Where the module lies in the site.
const PKG: &str = "pkg";

/// Builds the module and the server.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    let client = Build::new(HYDRATED, profile).with_features(&["hydrate".to_owned()]);
    client.run_without_page(workspace, PKG)?;
    let mut cargo = workspace.cargo();
    // For this machine and for tests: quick to build is good enough.
    shell::run(cargo.args(["build", "--package", HYDRATED, "--bin", HYDRATED, "--features", "ssr"]))
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts what was built; port 0 picks a free one.
    pub(crate) fn start(workspace: &Workspace, port: u16) -> Result<Self> {
        let program = program(workspace);
        let mut process = Command::new(&program)
            .env("LEPTOS_OUTPUT_NAME", HYDRATED)
            .env("LEPTOS_SITE_ROOT", site(workspace))
            .env("LEPTOS_SITE_PKG_DIR", PKG)
            .env("LEPTOS_SITE_ADDR", format!("127.0.0.1:{port}"))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let output = process.stdout.take().context("BUG: the server's output was not piped")?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        let url = url.trim().to_owned();
        if url.is_empty() {
            let status = process.wait()?;
            bail!("{} ended before it served ({status})", program.display());
        }
        Ok(Self { process, url })
    }

    /// The page's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether an earlier build left what the server needs.
pub(crate) fn is_built(workspace: &Workspace) -> bool {
    program(workspace).exists() && site(workspace).join(PKG).exists()
}

/// Serves until Ctrl-C.
pub(crate) fn serve(workspace: &Workspace, port: u16) -> Result<()> {
    if !is_built(workspace) {
        bail!("there is no build: run `cargo xtask build {HYDRATED}`");
    }
    let mut server = Server::start(workspace, port)?;
    println!("\nserving {HYDRATED}\n\n    {}\n\nCtrl-C ends it", server.url());
    let status = server.process.wait()?;
    bail!("the server ended ({status})")
}

fn site(workspace: &Workspace) -> PathBuf {
    workspace.sites().join(HYDRATED)
}

fn program(workspace: &Workspace) -> PathBuf {
    let name = format!("{HYDRATED}{}", std::env::consts::EXE_SUFFIX);
    Path::new(workspace.target()).join("debug").join(name)
}
