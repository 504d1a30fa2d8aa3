use livestore_core::Event;

#[derive(Event)]
enum Unnamed {
    Created { id: String },
}

#[derive(Event)]
enum Positional {
    #[event(name = "v1.Created")]
    Created(String, String),
}

#[derive(Event)]
struct NoEnum {
    id: String,
}

fn main() {}
