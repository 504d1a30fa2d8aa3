//! A server process, and clients that speak the wire to it over real sockets.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod raw;
pub(crate) mod served;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use futures_util::{SinkExt, StreamExt};
use livestore_sync::wire::{
    Author, ClientFrame, ConfirmedEvent, ConnectQuery, Cursor, Exit, Extensions, Page, Pull, Push,
    RawArgs, Request, RequestId, ServerFrame, Transport,
};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const SERVER: &str = env!("CARGO_BIN_EXE_livestore-server");

/// `livestore-server`, killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens: `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Process {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_by(Command::new(SERVER), data)
    }

    /// The shell does `first`, and then is the server.
    pub(crate) fn start_after(first: &str, data: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(SERVER);
        Self::start_by(shell, data)
    }

    fn start_by(mut command: Command, data: &Path) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map(|line| line.expect("the server writes text"))
            .find_map(|line| line.split_once("http://")?.1.strip_suffix("/sync").map(str::to_owned))
            .expect("the server says where it listens");
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of one store over a WebSocket.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    store: String,
    requests: u64,
}

impl Client {
    /// `None` when nobody answers.
    pub(crate) async fn connect(
        address: &str,
        store: &str,
        extensions: Extensions,
    ) -> Option<Self> {
        let query = ConnectQuery {
            store: store.parse().expect("a store id"),
            payload: None,
            transport: Transport::WebSocket,
            extensions,
        };
        let url = format!("ws://{address}/sync?{}", query.encode());
        let (socket, _) = connect_async(url).await.ok()?;
        Some(Self { socket, store: store.to_owned(), requests: 0 })
    }

    pub(crate) async fn send(&mut self, message: Message) -> Option<()> {
        self.socket.send(message).await.ok()
    }

    pub(crate) async fn send_text(&mut self, text: &str) -> Option<()> {
        self.send(Message::text(text)).await
    }

    /// The next message, if the server says anything more.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        self.socket.next().await?.ok()
    }

    /// The next frame, if the server says anything more.
    pub(crate) async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            match self.message().await? {
                Message::Text(text) => {
                    let frames = ServerFrame::decode(&text).expect("the server speaks the wire");
                    return frames.into_iter().next();
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn ask(&mut self, request: Request) -> Option<RequestId> {
        self.requests += 1;
        let id = RequestId::from(self.requests);
        let frame = ClientFrame::Request { id: id.clone(), request }.encode(Transport::WebSocket);
        self.send_text(&frame).await?;
        Some(id)
    }

    pub(crate) async fn pull(&mut self, cursor: Option<Cursor>, live: bool) -> Option<RequestId> {
        let store = self.store.clone();
        self.ask(Request::Pull(Pull { store, payload: None, live, cursor })).await
    }

    /// The next page of any pull.
    pub(crate) async fn page(&mut self) -> Option<Page> {
        loop {
            if let ServerFrame::Chunk { mut pages, .. } = self.frame().await? {
                return pages.pop();
            }
        }
    }

    /// How a push ended; `None` when nobody will know. Pages that come meanwhile are dropped.
    pub(crate) async fn push(&mut self, batch: Vec<ConfirmedEvent>) -> Option<Exit> {
        self.push_commits(batch, None).await
    }

    pub(crate) async fn push_commits(
        &mut self,
        batch: Vec<ConfirmedEvent>,
        commits: Option<Vec<usize>>,
    ) -> Option<Exit> {
        let store = self.store.clone();
        let push = Push { store, payload: None, batch, backend: None, commits };
        let asked = self.ask(Request::Push(push)).await?;
        loop {
            match self.frame().await? {
                ServerFrame::Exit { id, exit } if id == asked => return Some(exit),
                _ => {}
            }
        }
    }

    /// The whole log.
    pub(crate) async fn log(&mut self) -> Option<Vec<ConfirmedEvent>> {
        let asked = self.pull(None, false).await?;
        let mut events = Vec::new();
        loop {
            match self.frame().await? {
                ServerFrame::Chunk { id, pages } if id == asked => {
                    events.extend(pages.into_iter().flat_map(|page| page.events));
                }
                ServerFrame::Exit { id, .. } if id == asked => return Some(events),
                _ => {}
            }
        }
    }
}

pub(crate) fn event(number: u64, args: &str) -> ConfirmedEvent {
    ConfirmedEvent {
        number,
        parent: number - 1,
        name: "v1.Noted".into(),
        args: RawArgs(Some(args.into())),
        author: Author { client: "c".into(), session: "s".into() },
    }
}
