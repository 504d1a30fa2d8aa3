//! What is kept: a shopping list.

use livestore_leptos::{
    ClientDocument, Event, Materialize, MaterializeError, Schema, Table, Writes,
};
use serde::{Deserialize, Serialize};

/// A thing to buy.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "things")]
pub(crate) struct Thing {
    #[column(primary_key)]
    pub(crate) id: String,
    pub(crate) name: String,
    #[column(default = false)]
    pub(crate) bought: bool,
}

/// What can happen to the list.
#[derive(Event, Clone, Debug)]
pub(crate) enum ShoppingEvent {
    #[event(name = "v1.ThingNeeded")]
    Needed { id: String, name: String },
    #[event(name = "v1.ThingBought")]
    Bought { id: String, bought: bool },
}

impl Materialize for ShoppingEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        match self {
            Self::Needed { id, name } => {
                state.insert(Thing { id: id.clone(), name: name.clone(), bought: false })
            }
            Self::Bought { id, bought } => {
                state.update(Thing::query().filter(Thing::ID.eq(id)), Thing::BOUGHT.set(*bought))
            }
        }
    }
}

/// What this tab has typed but not added.
#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
}

/// The store's schema.
#[derive(Schema)]
#[schema(tables(Thing), events(ShoppingEvent), documents(Draft))]
pub(crate) struct Shopping;
