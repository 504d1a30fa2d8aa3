use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: String,
    #[column(default = "no")]
    completed: bool,
}

fn main() {}
