//! Anything at all, from generated inputs: frames, bodies, addresses and bare bytes, made of true ones that were cut,
//! mixed and poisoned.
//!
//! Whatever comes, the server never panics; it answers in its own words or ends the socket with a code, goes on serving,
//! and nobody's log but the addressed one has changed. What once failed is in `fuzz-regressions.txt` and runs first.
//! `LIVESTORE_FUZZ_CASES=100000 cargo test -p livestore-server --test fuzz --release` looks longer.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use livestore_sync::wire::{Exit, Extensions, ServerFrame};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::{Index, select},
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};
use support::{
    event,
    raw::{Outcome, hit_and_run, post, say},
    served::{Served, serve},
};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;

/// One of each that a client may say; every one of them is also sent as it is.
const SEEDS: [&str; 9] = [
    r#"{"_tag":"Ping"}"#,
    r#"{"_tag":"Eof"}"#,
    r#"{"_tag":"Ack","requestId":"1"}"#,
    r#"{"_tag":"Interrupt","requestId":1,"interruptors":[]}"#,
    r#"{"_tag":"Request","id":"1","tag":"SyncWsRpc.Pull","payload":{"storeId":"s","live":true,"cursor":{"_tag":"None"}},"headers":[]}"#,
    r#"{"_tag":"Request","id":2,"tag":"SyncWsRpc.Pull","payload":{"storeId":"s","payload":{"token":"t"},"live":false,"cursor":{"_tag":"Some","value":{"backendId":"b","eventSequenceNumber":3}}}}"#,
    r#"{"_tag":"Request","id":"3","tag":"SyncWsRpc.Push","payload":{"storeId":"s","batch":[{"name":"v1.Noted","args":{"text":"a"},"seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"}],"backendId":{"_tag":"None"},"commits":[1]}}"#,
    r#"[{"_tag":"Ping"},{"_tag":"Request","id":"4","tag":"SyncHttpRpc.Ping","payload":{"storeId":"s"}}]"#,
    r#"[{"_tag":"Request","id":"5","tag":"SyncHttpRpc.Pull","payload":{"storeId":"s","cursor":{"_tag":"None"}}}]"#,
];

/// What parsers stumble over.
const POISON: [&[u8]; 24] = [
    b"9007199254740992",
    b"-1",
    b"1e400",
    b"18446744073709551615",
    b"0.1",
    b"\"\\ud800\"",
    b"\\u0000",
    b"\0",
    b"\xff",
    b"\xe2\x82",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"null",
    b"true",
    b"{}",
    b"\"other\"",
    b"{\"_tag\":\"Some\",\"value\":",
    b"%00",
    b"\r\n\r\n",
];

#[derive(Clone, Debug)]
enum Mutation {
    Cut(Index),
    Remove(Index, usize),
    Replace(Index, u8),
    Insert(Index, &'static [u8]),
    /// Some bytes, again and again.
    Repeat(Index, usize, usize),
    /// From here on another one.
    Splice(Index, Index, &'static str),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Mutation::Cut),
        (at(), 1..20_usize).prop_map(|(at, bytes)| Mutation::Remove(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at(), select(&POISON[..])).prop_map(|(at, poison)| Mutation::Insert(at, poison)),
        (at(), 1..30_usize, 1..500_usize)
            .prop_map(|(at, bytes, times)| Mutation::Repeat(at, bytes, times)),
        (at(), at(), select(&SEEDS[..]))
            .prop_map(|(at, from, seed)| Mutation::Splice(at, from, seed)),
    ]
}

impl Mutation {
    fn apply(&self, to: &mut Vec<u8>) {
        let place = |at: &Index, of: usize| at.index(of + 1);
        match self {
            Self::Cut(at) => to.truncate(place(at, to.len())),
            Self::Remove(at, bytes) => {
                let at = place(at, to.len());
                to.drain(at..to.len().min(at + bytes));
            }
            Self::Replace(at, byte) => {
                let at = place(at, to.len());
                if let Some(place) = to.get_mut(at) {
                    *place = *byte;
                }
            }
            Self::Insert(at, poison) => {
                let at = place(at, to.len());
                to.splice(at..at, poison.iter().copied());
            }
            Self::Repeat(at, bytes, times) => {
                let at = place(at, to.len());
                let repeated = to[at..to.len().min(at + bytes)].repeat(*times);
                to.splice(at..at, repeated);
            }
            Self::Splice(at, from, seed) => {
                to.truncate(place(at, to.len()));
                to.extend_from_slice(&seed.as_bytes()[place(from, seed.len())..]);
            }
        }
    }
}

/// One of the seeds after some accidents, or noise.
fn bytes(seeds: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
    let mutated = (select(seeds), vec(mutation(), 0..6)).prop_map(|(seed, mutations)| {
        let mut bytes = seed.as_bytes().to_vec();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        // Frames that are too large have a test of their own.
        bytes.truncate(50_000);
        bytes
    });
    prop_oneof![9 => mutated, 1 => vec(any::<u8>(), 0..200)]
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Feeds a server with generated inputs; between them and at the end it has to be as good as new.
fn check<T: std::fmt::Debug + Clone>(
    inputs: impl Strategy<Value = T>,
    feed: &impl AsyncFn(&Served, T) -> Result<(), String>,
) {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print(panic);
    }));
    let runtime = Runtime::new().expect("a runtime");
    let served = Arc::new(runtime.block_on(async {
        let served = serve(|config| config).await;
        let mut other = served.client("other", Extensions::NONE).await;
        assert_eq!(other.push(vec![event(1, "{}")]).await, Some(Exit::Pushed));
        served
    }));
    let cases = std::env::var("LIVESTORE_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut runner = TestRunner::new(Config {
        cases: cases.unwrap_or(400),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/fuzz-regressions.txt",
        ))),
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let outcome = runner.run(&inputs, |input| {
        runtime.block_on(async {
            feed(&served, input).await.map_err(TestCaseError::fail)?;
            match PANICS.load(Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err(TestCaseError::fail("the server panicked")),
            }
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    runtime.block_on(async {
        assert_eq!(served.log_of("other").await, [1], "another store");
        let log = served.log_of("s").await;
        let head = log.len() as u64;
        assert_eq!(log, (1..=head).collect::<Vec<_>>(), "whatever was taken is in order");
        let mut client = served.client("s", Extensions::ALL).await;
        assert_eq!(client.push(vec![event(head + 1, "{}")]).await, Some(Exit::Pushed));
    });
}

fn seeds() -> Vec<&'static str> {
    SEEDS.to_vec()
}

#[test]
fn a_socket_answers_any_message_or_ends_with_a_code() {
    let messages = bytes(seeds()).prop_map(|bytes| match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    });
    let messages = prop_oneof![7 => messages, 1 => bytes(seeds()).prop_map(Message::binary)];
    check(messages, &async |served: &Served, message: Message| match say(&served.address, message)
        .await?
    {
        Outcome::Answered(_) | Outcome::Closed(..) => Ok(()),
    });
}

#[test]
fn a_request_with_any_body_is_answered_in_frames() {
    check(bytes(seeds()), &async |served: &Served, body: Vec<u8>| {
        let body: Vec<u8> = String::from_utf8(body).map_or_else(
            |error| error.into_bytes(),
            |text| text.replace("SyncWsRpc", "SyncHttpRpc").into_bytes(),
        );
        let (status, answer) = post(&served.address, "storeId=s&transport=http", &body).await?;
        let decoded = ServerFrame::decode(&answer);
        match (status, decoded) {
            (200, Ok(_)) => Ok(()),
            (status, decoded) => Err(format!("{status}: {decoded:?}")),
        }
    });
}

#[test]
fn any_address_is_served_or_refused() {
    const QUERIES: [&str; 4] = [
        "storeId=s&transport=http",
        "storeId=s&payload=%257B%2522token%2522%253A%2522t%2522%257D&transport=http",
        "storeId=s&transport=http&extensions=rejection,commits,batches",
        "storeId=s&payload=%7B%7D&transport=ws",
    ];
    let queries = bytes(QUERIES.to_vec()).prop_map(|bytes| {
        // What a request line can hold at all.
        bytes
            .into_iter()
            .filter(u8::is_ascii_graphic)
            .take(5_000)
            .map(char::from)
            .collect::<String>()
    });
    check(queries, &async |served: &Served, query: String| match post(
        &served.address,
        &query,
        SEEDS[7].as_bytes(),
    )
    .await?
    {
        (200, answer) => ServerFrame::decode(&answer).map(drop).map_err(|bad| bad.to_string()),
        (400..500, _) => Ok(()),
        (status, answer) => Err(format!("{status}: {answer}")),
    });
}

#[test]
fn bare_bytes_end_a_connection_and_nothing_else() {
    const UPGRADE: &str = "GET /sync?storeId=s&transport=ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const POST: &str = "POST /sync?storeId=s&transport=http HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{\"_tag\":\"Ping\"}";
    const GET: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    // Frames of a WebSocket: masked text, a ping, a close, the beginning of one that is far too long.
    const FRAMES: [&[u8]; 5] = [
        b"\x81\x83\0\0\0\0abc",
        b"\x89\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        b"\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b",
    ];
    let upgraded = vec(
        prop_oneof![select(&FRAMES[..]).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..20)],
        0..6,
    )
    .prop_map(|frames| [UPGRADE.as_bytes(), &frames.concat()].concat());
    let inputs = prop_oneof![Just(Vec::new()), bytes(vec![UPGRADE, POST, GET]), upgraded];
    check(inputs, &async |served: &Served, bytes: Vec<u8>| {
        hit_and_run(&served.address, &bytes).await.map(drop)
    });
}
