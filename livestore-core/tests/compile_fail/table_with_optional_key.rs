use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: Option<String>,
}

fn main() {}
