//! Deep and wide graphs, and the thunks that runs make.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use super::World;
use crate::{
    graph::{Equality, Graph, Handle, NodeId, NodeStats, ReadError},
    testing::test,
};

/// Runs on a stack smaller than wasm's 1 MB.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(test).unwrap();
    thread.join().unwrap();
}

const DEEP: i64 = 100_000;

#[test]
fn a_chain_of_100_000_thunks_is_evaluated_re_evaluated_and_dropped() {
    let mut graph = Graph::<(), String>::new();
    let input = graph.add_ref(Equality::by_value(), 0_i64);
    let mut top: Handle<i64> = (*input).clone();
    let mut middle = top.clone();
    for depth in 0..DEEP {
        let below = top;
        top = graph.add_thunk(Equality::by_value(), move |cx| Ok(*cx.get(&below)? + 1));
        if depth == DEEP / 2 {
            middle = top.clone();
        }
    }
    let effect = graph.observe(&top, &()).unwrap();
    graph.check_invariants();
    let NodeStats { runs, aborted, .. } = graph.stats(middle.id());
    assert!(runs == 1 && aborted <= 1, "{runs} {aborted}");
    assert_eq!(graph.read(&top, &()).unwrap(), Arc::new(DEEP));

    graph.set(&input, 1).unwrap();
    let refreshed = graph.refresh(&());
    assert_eq!((refreshed.changed, refreshed.ran.len()), (vec![effect.id()], DEEP as usize));
    assert_eq!(
        (graph.read(&top, &()).unwrap(), graph.stats(middle.id()).aborted),
        (Arc::new(DEEP + 1), aborted)
    );
    graph.check_invariants();
    drop((effect, top, middle));
    assert_eq!((graph.node_count(), graph.edge_count()), (1, 0));
    graph.check_invariants();
}

#[std::prelude::v1::test]
fn so_is_it_on_a_stack_smaller_than_that_of_wasm() {
    on_a_small_stack(a_chain_of_100_000_thunks_is_evaluated_re_evaluated_and_dropped);
}

#[std::prelude::v1::test]
fn an_aborted_run_leaves_no_trace_even_if_its_closure_hides_or_panics() {
    on_a_small_stack(|| {
        for panics in [false, true] {
            let mut graph = Graph::<(), String>::new();
            let input = graph.add_ref(Equality::by_value(), 0_i64);
            let mut top: Handle<i64> = (*input).clone();
            for _ in 0..100 {
                let (below, first) = (top, AtomicBool::new(true));
                top = graph.add_thunk(Equality::by_value(), move |cx| match cx.get(&below) {
                    Ok(value) => Ok(*value + 1),
                    Err(_) if panics && first.swap(false, Ordering::Relaxed) => panic!("not ready"),
                    Err(_) => Ok(-1_000),
                });
            }
            assert_eq!(graph.read(&top, &()).unwrap(), Arc::new(100));
            assert_eq!(graph.stats(top.id()), NodeStats { runs: 1, cut_offs: 0, aborted: 0 });
            graph.check_invariants();
        }
    });
}

#[test]
fn a_thunk_with_100_000_inputs_reads_each_once() {
    let mut graph = Graph::<(), String>::new();
    let inputs: Vec<_> =
        (0..DEEP).map(|value| graph.add_ref(Equality::by_value(), value)).collect();
    let read = inputs.clone();
    let sum = graph.add_thunk(Equality::by_value(), move |cx| {
        let once = read
            .iter()
            .try_fold(0, |sum, node| Ok::<_, ReadError<String>>(sum + *cx.get(node)?))?;
        read.iter().try_fold(once, |sum, node| Ok(sum + *cx.get(node)?))
    });
    let _effect = graph.observe(&sum, &()).unwrap();
    assert_eq!(graph.edge_count() as i64, DEEP + 1);
    graph.set(&inputs[7], 8).unwrap();
    assert_eq!(graph.refresh(&()).ran, [sum.id()]);
    assert_eq!(*graph.read(&sum, &()).unwrap(), DEEP * (DEEP - 1) + 2);
    graph.check_invariants();
}

#[test]
fn a_thunk_made_in_a_run_lives_as_long_as_it_is_read() {
    let mut world = World::new();
    let (which, shared) = (world.input(0), world.input(10));
    let (w, base) = (which.clone(), shared.clone());
    let made: Arc<Mutex<Vec<NodeId>>> = Arc::default();
    let log = Arc::clone(&made);
    let node = world.thunk(move |cx| {
        let (add, base) = (*cx.get(&w)?, base.clone());
        let known = log.lock().unwrap().first().copied();
        let inner = match known.and_then(|id| cx.handle(id)) {
            Some(inner) if add == 0 => inner,
            _ => cx.add_thunk(Equality::by_value(), move |cx| Ok(*cx.get(&base)? + add)),
        };
        log.lock().unwrap().push(inner.id());
        Ok(*cx.get(&inner)? * 2)
    });
    let _effect = world.observe(&node);
    assert_eq!((world.read(&node), world.counts()), (Ok(20), (5, 4)));
    // A change below it does not make it anew.
    world.set(&shared, 11);
    world.refresh();
    assert_eq!(world.read(&node), Ok(22));
    world.set(&which, 5);
    world.refresh();
    assert_eq!((world.read(&node), world.counts()), (Ok(32), (5, 4)));
    let made = made.lock().unwrap();
    assert!(made.len() == 3 && made[0] == made[1] && made[1] != made[2], "{made:?}");
}
