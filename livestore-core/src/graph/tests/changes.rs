//! What a change makes run, and what it does not.

use super::World;
use crate::{
    graph::{Effect, Equality, Refreshed},
    testing::test,
};

#[test]
fn a_thunk_runs_only_when_an_input_changed() {
    let mut world = World::new();
    let (read, unread) = (world.input(1), world.input(1));
    let sum = world.plus(&read, 10);
    let effect = world.observe(&sum);
    assert_eq!(world.stats(&sum), (1, 0));

    world.set(&unread, 5);
    world.set(&read, 1);
    assert_eq!(world.refresh(), Refreshed::default());

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
    assert_eq!(world.refresh(), Refreshed::default());
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
