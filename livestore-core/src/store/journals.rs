//! Journals: this session's own, and those of dead sessions that it takes over.
//!
//! A journal is what a page leaves behind when it ends before the leader has everything. Whoever opens the store next,
//! or has it open when another tab dies, sends those commits under their author's ids; the leader takes each id once,
//! so a journal that is adopted twice, or was acknowledged after all, does no harm.

use std::{collections::BTreeSet, sync::Arc};

use livestore_sync::{Journal, JournalMark, SessionId};

use super::{
    any::{Shared, now},
    connection::locked,
    engine::Engine,
    record::{from_record, to_record},
};
use crate::platform::{Adopted, JournalError, StoragePlace, adopt_journals, watch_journals};

/// What this session's journal holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Journaled {
    /// Up to where.
    mark: JournalMark,
    /// The bytes of its records, those that the leader has acknowledged since among them.
    bytes: usize,
}

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
        match (decode(&journal), self.enter()) {
            (Ok(content), Ok(mut engine)) => {
                if engine.adopt(now(), content) {
                    locked(&self.adopted).push(journal);
                }
            }
            // It stays where it is: the version that wrote it can read it.
            (Err(error), _) => {
                tracing::warn!(session = %journal.session(), error, "a journal is unreadable");
            }
            (_, Err(error)) => tracing::error!(%error, "BUG: a journal arrived inside the engine"),
        }
    }

    /// Lets go of journals: this store's leader keeps nothing, so they stay where they are for one that does, and none is
    /// written.
    pub(super) fn release_journals(&self) {
        self.connection.end_watch();
        self.connection.journal.give_up();
        match self.enter() {
            Ok(mut engine) => engine.session.disown(),
            Err(error) => tracing::error!(%error, "BUG: released inside the engine"),
        }
        locked(&self.adopted).clear();
    }

    /// Journals what would be lost if the page ended now; false if that is nothing.
    pub(super) fn journal_all(&self) -> bool {
        let Ok(engine) = self.enter().inspect_err(|error| tracing::error!(%error, "no journal"))
        else {
            // Unknown, so what is journaled stays.
            return true;
        };
        if engine.session.journal_after(JournalMark::default()).is_none() {
            *locked(&self.journaled) = Journaled::default();
            return false;
        }
        // `make_room` has said before if this may not fit; nobody is left to tell it now.
        if !self.journal_new(&engine) {
            self.journal_anew(&engine);
        }
        true
    }

    /// Writes and forgets journals as the leader's word demands; says whether what the leader does not have is in this
    /// session's journal, or would fit into it. A hidden page may end without another word, so there every commit is
    /// journaled at once.
    pub(super) fn keep_journals(&self, engine: &Engine) -> bool {
        self.forget_adopted(engine);
        let (journal, unacknowledged) =
            (&self.connection.journal, engine.session.unacknowledged_bytes());
        if unacknowledged == 0 {
            *locked(&self.journaled) = Journaled::default();
            journal.clear();
            return true;
        }
        let kept = !journal.is_page_hidden()
            || self.journal_new(engine)
            || (self.has_old(engine) && self.journal_anew(engine));
        kept && journal.make_room(unacknowledged)
    }

    /// Adds to the journal what it does not have yet.
    fn journal_new(&self, engine: &Engine) -> bool {
        let mut journaled = locked(&self.journaled);
        let Some(new) = engine.session.journal_after(journaled.mark) else { return true };
        let Some(record) = encode(&new) else { return false };
        let added = self.connection.journal.append(&record);
        if added.is_ok() {
            journaled.mark = engine.session.journal_mark();
            journaled.bytes += record.len();
        }
        is_done(added)
    }

    /// Whether writing the journal anew would win room.
    fn has_old(&self, engine: &Engine) -> bool {
        locked(&self.journaled).bytes > engine.session.unacknowledged_bytes()
    }

    /// Writes the journal without what the leader has acknowledged.
    fn journal_anew(&self, engine: &Engine) -> bool {
        let record = engine.session.journal().as_ref().and_then(encode);
        let Some(record) = record else { return false };
        let written = self.connection.journal.write(&record);
        if written.is_ok() {
            *locked(&self.journaled) =
                Journaled { mark: engine.session.journal_mark(), bytes: record.len() };
        }
        is_done(written)
    }

    fn forget_adopted(&self, engine: &Engine) {
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

    /// Writes this session's last journal; false where there is none, or no room for it.
    pub(super) fn journal_last(&self, engine: &Engine) -> bool {
        engine.session.journal().is_none() || self.journal_anew(engine)
    }
}

fn is_done(written: Result<(), JournalError>) -> bool {
    written.inspect_err(|error| tracing::debug!(%error, "no journal")).is_ok()
}

fn encode(journal: &Journal) -> Option<Vec<u8>> {
    to_record(journal)
        .inspect_err(|error| tracing::error!(%error, "the journal was not encoded"))
        .ok()
}

/// All records of a journal as one.
fn decode(adopted: &Adopted) -> Result<Journal, String> {
    let records = adopted.records().map_err(|error| error.to_string())?;
    let mut journal: Option<Journal> = None;
    for record in records {
        let record = from_record(&record).map_err(|error| error.to_string())?;
        match &mut journal {
            None => journal = Some(record),
            Some(journal) => journal.append(record),
        }
    }
    journal.ok_or_else(|| "its only record was not written to its end".to_owned())
}
