//! A static server for built examples, on 127.0.0.1 only.
//!
//! `/` is the chosen site and `/site/<name>/` every site of `target/site`, so that two builds can live on one origin, as
//! an old and a new version of an app do during a deployment. Pages are never stored by the browser, other files are asked
//! for again each time: a rebuild shows at the next reload.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{HeaderValue, Response, header};
use axum::middleware::map_response;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_http::services::ServeDir;

use crate::workspace::Workspace;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    runtime: Runtime,
}

impl Server {
    /// Starts serving; port 0 picks a free one.
    pub(crate) fn start(workspace: &Workspace, site: &Path, port: u16) -> Result<Self> {
        let runtime = Runtime::new().context("could not start the server's threads")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = runtime.block_on(TcpListener::bind(address)).with_context(|| {
            format!("could not listen on {address}: is it taken? `--port 0` picks a free port")
        })?;
        let address = listener.local_addr()?;
        let router = router(site, &workspace.sites());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, runtime })
    }

    /// The address of the chosen site.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Serves until Ctrl-C.
pub(crate) fn run(workspace: &Workspace, site: &Path, port: u16) -> Result<()> {
    let server = Server::start(workspace, site, port)?;
    println!("\nserving {}\n\n    {}\n\nCtrl-C ends it", site.display(), server.url());
    server.runtime.block_on(tokio::signal::ctrl_c()).context("could not wait for Ctrl-C")
}

fn router(site: &Path, sites: &Path) -> Router {
    Router::new()
        .nest_service("/site", ServeDir::new(sites))
        .fallback_service(ServeDir::new(site))
        .layer(map_response(freshness))
}

async fn freshness<B: Send>(mut response: Response<B>) -> Response<B> {
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let value = HeaderValue::from_static(if is_page { "no-store" } else { "no-cache" });
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// Serves a site of one file and returns the answer to a request for it.
    fn answer(path: &str) -> String {
        let temporary = tempfile::tempdir().expect("a folder");
        let site = temporary.path().join("app");
        fs::create_dir(&site).expect("a folder");
        for file in ["index.html", "app.js", "app_bg.wasm", "style.css"] {
            fs::write(site.join(file), file).expect("a file");
        }
        let runtime = Runtime::new().expect("threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = router(&site, temporary.path());
        runtime.spawn(async move { axum::serve(listener, router).await });
        let mut stream = TcpStream::connect(address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text.to_lowercase()
    }

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let answer = answer(path);
        for part in expected {
            assert!(answer.contains(part), "the answer for {path} lacks {part:?}:\n{answer}");
        }
    }

    #[test]
    fn files_have_their_types_and_are_never_stale() {
        check("/", &["200 ok", "content-type: text/html", "cache-control: no-store", "index.html"]);
        check("/app.js", &["200 ok", "content-type: text/javascript", "cache-control: no-cache"]);
        check(
            "/app_bg.wasm",
            &["200 ok", "content-type: application/wasm", "cache-control: no-cache"],
        );
        check("/style.css", &["200 ok", "content-type: text/css"]);
    }

    #[test]
    fn every_site_is_on_the_same_origin() {
        check("/site/app/", &["200 ok", "index.html"]);
        check("/site/app/app.js", &["200 ok", "text/javascript"]);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check("/missing", &["404 not found"]);
        check("/../Cargo.toml", &["404 not found"]);
    }
}
