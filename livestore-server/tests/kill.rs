//! `kill -9` of the server at random moments under load: every acknowledged event is there, and no batch by halves.

mod support;

use std::{sync::Arc, time::Duration};

use livestore_sync::wire::{ConfirmedEvent, Exit, Extensions};
use support::{Client, Process, event};
use tokio::sync::Notify;

const ROUNDS: u64 = 100;
const WRITERS: usize = 4;

/// What a writer knows of its store.
#[derive(Clone, Default)]
struct Writer {
    acknowledged: u64,
    /// The size of the batch that was under way when the server died.
    unanswered: u64,
}

fn batch(store: usize, head: u64, size: u64) -> Vec<ConfirmedEvent> {
    (head + 1..=head + size).map(|number| event(number, &format!("[{store},{number}]"))).collect()
}

impl Writer {
    /// Looks at what the last round left, then pushes until the server dies.
    async fn run(mut self, address: String, store: usize, under_load: Arc<Notify>) -> (Self, u64) {
        let name = format!("store-{store}");
        // The server may be dead before anything is heard of it.
        let Some(mut client) = Client::connect(&address, &name, Extensions::NONE).await else {
            return (self, 0);
        };
        let Some(log) = client.log().await else { return (self, 0) };
        let head = log.len() as u64;
        let whole = [self.acknowledged, self.acknowledged + self.unanswered];
        assert!(whole.contains(&head), "{head} events where one of {whole:?} was expected");
        assert_eq!(log, batch(store, 0, head));
        self.acknowledged = head;
        let mut pushed = 0;
        loop {
            self.unanswered = 1 + (self.acknowledged * 7) % 6;
            match client.push(batch(store, self.acknowledged, self.unanswered)).await {
                Some(Exit::Pushed) => self.acknowledged += self.unanswered,
                Some(other) => panic!("{other:?}"),
                None => return (self, pushed),
            }
            pushed += 1;
            under_load.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_every_acknowledged_event() {
    let data = tempfile::tempdir().expect("a directory");
    let mut writers = vec![Writer::default(); WRITERS];
    let mut pushes = 0;
    for round in 0..ROUNDS {
        let mut server = Process::start(data.path());
        let under_load = Arc::new(Notify::new());
        let run = |(store, writer): (usize, Writer)| {
            tokio::spawn(writer.run(server.address.clone(), store, Arc::clone(&under_load)))
        };
        let running: Vec<_> = writers.into_iter().enumerate().map(run).collect();
        // Some die before the first push is acknowledged, however fast the machine is.
        if round % 5 > 0 {
            under_load.notified().await;
        }
        // 0 to 240 ms, in no order.
        tokio::time::sleep(Duration::from_millis((round * 37) % 241)).await;
        server.kill();
        writers = Vec::new();
        for writer in running {
            let (writer, pushed) = writer.await.expect("the log is as it should be");
            pushes += pushed;
            writers.push(writer);
        }
    }
    let events: u64 = writers.iter().map(|writer| writer.acknowledged).sum();
    println!("{ROUNDS} kills, {pushes} pushes, {events} events acknowledged");
}
