//! Foreign input, limits and hooks, over real sockets against a server in this process.

mod support;

use std::sync::Arc;

use livestore_server::{Identity, Refusal, SqliteLog, Verdict};
use livestore_sync::wire::{Exit, Extensions, Failure, Hello, Remaining, RequestId, ServerFrame};
use support::{
    Client, event,
    served::{close_code, serve, serve_with},
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

#[tokio::test]
async fn what_is_no_frame_closes_the_socket_with_a_code() {
    let served = serve(|config| config).await;
    let check = async |message: Message, expected: CloseCode| {
        let mut client = served.client("s", Extensions::NONE).await;
        let about = format!("{:.60}", format!("{message:?}"));
        client.send(message).await.expect(&about);
        assert_eq!(close_code(&mut client).await, expected, "{about}");
    };
    check(Message::text("nonsense"), CloseCode::Invalid).await;
    check(Message::text("[".repeat(100_000)), CloseCode::Invalid).await;
    check(Message::text("{\"a\":".repeat(100_000)), CloseCode::Invalid).await;
    check(Message::binary(vec![1, 2, 3]), CloseCode::Unsupported).await;
    assert!(served.log_of("s").await.is_empty());
}

#[tokio::test]
async fn whoever_is_cut_off_hears_why_though_it_had_more_to_say() {
    let served = serve(|config| config).await;
    for _ in 0..20 {
        let mut client = served.client("s", Extensions::NONE).await;
        client.send_text("nonsense").await.expect("the socket lives");
        for _ in 0..100 {
            // The server has hung up by now, and reads on all the same.
            let _ = client.send_text(&"x".repeat(10_000)).await;
        }
        assert_eq!(close_code(&mut client).await, CloseCode::Invalid);
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_the_socket_lives() {
    let served = serve(|config| config).await;
    let mut client = served.client("s", Extensions::NONE).await;
    let mut check = async |text: &str| {
        client.send_text(text).await.expect("the socket lives");
        match client.frame().await.expect(text) {
            ServerFrame::Exit { exit: Exit::Failed(_), .. } | ServerFrame::Defect(_) => {}
            other => panic!("{text}: {other:?}"),
        }
    };
    let request = |tag: &str, payload: &str| {
        format!(r#"{{"_tag":"Request","id":"1","tag":"{tag}","payload":{payload}}}"#)
    };
    check(r#"{"_tag":"Surprise"}"#).await;
    check(&request("Nonsense", "{}")).await;
    check(&request("SyncWsRpc.Pull", r#"{"storeId":"s"}"#)).await;
    check(&request("SyncWsRpc.Pull", r#"{"storeId":"other","cursor":{"_tag":"None"}}"#)).await;
    check(&request(
        "SyncWsRpc.Push",
        r#"{"storeId":"other","batch":[],"backendId":{"_tag":"None"}}"#,
    ))
    .await;
    let push = |event: &str| {
        request(
            "SyncWsRpc.Push",
            &format!(r#"{{"storeId":"s","batch":[{event}],"backendId":{{"_tag":"None"}}}}"#),
        )
    };
    let event = |number: &str, args: &str| {
        format!(
            r#"{{"name":"a","args":{args},"seqNum":{number},"parentSeqNum":0,"clientId":"c","sessionId":"s"}}"#
        )
    };
    check(&push(&event("9007199254740993", "1"))).await;
    check(&push(&event("-1", "1"))).await;
    check(&push(&event("1.5", "1"))).await;
    check(&push(&event("1e400", "1"))).await;
    check(&push(&event("1", &format!("{}{}", "[".repeat(128), "]".repeat(128))))).await;
    check(&push(&event("1", "1").replace("\"a\"", &format!("\"{}\"", "n".repeat(2_000))))).await;
    assert_eq!(client.push(vec![support::event(1, "{}")]).await, Some(Exit::Pushed));
    assert_eq!(served.log_of("s").await, [1]);
}

#[tokio::test]
async fn an_address_that_is_no_clients_is_refused() {
    let served = serve(|config| config).await;
    let check = async |query: &str| {
        let url = format!("ws://{}/sync?{query}", served.address);
        let refused = tokio_tungstenite::connect_async(url).await.map(drop);
        assert!(
            matches!(refused, Err(tokio_tungstenite::tungstenite::Error::Http(_))),
            "{query}: {refused:?}"
        );
    };
    check("").await;
    check("storeId=..%2F..%2Fetc&transport=ws").await;
    check("storeId=a%00b&transport=ws").await;
    check("storeId=s&transport=ws&payload=nonsense").await;
    check("storeId=s&storeId=t&transport=ws").await;
    check("storeId=s&transport=http").await;
}

#[tokio::test]
async fn a_refused_event_takes_its_commit_and_what_follows_with_it() {
    let served = serve(|config| {
        config.on_push(|attempt| async move {
            let bad = attempt.events.iter().position(|event| event.args.as_str() == "\"bad\"");
            bad.map_or(Verdict::Accept, |index| Verdict::Reject { index, reason: "bad".to_owned() })
        })
    })
    .await;
    let batch = |args: &[&str]| {
        (1..).zip(args).map(|(number, args)| event(number, args)).collect::<Vec<_>>()
    };
    let bad = ["1", "2", "3", "\"bad\"", "5"];

    let mut plain = served.client("plain", Extensions::NONE).await;
    let refused = Some(Exit::Failed(Failure::Unknown("bad".into())));
    assert_eq!(plain.push(batch(&bad)).await, refused);
    assert!(served.log_of("plain").await.is_empty());

    let mut ours = served.client("ours", Extensions::ALL).await;
    let rejected =
        |head| Some(Exit::Failed(Failure::Rejected { number: 4, reason: "bad".into(), head }));
    assert_eq!(ours.push_commits(batch(&bad), Some(vec![5])).await, rejected(0));
    assert!(served.log_of("ours").await.is_empty());
    assert_eq!(ours.push_commits(batch(&bad), Some(vec![2, 2, 1])).await, rejected(2));
    assert_eq!(served.log_of("ours").await, [1, 2]);
    let wrong = ours.push_commits(vec![event(3, "3")], Some(vec![2])).await;
    assert!(matches!(wrong, Some(Exit::Failed(Failure::Unknown(_)))), "{wrong:?}");
}

#[tokio::test]
async fn extensions_count_only_for_those_who_asked() {
    let served = serve(|config| config).await;
    let mut ours = served.client("s", Extensions::ALL).await;
    match ours.frame().await {
        Some(ServerFrame::Hello(Hello::Granted { extensions, limits })) => {
            assert_eq!((extensions, limits.batch_events), (Extensions::ALL, 1_000));
        }
        other => panic!("{other:?}"),
    }
    let batch = |size: u64| (1..=size).map(|number| event(number, "1")).collect::<Vec<_>>();
    let mut plain = served.client("s", Extensions::NONE).await;
    let refused = plain.push(batch(101)).await;
    assert!(matches!(refused, Some(Exit::Failed(Failure::Unknown(_)))), "{refused:?}");
    assert_eq!(ours.push(batch(1_000)).await, Some(Exit::Pushed));
    plain.pull(None, false).await.expect("the socket lives");
    let page = plain.page().await.expect("a page");
    assert_eq!((page.events.len(), page.remaining), (100, Remaining::Known(900)));
}

#[tokio::test]
async fn whoever_is_refused_is_told_so_and_a_push_is_asked_again() {
    let allowed = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let served = serve(|config| {
        config.validate(move |visitor| {
            let allowed = asked.load(std::sync::atomic::Ordering::Relaxed);
            async move {
                match allowed && visitor.store.as_str() != "closed" {
                    true => Ok(Identity("someone".into())),
                    false => Err(Refusal("not you".to_owned())),
                }
            }
        })
    })
    .await;
    assert!(Client::connect(&served.address, "closed", Extensions::NONE).await.is_none());
    let mut ours = served.client("closed", Extensions::ALL).await;
    let refused = Some(ServerFrame::Hello(Hello::Refused { reason: "not you".to_owned() }));
    assert_eq!(ours.frame().await, refused);
    assert_eq!(close_code(&mut ours).await, CloseCode::from(4401));

    let mut client = served.client("open", Extensions::NONE).await;
    assert_eq!(client.push(vec![event(1, "1")]).await, Some(Exit::Pushed));
    allowed.store(false, std::sync::atomic::Ordering::Relaxed);
    let refused = Some(Exit::Failed(Failure::Unknown("not you".into())));
    assert_eq!(client.push(vec![event(2, "2")]).await, refused);
}

#[tokio::test]
async fn a_full_disk_refuses_pushes_and_serves_reads() {
    let served =
        serve_with(|config| config, |data| SqliteLog::open_with(data, Some(2 << 20))).await;
    let mut client = served.client("s", Extensions::NONE).await;
    let args = format!("\"{}\"", "x".repeat(300_000));
    let mut taken = 0;
    let refusal = loop {
        match client.push(vec![event(taken + 1, &args)]).await.expect("the socket lives") {
            Exit::Pushed => taken += 1,
            Exit::Failed(failure) => break failure,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal, Failure::Unknown("the server's disk is full".into()));
    assert!(taken > 0);
    assert_eq!(served.metric(r#"livestore_pushes_total{outcome="Failed"}"#).await, 1);
    assert_eq!(served.log_of("s").await, (1..=taken).collect::<Vec<_>>());
    assert_eq!(client.push(vec![event(taken + 1, "1")]).await, Some(Exit::Pushed));
}

#[tokio::test]
async fn an_interrupted_pull_is_over_and_its_id_is_echoed_as_it_came() {
    let served = serve(|config| config).await;
    let mut client = served.client("s", Extensions::NONE).await;
    let pull = r#"{"_tag":"Request","id":7,"tag":"SyncWsRpc.Pull","payload":{"storeId":"s","live":true,"cursor":{"_tag":"None"}}}"#;
    client.send_text(pull).await.expect("the socket lives");
    assert!(matches!(
        client.frame().await,
        Some(ServerFrame::Chunk { id: RequestId::Number(7), .. })
    ));
    client.send_text(r#"{"_tag":"Interrupt","requestId":7}"#).await.expect("the socket lives");
    let id = RequestId::Number(7);
    let over = ServerFrame::Exit { id, exit: Exit::Failed(Failure::Interrupted) };
    assert_eq!(client.frame().await, Some(over));
    assert_eq!(client.push(vec![event(1, "1")]).await, Some(Exit::Pushed));
}

#[tokio::test]
async fn a_server_that_ends_says_so_and_a_new_one_has_the_log_and_the_id() {
    let mut served = serve(|config| config).await;
    let mut client = served.client("s", Extensions::NONE).await;
    client.push(vec![event(1, "1")]).await.expect("an answer");
    client.pull(None, false).await.expect("the socket lives");
    let before = client.page().await.expect("a page").backend;
    drop(served.stop.take());
    assert_eq!(close_code(&mut client).await, CloseCode::Away);
    let log = SqliteLog::open(served.data.path()).expect("the log opens again");
    let store = "s".parse().expect("a store id");
    let head = livestore_server::EventLog::head(&log, &store).await.expect("a head");
    assert_eq!((head.number, head.backend), (1, before));
}
