//! The leader's databases as files in `DIRECTORY/STORE/`, owned by one process through an OS file lock.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

use crate::platform::{Durability, StorageMode, StoragePlace, StorageRefused};

/// Where stores go whose app names no directory.
const DEFAULT_DIRECTORY: &str = "livestore-data";

/// A store's files, or memory in their place.
#[derive(Clone, Debug)]
pub struct Storage(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Files { directory: PathBuf, _lock: File },
    Memory(StorageRefused),
}

impl Storage {
    /// Opens the store's directory and locks it for this process.
    pub async fn open(place: &StoragePlace) -> Result<Self, StorageRefused> {
        let directory = directory(place);
        create(&directory).map_err(|error| refusal(&directory, &error))?;
        let lock = lock(&directory.join("lock"))?;
        Ok(Self(Arc::new(Kind::Files { directory, _lock: lock })))
    }

    /// Memory in place of files, and why.
    pub fn in_memory(reason: StorageRefused) -> Self {
        Self(Arc::new(Kind::Memory(reason)))
    }

    /// Whether what is written here lasts.
    pub fn mode(&self) -> StorageMode {
        match &*self.0 {
            Kind::Files { .. } => StorageMode::Persistent,
            Kind::Memory(reason) => StorageMode::InMemory(reason.clone()),
        }
    }

    /// What messages call a database.
    pub fn label(&self, name: &str) -> String {
        match &*self.0 {
            Kind::Files { directory, .. } => directory.join(name).display().to_string(),
            Kind::Memory(_) => format!("{name} (in memory)"),
        }
    }

    /// Makes room for this many more databases to be opened: there always is natively.
    pub async fn reserve(&self, _databases: usize) -> Result<(), StorageRefused> {
        Ok(())
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
        let Kind::Files { directory, .. } = &*self.0 else { return Connection::open_in_memory() };
        let database = Connection::open(directory.join(name))?;
        // Nobody else has these files, and without shared memory a WAL is cheaper.
        database.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        Ok(database)
    }

    /// Whether nothing is in a database: its file is not there, or has no bytes. (Its WAL would be lost if it were opened.)
    pub fn is_empty(&self, name: &str) -> bool {
        let Kind::Files { directory, .. } = &*self.0 else { return true };
        match fs::metadata(directory.join(name)) {
            Ok(file) => file.len() == 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Whether the file ends within a page. SQLite would read the rest of that page as zeros, and rows of zeros there.
    pub fn is_cut_short(&self, name: &str) -> bool {
        let Kind::Files { directory, .. } = &*self.0 else { return false };
        let read = || -> io::Result<bool> {
            let mut file = File::open(directory.join(name))?;
            let mut header = [0; 18];
            file.read_exact(&mut header)?;
            let page = match u16::from_be_bytes([header[16], header[17]]) {
                1 => 65_536,
                size => u64::from(size.max(512)),
            };
            Ok(header.starts_with(b"SQLite format 3\0") && file.metadata()?.len() % page != 0)
        };
        // What can't be read is for SQLite to judge.
        read().unwrap_or(false)
    }

    /// Sets how a database of ours is written.
    pub fn configure(&self, database: &Connection, durability: Durability) -> rusqlite::Result<()> {
        if matches!(*self.0, Kind::Memory(_)) {
            return Ok(());
        }
        let synchronous = match durability {
            Durability::Log => "FULL",
            Durability::State => "NORMAL",
        };
        database.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA temp_store = MEMORY; \
             PRAGMA journal_size_limit = 4194304;"
        ))
    }

    /// The databases that exist, without their WALs and journals, in order.
    pub fn databases(&self) -> Result<Vec<String>, StorageRefused> {
        let Kind::Files { directory, .. } = &*self.0 else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(|error| refusal(directory, &error))? {
            let name = entry.map_err(|error| refusal(directory, &error))?.file_name();
            names.extend(name.into_string().ok().filter(|name| name.ends_with(".db")));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes a closed database with its WAL and journal; says whether it was there.
    pub fn delete_database(&self, name: &str) -> Result<bool, StorageRefused> {
        let Kind::Files { directory, .. } = &*self.0 else { return Ok(false) };
        let remove = |name: &str| match fs::remove_file(directory.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(refusal(&directory.join(name), &error)),
        };
        let existed = remove(name)?;
        for side in ["-wal", "-shm", "-journal"] {
            remove(&format!("{name}{side}"))?;
        }
        Ok(existed)
    }
}

/// The data directory by its one true name: stores of one process that are opened by several paths share a leader.
///
/// # Errors
/// When the path is not Unicode.
pub fn data_directory(wished: Option<&Path>) -> Result<Option<String>, String> {
    let wished = wished.unwrap_or(Path::new(DEFAULT_DIRECTORY));
    // What can't be made is reported by who wants to write there.
    let resolved = fs::create_dir_all(wished).and_then(|()| fs::canonicalize(wished));
    let resolved = resolved.unwrap_or_else(|_| wished.to_owned());
    let text = resolved.to_str().map(str::to_owned);
    text.map(Some).ok_or_else(|| format!("the path {} is not Unicode", resolved.display()))
}

/// Where a place's files are.
pub(super) fn directory(place: &StoragePlace) -> PathBuf {
    Path::new(place.directory.as_deref().unwrap_or(DEFAULT_DIRECTORY)).join(place.store.as_str())
}

/// Makes a directory and those above it, and syncs the entries: SQLite syncs only what is in the directory.
fn create(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(directory)?;
    for made in missing.into_iter().rev() {
        let above = made.parent().filter(|path| !path.as_os_str().is_empty());
        sync_directory(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Writes a directory's entries through to the disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Windows opens no directory as a file, and keeps its entries in a journal.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn lock(path: &Path) -> Result<File, StorageRefused> {
    let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open.map_err(|error| refusal(path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
            let holder = if known { holder } else { "another process".to_owned() };
            return Err(StorageRefused::Busy(format!(
                "{} is locked by {}",
                path.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(refusal(path, &error)),
    }
    let program = std::env::current_exe().ok();
    let program =
        program.as_deref().map_or_else(String::new, |path| format!(" ({})", path.display()));
    let holder = format!("process {}{program}\n", std::process::id());
    let write = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()));
    write.map_err(|error| refusal(path, &error))?;
    Ok(file)
}

/// Never one of the reasons for which a store goes on in memory: there may be data where the app points to.
fn refusal(path: &Path, error: &io::Error) -> StorageRefused {
    StorageRefused::Other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Durability, Storage, StoragePlace, StorageRefused};
    use crate::platform::StorageMode;
    use futures_executor::block_on;

    fn place(directory: &tempfile::TempDir) -> StoragePlace {
        let directory = directory.path().to_str().map(str::to_owned);
        StoragePlace { store: "todos".parse().unwrap(), directory }
    }

    #[test]
    fn rows_are_there_again_and_files_are_listed_and_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let storage = block_on(Storage::open(&place(&directory))).unwrap();
        assert_eq!(storage.mode(), StorageMode::Persistent);
        let log = storage.open_database("eventlog.db", Durability::Log).unwrap();
        log.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (7)").unwrap();
        drop((log, storage));

        let storage = block_on(Storage::open(&place(&directory))).unwrap();
        let log = storage.open_database("eventlog.db", Durability::Log).unwrap();
        assert_eq!(log.query_one("SELECT x FROM t", [], |row| row.get::<_, i64>(0)), Ok(7));
        drop(storage.open_database("state.db", Durability::State).unwrap());
        assert_eq!(storage.databases().unwrap(), ["eventlog.db", "state.db"]);
        assert_eq!(storage.delete_database("state.db"), Ok(true));
        assert_eq!(storage.delete_database("state.db"), Ok(false));
        assert_eq!(storage.databases().unwrap(), ["eventlog.db"]);
    }

    #[test]
    fn who_comes_second_learns_who_holds_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let _first = block_on(Storage::open(&place(&directory))).unwrap();
        let second = block_on(Storage::open(&place(&directory))).unwrap_err();
        let me = format!("process {}", std::process::id());
        assert!(matches!(&second, StorageRefused::Busy(text) if text.contains(&me)), "{second}");
    }
}
