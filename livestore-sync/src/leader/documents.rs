//! Documents on their way into the log: the latest value of each, and who waits for the word.

use std::collections::BTreeMap;

use super::{Leader, LeaderStorage, Outgoing, Recipients};
use crate::{
    document::{Document, DocumentKey, DocumentOwner},
    id::SessionId,
    message::ToSession,
};

/// A document waiting to be written, and who waits for the word.
#[derive(Clone, Debug)]
pub(super) struct WaitingDocument {
    pub(super) document: Document,
    setters: Vec<(SessionId, u64)>,
}

impl WaitingDocument {
    fn is_set_by(&self, session: SessionId) -> bool {
        self.setters.iter().any(|(setter, _)| *setter == session)
    }
}

impl Leader {
    /// Takes a value unless it is old; answers a repeated one with what the document is now.
    pub(super) fn on_set_document<S: LeaderStorage>(
        &mut self,
        from: SessionId,
        document: Document,
        version: u64,
        storage: &S,
    ) -> Result<(), S::Error> {
        let key = document.key.clone();
        let newest = self.versions.entry(from).or_default().entry(key.clone()).or_insert(0);
        if version < *newest {
            return Ok(());
        }
        if version == *newest {
            let waits = self.documents.get(&key).is_some_and(|waiting| waiting.is_set_by(from));
            let saved = if waits { Vec::new() } else { storage.documents(from)? };
            if let Some(document) = saved.into_iter().find(|saved| saved.key == key) {
                let (fence, count) = (self.config.fence, self.documents_count);
                let (before, saved) = (count, Some(version));
                self.send(from, ToSession::Document { fence, before, count, document, saved });
            }
            return Ok(());
        }
        *newest = version;
        let waiting = self
            .documents
            .entry(key)
            .or_insert_with(|| WaitingDocument { document: document.clone(), setters: Vec::new() });
        waiting.document = document;
        waiting.setters.retain(|(setter, _)| *setter != from);
        waiting.setters.push((from, version));
        Ok(())
    }

    /// Tells a document's new value to everyone whom it concerns, and the setters that theirs is taken.
    pub(super) fn note_saved(&mut self, key: &DocumentKey, waiting: &WaitingDocument) {
        let fence = self.config.fence;
        let before = self.documents_count;
        self.documents_count += u64::from(key.owner == DocumentOwner::Client);
        let count = self.documents_count;
        let message = |saved| {
            let document = waiting.document.clone();
            ToSession::Document { fence, before, count, document, saved }
        };
        for (setter, version) in &waiting.setters {
            self.send(*setter, message(Some(*version)));
        }
        let readers = self.attached().filter(|id| key.concerns(*id) && !waiting.is_set_by(*id));
        let readers: Vec<SessionId> = readers.collect();
        if !readers.is_empty() {
            let message = message(None);
            self.outgoing.push_back(Outgoing { to: Recipients::Sessions(readers), message });
        }
    }

    /// Takes back values that could not be written.
    pub(super) fn put_back_documents(&mut self, documents: BTreeMap<DocumentKey, WaitingDocument>) {
        for (key, mut old) in documents {
            // A value that has arrived since is newer.
            let newer = self.documents.remove(&key);
            if let Some(newer) = newer {
                old.document = newer.document;
                let came = newer.setters;
                old.setters.retain(|(setter, _)| came.iter().all(|(s, _)| s != setter));
                old.setters.extend(came);
            }
            self.documents.insert(key, old);
        }
    }
}
