//! Bad input, case by case, over both transports: each is refused in so many words, and nobody's log has changed.

mod support;

use livestore_sync::wire::{Exit, Extensions, ServerFrame};
use support::{
    event,
    raw::{Outcome, exchange, post, say},
    served::{Served, serve},
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

/// What becomes of the socket; over HTTP there is none.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Socket {
    Lives,
    Ends,
}

fn is_refusal(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Defect(_) | ServerFrame::Exit { exit: Exit::Failed(_), .. })
}

/// The text is refused over either transport.
async fn check(served: &Served, text: &str, expected: Socket) {
    let about: String = text.chars().take(200).collect();
    match say(&served.address, Message::text(text)).await.expect(&about) {
        Outcome::Answered(frames) => {
            assert_eq!(expected, Socket::Lives, "{about}: {frames:?}");
            assert!(!frames.is_empty() && frames.iter().all(is_refusal), "{about}: {frames:?}");
        }
        Outcome::Closed(frames, code) => {
            assert_eq!((expected, code), (Socket::Ends, CloseCode::Invalid), "{about}");
            assert!(!frames.is_empty() && frames.iter().all(is_refusal), "{about}: {frames:?}");
        }
    }
    let (status, answer) =
        post(&served.address, "storeId=s&transport=http", text.as_bytes()).await.expect(&about);
    assert_eq!(status, 200, "{about}: {answer}");
    let frames = ServerFrame::decode(&answer).expect(&answer);
    assert!(!frames.is_empty() && frames.iter().all(is_refusal), "{about}: {frames:?}");
}

/// A server with three events in `s` and one in `other`.
async fn some() -> Served {
    let served = serve(|config| config).await;
    for (store, events) in [("s", 3), ("other", 1)] {
        let batch = (1..=events).map(|number| event(number, "{}")).collect();
        let pushed = served.client(store, Extensions::NONE).await.push(batch).await;
        assert_eq!(pushed, Some(Exit::Pushed));
    }
    served
}

async fn assert_nothing_changed(served: &Served) {
    assert_eq!(served.log_of("s").await, [1, 2, 3]);
    assert_eq!(served.log_of("other").await, [1]);
}

fn request(tag: &str, payload: &str) -> String {
    format!(r#"{{"_tag":"Request","id":"1","tag":"{tag}","payload":{payload}}}"#)
}

/// A push of one event to `s`, as either transport names it.
fn push(event: &str) -> String {
    let payload = format!(r#"{{"storeId":"s","batch":[{event}],"backendId":{{"_tag":"None"}}}}"#);
    request("SyncWsRpc.Push", &payload)
}

fn pull(store: &str, cursor: &str) -> String {
    request("SyncWsRpc.Pull", &format!(r#"{{"storeId":"{store}","cursor":{cursor}}}"#))
}

const EVENT: &str =
    r#"{"name":"a","args":1,"seqNum":4,"parentSeqNum":3,"clientId":"c","sessionId":"s"}"#;

#[tokio::test]
async fn what_is_no_json_ends_the_socket() {
    let served = some().await;
    for text in
        ["", " ", "nonsense", "{", "nul", "\u{0}", "\u{feff}{}", "'", "\"s\"", "7", "null", "true"]
    {
        check(&served, text, Socket::Ends).await;
    }
    for deep in ["[", "{\"a\":", "[{\"a\":"] {
        check(&served, &deep.repeat(50_000), Socket::Ends).await;
    }
    let whole = push(EVENT);
    for cut in [1, whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        check(&served, &whole[..cut], Socket::Ends).await;
    }
    check(&served, &format!("[{}]", vec![r#"{"_tag":"Ping"}"#; 1_001].join(",")), Socket::Ends)
        .await;
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn what_is_no_frame_and_no_request_is_answered() {
    let served = some().await;
    for text in [r#"{"_tag":"Surprise"}"#, "[{}]", "[[]]", "[7]", r#"[{"_tag":7}]"#] {
        check(&served, text, Socket::Lives).await;
    }
    check(&served, &format!(r#"{{"_tag":"{}"}}"#, "x".repeat(100_000)), Socket::Lives).await;
    for tag in ["", "Nonsense", "SyncWsRpc.", "SyncWsRpc.Pull2", "__proto__"] {
        check(&served, &request(tag, "{}"), Socket::Lives).await;
    }
    for payload in ["null", "7", "[]", "{}", "\"text\"", r#"{"storeId":7}"#] {
        for tag in ["SyncWsRpc.Pull", "SyncWsRpc.Push", "SyncHttpRpc.Ping"] {
            check(&served, &request(tag, payload), Socket::Lives).await;
        }
    }
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn numbers_beyond_range_are_refused() {
    let served = some().await;
    for number in [
        "-1",
        "1.5",
        "1e400",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "\"1\"",
        "null",
        "[]",
    ] {
        check(&served, &push(&EVENT.replace("4", number)), Socket::Lives).await;
        check(&served, &push(&EVENT.replace("3", number)), Socket::Lives).await;
        let cursor = format!(
            r#"{{"_tag":"Some","value":{{"backendId":"b","eventSequenceNumber":{number}}}}}"#
        );
        check(&served, &pull("s", &cursor), Socket::Lives).await;
    }
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn a_cursor_beyond_the_log_finds_nothing() {
    let served = some().await;
    let mut client = served.client("s", Extensions::NONE).await;
    client.pull(None, false).await.expect("the socket lives");
    let backend = client.page().await.expect("a page").backend;
    for number in ["4", "9007199254740991", "9007199254740992", "18446744073709551615"] {
        let cursor = format!(
            r#"{{"_tag":"Some","value":{{"backendId":"{backend}","eventSequenceNumber":{number}}}}}"#
        );
        let text = pull("s", &cursor);
        let Outcome::Answered(frames) =
            say(&served.address, Message::text(text.as_str())).await.expect(number)
        else {
            panic!("{number}: the socket ended")
        };
        let events = frames.iter().any(|frame| {
            matches!(frame, ServerFrame::Chunk { pages, .. } if pages.iter().any(|page| !page.events.is_empty()))
        });
        assert!(!events, "{number}: {frames:?}");
    }
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn events_that_would_poison_a_store_are_refused() {
    let served = some().await;
    let args = |args: &str| push(&EVENT.replace(":1,", &format!(":{args},")));
    for deep in [128, 1_000, 100_000] {
        check(&served, &args(&format!("{}{}", "[".repeat(deep), "]".repeat(deep))), Socket::Lives)
            .await;
    }
    check(&served, &args(&format!("\"{}\"", "x".repeat(880_001))), Socket::Lives).await;
    check(
        &served,
        &push(&EVENT.replace("\"a\"", &format!("\"{}\"", "n".repeat(2_000)))),
        Socket::Lives,
    )
    .await;
    check(
        &served,
        &push(&EVENT.replace("\"c\"", &format!("\"{}\"", "c".repeat(100_000)))),
        Socket::Lives,
    )
    .await;
    check(&served, &push(&EVENT.replace("\"a\"", r#""\ud800""#)), Socket::Lives).await;
    check(&served, &push(&[EVENT; 101].join(",")), Socket::Lives).await;
    check(&served, &push(&[EVENT; 2].join(",")), Socket::Lives).await;
    check(&served, &push("7"), Socket::Lives).await;
    check(&served, &push("{}"), Socket::Lives).await;
    assert_nothing_changed(&served).await;
}

/// Ids that name no store, as JSON has them.
const NO_STORES: [&str; 9] =
    ["", ".", "../../etc/passwd", "a\\u0000b", "s\\n", "s' or 1=1 --", "café", "\\ud800", "s%00"];

#[tokio::test]
async fn another_store_or_none_is_never_reached_through_a_socket() {
    let served = some().await;
    let long = "s".repeat(100_000);
    for store in NO_STORES.into_iter().chain(["other", "S", "s ", &long]) {
        check(&served, &pull(store, r#"{"_tag":"None"}"#), Socket::Lives).await;
        check(
            &served,
            &push(EVENT).replace("\"s\",\"batch", &format!("\"{store}\",\"batch")),
            Socket::Lives,
        )
        .await;
        let ping = request("SyncHttpRpc.Ping", &format!(r#"{{"storeId":"{store}"}}"#));
        check(&served, &ping, Socket::Lives).await;
    }
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn an_address_that_names_no_store_or_holds_no_json_is_a_bad_request() {
    let served = some().await;
    let long = "s".repeat(101);
    let stores = [
        "",
        ".",
        "..%2F..%2Fetc",
        "a%00b",
        "s%0A",
        "s%27%20or%201%3D1",
        "caf%C3%A9",
        "%ff",
        "%",
        "%zz",
        "s+",
        "s%2500",
        &long,
    ];
    let payloads = ["nonsense", "%7B", "%ff", "%2522", "", "%5B%5B", "1e400"];
    let queries = stores.iter().map(|store| format!("storeId={store}"));
    let queries = queries
        .chain(payloads.iter().map(|payload| format!("storeId=s&payload={payload}")))
        .chain(["storeId=s&storeId=t".to_owned(), "storeid=s".to_owned(), String::new()]);
    for query in queries {
        let http = format!("{query}&transport=http");
        let (status, answer) = post(&served.address, &http, b"[]").await.expect(&query);
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(!answer.is_empty(), "{query}");
        let upgrade = format!(
            "GET /sync?{query}&transport=ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let heard = exchange(&served.address, upgrade.as_bytes()).await.expect(&query);
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.starts_with("HTTP/1.1 400 "), "{query}: {heard}");
    }
    assert_nothing_changed(&served).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_and_bodies_that_are_too_large_are_refused() {
    let served = some().await;
    let binary = say(&served.address, Message::binary(vec![0, 159, 146, 150])).await;
    assert!(matches!(binary, Ok(Outcome::Closed(_, CloseCode::Unsupported))), "{binary:?}");
    let query = "storeId=s&transport=http";
    let (status, answer) =
        post(&served.address, query, &[0, 159, 146, 150]).await.expect("an answer");
    let frames = ServerFrame::decode(&answer).expect(&answer);
    assert!(status == 200 && frames.iter().all(is_refusal) && !frames.is_empty(), "{answer}");
    let (status, _) = post(&served.address, query, &vec![b' '; 900_001]).await.expect("an answer");
    assert_eq!(status, 413);
    assert_nothing_changed(&served).await;
}
