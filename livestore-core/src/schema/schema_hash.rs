//! The hash that names a schema.
//!
//! It decides whether a state file fits an app, so its bytes are a format of our own: xxh3 over length-prefixed names in
//! an order that doesn't depend on how the app lists them.

use livestore_sync::Lane;
use xxhash_rust::xxh3::Xxh3;

use super::def::{DefaultDef, DocumentDef, DocumentOwner, EventDef, SqlType, TableDef};

/// Feeds parts to the hash so that no two sequences of parts are the same bytes.
struct Canonical(Xxh3);

impl Canonical {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn texts(&mut self, texts: &[&str]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }

    fn lane(&mut self, lane: Lane) {
        self.number(match lane {
            Lane::Synced => 0,
            Lane::ClientOnly => 1,
        });
    }

    fn table(&mut self, table: &TableDef) {
        self.text(table.name);
        self.lane(table.lane);
        self.number(table.columns.len() as u64);
        for column in table.columns {
            self.text(column.name);
            self.number(match column.sql_type {
                SqlType::Integer => 0,
                SqlType::Real => 1,
                SqlType::Text => 2,
                SqlType::Blob => 3,
            });
            self.number(u64::from(column.nullable));
            match column.default {
                None => self.number(0),
                Some(DefaultDef::Integer(integer)) => self.text(&format!("i{integer}")),
                Some(DefaultDef::Real(real)) => self.text(&format!("r{:x}", real.to_bits())),
                Some(DefaultDef::Text(text)) => self.text(&format!("t{text}")),
            }
        }
        self.texts(table.primary_key);
        let mut indexes: Vec<_> =
            table.indexes.iter().map(|index| index.name(table.name)).collect();
        indexes.sort_unstable();
        self.texts(&indexes.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// The hash of a schema and of its materializers' version.
pub(super) fn hash(
    tables: &[&TableDef],
    events: &[EventDef],
    documents: &[&DocumentDef],
    materializers: u32,
) -> u64 {
    /// Stepped when the canonical form itself changes, or the SQL that tables become.
    const FORM: u64 = 1;
    let mut canonical = Canonical(Xxh3::new());
    canonical.number(FORM);
    canonical.number(u64::from(materializers));
    let mut tables = tables.to_vec();
    tables.sort_unstable_by_key(|table| table.name);
    canonical.number(tables.len() as u64);
    tables.iter().for_each(|table| canonical.table(table));
    let mut events: Vec<_> = events.iter().map(|event| (event.name, event.lane)).collect();
    events.sort_unstable();
    canonical.number(events.len() as u64);
    for (name, lane) in events {
        canonical.text(name);
        canonical.lane(lane);
    }
    let mut documents = documents.to_vec();
    documents.sort_unstable_by_key(|document| document.name);
    canonical.number(documents.len() as u64);
    for document in documents {
        canonical.text(document.name);
        canonical.number(match document.owner {
            DocumentOwner::Tab => 0,
            DocumentOwner::Client => 1,
        });
    }
    canonical.0.digest()
}
