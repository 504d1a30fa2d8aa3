//! The examples whose page a server renders: their modules for the browser, their servers, and a server running.
//!
//! Does what cargo-leptos does with the example's `[package.metadata.leptos]`, and dx with its features `web` and
//! `server`, without needing either; the servers learn where the module lies from the same environment variables. Module
//! and server are built by two calls of cargo, so that the features of the two never meet in one build.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::example::{Build, Profile};
use crate::process::{self, Process};
use crate::shell;
use crate::workspace::Workspace;

/// One of these examples.
pub(crate) struct Hydrated {
    name: &'static str,
    client: &'static str,
    /// The feature that makes it a server.
    pub(crate) server: &'static str,
    /// Where the module lies in the site, if the page comes from the server alone.
    pkg: Option<&'static str>,
}

/// On Leptos, and on Dioxus.
const EXAMPLES: [Hydrated; 2] = [
    Hydrated { name: "hydrate-leptos", client: "hydrate", server: "ssr", pkg: Some("pkg") },
    Hydrated { name: "hydrate-dioxus", client: "web", server: "server", pkg: None },
];

/// The example of that name, if it is one of these.
pub(crate) fn find(name: &str) -> Option<&'static Hydrated> {
    EXAMPLES.iter().find(|example| example.name == name)
}

/// The example on the same framework as an app: `todomvc-leptos` has `hydrate-leptos`.
pub(crate) fn beside(app: &str) -> Option<&'static Hydrated> {
    let (_, framework) = app.rsplit_once('-')?;
    find(&format!("hydrate-{framework}"))
}

impl Hydrated {
    /// Builds the module and the server.
    pub(crate) fn build(&self, workspace: &Workspace, profile: Profile) -> Result<()> {
        let client = Build::new(self.name, profile).with_features(&[self.client.to_owned()]);
        match self.pkg {
            Some(pkg) => client.run_without_page(workspace, pkg)?,
            None => client.run(workspace)?,
        };
        // For this machine and for tests: quick to build is good enough.
        shell::run(workspace.cargo().args(["build", "--bin", self.name]).args(self.server_args()))
    }

    /// What makes cargo take the server, and only it.
    pub(crate) fn server_args(&self) -> [&str; 4] {
        ["--package", self.name, "--features", self.server]
    }

    /// Whether an earlier build left what the server needs.
    fn is_built(&self, workspace: &Workspace) -> bool {
        let site = self.site(workspace);
        let module = self.pkg.map_or_else(|| site.join("index.html"), |pkg| site.join(pkg));
        workspace.program(self.name).exists() && module.exists()
    }

    /// Starts what was built; port 0 picks a free one.
    pub(crate) fn start(&self, workspace: &Workspace, port: u16) -> Result<Process> {
        if !self.is_built(workspace) {
            bail!("there is no build: run `cargo xtask build {}`", self.name);
        }
        let address = process::free(port)?;
        let mut command = Command::new(workspace.program(self.name));
        match self.pkg {
            Some(pkg) => command
                .env("LEPTOS_OUTPUT_NAME", self.name)
                .env("LEPTOS_SITE_ROOT", self.site(workspace))
                .env("LEPTOS_SITE_PKG_DIR", pkg)
                .env("LEPTOS_SITE_ADDR", address.to_string()),
            None => command
                .env("DIOXUS_PUBLIC_PATH", self.site(workspace))
                .env("IP", address.ip().to_string())
                .env("PORT", address.port().to_string()),
        };
        Process::start(&mut command, address)
    }

    /// Serves until Ctrl-C.
    pub(crate) fn serve(&self, workspace: &Workspace, port: u16) -> Result<()> {
        let server = self.start(workspace, port)?;
        println!("\nserving {}\n\n    {}\n\nCtrl-C ends it", self.name, server.url());
        server.wait()
    }

    fn site(&self, workspace: &Workspace) -> PathBuf {
        workspace.sites().join(self.name)
    }
}
