//! Client documents: JSON values of which only the latest counts.
//!
//! A session's own value wins over whatever arrives until the leader has saved it; then the leader's order counts.
//!
//! Invariants of [`Unsaved`]:
//! 1. At most one value per document, and it is the newest that was set here.
//! 2. Versions are unique; the word that an older version is saved neither clears nor replaces a newer value.
//!
//! Deliberately not here: the saved values. Readers ask the driver's copy, the leader asks its log database.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, TabId};

/// Whose a document is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum DocumentOwner {
    /// One tab, over all its reloads.
    Tab(TabId),
    /// The client: all its sessions share the value.
    Client,
}

/// Which document.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DocumentKey {
    /// Whose.
    pub owner: DocumentOwner,
    /// Its name in the schema.
    pub name: Arc<str>,
}

impl DocumentKey {
    /// Whether `session` reads this document.
    pub fn concerns(&self, session: SessionId) -> bool {
        match self.owner {
            DocumentOwner::Tab(tab) => tab == session.tab,
            DocumentOwner::Client => true,
        }
    }
}

/// A document's value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Document {
    /// Which document.
    pub key: DocumentKey,
    /// Its value as JSON.
    pub json: Arc<str>,
}

/// The values a session has set and its leader has not yet saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsaved {
    values: BTreeMap<DocumentKey, Value>,
    /// The version of the newest value of each document ever set here.
    newest: BTreeMap<DocumentKey, u64>,
    versions: u64,
}

#[derive(Clone, Debug)]
struct Value {
    json: Arc<str>,
    version: u64,
    sent: bool,
}

impl Unsaved {
    /// Takes a new value; an unsent older one is forgotten.
    pub(crate) fn set(&mut self, document: Document) {
        self.versions += 1;
        self.newest.insert(document.key.clone(), self.versions);
        let value = Value { json: document.json, version: self.versions, sent: false };
        self.values.insert(document.key, value);
    }

    /// Takes a value unless there is one already.
    pub(crate) fn set_if_absent(&mut self, document: Document) -> bool {
        let absent = !self.values.contains_key(&document.key);
        if absent {
            self.set(document);
        }
        absent
    }

    /// Whether this session's own value hides what arrives.
    pub(crate) fn hides(&self, key: &DocumentKey) -> bool {
        self.values.contains_key(key)
    }

    /// Forgets a value that has been saved; false when a newer one was set since, whose own word comes or came.
    pub(crate) fn saved(&mut self, key: &DocumentKey, version: u64) -> bool {
        let newest = self.newest.get(key).is_none_or(|newest| *newest <= version);
        if newest {
            self.values.remove(key);
        }
        newest
    }

    /// The next value to send, with its version; it counts as sent from now on.
    pub(crate) fn next_to_send(&mut self) -> Option<(Document, u64)> {
        let (key, value) = self.values.iter_mut().find(|(_, value)| !value.sent)?;
        value.sent = true;
        Some((Document { key: key.clone(), json: value.json.clone() }, value.version))
    }

    /// Makes every value due for sending again.
    pub(crate) fn resend_all(&mut self) {
        self.values.values_mut().for_each(|value| value.sent = false);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The version of the value that was set last.
    pub(crate) fn version(&self) -> u64 {
        self.versions
    }

    /// The values that were set after this version, for the journal.
    pub(crate) fn set_after(&self, version: u64) -> impl Iterator<Item = Document> + '_ {
        self.values
            .iter()
            .filter(move |(_, value)| value.version > version)
            .map(|(key, value)| Document { key: key.clone(), json: value.json.clone() })
    }

    /// The size of all values, at most; costs a look at each document, of which a schema has few.
    pub(crate) fn bytes(&self) -> usize {
        // The owner, and the lengths of name and value.
        const KEY_BYTES: usize = 24;
        let of_one =
            |(key, value): (&DocumentKey, &Value)| KEY_BYTES + key.name.len() + value.json.len();
        self.values.iter().map(of_one).sum()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), String> {
        let mut versions: Vec<u64> = self.values.values().map(|value| value.version).collect();
        versions.sort_unstable();
        if versions.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two unsaved documents have one version".into());
        }
        if self.values.iter().any(|(key, value)| self.newest.get(key) != Some(&value.version)) {
            return Err("an unsaved value is not the newest of its document".into());
        }
        if versions.last().is_some_and(|last| *last > self.versions) {
            return Err("an unsaved document's version was never given".into());
        }
        Ok(())
    }
}
