use livestore_core::{ClientDocument, ColumnType, Event, Schema, Table};

#[derive(Table)]
struct Todo<T> {
    #[column(primary_key)]
    id: T,
}

#[derive(ColumnType)]
struct Id<T>(T);

#[derive(Event)]
enum TodoEvent<'a> {
    #[event(name = "v1.TodoCreated")]
    Created { id: &'a str },
}

#[derive(ClientDocument)]
struct UiState<T> {
    filter: T,
}

#[derive(Schema)]
struct App<const N: usize>;

fn main() {}
