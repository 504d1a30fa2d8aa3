//! The session's copy of its documents: JSON as it arrives, and a signal for each that somebody reads.
//!
//! Reading a document never writes one: what was never set is its type's default.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use livestore_sync::{Document, DocumentKey, DocumentOwner, TabId};

use crate::{
    live::{Live, Signal},
    schema::{self, ClientDocument, DocumentDef, SchemaDef},
};

/// The documents of one session.
pub(super) struct Documents {
    schema: &'static SchemaDef,
    tab: TabId,
    json: BTreeMap<&'static str, Arc<str>>,
    signals: BTreeMap<&'static str, Box<dyn Slot>>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("known", &self.json.keys()).finish_non_exhaustive()
    }
}

/// A signal whose type only its reader knows.
trait Slot: Send + Sync {
    fn set_json(&self, live: &mut Live, json: &str);
    fn as_any(&self) -> &dyn Any;
}

struct Typed<D: ClientDocument>(Signal<D>);

impl<D: ClientDocument> Slot for Typed<D> {
    fn set_json(&self, live: &mut Live, json: &str) {
        if let Err(error) = live.set(&self.0, D::from_json(json)) {
            tracing::error!(%error, "BUG: a document's signal is another store's");
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Documents {
    pub(super) fn new(schema: &'static SchemaDef, tab: TabId) -> Self {
        Self { schema, tab, json: BTreeMap::new(), signals: BTreeMap::new() }
    }

    /// Whether the schema has this document.
    pub(super) fn has(&self, def: &DocumentDef) -> bool {
        self.schema.document(def.name).is_some()
    }

    /// Where the leader keeps this session's value of a document.
    pub(super) fn key(&self, def: &DocumentDef) -> DocumentKey {
        let owner = match def.owner {
            schema::DocumentOwner::Tab => DocumentOwner::Tab(self.tab),
            schema::DocumentOwner::Client => DocumentOwner::Client,
        };
        DocumentKey { owner, name: def.name.into() }
    }

    /// The document's signal, made when it is first asked for.
    pub(super) fn signal<D: ClientDocument>(&mut self, live: &mut Live) -> Signal<D> {
        let name = D::DEF.name;
        if let Some(slot) =
            self.signals.get(name).and_then(|slot| slot.as_any().downcast_ref::<Typed<D>>())
        {
            return slot.0.clone();
        }
        let value = self.json.get(name).map_or_else(D::default, |json| D::from_json(json));
        let signal = live.signal(value);
        self.signals.insert(name, Box::new(Typed(signal.clone())));
        signal
    }

    /// Notes a value that was set here.
    pub(super) fn note(&mut self, def: &'static DocumentDef, document: &Document) {
        self.json.insert(def.name, Arc::clone(&document.json));
    }

    /// Takes a value that the leader, or a journal, has for this session.
    pub(super) fn arrive(&mut self, live: &mut Live, document: &Document) {
        let Some(def) = self.schema.document(&document.key.name) else { return };
        if self.key(def) != document.key {
            return;
        }
        if let Some(slot) = self.signals.get(def.name) {
            slot.set_json(live, &document.json);
        }
        self.json.insert(def.name, Arc::clone(&document.json));
    }
}
