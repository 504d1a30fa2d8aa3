//! What each command asks of the store.

use std::{pin::pin, sync::Arc, time::Duration};

use anyhow::Result;
use futures_util::StreamExt;
use livestore_core::{
    AnyStore, EventsError, Head, NetworkStatus, Rejection, Store, Subscription, new_id,
};
use todomvc_schema::{Todo, TodoEvent, TodoMvc};
use tokio::{select, sync::Notify, time::timeout};

use crate::terminal::{complain, say};

/// Adds a todo and says how far its event has come.
pub(crate) async fn add(store: &Store<TodoMvc>, text: &str, patience: Duration) -> Result<()> {
    let id = new_id();
    let receipt = store.commit(TodoEvent::Created { id: id.clone(), text: text.to_owned() })?;
    receipt.persisted().await?;
    say(&format!("persisted {id} {text}"))?;
    match timeout(patience, receipt.confirmed()).await {
        Ok(outcome) => {
            outcome?;
            say(&format!("confirmed {id} {text}"))?;
        }
        Err(_) => {
            say(&format!("pending {id} {text}"))?;
            complain(&format!("{}; the next run sends it", network(store)));
        }
    }
    Ok(())
}

/// Prints the list, after what is new at the server has arrived.
pub(crate) async fn list(store: &Store<TodoMvc>, patience: Duration) -> Result<()> {
    settle(store, patience).await;
    for todo in store.query(Todo::query().order_by(Todo::ID.asc()))? {
        say(&format!("[{}] {}", if todo.completed { 'x' } else { ' ' }, todo.text))?;
    }
    Ok(())
}

/// Prints what is confirmed, forever. How the connection stands, and what is refused meanwhile, it complains about.
pub(crate) async fn follow(store: &Store<TodoMvc>) -> Result<()> {
    let (changed, _subscription) = changes(store);
    let mut events = pin!(store.events(Head::ZERO, &[]));
    let mut network_before = None;
    let mut rejections_before: Arc<[Rejection]> = Arc::default();
    loop {
        let now = store.network_status();
        if network_before.replace(now) != Some(now) {
            complain(&network(store));
        }
        let rejections = store.rejections();
        for rejection in rejections.iter().filter(|new| !rejections_before.contains(new)) {
            complain(&format!("refused {}", describe(rejection)));
        }
        rejections_before = rejections;
        select! {
            event = events.next() => match event {
                Some(Ok(logged)) => {
                    let event = logged.event;
                    say(&format!("{} {} {}", logged.head.number, event.name, event.args))?;
                }
                Some(Err(EventsError::Moved(_))) => {
                    complain("the server has another log than before; this is its first event");
                    events.set(store.events(Head::ZERO, &[]));
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            () = changed.notified() => {}
        }
    }
}

/// Prints how far everybody is.
pub(crate) async fn status(store: &Store<TodoMvc>, patience: Duration) -> Result<()> {
    settle(store, patience).await;
    let sync = store.sync_status();
    say(&format!("network {}", network(store)))?;
    say(&format!("synced {}", if sync.is_synced { "yes" } else { "no" }))?;
    say(&format!("session {}", sync.session))?;
    say(&format!("leader {}", sync.leader))?;
    if let Some(backend) = sync.backend {
        say(&format!("backend {backend}"))?;
    }
    say(&format!("pending {}", sync.pending))?;
    let rejections = store.rejections_now().await?;
    say(&format!("refused {}", rejections.len()))?;
    for rejection in &rejections {
        say(&format!("refused {}", describe(rejection)))?;
    }
    Ok(())
}

/// Waits until the server has what is here and the other way round; says so if that takes longer.
async fn settle(store: &AnyStore, patience: Duration) {
    let (changed, _subscription) = changes(store);
    let synced = async {
        while !store.sync_status().is_synced {
            changed.notified().await;
        }
    };
    if timeout(patience, synced).await.is_err() {
        complain(&format!("{}; this is what is known here", network(store)));
    }
}

/// Notified whenever the store's status has changed, while the subscription lives.
fn changes(store: &AnyStore) -> (Arc<Notify>, Subscription) {
    let changed = Arc::new(Notify::new());
    let subscription = store.on_status({
        let changed = Arc::clone(&changed);
        move || changed.notify_one()
    });
    (changed, subscription)
}

/// How the connection stands and, where it does not, why.
fn network(store: &AnyStore) -> String {
    let status = store.network_status();
    match store.sync_status().error {
        Some(error) if status != NetworkStatus::Online => format!("{status}: {error}"),
        _ => status.to_string(),
    }
}

fn describe(rejection: &Rejection) -> String {
    let events = rejection.events.iter().map(|event| format!("{} {}", event.name, event.args));
    format!("{}: {}", events.collect::<Vec<_>>().join(", "), rejection.reason)
}
