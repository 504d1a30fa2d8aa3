//! What no client of ours says: bytes of any kind, on a socket, in a request, or on the bare connection.

#![allow(dead_code, reason = "each test uses its part")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use livestore_sync::wire::{ClientFrame, ServerFrame, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

/// A server that has said nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server made of a message on a socket.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These frames, and the socket lives.
    Answered(Vec<ServerFrame>),
    /// These frames, and the end with this code.
    Closed(Vec<ServerFrame>, CloseCode),
}

/// Sends a message on a new socket of store `s`.
pub(crate) async fn say(address: &str, message: Message) -> Result<Outcome, String> {
    let url = format!("ws://{address}/sync?storeId=s&transport=ws");
    let (mut socket, _) = connect_async(url).await.map_err(|error| error.to_string())?;
    let ping = ClientFrame::Ping.encode(Transport::WebSocket);
    // Both at once: what is sent to a server that has hung up may take its last words away.
    let sent = async {
        socket.feed(message).await?;
        socket.feed(Message::text(ping)).await?;
        socket.flush().await
    };
    // It may hang up in the middle; what it says then is what counts.
    let _ = sent.await;
    let mut frames = Vec::new();
    loop {
        match timeout(PATIENCE, socket.next()).await {
            Err(_) => return Err(format!("silence after {frames:?}")),
            Ok(Some(Ok(Message::Text(text)))) => {
                let decoded = ServerFrame::decode(&text).map_err(|bad| format!("{bad}: {text}"))?;
                frames.extend(decoded);
                if frames.last() == Some(&ServerFrame::Pong) {
                    frames.pop();
                    return Ok(Outcome::Answered(frames));
                }
            }
            Ok(Some(Ok(Message::Close(Some(frame))))) => {
                return Ok(Outcome::Closed(frames, frame.code));
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
            Ok(other) => return Err(format!("{other:?} after {frames:?}")),
        }
    }
}

/// Posts a body; the status and the answer.
pub(crate) async fn post(address: &str, query: &str, body: &[u8]) -> Result<(u16, String), String> {
    // HTTP/1.0: the answer ends with the connection.
    let head = format!("POST /sync?{query} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = exchange(address, &[head.as_bytes(), body].concat()).await?;
    let answer = String::from_utf8(answer).map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no head: {answer}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| format!("no status: {head}"))?, body.to_owned()))
}

/// What a connection that says this hears until the server ends it.
pub(crate) async fn exchange(address: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    talk(address, bytes, false).await
}

/// The same for a connection that hangs up after it.
pub(crate) async fn hit_and_run(address: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    talk(address, bytes, true).await
}

async fn talk(address: &str, bytes: &[u8], hangs_up: bool) -> Result<Vec<u8>, String> {
    let mut stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    // A server that refuses may not read to the end; it may even have reset the connection.
    let _ = stream.write_all(bytes).await;
    if hangs_up {
        let _ = stream.shutdown().await;
    }
    let mut heard = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut heard)).await {
        Err(_) => Err(format!("the connection stays open after {heard:?}")),
        Ok(_) => Ok(heard),
    }
}
