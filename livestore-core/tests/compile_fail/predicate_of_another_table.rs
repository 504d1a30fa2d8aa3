use livestore_core::Table;

#[derive(Table, PartialEq)]
struct Todo {
    #[column(primary_key)]
    id: String,
    done: bool,
}

#[derive(Table, PartialEq)]
struct List {
    #[column(primary_key)]
    id: String,
}

fn main() {
    let _ = Todo::query().filter(List::ID.eq("a"));
    let _ = Todo::query().order_by(List::ID.asc());
    let _ = Todo::query().columns(List::ID);
    let _ = Todo::DONE.eq("yes");
    let _ = Todo::DONE.like("yes");
}
