//! The pending chain: heads that are derived, whatever is merged into it.

use livestore_sync::{Commit, Head, Lane, OutOfSequence, Pending, PerLane};
use proptest::prelude::*;

use crate::build::{commit, commit_in, id, tail, zero};

#[test]
fn heads_are_what_the_base_becomes() {
    let mut pending = Pending::new(zero());
    let (mine, local) = (commit(1, 1, 2), commit_in(Lane::ClientOnly, 1, 3, 3));
    pending.push(mine.clone()).expect("the first");
    pending.push(local.clone()).expect("the next");
    let heads = PerLane { synced: Head::ZERO.after(&mine), client_only: Head::ZERO.after(&local) };
    assert_eq!((pending.heads(), pending.base()), (heads, zero()));
    assert_eq!((heads.synced.number, heads.client_only.number), (2, 1));
    assert_eq!(pending.bytes(mine.author()), mine.bytes() + local.bytes());
    assert_eq!(pending.last_n(mine.author()), Some(3));
    assert_eq!(pending.check_invariants(), Ok(()));
}

#[test]
fn an_authors_events_ascend() {
    let mut pending = Pending::new(zero());
    pending.push(commit(1, 5, 6)).expect("the first may have any n");
    let error = OutOfSequence { id: id(1, 6), last: 6 };
    assert_eq!(pending.push(commit(1, 6, 7)), Err(error));
    assert_eq!(pending.len(), 1);
    pending.push(commit(2, 1, 1)).expect("another author's");
    pending.push(commit(1, 7, 7)).expect("the next");
}

#[test]
fn an_error_changes_nothing() {
    let mut pending = Pending::new(zero());
    pending.push(commit(1, 1, 2)).expect("the first");
    let before = pending.heads();
    let part = tail(zero(), &[commit(1, 2, 2)]);
    assert!(pending.merge(&part, &[]).is_err());
    assert_eq!((pending.heads(), pending.len()), (before, 1));
    assert_eq!(pending.check_invariants(), Ok(()));
}

#[test]
fn what_arrives_in_one_lane_leaves_the_other_alone() {
    let mut pending = Pending::new(zero());
    let local = commit_in(Lane::ClientOnly, 1, 2, 2);
    pending.push(commit(1, 1, 1)).expect("the first");
    pending.push(local.clone()).expect("the next");
    let merges = pending.merge(&tail(zero(), &[commit(2, 1, 1)]), &[]).expect("it merges");
    assert_eq!(merges.iter().map(|merge| merge.lane).collect::<Vec<_>>(), [Lane::Synced]);
    assert_eq!(pending.heads().client_only, Head::ZERO.after(&local));
    assert_eq!(pending.heads().synced.number, 2);
}

#[test]
fn moving_to_another_base_re_chains_what_is_kept() {
    let mut pending = Pending::new(zero());
    for n in 1..=3 {
        pending.push(commit(1, n, n)).expect("the next");
    }
    let base = PerLane { synced: Head::ZERO.after(&commit(2, 1, 9)), ..zero() };
    let gone =
        pending.move_to(base, |commit| (commit.first_n().get() != 1).then(|| commit.clone()));
    assert_eq!(gone, [commit(1, 1, 1)]);
    assert_eq!(pending.heads().synced, base.synced.after(&commit(1, 2, 2)).after(&commit(1, 3, 3)));
    assert_eq!(pending.check_invariants(), Ok(()));
}

proptest! {
    /// Two sides push to one log in turns, as leader and session do, and the chain stays sound.
    #[test]
    fn the_chain_stays_sound_through_merges(turns in prop::collection::vec(0u8..5, 1..60)) {
        let mut pending = Pending::new(zero());
        let (mut mine, mut theirs) = (0, 0);
        let mut log: Vec<Commit> = Vec::new();
        let mut told = 0;
        for turn in turns {
            let lane = if turn % 2 == 0 { Lane::Synced } else { Lane::ClientOnly };
            match turn {
                0 | 1 => {
                    mine += 1;
                    pending.push(commit_in(lane, 1, mine, mine)).expect("the next");
                }
                2 | 3 => {
                    theirs += 1;
                    log.push(commit_in(lane, 2, theirs, theirs));
                }
                _ => {
                    let first = pending.commits().next().cloned();
                    log.extend(first);
                    let refused: Vec<_> = pending.commits().skip(1).take(1).map(Commit::id).collect();
                    let tail = tail(pending.base(), &log[told..]);
                    let merges = pending.merge(&tail, &refused).expect("it merges");
                    told = log.len();
                    let out: usize = merges.iter().map(|m| m.arrived().count() + m.refused.len()).sum();
                    prop_assert!(out <= 2);
                    prop_assert_eq!(pending.base(), tail.heads());
                }
            }
            pending.check_invariants().map_err(TestCaseError::fail)?;
        }
    }
}
