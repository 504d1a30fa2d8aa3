//! The merge against a naive model: the state as the list of events it has seen.

use livestore_sync::{Commit, EventId, Lane, Merge, MergeError, merge};
use proptest::prelude::*;

use crate::build::{commit, commit_in, event, id};

fn events(commits: &[Commit]) -> Vec<EventId> {
    commits.iter().flat_map(Commit::events).map(|event| event.id).collect()
}

/// Does what a driver does, on a list; panics when the plan undoes what is not the newest.
fn execute(pending: &[Commit], merge: &Merge) -> Vec<EventId> {
    let mut state = events(pending);
    for commit in &merge.roll_back {
        for event in commit.events().iter().rev() {
            assert_eq!(state.pop(), Some(event.id), "undo of what is not the newest");
        }
    }
    state.extend(events(&merge.apply));
    state.extend(events(&merge.reapply));
    state
}

/// What the state must be: what arrived, then what is still pending.
fn model(pending: &[Commit], incoming: &[Commit], refused: &[EventId]) -> Vec<EventId> {
    let arrived = events(incoming);
    let mut expected = arrived.clone();
    for commit in pending {
        let left: Vec<EventId> = events(std::slice::from_ref(commit))
            .into_iter()
            .filter(|id| !arrived.contains(id))
            .collect();
        if left.is_empty() || !refused.contains(&commit.id()) {
            expected.extend(left);
        }
    }
    expected
}

/// Merges, and compares with the model; returns how many commits were rolled back.
fn check(pending: &[Commit], incoming: &[Commit], refused: &[EventId]) -> usize {
    let merge = merge(Lane::Synced, pending, incoming, refused).expect("the input is sound");
    assert_eq!(execute(pending, &merge), model(pending, incoming, refused));
    let out = merge.confirmed.len() + merge.echoed.len() + merge.refused.len();
    let kept = pending.len() - merge.confirmed.len() - merge.roll_back.len();
    assert_eq!(out + kept + merge.reapply.len(), pending.len(), "each commit has one fate");
    merge.roll_back.len()
}

#[test]
fn what_arrives_in_order_is_confirmed_in_place() {
    let mine = [commit(1, 1, 1), commit(1, 2, 3), commit(1, 4, 4)];
    assert_eq!(check(&mine, &[], &[]), 0);
    assert_eq!(check(&mine, &mine[..2], &[]), 0);
    assert_eq!(check(&mine, &mine, &[]), 0);
}

#[test]
fn from_the_first_difference_on_everything_is_rolled_back() {
    let mine = [commit(1, 1, 1), commit(1, 2, 3), commit(1, 4, 4)];
    let theirs = [commit(2, 1, 1)];
    assert_eq!(check(&mine, &theirs, &[]), 3);
    assert_eq!(check(&mine, &[mine[0].clone(), theirs[0].clone()], &[]), 2);
    assert_eq!(check(&mine, &[theirs[0].clone(), mine[0].clone()], &[]), 3);
    assert_eq!(check(&[], &theirs, &[]), 0);
}

#[test]
fn a_refused_commit_goes_with_what_stood_on_it_rolled_back() {
    let mine = [commit(1, 1, 1), commit(1, 2, 3), commit(1, 4, 4)];
    assert_eq!(check(&mine, &[], &[mine[2].id()]), 1);
    assert_eq!(check(&mine, &[], &[mine[1].id()]), 2);
    assert_eq!(check(&mine, &mine[..1], &[mine[1].id()]), 2);
    assert_eq!(check(&mine, &mine[2..], &[mine[0].id(), mine[1].id()]), 3);
    assert_eq!(check(&mine, &[], &[id(9, 9)]), 0);
}

#[test]
fn a_refused_commit_that_arrived_did_arrive() {
    let mine = [commit(1, 1, 1)];
    assert_eq!(check(&mine, &mine, &[mine[0].id()]), 0);
    assert_eq!(check(&mine, &[commit(2, 1, 1), mine[0].clone()], &[mine[0].id()]), 1);
}

#[test]
fn a_commit_that_arrives_in_pieces_keeps_its_rest_pending() {
    let mine = [commit(1, 1, 3), commit(1, 4, 4)];
    assert_eq!(check(&mine, &[commit(1, 1, 1)], &[]), 2);
    assert_eq!(check(&mine, &[commit(1, 1, 1), commit(1, 2, 3)], &[]), 0);
    let both = [commit(1, 1, 2), commit(2, 1, 1)];
    assert_eq!(check(&mine, &both, &[]), 2);
    let merge = merge(Lane::Synced, &mine, &both, &[]).expect("the input is sound");
    assert_eq!(merge.reapply, [commit(1, 3, 3), commit(1, 4, 4)]);
}

#[test]
fn one_arrived_commit_may_confirm_several_pending_ones_and_go_on() {
    let mine = [commit(1, 1, 1), commit(1, 2, 2)];
    assert_eq!(check(&mine, &[commit(1, 1, 3)], &[]), 0);
}

#[test]
fn contradictions_are_errors() {
    let check = |incoming: &[Commit], expected: MergeError| {
        let pending = [commit(1, 1, 2)];
        assert_eq!(merge(Lane::Synced, &pending, incoming, &[]), Err(expected));
    };
    let other = Commit::new(Lane::Synced, vec![event(1, 1, "[1]")]).expect("a commit");
    check(&[other], MergeError::OtherContent { id: id(1, 1) });
    check(&[commit(1, 2, 2)], MergeError::OutOfOrder { id: id(1, 1) });
    let stray = commit_in(Lane::ClientOnly, 2, 1, 1);
    check(std::slice::from_ref(&stray), MergeError::OtherLane { id: stray.id() });
}

#[test]
fn a_name_that_stands_twice_in_a_log_stops_nobody() {
    let other = Commit::new(Lane::Synced, vec![event(1, 1, "[1]")]).expect("a commit");
    let mine = [commit(1, 1, 1), commit(1, 2, 2)];
    let check = |incoming: &[Commit], apply: &[Commit], reapply: &[Commit]| {
        let merge = merge(Lane::Synced, &mine, incoming, &[]).expect("a log may be like that");
        assert_eq!((&merge.apply[..], &merge.reapply[..]), (apply, reapply));
    };
    let twice = [commit(2, 1, 1), commit(2, 1, 1)];
    check(&twice, &twice, &mine);
    check(&[mine[0].clone(), other.clone()], std::slice::from_ref(&other), &mine[1..]);
    check(&[mine[0].clone(), mine[0].clone()], &mine[..1], &mine[1..]);
    let before = [other, mine[0].clone()];
    check(&before, &before, &mine[1..]);
}

/// Commits of one author from n = 1 on, of these sizes.
fn chain(open: u64, sizes: &[u64]) -> Vec<Commit> {
    let mut next = 1;
    let commit = |size: &u64| {
        let first = next;
        next += size;
        commit(open, first, next - 1)
    };
    sizes.iter().map(commit).collect()
}

/// Mixes two lists, each in its order.
fn mix(mut left: Vec<Commit>, mut right: Vec<Commit>, turns: &[bool]) -> Vec<Commit> {
    let mut mixed = Vec::new();
    for turn in turns {
        let side = if *turn { &mut left } else { &mut right };
        if !side.is_empty() {
            mixed.push(side.remove(0));
        }
    }
    mixed.append(&mut left);
    mixed.append(&mut right);
    mixed
}

/// Each commit as it is, or in single events.
fn split(commits: Vec<Commit>, single: &[bool]) -> Vec<Commit> {
    let pieces = commits.into_iter().zip(single.iter().cycle()).flat_map(|(commit, single)| {
        if !single {
            return vec![commit];
        }
        let one = |event: &livestore_sync::Event| {
            Commit::new(commit.lane(), vec![event.clone()]).expect("one event is a commit")
        };
        commit.events().iter().map(one).collect()
    });
    pieces.collect()
}

proptest! {
    #[test]
    fn the_plan_gives_what_arrived_and_then_what_is_left(
        mine in prop::collection::vec(1u64..4, 0..6),
        adopted in prop::collection::vec(1u64..4, 0..4),
        theirs in prop::collection::vec(1u64..4, 0..4),
        arrived in (0usize..10, 0usize..10),
        turns in prop::collection::vec(any::<bool>(), 12),
        other_turns in prop::collection::vec(any::<bool>(), 12),
        single in prop::collection::vec(any::<bool>(), 1..12),
        refused in prop::collection::vec(0usize..10, 0..3),
    ) {
        let (mine, adopted) = (chain(1, &mine), chain(2, &adopted));
        let pending = mix(mine.clone(), adopted.clone(), &turns);
        // Of each author a first part arrives: the log takes n in order.
        let part = |commits: Vec<Commit>, count: usize| {
            let pieces = split(commits, &single);
            let count = count.min(pieces.len());
            pieces[..count].to_vec()
        };
        let own = mix(part(mine, arrived.0), part(adopted, arrived.1), &turns);
        let incoming = mix(own, chain(3, &theirs), &other_turns);
        let refused: Vec<EventId> =
            refused.iter().filter_map(|at| pending.get(*at)).map(Commit::id).collect();
        let rolled_back = check(&pending, &incoming, &refused);
        if events(&pending).starts_with(&events(&incoming)) && incoming.is_empty() && refused.is_empty() {
            prop_assert_eq!(rolled_back, 0);
        }
    }

    #[test]
    fn nothing_before_the_first_difference_is_touched(
        mine in prop::collection::vec(1u64..4, 1..6),
        count in 0usize..6,
        diverges in any::<bool>(),
    ) {
        let pending = chain(1, &mine);
        let count = count.min(pending.len());
        let mut incoming = pending[..count].to_vec();
        if diverges {
            incoming.push(commit(2, 1, 1));
        }
        let expected = if diverges { pending.len() - count } else { 0 };
        prop_assert_eq!(check(&pending, &incoming, &[]), expected);
    }
}
