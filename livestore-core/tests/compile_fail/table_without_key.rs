use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    id: String,
    text: String,
}

fn main() {}
