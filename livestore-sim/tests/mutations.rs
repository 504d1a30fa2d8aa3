//! Each bug on purpose is caught within the seeds that CI runs, and the report names few actions.

use livestore_sim::{Mutation, replay, run};

fn check(mutation: Mutation) {
    let caught = (0..200).find_map(|seed| run(seed, 1000, Some(mutation)).err());
    let failure = caught.unwrap_or_else(|| panic!("{mutation:?} was not caught"));
    assert!(failure.actions.len() < failure.found_with, "nothing could be left out");
    assert!(replay(&failure.actions, Some(mutation)).is_err(), "the report does not fail again");
    assert!(replay(&failure.actions, None).is_ok(), "it fails without the bug, too");
}

#[test]
fn a_group_numbered_before_its_refusals_is_caught() {
    check(Mutation::SkipRenumber);
}

#[test]
fn a_rebase_that_drops_the_last_pending_commit_is_caught() {
    check(Mutation::DropLastPending);
}

#[test]
fn an_undo_in_the_wrong_order_is_caught() {
    check(Mutation::ReorderUndo);
}

#[test]
fn heads_compared_by_number_alone_are_caught() {
    check(Mutation::CompareHeadsByNumber);
}

#[test]
fn a_forgotten_last_n_is_caught() {
    check(Mutation::ForgetLastN);
}
