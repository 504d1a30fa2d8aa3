//! A model of an app's state and materializers, in which a wrong order shows.
//!
//! Every event that has an effect also folds itself into the row [`ORDER`], so two states are equal only if the same
//! events had an effect in the same order, and undoing them in another order leaves another state. Whether an event
//! fails depends on the state alone. Two schemas stand for two versions of an app: they fold differently, refuse
//! differently, and the newer one knows an event that the older one skips.

use std::collections::BTreeMap;

use livestore_sync::{Commit, Event, Lane, PerLane};
use serde::{Deserialize, Serialize};

/// The row that every effect touches.
const ORDER: u8 = 255;

/// A version of the app.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Schema {
    /// Before the deployment.
    Old,
    /// After it.
    New,
}

impl Schema {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::Old, Self::New];

    /// The hash that the link compares.
    pub fn hash(self) -> u64 {
        match self {
            Self::Old => 0x01d,
            Self::New => 0x9e3,
        }
    }
}

/// The tables of both lanes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    rows: PerLane<BTreeMap<u8, u64>>,
}

/// What brings back the state before a commit: old values, oldest write first.
#[derive(Clone, Debug)]
pub struct Undo {
    lane: Lane,
    old: Vec<(u8, Option<u64>)>,
}

impl State {
    /// Applies a commit, or nothing of it.
    ///
    /// # Errors
    /// The materializer's, which only the state and the commit decide.
    pub fn apply(&mut self, schema: Schema, commit: &Commit) -> Result<Undo, String> {
        let mut undo = Undo { lane: commit.lane(), old: Vec::new() };
        for event in commit.events() {
            if let Err(reason) = self.apply_event(schema, event, &mut undo) {
                self.undo(&undo);
                return Err(reason);
            }
        }
        Ok(undo)
    }

    /// Applies a commit of the log event by event; one that fails has no effect.
    pub fn apply_logged(&mut self, schema: Schema, commit: &Commit) -> Undo {
        let mut undo = Undo { lane: commit.lane(), old: Vec::new() };
        for event in commit.events() {
            let before = undo.old.len();
            if self.apply_event(schema, event, &mut undo).is_err() {
                let old = undo.old.split_off(before);
                self.undo(&Undo { lane: undo.lane, old });
            }
        }
        undo
    }

    fn apply_event(
        &mut self,
        schema: Schema,
        event: &Event,
        undo: &mut Undo,
    ) -> Result<(), String> {
        let (key, value): (u8, u64) = serde_json::from_str(event.args.as_str())
            .map_err(|error| format!("arguments of {}: {error}", event.name))?;
        let lane = undo.lane;
        let claim = 100 + key;
        let claimed = self.rows[lane].contains_key(&claim);
        let factor = if schema == Schema::Old { 31 } else { 37 };
        match &*event.name {
            "v1.Added" => {
                let old = self.rows[lane].get(&key).copied().unwrap_or(0);
                self.write(undo, key, Some(old.wrapping_mul(factor).wrapping_add(value)));
            }
            "v1.Claimed" if claimed && (schema == Schema::Old || key.is_multiple_of(2)) => {
                return Err(format!("{key} is claimed already"));
            }
            "v1.Claimed" => self.write(undo, claim, Some(value)),
            "v1.Freed" if !claimed => return Err(format!("{key} is not claimed")),
            "v1.Freed" => self.write(undo, claim, None),
            "v2.Doubled" if schema == Schema::New => {
                let old = self.rows[lane].get(&key).copied().unwrap_or(1);
                self.write(undo, key, Some(old.wrapping_mul(2)));
            }
            // Unknown to this version: in the log, without effect.
            _ => return Ok(()),
        }
        let order = self.rows[lane].get(&ORDER).copied().unwrap_or(0);
        let mark = event.id.session.open.wrapping_mul(1009).wrapping_add(event.id.n.get());
        self.write(undo, ORDER, Some(order.wrapping_mul(0x100_0000_01b3).wrapping_add(mark)));
        Ok(())
    }

    fn write(&mut self, undo: &mut Undo, key: u8, value: Option<u64>) {
        let rows = &mut self.rows[undo.lane];
        let old = match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
        undo.old.push((key, old));
    }

    /// Takes a commit back.
    pub fn undo(&mut self, undo: &Undo) {
        let rows = &mut self.rows[undo.lane];
        for (key, old) in undo.old.iter().rev() {
            match old {
                Some(old) => rows.insert(*key, *old),
                None => rows.remove(key),
            };
        }
    }

    /// A state of these tables.
    pub fn from_lanes(rows: PerLane<BTreeMap<u8, u64>>) -> Self {
        Self { rows }
    }

    /// The tables of one lane.
    pub fn lane(&self, lane: Lane) -> &BTreeMap<u8, u64> {
        &self.rows[lane]
    }

    /// The state as a snapshot's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("BUG: maps of integers can be encoded")
    }

    /// The state of a snapshot's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
