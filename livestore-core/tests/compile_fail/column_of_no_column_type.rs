use livestore_core::Table;

#[derive(PartialEq)]
struct Place {
    name: String,
}

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: String,
    place: Place,
}

fn main() {}
