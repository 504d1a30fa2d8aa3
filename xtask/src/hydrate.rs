//! The examples whose page a server renders: their modules for the browser, their servers, and a server running.
//!
//! Does what cargo-leptos does with the example's `[package.metadata.leptos]`, and dx with its features `web` and
//! `server`, without needing either; the servers learn where the module lies from the same environment variables. Module
//! and server are built by two calls of cargo, so that the features of the two never meet in one build.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::example::{Build, Profile};
use crate::shell;
use crate::workspace::Workspace;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

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
    pub(crate) fn start(&self, workspace: &Workspace, port: u16) -> Result<Server> {
        if !self.is_built(workspace) {
            bail!("there is no build: run `cargo xtask build {}`", self.name);
        }
        let address = free(port)?;
        let program = workspace.program(self.name);
        let mut command = Command::new(&program);
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
        let process =
            command.spawn().with_context(|| format!("could not start {}", program.display()))?;
        let mut server = Server { process, url: format!("http://{address}/") };
        server.wait_until_it_listens(address)?;
        Ok(server)
    }

    /// Serves until Ctrl-C.
    pub(crate) fn serve(&self, workspace: &Workspace, port: u16) -> Result<()> {
        let mut server = self.start(workspace, port)?;
        println!("\nserving {}\n\n    {}\n\nCtrl-C ends it", self.name, server.url());
        let status = server.process.wait()?;
        bail!("the server ended ({status})")
    }

    fn site(&self, workspace: &Workspace) -> PathBuf {
        workspace.sites().join(self.name)
    }
}

/// The address with that port on this machine; with port 0, one that was free a moment ago.
fn free(port: u16) -> Result<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener =
        TcpListener::bind(address).with_context(|| format!("could not listen on {address}"))?;
    Ok(listener.local_addr()?)
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// The page's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait_until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended before it listened ({status})");
            }
            if Instant::now() > end {
                bail!("the server does not listen on {address}");
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
