//! Random runs: what CI takes.

use livestore_sim::{Cluster, Counts, Scene, World, run};

fn sum<S: Scene>(seeds: u64) -> Counts {
    let mut sum = Counts::default();
    for seed in 0..seeds {
        match run::<S>(seed, 1000, None) {
            Ok(counts) => sum.add(&counts),
            Err(failure) => panic!("{failure}"),
        }
    }
    sum
}

#[test]
fn two_hundred_seeds_of_a_thousand_steps_break_no_invariant_and_meet_everything() {
    let sum = sum::<World>(200);
    let Counts { messages, commits, refused, rebases, loads, resets, adoptions, leaders, .. } = sum;
    assert!(messages > 100_000 && commits > 10_000, "too little happens: {sum:?}");
    let rare = [refused, rebases, loads, resets, adoptions, leaders, sum.power_losses];
    assert!(rare.into_iter().all(|count| count > 100), "something hardly happens: {sum:?}");
    assert_eq!(sum.leader_rebases, 0, "without a backend a leader rolls nothing back");
}

#[test]
fn a_million_steps_of_clusters_break_no_invariant_and_meet_everything() {
    let sum = sum::<Cluster>(1000);
    let Counts { messages, commits, refused, rebases, loads, resets, adoptions, leaders, .. } = sum;
    assert!(messages > 500_000 && commits > 50_000, "too little happens: {sum:?}");
    let rare = [refused, rebases, loads, resets, adoptions, leaders, sum.power_losses];
    assert!(rare.into_iter().all(|count| count > 100), "something hardly happens: {sum:?}");
    assert!(sum.leader_rebases > 10_000, "leaders hardly roll back: {sum:?}");
}

fn check_same<S: Scene>() {
    let counts = |_| run::<S>(42, 500, None).expect("seed 42 breaks nothing");
    let [first, second] = [0, 1].map(counts);
    assert_eq!(first, second);
}

#[test]
fn a_seed_always_gives_the_same_run() {
    check_same::<World>();
    check_same::<Cluster>();
}
