//! Journals: this session's own, and those of dead sessions that it takes over.
//!
//! A journal is what a page leaves behind when it ends before the leader has everything. Whoever opens the store next,
//! or has it open when another tab dies, sends those commits under their author's ids; the leader takes each id once,
//! so a journal that is adopted twice, or was acknowledged after all, does no harm.

use std::{collections::BTreeSet, sync::Arc};

use livestore_sync::{Journal, SessionId};

use super::{
    any::{Shared, now},
    connection::locked,
    engine::Engine,
};
use crate::{
    link::{from_frame, to_frame},
    platform::{Adopted, StoragePlace, adopt_journals, watch_journals},
};

impl Shared {
    /// Takes over the journals of sessions that are dead now, and from now on of those that die.
    pub(super) async fn adopt_journals(self: &Arc<Self>, place: &StoragePlace) {
        for journal in adopt_journals(place, self.session).await {
            self.adopt(journal);
        }
        let weak = Arc::downgrade(self);
        let listener = watch_journals(place, self.session, move |journal| {
            if let Some(shared) = weak.upgrade() {
                shared.adopt(journal);
                shared.tick();
            }
        });
        self.connection.watch(listener);
    }

    fn adopt(&self, journal: Adopted) {
        let content = journal.bytes().map_err(|error| error.to_string()).and_then(decode);
        match (content, self.enter()) {
            (Ok(content), Ok(mut engine)) => {
                if engine.adopt(now(), content) {
                    locked(&self.adopted).push(journal);
                }
            }
            // It stays where it is: a newer version of the app may be able to read it.
            (Err(error), _) => {
                tracing::warn!(session = %journal.session(), error, "a journal is unreadable");
            }
            (_, Err(error)) => tracing::error!(%error, "BUG: a journal arrived inside the engine"),
        }
    }

    /// Lets go of journals: this store's leader keeps nothing, so they stay where they are for one that does.
    pub(super) fn release_journals(&self) {
        self.connection.end_watch();
        locked(&self.adopted).clear();
    }

    /// What would be lost if the page ended now.
    pub(super) fn journal_bytes(&self) -> Option<Vec<u8>> {
        let engine =
            self.enter().inspect_err(|error| tracing::error!(%error, "no journal")).ok()?;
        encode(&engine.session.journal()?)
    }

    /// Writes and forgets journals as the leader's word demands. A hidden page may end without another word, so there
    /// every commit is journaled at once.
    pub(super) fn keep_journals(&self, engine: &Engine) {
        if engine.session.is_settled() {
            self.connection.journal.clear();
        } else if self.connection.journal.is_page_hidden()
            && let Some(journal) = engine.session.journal()
            && !self.write_journal(&journal)
        {
            tracing::warn!("commits are at risk until the leader has them");
        }
        let mut adopted = locked(&self.adopted);
        if adopted.is_empty() {
            return;
        }
        if !engine.session.has_saved_documents() {
            // Values of theirs may be among them.
            return;
        }
        let waiting: BTreeSet<SessionId> = engine.session.adopted().collect();
        let (waiting, done) = std::mem::take(&mut *adopted)
            .into_iter()
            .partition(|journal: &Adopted| waiting.contains(&journal.session()));
        *adopted = waiting;
        drop(adopted);
        done.into_iter().for_each(Adopted::forget);
    }

    /// Writes this session's journal; false where there is none, or no room for it.
    pub(super) fn write_journal(&self, journal: &Journal) -> bool {
        let Some(bytes) = encode(journal) else { return false };
        let written = self.connection.journal.write(&bytes);
        written.inspect_err(|error| tracing::debug!(%error, "no journal")).is_ok()
    }
}

/// A journal as bytes: a frame, so that another version of livestore is recognised.
fn encode(journal: &Journal) -> Option<Vec<u8>> {
    to_frame(journal)
        .inspect_err(|error| tracing::error!(%error, "the journal was not encoded"))
        .ok()
}

fn decode(bytes: &[u8]) -> Result<Journal, String> {
    from_frame(bytes).map_err(|error| error.to_string())
}
