//! The leader's databases in the origin's private file system. Dedicated workers only.
//!
//! One pool of pre-opened files per store (`sqlite-wasm-vfs`' sahpool); a slot holds a database, its WAL or a journal.
//! Take the store's lock before opening: the handles are exclusive, and after a reload the browser frees the old ones
//! late, so opening retries. Opening a database needs free slots, and slots are made asynchronously: call
//! [`Storage::reserve`] before. Does not remove anything by itself.

use std::{path::Path, rc::Rc, time::Duration};

use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_rs::vfs::VfsFilesManager;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

use super::{property, timer};
use crate::platform::{Durability, StorageMode, StoragePlace, StorageRefused};

/// Slots at the start: two databases, their WALs and journals, and old state files beside the new one.
const SLOTS: usize = 16;

/// Slots one open database can need: itself, its WAL, a rollback journal.
const SLOTS_PER_DATABASE: usize = 3;

/// How long to wait for handles that a dying worker still holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store's files, or memory in their place.
#[derive(Clone)]
pub struct Storage(Rc<Kind>);

enum Kind {
    Pool { pool: OpfsSAHPoolUtil, vfs: String },
    Memory(StorageRefused),
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({:?})", self.mode())
    }
}

impl Storage {
    /// Opens the store's directory, whose lock the caller holds.
    pub async fn open(place: &StoragePlace) -> Result<Self, StorageRefused> {
        check_support()?;
        let directory =
            place.directory.clone().unwrap_or_else(|| format!("livestore-{}", place.store));
        let vfs = format!("livestore-{}", place.store);
        let config = OpfsSAHPoolCfgBuilder::new()
            .vfs_name(&vfs)
            .directory(&directory)
            .initial_capacity(SLOTS)
            .build();
        let (mut waited, mut pause) = (Duration::ZERO, Duration::from_millis(20));
        loop {
            let error = match install::<WasmOsCallback>(&config, false).await {
                Ok(pool) => return Ok(Self(Rc::new(Kind::Pool { pool, vfs }))),
                Err(error) => refusal(&error),
            };
            if !matches!(error, StorageRefused::Busy(_)) || waited >= PATIENCE {
                return Err(error);
            }
            timer::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Memory in place of files, and why.
    pub fn in_memory(reason: StorageRefused) -> Self {
        Self(Rc::new(Kind::Memory(reason)))
    }

    /// Whether what is written here lasts.
    pub fn mode(&self) -> StorageMode {
        match &*self.0 {
            Kind::Pool { .. } => StorageMode::Persistent,
            Kind::Memory(reason) => StorageMode::InMemory(reason.clone()),
        }
    }

    /// What messages call a database.
    pub fn label(&self, name: &str) -> String {
        match &*self.0 {
            Kind::Pool { vfs, .. } => format!("{vfs}/{name}"),
            Kind::Memory(_) => format!("{name} (in memory)"),
        }
    }

    /// Makes room for this many more databases to be opened.
    pub async fn reserve(&self, databases: usize) -> Result<(), StorageRefused> {
        let Kind::Pool { pool, .. } = &*self.0 else { return Ok(()) };
        let used = pool.len().map_err(|e| refusal(&e))?;
        pool.ensure_capacity(used + databases * SLOTS_PER_DATABASE).await.map_err(|e| refusal(&e))
    }

    /// Opens a database, creating it if it is not there. In memory each call makes a new one.
    pub fn open_database(
        &self,
        name: &str,
        durability: Durability,
    ) -> rusqlite::Result<Connection> {
        let database = self.connect(name)?;
        self.configure(&database, durability)?;
        Ok(database)
    }

    /// Opens a database without writing to it, so that the caller may look whether it is one of ours.
    pub fn connect(&self, name: &str) -> rusqlite::Result<Connection> {
        let Kind::Pool { vfs, .. } = &*self.0 else { return Connection::open_in_memory() };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let database = Connection::open_with_flags_and_vfs(name, flags, vfs.as_str())?;
        // Exclusive first: only then does a WAL need no shared memory, which this file system has not.
        database.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        Ok(database)
    }

    /// Whether nothing is in a database: the pool has no file of this name.
    pub fn is_empty(&self, name: &str) -> bool {
        self.databases().is_ok_and(|names| names.iter().all(|known| known != name))
    }

    /// Whether the file ends within a page: never, as the pool's files are written in whole pages.
    pub fn is_cut_short(&self, _name: &str) -> bool {
        false
    }

    /// Sets how a database of ours is written.
    pub fn configure(&self, database: &Connection, durability: Durability) -> rusqlite::Result<()> {
        if matches!(*self.0, Kind::Memory(_)) {
            return Ok(());
        }
        // NORMAL survives the death of every process, FULL costs six times as much and survives no more here.
        let (Durability::Log | Durability::State) = durability;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; \
             PRAGMA journal_size_limit = 4194304;",
        )
    }

    /// The databases that exist, without their WALs and journals, in order.
    pub fn databases(&self) -> Result<Vec<String>, StorageRefused> {
        let Kind::Pool { pool, .. } = &*self.0 else { return Ok(Vec::new()) };
        let mut names = pool.names().map_err(|e| refusal(&e))?;
        names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-journal"));
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes a closed database with its WAL and journal; says whether it was there.
    pub fn delete_database(&self, name: &str) -> Result<bool, StorageRefused> {
        let Kind::Pool { pool, .. } = &*self.0 else { return Ok(false) };
        // The side files last: a database without its WAL would be an older one, a WAL without a database is nothing.
        let existed = pool.remove(name).map_err(|e| refusal(&e))?;
        for side in ["-wal", "-journal"] {
            pool.remove(&format!("{name}{side}")).map_err(|e| refusal(&e))?;
        }
        Ok(existed)
    }
}

/// None: a path of a native app means nothing here, and each store has a directory of its own.
///
/// # Errors
/// Natively only, where a path may not be Unicode.
pub fn data_directory(_wished: Option<&Path>) -> Result<Option<String>, String> {
    Ok(None)
}

fn check_support() -> Result<(), StorageRefused> {
    let Ok(worker) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else {
        return Err(StorageRefused::NoWorker("this is no dedicated worker".to_owned()));
    };
    if !worker.is_secure_context() {
        return Err(StorageRefused::InsecureContext);
    }
    let storage = property(&worker.navigator(), "storage").ok_or(StorageRefused::Unsupported)?;
    property(&storage, "getDirectory").map(drop).ok_or(StorageRefused::Unsupported)
}

/// The reason behind an error of the pool.
fn refusal(error: &OpfsSAHError) -> StorageRefused {
    let text = error.to_string();
    match error {
        OpfsSAHError::NotSupported => StorageRefused::Unsupported,
        OpfsSAHError::Opfs { value, .. } => {
            match property(value, "name").and_then(|name| name.as_string()).as_deref() {
                // The handle is taken, or its file is just being released.
                Some("NoModificationAllowedError" | "InvalidStateError") => {
                    StorageRefused::Busy(text)
                }
                Some("SecurityError" | "NotAllowedError") => StorageRefused::Forbidden(text),
                Some("QuotaExceededError") => StorageRefused::Full(text),
                _ => StorageRefused::Other(text),
            }
        }
        OpfsSAHError::InvalidHeader { .. } | OpfsSAHError::DuplicateFilename(_) => {
            StorageRefused::Damaged(text)
        }
        _ => StorageRefused::Other(text),
    }
}
