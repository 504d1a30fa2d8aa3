use livestore_core::{Schema, Table};

#[derive(Table, PartialEq)]
#[table(name = "todos")]
struct Todo {
    #[column(primary_key)]
    id: String,
}

#[derive(Table, PartialEq)]
#[table(name = "Todos")]
struct Task {
    #[column(primary_key)]
    id: String,
}

#[derive(Schema)]
#[schema(tables(Todo, Task))]
struct App;

#[derive(Schema)]
#[schema(tables(Todo, Todo))]
struct Other;

fn main() {}
