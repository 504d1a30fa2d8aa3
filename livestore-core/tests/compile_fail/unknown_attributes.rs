use livestore_core::{ClientDocument, Schema, Table};
use serde::{Deserialize, Serialize};

#[derive(Table, PartialEq)]
#[table(nmae = "todos")]
struct Todo {
    #[column(primary_key)]
    id: String,
}

#[derive(Table, PartialEq)]
struct Task {
    #[column(primary)]
    id: String,
}

#[derive(Table, PartialEq)]
#[table(name = "all tasks")]
struct AllTasks {
    #[column(primary_key)]
    id: String,
}

#[derive(ClientDocument, Serialize, Deserialize, Default, Clone, PartialEq)]
#[document(owner = "everybody")]
struct UiState;

#[derive(Schema)]
#[schema(table(Todo))]
struct App;

fn main() {}
