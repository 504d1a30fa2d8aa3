//! A server that is a program of its own, on 127.0.0.1.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The address with that port on this machine; with port 0, one that was free a moment ago.
pub(crate) fn free(port: u16) -> Result<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).with_context(|| {
        format!("could not listen on {address}: is it taken? `--port 0` picks a free port")
    })?;
    Ok(listener.local_addr()?)
}

/// A process that listens, until it is dropped.
pub(crate) struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Starts a program, and waits until it listens on the address that it was told.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let line = shell::line_of(command);
        let child = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        let mut process = Self { child, url: format!("http://{address}/") };
        process.wait_until_it_listens(address)?;
        Ok(process)
    }

    /// The page's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the process ends, which only an error or Ctrl-C makes it do.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        bail!("the server ended ({status})")
    }

    fn wait_until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
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

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
