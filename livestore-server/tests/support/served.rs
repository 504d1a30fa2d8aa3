//! A server in this process, for tests that set its hooks and limits.

use std::path::Path;

use livestore_server::{Config, Server, SqliteLog};
use livestore_sync::wire::Extensions;
use tokio::{net::TcpListener, sync::oneshot};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::Client;

/// A server in this process. It ends when `stop` is dropped.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) data: tempfile::TempDir,
}

pub(crate) async fn serve(configure: impl FnOnce(Config) -> Config) -> Served {
    serve_with(configure, SqliteLog::open).await
}

pub(crate) async fn serve_with(
    configure: impl FnOnce(Config) -> Config,
    open: impl FnOnce(&Path) -> Result<SqliteLog, livestore_server::LogError>,
) -> Served {
    let data = tempfile::tempdir().expect("a directory");
    let log = open(data.path()).expect("a new log");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = Server::new(configure(Config::new(log)));
    let router = server.router();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(listener, router, async { drop(stopped.await) }));
    Served { address, stop: Some(stop), data }
}

impl Served {
    pub(crate) async fn client(&self, store: &str, extensions: Extensions) -> Client {
        Client::connect(&self.address, store, extensions).await.expect("the server serves")
    }

    pub(crate) async fn log_of(&self, store: &str) -> Vec<u64> {
        let log = self.client(store, Extensions::NONE).await.log().await.expect("a log");
        log.into_iter().map(|event| event.number).collect()
    }
}

pub(crate) async fn close_code(client: &mut Client) -> CloseCode {
    loop {
        match client.message().await {
            Some(Message::Close(Some(frame))) => return frame.code,
            Some(_) => {}
            None => panic!("the socket ended without a code"),
        }
    }
}
