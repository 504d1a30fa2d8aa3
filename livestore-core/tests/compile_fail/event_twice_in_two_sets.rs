use livestore_core::{Event, Materialize, MaterializeError, Schema, Writes};

#[derive(Event)]
enum TodoEvent {
    #[event(name = "v1.Created")]
    Created { id: String },
}

#[derive(Event)]
enum ListEvent {
    #[event(name = "v1.Created")]
    Created { id: String },
}

impl Materialize for TodoEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

impl Materialize for ListEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

#[derive(Schema)]
#[schema(events(TodoEvent, ListEvent))]
struct App;

fn main() {}
