//! What the header promises, one sentence per test. Every step is checked against the invariants by [`World`].
//!
//! A panic ends a wasm program, and it has no threads: tests of these say `std::prelude::v1::test`, which is native only.

use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::{Cx, Effect, Equality, Graph, Handle, MAX_NESTED, NodeId, NodeStats, ReadError, Ref};
use crate::testing::test;

type Result<T> = std::result::Result<T, ReadError<String>>;

/// A graph whose environment is a number, checked before and after each step.
struct World {
    graph: Graph<i64, String>,
    env: i64,
}

impl World {
    fn new() -> Self {
        Self { graph: Graph::new(), env: 0 }
    }

    fn step<R>(&mut self, step: impl FnOnce(&mut Graph<i64, String>, &i64) -> R) -> R {
        self.graph.check_invariants();
        let result = step(&mut self.graph, &self.env);
        self.graph.check_invariants();
        result
    }

    fn input(&mut self, value: i64) -> Ref<i64> {
        self.step(|graph, _| graph.add_ref(Equality::by_value(), value))
    }

    fn thunk(
        &mut self,
        compute: impl Fn(&mut Cx<'_, i64, String>) -> Result<i64> + Send + Sync + 'static,
    ) -> Handle<i64> {
        self.step(|graph, _| graph.add_thunk(Equality::by_value(), compute))
    }

    /// `node + add`, as the commonest thunk.
    fn plus(&mut self, node: &Handle<i64>, add: i64) -> Handle<i64> {
        let node = node.clone();
        self.thunk(move |cx| Ok(*cx.get(&node)? + add))
    }

    fn observe(&mut self, node: &Handle<i64>) -> Effect {
        self.step(|graph, env| graph.observe(node, env)).unwrap()
    }

    fn set(&mut self, node: &Ref<i64>, value: i64) {
        self.step(|graph, _| graph.set(node, value)).unwrap();
    }

    fn read(&mut self, node: &Handle<i64>) -> Result<i64> {
        self.step(|graph, env| graph.read(node, env)).map(|value| *value)
    }

    fn refresh(&mut self) -> super::Refreshed {
        self.step(|graph, env| graph.refresh(env))
    }

    fn mark_dirty(&mut self, id: NodeId) {
        self.step(|graph, _| graph.mark_dirty(id));
    }

    /// (runs, cut-offs)
    fn stats(&self, node: &Handle<i64>) -> (u64, u64) {
        let NodeStats { runs, cut_offs, .. } = self.graph.stats(node.id());
        (runs, cut_offs)
    }

    fn counts(&mut self) -> (usize, usize) {
        self.step(|graph, _| (graph.node_count(), graph.edge_count()))
    }
}

#[test]
fn a_thunk_runs_only_when_an_input_changed() {
    let mut world = World::new();
    let (read, unread) = (world.input(1), world.input(1));
    let sum = world.plus(&read, 10);
    let effect = world.observe(&sum);
    assert_eq!(world.stats(&sum), (1, 0));

    world.set(&unread, 5);
    world.set(&read, 1);
    assert_eq!(world.refresh(), super::Refreshed::default());

    world.set(&read, 2);
    let refreshed = world.refresh();
    assert_eq!((refreshed.changed, refreshed.ran), (vec![effect.id()], vec![sum.id()]));
    assert_eq!((world.read(&sum), world.stats(&sum)), (Ok(12), (2, 0)));
}

#[test]
fn an_equal_result_stops_there() {
    let mut world = World::new();
    let number = world.input(1);
    let input = number.clone();
    let parity = world.thunk(move |cx| Ok(*cx.get(&input)? % 2));
    let above = world.plus(&parity, 100);
    let effect = world.observe(&above);

    world.set(&number, 3);
    let refreshed = world.refresh();
    assert_eq!((refreshed.changed, refreshed.ran), (vec![], vec![parity.id()]));
    assert_eq!(refreshed.cut_off, [parity.id()]);
    assert_eq!((world.stats(&parity), world.stats(&above)), ((2, 1), (1, 0)));

    world.set(&number, 4);
    assert_eq!(world.refresh().changed, [effect.id()]);
}

#[test]
fn many_sets_are_one_refresh_and_a_diamond_runs_once_after_its_inputs() {
    let mut world = World::new();
    let (a, b) = (world.input(1), world.input(2));
    let (left, right) = (world.plus(&a, 10), world.plus(&a, 20));
    let (l, r, direct) = (left.clone(), right.clone(), b.clone());
    let sum = world.thunk(move |cx| Ok(*cx.get(&l)? + *cx.get(&r)? + *cx.get(&direct)?));
    let effect = world.observe(&sum);
    for value in 2..10 {
        world.set(&a, value);
        world.set(&b, value);
    }
    let refreshed = world.refresh();
    assert_eq!(refreshed.ran, [left.id(), right.id(), sum.id()]);
    assert_eq!((refreshed.changed, world.read(&sum)), (vec![effect.id()], Ok(57)));
}

#[test]
fn a_ref_set_back_in_the_same_batch_has_not_changed() {
    let mut world = World::new();
    let input = world.input(1);
    let sum = world.plus(&input, 1);
    let _effect = world.observe(&sum);
    for value in [2, 3, 1] {
        world.set(&input, value);
    }
    assert_eq!(world.refresh(), super::Refreshed::default());
    // But not if somebody looked in between.
    world.set(&input, 2);
    assert_eq!(world.read(&sum), Ok(3));
    world.set(&input, 1);
    assert_eq!(world.refresh().ran, [sum.id()]);
    assert_eq!(world.read(&sum), Ok(2));
}

#[test]
fn an_input_that_is_no_longer_read_does_not_matter() {
    let mut world = World::new();
    let (which, a, b) = (world.input(0), world.input(1), world.input(2));
    let (costly, w, b2) = (world.plus(&a, 10), which.clone(), b);
    let inner = costly.clone();
    let choice = world
        .thunk(move |cx| if *cx.get(&w)? == 0 { Ok(*cx.get(&inner)?) } else { Ok(*cx.get(&b2)?) });
    let _effect = world.observe(&choice);

    // Both change at once: the branch that is left is not computed on the way.
    world.set(&a, 5);
    world.set(&which, 1);
    assert_eq!(world.refresh().ran, [choice.id()]);
    world.set(&a, 6);
    assert_eq!(world.refresh().ran, []);
    assert_eq!((world.read(&choice), world.stats(&costly)), (Ok(2), (1, 0)));
    world.set(&which, 0);
    world.refresh();
    assert_eq!((world.read(&choice), world.stats(&costly)), (Ok(16), (2, 0)));
}

#[test]
fn unobserved_thunks_stay_lazy_and_a_read_gives_a_fresh_value() {
    let mut world = World::new();
    let input = world.input(1);
    let lazy = world.plus(&input, 1);
    assert_eq!(world.stats(&lazy), (0, 0));
    assert_eq!(world.read(&lazy), Ok(2));
    world.set(&input, 5);
    world.set(&input, 7);
    assert_eq!((world.refresh().ran, world.stats(&lazy)), (vec![], (1, 0)));
    assert_eq!((world.read(&lazy), world.stats(&lazy)), (Ok(8), (2, 0)));
    let effect = world.observe(&lazy);
    drop(effect);
    world.set(&input, 8);
    assert_eq!(world.refresh().ran, []);
}

#[test]
fn a_thunk_marked_dirty_runs_though_no_input_changed() {
    let mut world = World::new();
    let query = world.step(|graph, _| graph.add_thunk(Equality::by_value(), |cx| Ok(*cx.env())));
    let above = world.plus(&query, 1);
    let effect = world.observe(&above);
    world.env = 5;
    assert_eq!(world.refresh().ran, []);
    world.mark_dirty(query.id());
    world.mark_dirty(query.id());
    assert_eq!(world.refresh().changed, [effect.id()]);
    assert_eq!((world.read(&above), world.stats(&query)), (Ok(6), (2, 0)));
    world.mark_dirty(query.id());
    assert_eq!(
        (world.refresh().changed, world.stats(&query), world.stats(&above)),
        (vec![], (3, 1), (2, 0))
    );
}

#[test]
fn effects_are_named_in_the_order_they_were_made() {
    let mut world = World::new();
    let input = world.input(0);
    let nodes: Vec<_> = (0..20).map(|add| world.plus(&input, add)).collect();
    let placeholder: Vec<_> = nodes.iter().map(|node| world.observe(node)).collect();
    // Their slots are used again, in another order than that of their ids.
    drop(placeholder);
    let effects: Vec<_> = nodes.iter().rev().map(|node| world.observe(node)).collect();
    world.set(&input, 1);
    assert_eq!(world.refresh().changed, effects.iter().map(Effect::id).collect::<Vec<_>>());
}

#[test]
fn an_error_is_a_value_and_the_last_value_stays() {
    let mut world = World::new();
    let input = world.input(1);
    let number = input.clone();
    let checked = world.thunk(move |cx| match *cx.get(&number)? {
        negative if negative < 0 => Err(ReadError::Failed("negative".to_owned())),
        positive => Ok(positive),
    });
    let above = world.plus(&checked, 1);
    let effect = world.observe(&above);

    let failed: Result<i64> = Err(ReadError::Failed("negative".to_owned()));
    world.set(&input, -1);
    assert_eq!(world.refresh().changed, [effect.id()]);
    assert_eq!((world.read(&above), world.graph.last_value(&above)), (failed, Some(Arc::new(2))));
    // The same error is no change.
    world.set(&input, -2);
    let refreshed = world.refresh();
    assert_eq!((refreshed.changed, refreshed.cut_off), (vec![], vec![checked.id()]));
    // The same value as before the error is one.
    world.set(&input, 1);
    assert_eq!((world.refresh().changed, world.read(&above)), (vec![effect.id()], Ok(2)));
}

#[std::prelude::v1::test]
fn a_panic_is_an_error_of_its_node_and_the_graph_lives_on() {
    let mut world = World::new();
    let input = world.input(1);
    let number = input.clone();
    let fragile = world.thunk(move |cx| {
        let number = *cx.get(&number)?;
        assert!(number != 2, "two is {}", "bad");
        Ok(number)
    });
    let (inner, other) = (fragile.clone(), input.clone());
    let above =
        world.thunk(move |cx| Ok(cx.get(&inner).map_or(-1, |value| *value) + *cx.get(&other)?));
    let effect = world.observe(&above);
    world.set(&input, 2);
    assert_eq!(world.refresh().changed, [effect.id()]);
    assert_eq!(world.read(&fragile), Err(ReadError::Panicked("two is bad".into())));
    assert_eq!(world.read(&above), Ok(1));
    world.set(&input, 3);
    world.refresh();
    assert_eq!((world.read(&fragile), world.read(&above)), (Ok(3), Ok(6)));
}

#[std::prelude::v1::test]
fn a_panic_in_an_equality_or_a_drop_is_contained() {
    #[derive(Debug)]
    struct Nasty(i64);
    impl Drop for Nasty {
        fn drop(&mut self) {
            assert!(self.0 != 1, "dropped");
        }
    }
    let mut world = World::new();
    let input = world.input(1);
    let number = input.clone();
    let equality =
        Equality::by(|_: &Nasty, new: &Nasty| if new.0 == 3 { panic!("compared") } else { false });
    let node =
        world.step(|graph, _| graph.add_thunk(equality, move |cx| Ok(Nasty(*cx.get(&number)?))));
    let effect = world.step(|graph, env| graph.observe(&node, env)).unwrap();
    for (value, expected) in
        [(2, Ok(2)), (3, Err(ReadError::Panicked("compared".into()))), (4, Ok(4))]
    {
        world.set(&input, value);
        assert_eq!(world.refresh().changed, [effect.id()]);
        assert_eq!(world.step(|graph, env| graph.read(&node, env)).map(|nasty| nasty.0), expected);
    }
    world.set(&input, 1);
    world.refresh();
    drop((node, effect, input));
    assert_eq!(world.counts(), (0, 0));
}

/// Closures that read a node which is known only after they were made.
type Late = Arc<OnceLock<Handle<i64>>>;

/// `first` reads `second` if `closed` says so, `second` always reads `first`.
fn circle(world: &mut World, closed: &Ref<i64>, length: usize) -> (Vec<Handle<i64>>, Late) {
    let last = Late::default();
    let (late, closed) = (Arc::clone(&last), closed.clone());
    let first = world.thunk(move |cx| {
        if *cx.get(&closed)? == 0 { Ok(0) } else { cx.get(late.get().unwrap()).map(|v| *v) }
    });
    let mut nodes = vec![first];
    for _ in 1..length {
        let node = world.plus(&nodes[nodes.len() - 1].clone(), 1);
        nodes.push(node);
    }
    last.set(nodes[nodes.len() - 1].clone()).unwrap();
    (nodes, last)
}

#[test]
fn a_cycle_is_an_error_of_all_its_members_and_ends_with_it() {
    for length in [1, 2, 3, MAX_NESTED, 3 * MAX_NESTED] {
        for start in [0, length / 2, length - 1] {
            let mut world = World::new();
            let closed = world.input(1);
            let (nodes, late) = circle(&mut world, &closed, length);
            let outside = world.plus(&nodes[length - 1], 100);
            let effect = world.observe(&nodes[start]);
            let outer = world.observe(&outside);
            for node in nodes.iter().chain([&outside]) {
                assert_eq!(world.read(node), Err(ReadError::Cycle), "{length} from {start}");
            }
            world.set(&closed, 0);
            assert_eq!(world.refresh().changed, [effect.id(), outer.id()]);
            assert_eq!(
                (world.read(&nodes[length - 1]), world.read(&outside)),
                (Ok(length as i64 - 1), Ok(length as i64 + 99))
            );
            world.set(&closed, 1);
            assert_eq!(world.refresh().changed, [effect.id(), outer.id()]);
            assert_eq!(world.read(&nodes[start]), Err(ReadError::Cycle));
            // The circle of captured handles is the test's own.
            world.set(&closed, 0);
            drop((nodes, outside, effect, outer, closed));
            drop(Arc::try_unwrap(late).err());
        }
    }
}

#[test]
fn a_member_of_a_cycle_cannot_hide_it_and_is_not_run_twice() {
    let mut world = World::new();
    let slot = Late::default();
    let late = Arc::clone(&slot);
    let hides = world.thunk(move |cx| Ok(cx.get(late.get().unwrap()).map_or(7, |value| *value)));
    let reads = world.plus(&hides, 1);
    slot.set(reads.clone()).unwrap();
    let _effect = world.observe(&hides);
    assert_eq!(
        (world.read(&hides), world.read(&reads)),
        (Err(ReadError::Cycle), Err(ReadError::Cycle))
    );
    let unrelated = world.input(0);
    world.set(&unrelated, 1);
    assert_eq!(world.refresh().changed, []);
}

#[test]
fn what_nobody_holds_is_freed() {
    let mut world = World::new();
    let input = world.input(1);
    let middle = world.plus(&input, 1);
    let top = world.plus(&middle, 1);
    let effect = world.observe(&top);
    let ids = [input.id(), middle.id(), top.id(), effect.id()];
    drop((input, middle, top));
    assert_eq!(world.counts(), (4, 3));
    assert!(world.step(|graph, _| graph.handle::<String>(ids[1])).is_none(), "of another type");
    let again = world.step(|graph, _| graph.handle::<i64>(ids[1])).unwrap();
    drop(effect);
    assert_eq!((world.read(&again), world.counts()), (Ok(2), (2, 1)));
    drop(again);
    let mut freed = world.step(|graph, _| graph.take_freed());
    freed.sort();
    assert_eq!((freed, world.counts()), (ids.to_vec(), (0, 0)));
    assert!(world.step(|graph, _| graph.handle::<i64>(ids[1])).is_none());
}

#[test]
fn a_dropped_effect_is_not_reported() {
    let mut world = World::new();
    let input = world.input(1);
    let (kept, dropped) = (world.observe(&input), world.observe(&input));
    world.set(&input, 2);
    drop(dropped);
    assert_eq!(world.refresh().changed, [kept.id()]);
}

#[std::prelude::v1::test]
fn handles_may_be_dropped_on_any_thread_and_in_closures() {
    let mut world = World::new();
    let input = world.input(1);
    let slot = Arc::new(Mutex::new(Some(world.plus(&input, 1))));
    let inner = Arc::clone(&slot);
    let node = world.thunk(move |cx| {
        let taken = inner.lock().unwrap().take();
        taken.map_or(Ok(0), |node| cx.get(&node).map(|value| *value))
    });
    assert_eq!((world.read(&node), world.counts()), (Ok(2), (3, 2)));
    std::thread::spawn(move || drop(node)).join().unwrap();
    assert_eq!(world.counts(), (1, 0));
}

#[test]
fn a_handle_of_another_graph_is_an_error() {
    let (mut here, mut there) = (World::new(), World::new());
    let foreign = there.input(1);
    assert_eq!(here.read(&foreign), Err(ReadError::Foreign));
    assert_eq!(here.graph.set(&foreign, 2), Err(ReadError::Foreign));
    assert!(here.graph.observe(&foreign, &0).is_err() && here.graph.last_value(&foreign).is_none());
    let reader = here.plus(&foreign, 1);
    assert_eq!(here.read(&reader), Err(ReadError::Foreign));
}

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
