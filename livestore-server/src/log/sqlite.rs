//! The log in one SQLite database: a thread that writes groups, readers beside it.
//!
//! `synchronous = FULL` in WAL mode: what `append` acknowledged survives the process and the power.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use futures_util::{FutureExt, future::BoxFuture};
use livestore_sync::{
    StoreId,
    wire::{Author, ConfirmedEvent, RawArgs, encode_item},
};
use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    AppendError, EventLog, LogError, LogHead, LogItem, LogPage, PageSize,
    recent::Recent,
    schema,
    writer::{self, Append},
};

/// The database's name in the data directory.
const FILE: &str = "livestore.db";

/// Appends that may wait for the writer; beyond that, whoever pushes waits.
const WAITING: usize = 1024;

/// Reads of the database at a time.
const READERS: usize = 4;

/// A log in `DIRECTORY/livestore.db`.
#[derive(Debug)]
pub struct SqliteLog {
    backend: Arc<str>,
    writer: mpsc::Sender<Append>,
    recent: Arc<Recent>,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl SqliteLog {
    /// Opens the log of a data directory, and makes both if they are not there.
    ///
    /// # Errors
    /// [`LogError`] when the directory or the database can't be opened, or is of another format.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        Self::open_with(directory, None)
    }

    /// As [`SqliteLog::open`], but takes no more events once the database has `max_bytes`.
    ///
    /// # Errors
    /// As [`SqliteLog::open`].
    pub fn open_with(directory: &Path, max_bytes: Option<u64>) -> Result<Self, LogError> {
        let failed = |error: std::io::Error| LogError::Database(error.to_string().into());
        std::fs::create_dir_all(directory).map_err(failed)?;
        let path = directory.join(FILE);
        let (db, backend) = schema::open(&path, max_bytes)?;
        let (writer, inbox) = mpsc::channel(WAITING);
        let recent = Arc::new(Recent::default());
        let published = Arc::clone(&recent);
        thread::Builder::new()
            .name("livestore-log".to_owned())
            .spawn(move || writer::run(db, inbox, &published))
            .map_err(failed)?;
        let readers = Readers { path, idle: Mutex::default(), permits: Semaphore::new(READERS) };
        Ok(Self { backend, writer, recent, readers: Arc::new(readers) })
    }

    fn head_at(&self, number: u64) -> LogHead {
        LogHead { backend: Arc::clone(&self.backend), number }
    }
}

impl EventLog for SqliteLog {
    fn head(&self, store: &StoreId) -> BoxFuture<'_, Result<LogHead, LogError>> {
        let store = store.clone();
        async move {
            let find = move |db: &mut Connection| schema::find_store(db, store.as_str());
            let place = Readers::run(&self.readers, find).await?;
            Ok(self.head_at(place.map_or(0, |(_, head)| head)))
        }
        .boxed()
    }

    fn append(
        &self,
        store: &StoreId,
        expected_head: u64,
        batch: Arc<[ConfirmedEvent]>,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let store = store.clone();
        async move {
            let (done, answer) = oneshot::channel();
            let append = Append { store, expected_head, batch, done };
            self.writer.send(append).await.map_err(|_| LogError::Closed)?;
            answer.await.map_err(|_| LogError::Closed)?
        }
        .boxed()
    }

    fn read(
        &self,
        store: &StoreId,
        after: u64,
        size: PageSize,
    ) -> BoxFuture<'_, Result<LogPage, LogError>> {
        if let Some((items, head)) = self.recent.read(store, after, size) {
            let page = LogPage { items, head: self.head_at(head) };
            return std::future::ready(Ok(page)).boxed();
        }
        let store = store.clone();
        async move {
            let read = move |db: &mut Connection| read(db, &store, after, size);
            let (items, head) = Readers::run(&self.readers, read).await?;
            Ok(LogPage { items, head: self.head_at(head) })
        }
        .boxed()
    }

    fn tail(&self, store: &StoreId) -> watch::Receiver<u64> {
        self.recent.tail(store)
    }
}

fn read(
    db: &mut Connection,
    store: &StoreId,
    after: u64,
    size: PageSize,
) -> Result<(Vec<LogItem>, u64), LogError> {
    // One transaction, so that the head belongs to the events.
    let transaction = db.transaction()?;
    let Some((key, head)) = schema::find_store(&transaction, store.as_str())? else {
        return Ok((Vec::new(), 0));
    };
    let mut statement = transaction.prepare_cached(
        "select number, name, args, client, session, created_at from event
         where store = ? and number > ? order by number limit ?",
    )?;
    let mut rows =
        statement.query((key, schema::to_sql(after), schema::to_sql(size.events as u64)))?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text = |column: usize| row.get::<_, Arc<str>>(column);
        let number = schema::from_sql(row.get(0)?);
        let event = ConfirmedEvent {
            number,
            parent: number.saturating_sub(1),
            name: text(1)?,
            args: RawArgs(row.get(2)?),
            author: Author { client: text(3)?, session: text(4)? },
        };
        let json = encode_item(&event, Some(&text(5)?));
        bytes += json.len();
        if bytes > size.bytes && !items.is_empty() {
            break;
        }
        items.push(LogItem { number, json: json.into() });
    }
    Ok((items, head))
}

impl Readers {
    /// Runs `work` on a connection, on a thread that may block.
    async fn run<T: Send + 'static>(
        readers: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let _permit = readers.permits.acquire().await.map_err(|_| LogError::Closed)?;
        let readers = Arc::clone(readers);
        let blocking = tokio::task::spawn_blocking(move || {
            let idle = readers.idle().pop();
            let mut db = match idle {
                Some(db) => db,
                None => schema::open_reader(&readers.path)?,
            };
            let result = work(&mut db);
            // A connection that failed may be broken.
            if result.is_ok() {
                readers.idle().push(db);
            }
            result
        });
        blocking.await.map_err(|_| LogError::Closed)?
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
