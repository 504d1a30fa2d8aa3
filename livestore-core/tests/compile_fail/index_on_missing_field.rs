use livestore_core::Table;

#[derive(Table, PartialEq)]
#[table(index(completed))]
struct Todo {
    #[column(primary_key)]
    id: String,
}

fn main() {}
