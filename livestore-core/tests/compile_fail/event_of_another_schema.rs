use livestore_core::{EncodedCommit, Event, Materialize, MaterializeError, Schema, Writes};

#[derive(Event)]
enum TodoEvent {
    #[event(name = "v1.TodoCreated")]
    Created { id: String },
}

#[derive(Event)]
enum ForeignEvent {
    #[event(name = "v1.Foreign")]
    Happened,
}

impl Materialize for TodoEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

impl Materialize for ForeignEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

#[derive(Schema)]
#[schema(events(TodoEvent))]
struct App;

fn main() {
    let _ = EncodedCommit::new::<App>(ForeignEvent::Happened);
    let _ = EncodedCommit::new::<App>((TodoEvent::Created { id: String::new() }, ForeignEvent::Happened));
    let _ = EncodedCommit::new::<App>("no event");
}
