//! The one thread that writes: everything that waits becomes one transaction.
//!
//! Answers go out after the commit. If a transaction fails, each of its appends is tried alone, so that one that can't
//! be written takes no other down.

use std::{collections::HashMap, sync::Arc};

use livestore_sync::{
    StoreId,
    wire::{ConfirmedEvent, encode_item},
};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{AppendError, LogError, LogItem, recent::Recent, schema};

/// Appends in one transaction.
const GROUP: usize = 256;

#[derive(Debug)]
pub(super) struct Append {
    pub(super) store: StoreId,
    pub(super) expected_head: u64,
    pub(super) batch: Arc<[ConfirmedEvent]>,
    pub(super) done: oneshot::Sender<Result<(), AppendError>>,
}

/// Works until all senders are gone.
pub(super) fn run(mut db: Connection, mut inbox: mpsc::Receiver<Append>, recent: &Recent) {
    let mut group = Vec::new();
    while inbox.blocking_recv_many(&mut group, GROUP) > 0 {
        match write(&mut db, &group) {
            Ok(outcomes) => settle(group.drain(..), outcomes, recent),
            Err(_) if group.len() > 1 => {
                for append in group.drain(..) {
                    let outcomes = write(&mut db, std::slice::from_ref(&append));
                    settle(
                        [append],
                        outcomes.unwrap_or_else(|error| vec![Err(error.into())]),
                        recent,
                    );
                }
            }
            Err(error) => {
                tracing::error!(%error, "the log can't be written");
                settle(group.drain(..), vec![Err(error.into())], recent);
            }
        }
    }
}

/// What became of an append: the time of arrival of what was written.
type Written = Result<Arc<str>, AppendError>;

fn write(db: &mut Connection, group: &[Append]) -> Result<Vec<Written>, LogError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now: String = transaction
        .prepare_cached("select strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")?
        .query_row([], |row| row.get(0))?;
    let now: Arc<str> = now.into();
    let mut outcomes = Vec::with_capacity(group.len());
    // Heads within this transaction, by store.
    let mut heads: HashMap<&StoreId, (i64, u64)> = HashMap::new();
    for append in group {
        let place = match heads.get(&append.store) {
            Some(place) => Some(*place),
            None => schema::find_store(&transaction, append.store.as_str())?,
        };
        let head = place.map_or(0, |(_, head)| head);
        if head != append.expected_head {
            outcomes.push(Err(AppendError::NotAtHead { head }));
            continue;
        }
        let key = match place {
            Some((key, _)) => key,
            None => transaction
                .prepare_cached("insert into store (name, head) values (?, 0)")?
                .insert([append.store.as_str()])?,
        };
        let head = insert(&transaction, key, head, &append.batch, &now)?;
        heads.insert(&append.store, (key, head));
        outcomes.push(Ok(Arc::clone(&now)));
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn insert(
    db: &Connection,
    key: i64,
    mut head: u64,
    batch: &[ConfirmedEvent],
    now: &str,
) -> Result<u64, LogError> {
    let mut statement = db.prepare_cached("insert into event values (?, ?, ?, ?, ?, ?, ?)")?;
    for event in batch {
        head += 1;
        let ConfirmedEvent { name, args, author, .. } = event;
        let (name, args, client, session) =
            (name.as_ref(), args.0.as_deref(), author.client.as_ref(), author.session.as_ref());
        statement.execute((key, schema::to_sql(head), name, args, client, session, now))?;
    }
    db.prepare_cached("update store set head = ? where key = ?")?
        .execute((schema::to_sql(head), key))?;
    Ok(head)
}

/// Tells those who read live, then those who asked.
fn settle(group: impl IntoIterator<Item = Append>, outcomes: Vec<Written>, recent: &Recent) {
    for (append, outcome) in group.into_iter().zip(outcomes) {
        let outcome = outcome.map(|now| {
            if recent.is_read(&append.store) {
                let items = append.batch.iter().map(|event| LogItem {
                    number: event.number,
                    json: encode_item(event, Some(&now)).into(),
                });
                let head = append.expected_head + append.batch.len() as u64;
                recent.publish(&append.store, head, items.collect());
            }
        });
        // Whoever asked may be gone.
        let _ = append.done.send(outcome);
    }
}
