use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: String,
    #[column(default = now())]
    at: i64,
}

fn main() {}
