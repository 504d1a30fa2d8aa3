//! A backend over a WebSocket, on every platform: the platform brings text in and out, the rest is here.
//!
//! A task owns the conversation. It pings, and calls the connection lost when nothing is heard for twice that time. A
//! pull whose pages nobody takes stops the task, and natively the reading of the socket: a large log waits at the
//! server and not here. Whoever pulls therefore takes its pages, or its pushes wait, too.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_channel::{mpsc, oneshot};
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::LocalBoxStream,
};
use livestore_sync::wire::{ClientFrame, ConnectQuery, Extensions, Hello, ServerFrame, Transport};

use super::{
    Backend, BackendAddress, BackendError, ConnectError, Connection, ConnectionLimits, Cursor,
    Page, PushBatch,
    conversation::{Conversation, Heard},
};
use crate::platform::{SocketEnds, open_socket, sleep, spawn_io};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);

/// How often the backend is asked whether it is there.
const PING: Duration = Duration::from_secs(10);

/// Pages that wait for whoever pulls.
const PAGES: usize = 64;

/// A backend over a WebSocket.
#[derive(Clone, Debug)]
pub struct WebSocketBackend(BackendAddress);

impl WebSocketBackend {
    /// The backend at an address.
    pub fn new(address: BackendAddress) -> Self {
        Self(address)
    }
}

impl Backend for WebSocketBackend {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        let address = self.0.clone();
        async move {
            let late =
                sleep(CONNECT).map(|()| ConnectError::Unreachable("no answer in time".into()));
            match select(pin!(open(address)), pin!(late)).await {
                Either::Left((opened, _)) => Ok(Box::new(opened?) as Box<dyn Connection>),
                Either::Right((late, _)) => Err(late),
            }
        }
        .boxed_local()
    }
}

async fn open(address: BackendAddress) -> Result<SocketConnection, ConnectError> {
    let payload = (address.payload)().await;
    let query = ConnectQuery {
        store: address.store.clone(),
        payload: payload.clone(),
        transport: Transport::WebSocket,
        extensions: Extensions::ALL,
    };
    let mut ends = open_socket(format!("{}?{}", address.url, query.encode())).await?;
    let hello = greet(&mut ends).await?;
    let limits = ConnectionLimits::of_hello(hello.as_ref(), true);
    let (commands, inbox) = mpsc::unbounded();
    let lost = Arc::new(OnceLock::new());
    let talk = Talk {
        ends,
        inbox,
        conversation: Conversation::new(address.store, payload, hello.as_ref()),
        lost: Arc::clone(&lost),
        silent: 0,
    };
    spawn_io(talk.run());
    Ok(SocketConnection { limits, commands, lost })
}

/// The connection stands once the backend has said something: our server says its hello, any other answers a ping.
async fn greet(ends: &mut SocketEnds) -> Result<Option<Hello>, ConnectError> {
    let unreachable = |reason: &str| ConnectError::Unreachable(reason.into());
    let ping = ClientFrame::Ping.encode(Transport::WebSocket);
    // A backend that refuses may have closed already; what it said before is still to be read.
    let _ = ends.outgoing.unbounded_send(ping);
    while let Some(text) = ends.incoming.next().await {
        let text = text.map_err(|reason| unreachable(&reason))?;
        match ServerFrame::decode(&text).as_deref() {
            Ok([ServerFrame::Hello(Hello::Refused { reason }), ..]) => {
                return Err(ConnectError::Refused(reason.as_str().into()));
            }
            Ok([ServerFrame::Hello(hello), ..]) => return Ok(Some(hello.clone())),
            Ok([ServerFrame::Pong, ..]) => return Ok(None),
            _ => {}
        }
    }
    Err(unreachable("it closed the connection at once"))
}

#[derive(Debug)]
struct SocketConnection {
    limits: ConnectionLimits,
    commands: mpsc::UnboundedSender<Command>,
    lost: Arc<OnceLock<Arc<str>>>,
}

enum Command {
    Pull(Option<Cursor>, bool, mpsc::Sender<Result<Page, BackendError>>),
    Push(PushBatch, oneshot::Sender<Result<(), BackendError>>),
}

impl SocketConnection {
    fn gone(lost: &OnceLock<Arc<str>>) -> BackendError {
        let reason = lost.get().cloned();
        BackendError::Lost(reason.unwrap_or_else(|| "the connection is closed".into()))
    }
}

impl Connection for SocketConnection {
    fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    fn lost(&self) -> Option<Arc<str>> {
        self.lost.get().cloned()
    }

    fn pull(
        &self,
        cursor: Option<Cursor>,
        live: bool,
    ) -> LocalBoxStream<'static, Result<Page, BackendError>> {
        let (pages, stream) = mpsc::channel(PAGES);
        match self.commands.unbounded_send(Command::Pull(cursor, live, pages)) {
            Ok(()) => stream.boxed_local(),
            Err(_) => futures_util::stream::iter([Err(Self::gone(&self.lost))]).boxed_local(),
        }
    }

    fn push(&self, batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>> {
        let (answer, answered) = oneshot::channel();
        // A task that has ended drops the answer, which says it.
        let _ = self.commands.unbounded_send(Command::Push(batch, answer));
        let lost = Arc::clone(&self.lost);
        answered.map(move |answer| answer.unwrap_or_else(|_| Err(Self::gone(&lost)))).boxed_local()
    }
}

struct Talk {
    ends: SocketEnds,
    inbox: mpsc::UnboundedReceiver<Command>,
    conversation: Conversation,
    lost: Arc<OnceLock<Arc<str>>>,
    /// Pings since anything was heard.
    silent: u32,
}

impl Talk {
    async fn run(mut self) {
        let reason: Arc<str> = match self.talk().await {
            Ok(()) => "the connection was given up".into(),
            Err(reason) => reason,
        };
        let _ = self.lost.set(Arc::clone(&reason));
        self.conversation.lost(&reason);
    }

    /// Ends well when nobody wants the connection any more.
    async fn talk(&mut self) -> Result<(), Arc<str>> {
        let mut tick = Box::pin(sleep(PING));
        loop {
            match select(select(self.inbox.next(), self.ends.incoming.next()), &mut tick).await {
                Either::Left((Either::Left((Some(command), _)), _)) => self.perform(command)?,
                Either::Left((Either::Left((None, _)), _)) => return Ok(()),
                Either::Left((Either::Right((Some(text), _)), _)) => self.take(&text?).await?,
                Either::Left((Either::Right((None, _)), _)) => {
                    return Err("the backend closed the connection".into());
                }
                Either::Right(_) if self.silent == 2 => return Err("the backend is silent".into()),
                Either::Right(_) => {
                    self.silent += 1;
                    tick = Box::pin(sleep(PING));
                    self.send(ClientFrame::Ping.encode(Transport::WebSocket))?;
                }
            }
        }
    }

    fn perform(&mut self, command: Command) -> Result<(), Arc<str>> {
        let frame = match command {
            Command::Pull(cursor, live, pages) => {
                // A server has few pulls for each socket.
                for frame in self.conversation.give_up() {
                    self.send(frame)?;
                }
                self.conversation.pull(cursor, live, pages)
            }
            Command::Push(batch, answer) => self.conversation.push(batch, answer),
        };
        self.send(frame)
    }

    fn send(&self, frame: String) -> Result<(), Arc<str>> {
        self.ends.outgoing.unbounded_send(frame).map_err(|_| "the connection is closed".into())
    }

    async fn take(&mut self, text: &str) -> Result<(), Arc<str>> {
        self.silent = 0;
        for heard in self.conversation.hear(text).map_err(|bad| bad.to_string())? {
            match heard {
                Heard::Nothing => {}
                Heard::Broken(reason) => return Err(reason),
                Heard::Page(id, page) => {
                    let frame = self.conversation.hand_over(id, page).await;
                    self.send(frame)?;
                }
            }
        }
        Ok(())
    }
}
