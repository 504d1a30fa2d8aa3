//! A server in this process, for tests that set its hooks and limits.

use std::{io, path::Path};

use livestore_server::{Config, Server, SqliteLog};
use livestore_sync::wire::Extensions;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::Client;

/// A server in this process. It ends when `stop` is dropped.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<io::Result<()>>,
    pub(crate) data: TempDir,
}

pub(crate) async fn serve(configure: impl FnOnce(Config) -> Config) -> Served {
    serve_with(configure, SqliteLog::open).await
}

pub(crate) async fn serve_with(
    configure: impl FnOnce(Config) -> Config,
    open: impl FnOnce(&Path) -> Result<SqliteLog, livestore_server::LogError>,
) -> Served {
    serve_at(tempfile::tempdir().expect("a directory"), configure, open).await
}

/// Serves what is in a directory already.
pub(crate) async fn serve_at(
    data: TempDir,
    configure: impl FnOnce(Config) -> Config,
    open: impl FnOnce(&Path) -> Result<SqliteLog, livestore_server::LogError>,
) -> Served {
    let log = open(data.path()).expect("the log opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = Server::new(configure(Config::new(log)));
    let router = server.router();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(listener, router, async { drop(stopped.await) }));
    Served { address, stop: Some(stop), serving, data }
}

impl Served {
    pub(crate) async fn client(&self, store: &str, extensions: Extensions) -> Client {
        Client::connect(&self.address, store, extensions).await.expect("the server serves")
    }

    /// A connection that has said `text`, and says nothing more by itself.
    pub(crate) async fn say(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("the server listens");
        stream.write_all(text.as_bytes()).await.expect("the server reads");
        stream
    }

    /// The status and the body that answer a request.
    pub(crate) async fn request(&self, head: &str, body: &str) -> (u16, String) {
        // Of this version, so that the answer comes in one piece and ends with the connection.
        let request = format!(
            "{head} HTTP/1.0\r\nhost: here\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = String::new();
        let mut stream = self.say(&request).await;
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// What a counter or a gauge says.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.request("GET /metrics", "").await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).expect(name)
    }

    /// A WebSocket that never answers anything, not even a ping.
    pub(crate) async fn mute_socket(&self, store: &str) -> TcpStream {
        let mut stream = self
            .say(&format!(
                "GET /sync?storeId={store}&transport=ws HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            ))
            .await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("the server answers"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        stream
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

/// The code with which the server closes a WebSocket that is read byte by byte.
pub(crate) async fn mute_close_code(stream: &mut TcpStream) -> u16 {
    loop {
        let kind = stream.read_u8().await.expect("a frame");
        let mut long = usize::from(stream.read_u8().await.expect("its length"));
        if long == 126 {
            long = usize::from(stream.read_u16().await.expect("its length"));
        }
        let mut payload = vec![0; long];
        stream.read_exact(&mut payload).await.expect("its payload");
        if kind & 0x0f == 8 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}
