//! How a store is to be opened.

use std::{marker::PhantomData, path::PathBuf, sync::Arc};

use super::{any::NotifyWithin, status::BootStatus, sync_options::SyncOptions};

/// Where an app wants its data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Persistence {
    /// Nowhere.
    Memory,
    /// OPFS in a browser; natively a directory, by default `./livestore-data`.
    Files(Option<PathBuf>),
}

pub(super) type OnBoot = Arc<dyn Fn(BootStatus) + Send + Sync>;

/// Which store to open, and how. In memory unless [`persisted`](Self::persisted) is called.
///
/// The id is checked when the store opens.
pub struct StoreOptions<S> {
    pub(crate) id: String,
    pub(crate) persistence: Persistence,
    pub(crate) on_boot: Option<OnBoot>,
    pub(crate) notify_within: NotifyWithin,
    pub(crate) worker_script: Option<String>,
    pub(crate) sync: Option<SyncOptions>,
    schema: PhantomData<fn() -> S>,
}

impl<S> StoreOptions<S> {
    /// A store of this id, in memory.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            persistence: Persistence::Memory,
            on_boot: None,
            notify_within: |run| run(),
            worker_script: None,
            sync: None,
            schema: PhantomData,
        }
    }

    /// Keeps the data: in the browser's OPFS, natively in files under `./livestore-data` unless
    /// [`directory`](Self::directory) says otherwise.
    #[must_use]
    pub fn persisted(mut self) -> Self {
        self.persistence = Persistence::Files(None);
        self
    }

    /// Keeps the data in files under this directory, which is created if needed. In a browser it is a directory of OPFS.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.persistence = Persistence::Files(Some(directory.into()));
        self
    }

    /// Syncs with a backend: what other clients of the store commit shows here, and what is committed here shows there.
    /// A store that was without one until now gives it everything that it has.
    ///
    /// ```
    /// # use livestore_core::{Schema, StoreOptions, websocket};
    /// # fn doc<App: Schema>() -> StoreOptions<App> {
    /// StoreOptions::<App>::new("todos").persisted().sync(websocket("ws://127.0.0.1:8787/sync"))
    /// # }
    /// ```
    #[must_use]
    pub fn sync(mut self, sync: SyncOptions) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Calls `on_boot` with every step of opening; several are called in turn.
    #[must_use]
    pub fn on_boot(mut self, on_boot: impl Fn(BootStatus) + Send + Sync + 'static) -> Self {
        self.on_boot = Some(match self.on_boot.take() {
            None => Arc::new(on_boot),
            Some(earlier) => Arc::new(move |status: BootStatus| {
                earlier(status.clone());
                on_boot(status);
            }),
        });
        self
    }

    /// The address of a file with the text of [`WORKER_SCRIPT`](crate::WORKER_SCRIPT), for pages whose content security
    /// policy forbids workers from `blob:` addresses. Without it such a page can't lead: it is a session of another
    /// tab's leader, and keeps its store in memory if there is none.
    #[must_use]
    pub fn worker_script(mut self, address: impl Into<String>) -> Self {
        self.worker_script = Some(address.into());
        self
    }

    /// Lets a framework wrap the telling of observers, and whole batches, such as in its own batch.
    #[must_use]
    pub fn notify_within(mut self, notify: NotifyWithin) -> Self {
        self.notify_within = notify;
        self
    }

    /// The id as given.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl<S> Clone for StoreOptions<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            persistence: self.persistence.clone(),
            on_boot: self.on_boot.clone(),
            notify_within: self.notify_within,
            worker_script: self.worker_script.clone(),
            sync: self.sync.clone(),
            schema: PhantomData,
        }
    }
}

impl<S> std::fmt::Debug for StoreOptions<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("id", &self.id)
            .field("persistence", &self.persistence)
            .field("sync", &self.sync)
            .finish_non_exhaustive()
    }
}
