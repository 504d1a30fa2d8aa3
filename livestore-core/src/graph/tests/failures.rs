//! Errors, panics and circles.

use std::sync::{Arc, OnceLock};

use super::{Result, World};
use crate::{
    graph::{Equality, Handle, MAX_NESTED, ReadError, Ref},
    testing::test,
};

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
