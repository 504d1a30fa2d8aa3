use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: String,
    text: String,
    #[column(rename = "Text")]
    other: String,
}

fn main() {}
