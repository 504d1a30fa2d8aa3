use livestore_core::{Event, Materialize, MaterializeError, Writes};

#[derive(Event)]
enum TodoEvent {
    #[event(name = "v1.TodoCreated")]
    Created { id: String },
    #[event(name = "v1.TodoCreated")]
    Completed { id: String },
}

impl Materialize for TodoEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

fn main() {}
