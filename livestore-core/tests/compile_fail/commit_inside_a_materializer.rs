use livestore_core::{Event, Materialize, MaterializeError, Writes};

#[derive(Event)]
enum TodoEvent {
    #[event(name = "v1.TodoCreated")]
    Created { id: String },
}

impl Materialize for TodoEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        state.commit(Self::Created { id: String::new() })
    }
}

fn main() {}
