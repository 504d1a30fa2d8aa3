//! Bounds: of sockets and requests, of what is too large, silent or unread, and of how much is on its way.

mod support;

use std::{sync::Arc, time::Duration};

use livestore_server::{EventLog, Limits, SqliteLog};
use livestore_sync::wire::{
    ClientFrame, ConfirmedEvent, ConnectQuery, Cursor, Exit, Extensions, Pull, Remaining, Request,
    RequestId, ServerFrame, Transport,
};
use support::{
    Client, event,
    served::{Served, mute_close_code, serve, serve_at},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A directory whose store `s` has `count` events with arguments of `bytes`.
async fn filled(count: u64, bytes: usize) -> TempDir {
    let data = tempfile::tempdir().expect("a directory");
    let log = SqliteLog::open(data.path()).expect("a new log");
    let args = format!("\"{}\"", "x".repeat(bytes));
    for number in 1..=count {
        let batch: Arc<[ConfirmedEvent]> = [event(number, &args)].into();
        let store = "s".parse().expect("a store id");
        log.append(&store, number - 1, batch).await.expect("it is appended");
    }
    data
}

/// A connection, once the server has room for it.
async fn client(served: &Served, store: &str) -> Client {
    loop {
        match Client::connect(&served.address, store, Extensions::NONE).await {
            Some(client) => return client,
            None => tokio::task::yield_now().await,
        }
    }
}

fn target(extensions: Extensions) -> String {
    let query = ConnectQuery {
        store: "s".parse().expect("a store id"),
        payload: None,
        transport: Transport::Http,
        extensions,
    };
    format!("POST /sync?{}", query.encode())
}

fn pull(cursor: Option<Cursor>) -> String {
    let pull = Pull { store: "s".to_owned(), payload: None, live: false, cursor };
    let request = ClientFrame::Request { id: RequestId::from(1), request: Request::Pull(pull) };
    request.encode(Transport::Http)
}

#[tokio::test]
async fn sockets_and_requests_share_their_number() {
    let limits = Limits { sockets: 2, ..Limits::default() };
    let served = serve(|config| config.limits(limits)).await;
    let one = served.client("s", Extensions::NONE).await;
    let two = served.client("s", Extensions::NONE).await;
    assert!(Client::connect(&served.address, "s", Extensions::NONE).await.is_none());
    let (status, _) = served.request(&target(Extensions::NONE), &pull(None)).await;
    assert_eq!(status, 503);
    drop(one);
    let three = client(&served, "s").await;
    drop((two, three));
    let _four = client(&served, "s").await;
    let _five = client(&served, "s").await;
}

#[tokio::test]
async fn a_silent_socket_is_closed_with_a_code() {
    let limits = Limits {
        ping: Duration::from_millis(50),
        idle: Duration::from_millis(150),
        ..Limits::default()
    };
    let served = serve(|config| config.limits(limits)).await;
    let mut silent = served.mute_socket("s").await;
    assert_eq!(mute_close_code(&mut silent).await, u16::from(CloseCode::Policy));
    while served.metric("livestore_sockets").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_even_read() {
    let served = serve(|config| config).await;
    let mut socket = served.mute_socket("s").await;
    // The head of a masked text of 900,001 bytes, none of which come.
    let mut head = vec![0x81, 0xff];
    head.extend(900_001_u64.to_be_bytes());
    head.extend([0; 4]);
    socket.write_all(&head).await.expect("the server reads");
    assert_eq!(mute_close_code(&mut socket).await, u16::from(CloseCode::Size));
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_while_others_go_on_and_catches_up() {
    let limits = Limits { send: Duration::from_secs(1), ..Limits::default() };
    let served = serve(|config| config.limits(limits)).await;
    let mut slow = served.client("s", Extensions::NONE).await;
    let mut quick = served.client("s", Extensions::NONE).await;
    let mut writer = served.client("s", Extensions::NONE).await;
    slow.pull(None, true).await.expect("the socket lives");
    quick.pull(None, true).await.expect("the socket lives");
    assert_eq!(quick.page().await.expect("a page").events.len(), 0);
    let args = format!("\"{}\"", "x".repeat(500_000));
    // However much the buffers on the way hold, they are full at some time.
    let mut pushed = 0;
    while served.metric("livestore_slow_sockets_total").await == 0 {
        pushed += 1;
        assert_eq!(writer.push(vec![event(pushed, &args)]).await, Some(Exit::Pushed));
        let page = quick.page().await.expect("a page");
        assert_eq!(page.events.last().map(|event| event.number), Some(pushed));
    }
    let mut seen = 0;
    while let Some(page) = slow.page().await {
        seen += page.events.len() as u64;
    }
    assert!(seen < pushed, "the slow reader was cut off, at {seen} of {pushed}");
    assert_eq!(served.log_of("s").await.len() as u64, pushed);
}

#[tokio::test]
async fn a_request_that_does_not_arrive_is_given_up() {
    let limits = Limits { sockets: 1, body: Duration::from_millis(50), ..Limits::default() };
    let served = serve(|config| config.limits(limits)).await;
    let target = target(Extensions::NONE);
    let head = format!("{target} HTTP/1.0\r\nhost: here\r\ncontent-length: 100\r\n\r\n");
    let mut answer = String::new();
    let mut stream = served.say(&head).await;
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 408"), "{answer}");
    let _next = client(&served, "s").await;
}

/// Asks for the whole log, and takes none of it.
async fn unread(served: &Served) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let address = served.address.parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("the server listens");
    let (target, body) = (target(Extensions::NONE), pull(None));
    let request =
        format!("{target} HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    assert_eq!(stream.read_u8().await.expect("the answer begins"), b'H');
    stream
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let data = filled(40, 500_000).await;
    let limits = Limits { sockets: 1, stalled: Duration::from_millis(300), ..Limits::default() };
    let served = serve_at(data, |config| config.limits(limits), SqliteLog::open).await;
    let _unread = unread(&served).await;
    let _next = client(&served, "s").await;
}

#[tokio::test]
async fn a_server_ends_though_an_answer_is_not_read() {
    let data = filled(40, 500_000).await;
    let limits = Limits { shutdown: Duration::from_millis(300), ..Limits::default() };
    let mut served = serve_at(data, |config| config.limits(limits), SqliteLog::open).await;
    let _unread = unread(&served).await;
    drop(served.stop.take());
    served.serving.await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn pages_and_answers_for_clients_of_ours_are_small() {
    let data = filled(20, 100_000).await;
    let served = serve_at(data, |config| config, SqliteLog::open).await;
    let mut ours = served.client("s", Extensions::ALL).await;
    ours.pull(None, false).await.expect("the socket lives");
    let page = ours.page().await.expect("a page");
    assert_eq!((page.events.len(), page.remaining), (2, Remaining::Known(18)));
    let check = async |extensions: Extensions, expected: usize| {
        let (_, answer) = served.request(&target(extensions), &pull(None)).await;
        let frames = ServerFrame::decode(&answer).expect("an answer");
        let ends = frames.iter().filter(|frame| matches!(frame, ServerFrame::Exit { .. }));
        assert_eq!(ends.count(), 1);
        let events = frames.iter().map(|frame| match frame {
            ServerFrame::Chunk { pages, .. } => pages.iter().map(|page| page.events.len()).sum(),
            _ => 0,
        });
        assert_eq!(events.sum::<usize>(), expected, "{extensions:?}");
    };
    check(Extensions::NONE, 20).await;
    // The third page is the one that makes it half a megabyte.
    check(Extensions::ALL, 6).await;
}

#[tokio::test]
async fn a_client_that_acknowledges_gets_no_more_than_it_can_take() {
    let data = filled(40, 1).await;
    let limits = Limits { batch_events: 1, ..Limits::default() };
    let served = serve_at(data, |config| config.limits(limits), SqliteLog::open).await;
    let mut ours = served.client("s", Extensions::ALL).await;
    let id = ours.pull(None, true).await.expect("the socket lives");
    let mut last = 0;
    for _ in 0..32 {
        last = ours.page().await.expect("a page").events[0].number;
    }
    assert_eq!(last, 32);
    let text = |frame: ClientFrame| frame.encode(Transport::WebSocket);
    ours.send_text(&text(ClientFrame::Ping)).await.expect("the socket lives");
    assert_eq!(ours.frame().await, Some(ServerFrame::Pong), "nothing came before it");
    assert_eq!(ours.push(vec![event(41, "1")]).await, Some(Exit::Pushed));
    for number in 33..=41 {
        ours.send_text(&text(ClientFrame::Ack(id.clone()))).await.expect("the socket lives");
        assert_eq!(ours.page().await.expect("a page").events[0].number, number);
    }
    // A plain peer need not acknowledge.
    let mut plain = served.client("s", Extensions::NONE).await;
    assert_eq!(plain.log().await.expect("a log").len(), 41);
}
