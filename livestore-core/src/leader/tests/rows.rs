//! For tests inside the engine: a schema of rows that are inserted, and a leader of it in memory.

use livestore_core::{Event, Materialize, MaterializeError, Schema, Table, Writes};
use livestore_sync::{ClientId, SessionId};

use crate::{
    leader::{Driver, LeaderConfig},
    platform::{Storage, StorageRefused},
};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "rows")]
pub(crate) struct Row {
    #[column(primary_key)]
    pub(crate) id: i64,
}

#[derive(Event, Clone)]
pub(crate) enum RowEvent {
    #[event(name = "v1.Inserted")]
    Inserted { id: i64 },
}

impl Materialize for RowEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Inserted { id } = self;
        state.insert(Row { id: *id })
    }
}

#[derive(Schema)]
#[schema(tables(Row), events(RowEvent))]
pub(crate) struct Rows;

pub(crate) const CLIENT: ClientId = ClientId(1);

/// A leader of the schema `L` that `starter` has started.
pub(crate) fn leader_of<L: Schema>(starter: SessionId) -> Driver {
    let schema = L::def().unwrap();
    let config = LeaderConfig {
        store: "rows".parse().unwrap(),
        client: CLIENT,
        starter,
        schema_name: "Rows".to_owned(),
        schema: schema.hash(),
        place: None,
        backend: None,
    };
    Driver::open(&config, schema, &Storage::in_memory(StorageRefused::Wished), |_, _| {}).unwrap()
}
