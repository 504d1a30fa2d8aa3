//! What the journal costs a commit, natively: a whole commit beside that part of it which is for the journal.
//!
//! `cargo bench -p livestore-core --bench journal`. In a browser the unit tests measure the same
//! (`platform/web/journal_tests.rs`).

use divan::Bencher;
use futures_executor::block_on;
use livestore_core::{
    Event, Materialize, MaterializeError, Schema, Store, StoreOptions, Table, Writes,
};
use tempfile::TempDir;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "counters")]
struct Counter {
    #[column(primary_key)]
    id: i64,
    value: i64,
}

#[derive(Event, Clone)]
enum CounterEvent {
    #[event(name = "v1.CounterSet")]
    Set { id: i64, value: i64 },
}

impl Materialize for CounterEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Set { id, value } = self;
        state.upsert(Counter { id: *id, value: *value })
    }
}

#[derive(Schema)]
#[schema(tables(Counter), events(CounterEvent))]
struct Counters;

fn main() {
    divan::main();
}

fn store() -> (TempDir, Store<Counters>) {
    let directory = tempfile::tempdir().expect("a place for files");
    let options = StoreOptions::new("counters").persisted().directory(directory.path());
    (directory, block_on(Store::open(options)).expect("the store opens"))
}

fn set(store: &Store<Counters>, value: i64) {
    store.commit(CounterEvent::Set { id: value % 100, value }).expect("it applies");
}

/// A commit with everything it does.
#[divan::bench(sample_count = 500, sample_size = 10)]
fn commit(bencher: Bencher<'_, '_>) {
    let (_directory, store) = store();
    let mut value = 0;
    bencher.bench_local(|| {
        value += 1;
        set(&store, value);
    });
}

/// The journal's part of it, right after commits that the leader has hardly heard of.
#[divan::bench(sample_count = 500, sample_size = 10)]
fn journal_alone(bencher: Bencher<'_, '_>) {
    let (_directory, store) = store();
    let mut value = 0;
    let committed = || {
        value += 1;
        set(&store, value);
    };
    bencher.with_inputs(committed).bench_local_values(|()| divan::black_box(store.keep_journals()));
}
