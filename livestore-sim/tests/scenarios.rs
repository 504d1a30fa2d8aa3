//! Stories with a name, beside the random runs. Every step checks every invariant; `Settle` checks convergence.

use livestore_sim::{Action, Fate, Schema, World};
use livestore_sync::{Lane, LeaderStatus};

/// What a commit's bits mean: an `Added` of one event on row 0.
const ADDED: u16 = 0;
/// A `Claimed` of one event on row 0: refused when somebody else was first.
const CLAIMED: u16 = 4;
/// Of the new app only.
const DOUBLED: u16 = 7;

fn commit(session: u8, what: u16) -> Action {
    Action::Commit { session, client_only: false, what }
}

fn step(world: &mut World, action: Action) {
    world.step(action).unwrap_or_else(|error| panic!("{action:?}: {error}"));
}

fn play(world: &mut World, actions: &[Action]) {
    actions.iter().for_each(|action| step(world, *action));
}

fn deliver_all(world: &mut World) {
    while !world.links().is_empty() {
        step(world, Action::Deliver { message: 0 });
    }
}

/// `sessions` tabs of the old app, open and at rest.
fn open(sessions: u8) -> World {
    let mut world = World::new(None);
    step(&mut world, Action::Lead { schema: Schema::Old });
    for tab in 0..sessions {
        step(&mut world, Action::Open { tab, schema: Schema::Old });
    }
    step(&mut world, Action::Settle);
    world
}

fn logged(world: &World) -> usize {
    Lane::ALL.into_iter().map(|lane| world.disk().log.lanes[lane].len()).sum()
}

#[test]
fn a_hand_over_with_sends_in_flight_loses_and_repeats_nothing() {
    let check = |delivered: usize, written: Option<Fate>, drains: bool| {
        let mut world = open(2);
        for _ in 0..4 {
            play(&mut world, &[commit(0, ADDED), commit(1, ADDED)]);
        }
        for _ in 0..delivered {
            step(&mut world, Action::Deliver { message: 0 });
        }
        if let Some(fate) = written {
            step(&mut world, Action::Write { fate });
        }
        play(&mut world, &[Action::StepDown { drains }, commit(0, ADDED)]);
        // What was on its way to the old leader reaches the new one.
        play(&mut world, &[Action::Lead { schema: Schema::Old }, commit(1, ADDED)]);
        deliver_all(&mut world);
        step(&mut world, Action::Settle);
        assert_eq!(logged(&world), 10, "{delivered} {written:?} {drains}");
    };
    for delivered in 0..8 {
        for drains in [false, true] {
            check(delivered, None, drains);
            let fates =
                [Fate::Lives, Fate::DiesBeforeLog, Fate::DiesBeforeState, Fate::DiesBeforeWord];
            fates.into_iter().for_each(|fate| check(delivered, Some(fate), drains));
        }
    }
}

#[test]
fn a_reload_that_races_with_adoption_commits_once() {
    let check = |push_arrives_first: bool, other_first: bool| {
        let mut world = open(2);
        play(&mut world, &[commit(0, ADDED), commit(0, CLAIMED)]);
        if push_arrives_first {
            deliver_all(&mut world);
        }
        // The reloaded page is the last session, the other tab the first.
        step(&mut world, Action::Reload { session: 0, schema: Schema::Old });
        step(&mut world, Action::Adopt { session: 0, journal: 0 });
        let (early, late) = if other_first { (0, 1) } else { (1, 0) };
        play(&mut world, &[Action::Freeze { session: late }]);
        deliver_all(&mut world);
        step(&mut world, Action::Write { fate: Fate::Lives });
        play(&mut world, &[Action::Freeze { session: late }, Action::Freeze { session: early }]);
        step(&mut world, Action::Wait { ms: 1500 });
        deliver_all(&mut world);
        step(&mut world, Action::Settle);
        assert_eq!(logged(&world), 2);
        assert!(world.counts().adoptions >= 2, "both took the journal");
    };
    for push_arrives_first in [false, true] {
        for other_first in [false, true] {
            check(push_arrives_first, other_first);
        }
    }
}

#[test]
fn two_busy_tabs_do_not_starve_each_other() {
    const ROUNDS: u64 = 100;
    let mut world = open(2);
    let before = world.counts().messages;
    for round in 0..ROUNDS {
        play(&mut world, &[commit(0, ADDED), commit(1, ADDED)]);
        deliver_all(&mut world);
        step(&mut world, Action::Write { fate: Fate::Lives });
        deliver_all(&mut world);
        for node in world.sessions() {
            assert_eq!(node.machine.pending().len(), 0, "round {round}: a tab waits");
        }
    }
    assert_eq!(logged(&world) as u64, 2 * ROUNDS);
    let messages = world.counts().messages - before;
    // Two pushes and one word to each of the two per round; pings beside them.
    assert!(messages <= 4 * ROUNDS + 10, "{messages} messages for {ROUNDS} rounds");
}

#[test]
fn two_tabs_that_commit_without_a_pause_both_get_on() {
    let mut world = open(2);
    for _ in 0..200 {
        // Neither ever waits for the other's commit, nor for an answer.
        play(&mut world, &[commit(0, ADDED), commit(1, ADDED)]);
        play(&mut world, &[Action::Deliver { message: 0 }, Action::Deliver { message: 0 }]);
        step(&mut world, Action::Write { fate: Fate::Lives });
        play(&mut world, &[Action::Deliver { message: 0 }, Action::Deliver { message: 0 }]);
    }
    let of = |world: &World, tab: u64| {
        let rows = &world.disk().log.lanes.synced;
        rows.iter().filter(|row| row.commit.author().tab.0 == tab).count()
    };
    let (first, second) = (of(&world, 0), of(&world, 1));
    assert!(first > 50 && second > 50, "while both were busy: {first} and {second} commits");
    step(&mut world, Action::Settle);
    assert_eq!((of(&world, 0), of(&world, 1)), (200, 200));
}

#[test]
fn a_power_loss_that_takes_the_logs_tail_leaves_a_working_store() {
    let check = |survivors: bool, transactions: u8| {
        let mut world = open(2);
        for _ in 0..5 {
            play(&mut world, &[commit(0, ADDED), commit(1, ADDED)]);
            deliver_all(&mut world);
            step(&mut world, Action::Write { fate: Fate::Lives });
            deliver_all(&mut world);
        }
        let before = logged(&world);
        step(&mut world, commit(0, ADDED));
        step(&mut world, Action::PowerLoss { transactions, survivors });
        assert!(logged(&world) < before, "the loss took nothing");
        let lost = world.disk().state.as_ref().map(|file| file.heads.synced.number);
        assert!(lost > Some(world.disk().log.heads().synced.number), "the state is ahead");
        step(&mut world, Action::Lead { schema: Schema::Old });
        step(&mut world, Action::Settle);
        // The survivors' next n leaves a gap behind what was lost, and is taken all the same.
        let left = logged(&world);
        play(&mut world, &[commit(0, ADDED), commit(0, ADDED), Action::Settle]);
        assert_eq!(logged(&world), left + 2);
    };
    for transactions in [1, 3] {
        check(true, transactions);
        check(false, transactions);
    }
}

#[test]
fn a_log_that_grew_past_a_lost_tail_is_told_apart_by_its_hash() {
    let mut world = open(2);
    for _ in 0..3 {
        play(&mut world, &[commit(0, ADDED)]);
        deliver_all(&mut world);
        step(&mut world, Action::Write { fate: Fate::Lives });
        deliver_all(&mut world);
    }
    // Tab 1 sleeps through the loss and the new history, which is as long as what it knows.
    step(&mut world, Action::Freeze { session: 1 });
    play(&mut world, &[Action::PowerLoss { transactions: 2, survivors: true }]);
    play(&mut world, &[Action::Lead { schema: Schema::Old }]);
    for _ in 0..4 {
        play(&mut world, &[commit(0, CLAIMED + (1 << 5))]);
        play(&mut world, &[commit(0, ADDED)]);
        deliver_all(&mut world);
        step(&mut world, Action::Write { fate: Fate::Lives });
        deliver_all(&mut world);
    }
    let loads = world.counts().loads;
    play(&mut world, &[Action::Freeze { session: 1 }, Action::Settle]);
    assert!(world.counts().loads > loads, "the sleeper kept a state of the lost history");
}

#[test]
fn an_old_leader_hands_over_to_a_new_app_and_back() {
    let mut world = open(1);
    play(&mut world, &[commit(0, ADDED), commit(0, CLAIMED), Action::Settle]);
    // The new app's tab opens while the old one's worker leads: it folds the events itself.
    let (loads, resets) = (world.counts().loads, world.counts().resets);
    play(&mut world, &[Action::Open { tab: 1, schema: Schema::New }, Action::Settle]);
    assert_eq!((world.counts().loads, world.counts().resets), (loads, resets + 1));
    play(&mut world, &[commit(1, DOUBLED), commit(1, ADDED), commit(0, ADDED)]);
    let [old, new] = world.sessions() else { panic!("two tabs are open") };
    assert_ne!(old.state, new.state);

    // Hand-over with all of that on its way.
    play(&mut world, &[Action::StepDown { drains: false }, Action::Lead { schema: Schema::New }]);
    step(&mut world, Action::Settle);
    assert_eq!(world.disk().state.as_ref().map(|file| file.schema), Some(Schema::New));
    assert_eq!(logged(&world), 5);

    play(&mut world, &[commit(0, ADDED), Action::StepDown { drains: true }]);
    play(&mut world, &[Action::Lead { schema: Schema::Old }, Action::Settle]);
    assert_eq!(world.disk().state.as_ref().map(|file| file.schema), Some(Schema::Old));
    assert_eq!(logged(&world), 6);
    assert_eq!(world.disk().log.quarantine.len(), 0);
}

#[test]
fn a_storage_that_refuses_is_told_and_nothing_is_lost() {
    let mut world = open(1);
    step(&mut world, commit(0, ADDED));
    deliver_all(&mut world);
    step(&mut world, Action::Write { fate: Fate::StorageRefuses });
    deliver_all(&mut world);
    let status = world.sessions()[0].machine.status(std::time::Duration::ZERO);
    assert!(matches!(status, LeaderStatus::Stalled { .. }), "{status:?}");
    assert_eq!(world.sessions()[0].machine.pending().len(), 1);
    step(&mut world, Action::Settle);
    assert_eq!(logged(&world), 1);
}

#[test]
fn of_two_claims_the_later_goes_to_quarantine_and_its_tab_goes_on() {
    let mut world = open(2);
    play(&mut world, &[commit(0, CLAIMED), commit(1, CLAIMED), commit(1, ADDED), Action::Settle]);
    assert_eq!(logged(&world), 2);
    let refused: Vec<u64> =
        world.disk().log.quarantine.iter().map(|(commit, _)| commit.author().tab.0).collect();
    assert_eq!(refused, [1]);
}
