//! What keeps a node, and who may drop it.

use std::sync::{Arc, Mutex};

use super::World;
use crate::{graph::ReadError, testing::test};

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
