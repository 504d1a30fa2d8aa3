//! The journal: what a session writes where a synchronous write survives when its page hides.
//!
//! A journal is foreign input when it comes back (other code shares `localStorage`), so [`Journal::check`] runs before
//! anything of it is adopted. Adopting one twice, or one that is out of date, is harmless: the leader takes each
//! author's `n` once.
//!
//! Deliberately not here: where it is kept, and who owns that place when.

use serde::{Deserialize, Serialize};

use crate::{
    document::Document,
    event::Commit,
    id::{ClientId, EventId, SessionId},
};

/// What of a session the leader has not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// Whose.
    pub author: SessionId,
    /// Up to which `n` the leader has acknowledged.
    pub acknowledged: u64,
    /// The commits after that, ascending.
    pub commits: Vec<Commit>,
    /// Document values that the leader has not saved.
    pub documents: Vec<Document>,
}

/// How far a journal goes: what was committed and set after it is not in there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JournalMark {
    /// The `n` of the last event.
    pub(crate) n: u64,
    /// The version of the document value that was set last.
    pub(crate) documents: u64,
}

/// A journal that no session wrote like this.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidJournal {
    /// A commit of somebody else.
    #[error("the journal of session {author} holds commit {commit}")]
    Foreign {
        /// Whose journal.
        author: SessionId,
        /// The commit's name.
        commit: EventId,
    },
    /// Commits are repeated or out of order.
    #[error("commit {commit} stands after n = {before} in the journal")]
    NotAscending {
        /// The commit's name.
        commit: EventId,
        /// The `n` before it.
        before: u64,
    },
}

impl Journal {
    /// What a journal takes beside commits and documents, at most: four numbers, two lengths, and the frame around it.
    pub(crate) const OWN_BYTES: usize = 64;

    /// Adds what the same session journaled later: the leader's later word counts, and the later value of a document.
    pub fn append(&mut self, later: Self) {
        self.acknowledged = self.acknowledged.max(later.acknowledged);
        self.commits.extend(later.commits);
        let acknowledged = self.acknowledged;
        self.commits.retain(|commit| commit.first_n().get() > acknowledged);
        for document in later.documents {
            self.documents.retain(|earlier| earlier.key != document.key);
            self.documents.push(document);
        }
    }

    /// Checks that the commits are `client`'s and the author's, and ascend. (Gaps are what was settled out of order.)
    ///
    /// # Errors
    /// [`InvalidJournal`] names the first commit that does not fit.
    pub fn check(&self, client: ClientId) -> Result<(), InvalidJournal> {
        let mut before = self.acknowledged;
        for commit in &self.commits {
            let id = commit.id();
            if id.client != client || id.session != self.author {
                return Err(InvalidJournal::Foreign { author: self.author, commit: id });
            }
            if commit.first_n().get() <= before {
                return Err(InvalidJournal::NotAscending { commit: id, before });
            }
            before = commit.last_n().get();
        }
        Ok(())
    }
}
