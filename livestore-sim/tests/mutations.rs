//! Each bug on purpose is caught within the seeds that CI runs, and the report names few actions.

use livestore_sim::{Cluster, Mutation, Scene, World, replay, run};

fn check<S: Scene>(mutation: Mutation) {
    let caught = (0..200).find_map(|seed| run::<S>(seed, 1000, Some(mutation)).err());
    let failure = caught.unwrap_or_else(|| panic!("{mutation:?} was not caught"));
    let (seed, actions) = (failure.seed, &failure.actions);
    assert!(actions.len() < failure.found_with, "nothing could be left out");
    assert!(replay::<S>(seed, actions, Some(mutation)).is_err(), "the report does not fail again");
    assert!(replay::<S>(seed, actions, None).is_ok(), "it fails without the bug, too");
}

#[test]
fn a_group_numbered_before_its_refusals_is_caught() {
    check::<World>(Mutation::SkipRenumber);
}

#[test]
fn a_rebase_that_drops_the_last_pending_commit_is_caught() {
    check::<World>(Mutation::DropLastPending);
}

#[test]
fn an_undo_in_the_wrong_order_is_caught() {
    check::<World>(Mutation::ReorderUndo);
}

#[test]
fn heads_compared_by_number_alone_are_caught() {
    check::<World>(Mutation::CompareHeadsByNumber);
}

#[test]
fn a_forgotten_last_n_is_caught() {
    check::<World>(Mutation::ForgetLastN);
}

#[test]
fn a_leaders_rebase_that_drops_the_last_pending_commit_is_caught() {
    check::<Cluster>(Mutation::LeaderDropsPending);
}

#[test]
fn a_leaders_undo_in_the_wrong_order_is_caught() {
    check::<Cluster>(Mutation::LeaderUndoOrder);
}

#[test]
fn a_cursor_that_is_not_written_with_the_log_is_caught() {
    check::<Cluster>(Mutation::ForgetCursor);
}

#[test]
fn a_refused_commit_that_is_not_kept_is_caught() {
    check::<Cluster>(Mutation::ForgetQuarantine);
}

#[test]
fn a_refused_commit_that_arrived_after_all_and_stays_refused_is_caught() {
    check::<Cluster>(Mutation::KeepArrived);
}

#[test]
fn undo_records_dropped_before_the_backend_has_confirmed_are_caught() {
    check::<Cluster>(Mutation::ForgetUndoEarly);
}

#[test]
fn a_roll_back_that_steps_no_epoch_is_caught() {
    check::<Cluster>(Mutation::RebaseAsAdvance);
}

#[test]
fn ids_lost_on_the_wire_are_caught() {
    check::<Cluster>(Mutation::LoseIds);
}

#[test]
fn a_backend_that_appends_whatever_its_head_is_is_caught() {
    check::<Cluster>(Mutation::IgnoreParent);
}

#[test]
fn names_that_are_believed_are_caught() {
    check::<Cluster>(Mutation::BelieveNames);
}

#[test]
fn a_replaced_backend_taken_for_the_old_one_is_caught() {
    check::<Cluster>(Mutation::TrustBackend);
}
