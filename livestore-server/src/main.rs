//! `livestore-server --listen 127.0.0.1:8787 --data DIR [--static DIR]`: the sync backend, and an app's files beside it.

mod files;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use livestore_server::{Config, Server, SqliteLog};
use tokio::net::TcpListener;

/// The sync backend of livestore. TLS is a proxy's job.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The directory of the log; made if it is not there
    #[arg(long)]
    data: PathBuf,
    /// A directory of files to serve beside /sync, such as the app
    #[arg(long = "static")]
    files: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Cli { listen, data, files } = Cli::parse();
    let log = SqliteLog::open(&data).with_context(|| format!("opening {}", data.display()))?;
    let server = Server::new(Config::new(log));
    let mut router = server.router();
    if let Some(directory) = files {
        router = router.fallback_service(files::router(directory));
    }
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    tracing::info!("serving http://{}/sync", listener.local_addr()?);
    server.serve(listener, router, stopped()).await?;
    Ok(())
}

/// Resolves when the process is asked to end.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without signals it runs until it is killed.
    let _ = interrupted.await;
}
