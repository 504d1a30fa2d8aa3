//! Random runs: what CI takes.

use livestore_sim::{Counts, run};

#[test]
fn two_hundred_seeds_of_a_thousand_steps_break_no_invariant_and_meet_everything() {
    let mut sum = Counts::default();
    for seed in 0..200 {
        match run(seed, 1000, None) {
            Ok(counts) => sum.add(&counts),
            Err(failure) => panic!("{failure}"),
        }
    }
    let Counts {
        messages,
        commits,
        refused,
        rebases,
        loads,
        resets,
        adoptions,
        leaders,
        power_losses,
    } = sum;
    assert!(messages > 100_000 && commits > 10_000, "too little happens: {sum:?}");
    let rare = [refused, rebases, loads, resets, adoptions, leaders, power_losses];
    assert!(rare.into_iter().all(|count| count > 100), "something hardly happens: {sum:?}");
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let first = run(42, 500, None).expect("seed 42 breaks nothing");
    let second = run(42, 500, None).expect("seed 42 breaks nothing");
    assert_eq!(first, second);
}
