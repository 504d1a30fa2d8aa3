//! WebSockets and HTTP requests, natively: on a small runtime of their own, reached by channels.

use std::{
    future::poll_fn,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use livestore_sync::wire::FRAME_BYTES;
use tokio::{net::TcpStream, runtime::Runtime};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        http::{StatusCode, Uri, uri::InvalidUri},
        protocol::WebSocketConfig,
    },
};
use ureq::Agent;

use super::tls::Tls;
use crate::{backend::ConnectError, platform::SocketEnds};

/// A server's frame may be larger than ours: it counts its pages' events, not the bytes around them.
const MAX_FRAME: usize = 2 * FRAME_BYTES;

/// How long a request may take.
const ANSWER: Duration = Duration::from_secs(30);

/// The largest answer. Our server ends its answers earlier; another one sends its whole log.
const MAX_ANSWER: u64 = 64 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One thread for the sockets of all stores of the process. `None` where the system refuses even that.
fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1).thread_name("livestore-net").enable_all();
            builder.build().inspect_err(|error| tracing::error!(%error, "no runtime")).ok()
        })
        .as_ref()
}

/// Runs a task beside the sockets.
pub fn spawn_io(task: impl Future<Output = ()> + Send + 'static) {
    if let Some(runtime) = runtime() {
        runtime.spawn(task);
    }
}

/// The whole address of a backend whose scheme is `plain`, or with TLS `secure`.
///
/// # Errors
/// Says what is wrong with the address.
pub fn resolve_url(url: &str, plain: &str, secure: &str) -> Result<String, String> {
    let parsed: Uri = url.parse().map_err(|error: InvalidUri| error.to_string())?;
    match (parsed.scheme_str(), parsed.host()) {
        (Some(scheme), Some(host)) if [plain, secure].contains(&scheme) && !host.is_empty() => {
            Ok(url.to_owned())
        }
        _ => Err(format!("it has to begin with `{plain}://` or `{secure}://` and name a host")),
    }
}

/// Opens a WebSocket.
pub async fn open_socket(url: String) -> Result<SocketEnds, ConnectError> {
    let unreachable = |reason: &str| ConnectError::Unreachable(reason.into());
    let secure = url.starts_with("wss:");
    let (opened, opening) = oneshot::channel();
    spawn_io(async move {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let connector = secure.then(|| Connector::Rustls(Arc::clone(&Tls::get().sockets)));
        let connected = connect_async_tls_with_config(url, Some(config), true, connector).await;
        // Whoever asked may have lost patience.
        let _ = opened.send(connected);
    });
    let connected = opening.await.map_err(|_| unreachable("the system gives no thread"))?;
    let (socket, _) = connected.map_err(|error| connect_error(&error))?;
    let (outgoing, to_send) = mpsc::unbounded();
    // One text: what more there is waits in the socket.
    let (arrived, incoming) = mpsc::channel(1);
    spawn_io(pump(socket, to_send, arrived));
    Ok(SocketEnds { outgoing, incoming })
}

fn connect_error(error: &tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response)
            if matches!(
                response.status(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
            ) =>
        {
            let body = response.body().as_deref().unwrap_or_default();
            ConnectError::Refused(String::from_utf8_lossy(body).into_owned().into())
        }
        _ => ConnectError::Unreachable(error.to_string().into()),
    }
}

/// Carries texts between the socket and the channels until either is closed.
async fn pump(
    mut socket: Socket,
    mut to_send: mpsc::UnboundedReceiver<String>,
    mut arrived: mpsc::Sender<Result<String, Arc<str>>>,
) {
    use futures_util::future::{Either, select};
    let reason: Arc<str> = loop {
        let next = std::pin::pin!(async {
            // Reads only what there is room for.
            if poll_fn(|cx| arrived.poll_ready(cx)).await.is_err() {
                return None;
            }
            socket.next().await
        });
        match select(to_send.next(), next).await {
            Either::Left((Some(text), _)) => {
                if let Err(error) = send(&mut socket, text).await {
                    break error.to_string().into();
                }
            }
            Either::Left((None, _)) => break "given up".into(),
            Either::Right((message, _)) => match message {
                Some(Ok(Message::Text(text))) => {
                    // There is room, unless nobody listens any more; then sending ends this, too.
                    let _ = arrived.try_send(Ok(text.as_str().to_owned()));
                }
                Some(Ok(Message::Close(Some(frame)))) => break frame.to_string().into(),
                Some(Ok(Message::Close(None))) | None => break "the backend closed it".into(),
                Some(Ok(_)) => {}
                Some(Err(error)) => break error.to_string().into(),
            },
        }
    };
    // The end of the stream says the same where there is no room.
    let _ = arrived.try_send(Err(reason));
    // Politeness; the other side may be gone.
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
}

async fn send(socket: &mut Socket, text: String) -> Result<(), tungstenite::Error> {
    use futures_util::SinkExt;
    socket.send(Message::text(text)).await
}

/// Posts JSON: the answer's status and text, or why there is none.
pub async fn post(url: Arc<str>, body: String) -> Result<(u16, String), String> {
    let runtime = runtime().ok_or_else(|| "the system gives no thread".to_owned())?;
    let request = move || -> Result<(u16, String), ureq::Error> {
        let mut response =
            agent(&url).post(&*url).header("content-type", "application/json").send(body)?;
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string()?;
        Ok((response.status().as_u16(), text))
    };
    let answer = runtime.spawn_blocking(request).await.map_err(|error| error.to_string())?;
    answer.map_err(|error| error.to_string())
}

/// Who makes the requests to addresses of this kind. Only where TLS is wanted the machine's certificates are read.
fn agent(url: &str) -> &'static Agent {
    static PLAIN: OnceLock<Agent> = OnceLock::new();
    static SECURE: OnceLock<Agent> = OnceLock::new();
    // A connection that is kept may be closed by the other side just when the next request goes out.
    let config = || {
        let config = Agent::config_builder().timeout_global(Some(ANSWER)).max_idle_connections(0);
        config.http_status_as_error(false)
    };
    if url.starts_with("https:") {
        SECURE.get_or_init(|| config().tls_config(Tls::get().requests.clone()).build().into())
    } else {
        PLAIN.get_or_init(|| config().build().into())
    }
}
