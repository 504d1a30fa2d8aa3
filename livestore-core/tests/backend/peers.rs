//! LiveStore's own JavaScript clients at our server, beside a client of ours: live, offline, in conflict.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use livestore_core::backend::{
    Author, BackendError, ConfirmedEvent, Connection, PushBatch, RawArgs,
};

use crate::{
    cases::log,
    provider::{Provider, Wire},
};

const STORE: &str = "peers";

/// How long peers may take to agree; they reconnect in their own time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A LiveStore store in a process of its own.
struct Peer {
    node: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    name: &'static str,
}

impl Peer {
    fn start(url: &str, name: &'static str) -> Self {
        let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e/livestore-js");
        let mut node = Command::new("node")
            .args(["client.mjs", url, STORE, name])
            .current_dir(scripts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs a LiveStore client; `cargo xtask setup` installs what it needs");
        let output = BufReader::new(node.stdout.take().unwrap());
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                println!("{name}: {line}");
                let _ = said.send(line);
            }
        });
        let input = node.stdin.take().unwrap();
        Self { node, input, lines, name }
    }

    fn add(&mut self, id: &str, text: &str) {
        writeln!(self.input, "add {id} {text}").unwrap();
    }

    /// Waits until its rows are these.
    fn shows(&self, rows: &str) {
        let start = Instant::now();
        let expected = format!("rows {rows}");
        let mut last = String::new();
        while last.trim_end() != expected.trim_end() {
            let left = PATIENCE.saturating_sub(start.elapsed());
            last = match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with("rows") => line,
                Ok(_) => continue,
                Err(error) => panic!("{} shows `{last}`, not `{expected}`: {error}", self.name),
            };
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// What a client of ours pushes, at whatever head there is.
fn push(provider: &Provider, id: &str, text: &str) {
    block_on(async {
        let connection = provider.backend(STORE).connect().await.unwrap();
        let mut parent = 0;
        loop {
            let args = format!(r#"{{"id":"{id}","text":"{text}"}}"#).as_str().into();
            let event = ConfirmedEvent {
                number: parent + 1,
                parent,
                name: "v1.Noted".into(),
                args: RawArgs(Some(args)),
                author: Author { client: "ours".into(), session: "s".into() },
            };
            let batch = PushBatch { events: vec![event], commits: vec![1], backend: None };
            match connection.push(batch).await {
                Ok(()) => return,
                Err(BackendError::ServerAhead { head }) => parent = head,
                Err(other) => panic!("{other}"),
            }
        }
    });
}

/// The texts that were noted under an id, in the order of the log.
fn noted(provider: &Provider, id: &str) -> Vec<String> {
    let log = block_on(async {
        let connection: Box<dyn Connection> = provider.backend(STORE).connect().await.unwrap();
        log(&*connection).await
    });
    let args = log
        .iter()
        .map(|event| serde_json::from_str::<serde_json::Value>(event.args.as_str()).unwrap());
    args.filter(|args| args["id"] == id)
        .map(|args| args["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn livestores_clients_and_ours_edit_one_store_through_our_server() {
    let provider = Provider::ours(Wire::WebSocket);
    let url = provider.url();
    let (mut one, mut two) = (Peer::start(&url, "one"), Peer::start(&url, "two"));
    one.shows("");
    two.shows("");

    println!("live");
    one.add("a", "from-one");
    two.shows("a:from-one");
    push(&provider, "b", "from-us");
    one.shows("a:from-one b:from-us");
    two.shows("a:from-one b:from-us");

    println!("offline on both sides, and the server has something new");
    provider.go_offline();
    one.add("c", "offline-one");
    two.add("d", "offline-two");
    one.shows("a:from-one b:from-us c:offline-one");
    two.shows("a:from-one b:from-us d:offline-two");
    provider.go_online();
    push(&provider, "e", "from-us");
    let all = "a:from-one b:from-us c:offline-one d:offline-two e:from-us";
    one.shows(all);
    two.shows(all);

    println!("conflict");
    provider.go_offline();
    one.add("f", "of-one");
    two.add("f", "of-two");
    one.shows(&format!("{all} f:of-one"));
    two.shows(&format!("{all} f:of-two"));
    provider.go_online();
    let start = Instant::now();
    let order = loop {
        let order = noted(&provider, "f");
        if order.len() == 2 {
            break order;
        }
        assert!(start.elapsed() < PATIENCE, "the log has {order:?}");
        thread::sleep(Duration::from_millis(200));
    };
    // The last one in the log wins, wherever it came from.
    let loser = if order[1] == "of-one" { &two } else { &one };
    loser.shows(&format!("{all} f:{}", order[1]));
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(noted(&provider, id).len(), 1, "{id} is in the log once");
    }
}
