//! What becomes of a client when the app's hooks, or the server itself, fail: nothing is blamed for it, all is logged.

mod support;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use livestore_server::{Config, Identity, Limits, Refusal, SqliteLog, Verdict, router};
use livestore_sync::wire::{Exit, Extensions, Failure, Hello, ServerFrame};
use support::{
    Client, event,
    served::{close_code, serve},
};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

fn failed(reason: &str) -> Option<Exit> {
    Some(Exit::Failed(Failure::Unknown(reason.into())))
}

#[tokio::test]
async fn a_router_in_an_apps_own_server_keeps_its_sockets() {
    let data = tempfile::tempdir().expect("a directory");
    let log = SqliteLog::open(data.path()).expect("a new log");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let app = axum::Router::new().merge(router(Config::new(log)));
    tokio::spawn(async { axum::serve(listener, app).await });
    let mut client = Client::connect(&address, "s", Extensions::NONE).await.expect("it serves");
    client.pull(None, true).await.expect("the socket lives");
    assert_eq!(client.page().await.expect("the empty page").events, []);
    assert_eq!(client.push(vec![event(1, "1")]).await, Some(Exit::Pushed));
}

#[tokio::test]
async fn an_event_that_no_log_holds_is_named_to_whom_understands_it() {
    let served = serve(|config| config).await;
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let long = format!("\"{}\"", "x".repeat(880_000));
    let check = async |args: &str, reason: &str| {
        let batch = |last: &str| vec![event(1, "1"), event(2, "2"), event(3, last)];
        let mut plain = served.client(reason, Extensions::NONE).await;
        match plain.push(batch(args)).await {
            Some(Exit::Failed(Failure::Unknown(said))) => {
                assert!(said.starts_with("event 3 has"), "{said}");
            }
            other => panic!("{other:?}"),
        }
        assert!(served.log_of(reason).await.is_empty());
        let mut ours = served.client(reason, Extensions::ALL).await;
        match ours.push_commits(batch(args), Some(vec![1, 2])).await {
            Some(Exit::Failed(Failure::Rejected { number: 3, reason: said, head: 1 })) => {
                assert!(said.starts_with("event 3 has"), "{said}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(served.log_of(reason).await, [1]);
    };
    check(&deep, "deep").await;
    check(&long, "long").await;
}

#[tokio::test]
async fn a_hook_that_is_late_or_panics_is_told_and_the_socket_lives() {
    let limits = Limits { hook: Duration::from_millis(50), ..Limits::default() };
    let served = serve(|config| {
        config.limits(limits).on_push(|attempt| {
            // The closure itself may panic, before there is a future.
            assert_ne!(attempt.events[0].args.as_str(), "\"at once\"");
            async move {
                match attempt.events[0].args.as_str() {
                    "\"late\"" => std::future::pending().await,
                    "\"then\"" => panic!("as the test wants it"),
                    _ => Verdict::Accept,
                }
            }
        })
    })
    .await;
    for extensions in [Extensions::NONE, Extensions::ALL] {
        let store = if extensions == Extensions::ALL { "ours" } else { "plain" };
        let mut client = served.client(store, extensions).await;
        let mut push = async |args: &str| client.push(vec![event(1, args)]).await;
        assert_eq!(push("\"late\"").await, failed("the server's hook took too long"));
        assert_eq!(push("\"at once\"").await, failed("the server's hook panicked"));
        assert_eq!(push("\"then\"").await, failed("the server's hook panicked"));
        assert_eq!(push("1").await, Some(Exit::Pushed));
    }
}

#[tokio::test]
async fn nobody_is_refused_by_a_hook_that_fails_and_comes_in_once_it_works() {
    let fails = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&fails);
    let served = serve(|config| {
        config.validate(move |_| {
            assert!(!asked.load(Ordering::Relaxed), "as the test wants it");
            async { Ok(Identity::default()) }
        })
    })
    .await;
    for extensions in [Extensions::NONE, Extensions::ALL] {
        let url = format!("ws://{}/sync?storeId=s&transport=ws", served.address);
        let url = format!("{url}&extensions={}", extensions.names().join(","));
        match tokio_tungstenite::connect_async(url).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                assert_eq!(answer.status().as_u16(), 503);
            }
            other => panic!("{other:?}"),
        }
    }
    fails.store(false, Ordering::Relaxed);
    served.client("s", Extensions::ALL).await;
}

#[tokio::test]
async fn whoever_may_no_longer_push_comes_in_anew_if_it_is_a_client_of_ours() {
    let allowed = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let served = serve(|config| {
        config.validate(move |_| {
            let is_allowed = asked.load(Ordering::Relaxed);
            async move {
                if is_allowed {
                    Ok(Identity::default())
                } else {
                    Err(Refusal("not now".to_owned()))
                }
            }
        })
    })
    .await;
    let mut plain = served.client("s", Extensions::NONE).await;
    let mut ours = served.client("s", Extensions::ALL).await;
    assert!(matches!(ours.frame().await, Some(ServerFrame::Hello(Hello::Granted { .. }))));
    allowed.store(false, Ordering::Relaxed);
    assert_eq!(ours.push(vec![event(1, "1")]).await, failed("not now"));
    assert_eq!(close_code(&mut ours).await, CloseCode::from(4401));
    assert_eq!(plain.push(vec![event(1, "1")]).await, failed("not now"));
    allowed.store(true, Ordering::Relaxed);
    assert_eq!(plain.push(vec![event(1, "1")]).await, Some(Exit::Pushed));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn whoever_is_turned_away_is_in_the_log_with_the_store_and_the_reason() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    // The server's tasks run on this thread, too.
    let _logged = tracing::subscriber::set_default(subscriber);
    let served = serve(|config| {
        config.validate(|visitor| async move {
            match visitor.store.as_str() {
                "closed" => Err(Refusal("not\nyou".to_owned())),
                _ => Ok(Identity::default()),
            }
        })
    })
    .await;
    assert!(Client::connect(&served.address, "closed", Extensions::NONE).await.is_none());
    let url = format!("ws://{}/sync?storeId=s", served.address);
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
    let mut client = served.client("open", Extensions::NONE).await;
    client.send_text("nonsense").await.expect("the socket lives");
    assert_eq!(close_code(&mut client).await, CloseCode::Invalid);
    let text = lines.0.lock().expect("nobody panicked").clone();
    let text = String::from_utf8(text).expect("text");
    let check = |words: &[&str]| {
        let holds = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(text.lines().any(holds), "{words:?} in {text}");
    };
    check(&["INFO", "a visitor was refused", "store=closed", r#""not\nyou""#]);
    check(&["INFO", "a request was turned away", "status=400", "transport"]);
    check(&["INFO", "a request was turned away", "store=closed", "status=401"]);
    check(&["INFO", "a socket is cut off", "store=open", "code=1007"]);
    check(&["WARN", "a frame was not understood", "store=open", "expected"]);
}
