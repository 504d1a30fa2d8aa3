//! An app's own server: its pages, and the sync backend mounted beside them, which takes no event that has a certain word
//! in its arguments. Whoever committed such an event is told why it was refused.
//!
//! `cargo run -p livestore-server --example guarded -- --data DIR --static DIR --word cheese`

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Result;
use axum::{Router, routing::get};
use clap::Parser;
use livestore_server::{Config, PushAttempt, Server, SqliteLog, Verdict};
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

/// A server that refuses events with a word in them.
#[derive(Parser)]
struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The directory of the log
    #[arg(long)]
    data: PathBuf,
    /// The directory of the app's pages
    #[arg(long = "static")]
    pages: PathBuf,
    /// What no event may have in its arguments
    #[arg(long)]
    word: Arc<str>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { listen, data, pages, word } = Arguments::parse();
    let config = Config::new(SqliteLog::open(&data)?).on_push(move |attempt| {
        let verdict = judge(&attempt, &word);
        async move { verdict }
    });
    let server = Server::new(config);
    let app = Router::new()
        .route("/hello", get(|| async { "any route of the app's own" }))
        .fallback_service(ServeDir::new(pages))
        // `/sync`, `/health` and `/metrics`.
        .merge(server.router());
    let stopped = async { drop(tokio::signal::ctrl_c().await) };
    server.serve(TcpListener::bind(listen).await?, app, stopped).await?;
    Ok(())
}

/// Refuses the first event that has the word; the whole commits before it are taken.
fn judge(attempt: &PushAttempt, word: &str) -> Verdict {
    let barred = attempt.events.iter().position(|event| event.args.as_str().contains(word));
    match barred {
        Some(index) => Verdict::Reject { index, reason: format!("no {word} on this list") },
        None => Verdict::Accept,
    }
}
