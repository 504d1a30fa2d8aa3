//! Stories of several clients and a backend. Every step checks every invariant; `Settle` checks convergence.

use livestore_sim::{Action, Cluster, ClusterAction, Fate, Schema, Setup};
use livestore_sync::{ConnectionStatus, OnBackendChanged};

/// What a commit's bits mean: an `Added` of one event on row 0.
const ADDED: u16 = 384;
/// A `Claimed` of one event on row 0: refused when somebody else was first.
const CLAIMED: u16 = 384 + 4;
/// An event that the backend refuses.
const BARRED: u16 = 0;

fn step(cluster: &mut Cluster, action: ClusterAction) {
    cluster.step(action).unwrap_or_else(|error| panic!("{action:?}: {error}"));
}

fn at(cluster: &mut Cluster, client: u8, action: Action) {
    step(cluster, ClusterAction::Client { client, action });
}

fn commit(cluster: &mut Cluster, client: u8, what: u16) {
    at(cluster, client, Action::Commit { session: 0, client_only: false, what });
}

/// `clients` of one policy, each with a session, at rest.
fn open(clients: usize, plain: bool, policy: OnBackendChanged) -> Cluster {
    let mut cluster = Cluster::new(&Setup { clients: vec![policy; clients], plain }, None);
    for client in 0..u8::try_from(clients).unwrap_or(0) {
        at(&mut cluster, client, Action::Lead { schema: Schema::Old });
        at(&mut cluster, client, Action::Open { tab: 0, schema: Schema::Old });
    }
    step(&mut cluster, ClusterAction::Settle);
    cluster
}

/// Delivers and writes everything of one client, and nothing of time passes but these steps.
fn run(cluster: &mut Cluster, client: u8) {
    let index = usize::from(client);
    loop {
        let links = cluster.clients()[index].world.links().len();
        (0..links).for_each(|_| at(cluster, client, Action::Deliver { message: 0 }));
        let waiting = cluster.clients()[index].world.leader().map_or(0, |l| l.machine.waiting());
        at(cluster, client, Action::Write { fate: Fate::Lives });
        let (requests, answers) = cluster.on_the_way(index);
        (0..requests).for_each(|_| step(cluster, ClusterAction::Ask { client, message: 0 }));
        (0..answers).for_each(|_| step(cluster, ClusterAction::Answer { client, message: 0 }));
        // Behind a partition requests stay where they are.
        if links + waiting == 0 && cluster.on_the_way(index) == (requests, answers) {
            return;
        }
    }
}

fn partition(cluster: &mut Cluster, client: u8) {
    step(cluster, ClusterAction::Partition { client, breaks: true });
}

fn quarantined(cluster: &Cluster, client: usize) -> usize {
    cluster.clients()[client].world.disk().log.quarantine.len()
}

#[test]
fn many_offline_events_against_one_foreign_event_converge() {
    let check = |events: u16, plain: bool| {
        let mut cluster = open(2, plain, OnBackendChanged::Keep);
        partition(&mut cluster, 0);
        for index in 0..events {
            commit(&mut cluster, 0, ADDED);
            if index % 8 == 0 {
                at(&mut cluster, 0, Action::Deliver { message: 0 });
                at(&mut cluster, 0, Action::Write { fate: Fate::Lives });
            }
        }
        commit(&mut cluster, 1, ADDED);
        step(&mut cluster, ClusterAction::Settle);
        assert_eq!(cluster.backend().log.len(), usize::from(events) + 1);
        assert_eq!(quarantined(&cluster, 0), 0);
    };
    check(400, true);
    check(2000, false);
}

#[test]
fn two_connected_writers_alternate_two_thousand_times() {
    let check = |plain: bool| {
        let mut cluster = open(2, plain, OnBackendChanged::Keep);
        for round in 0..1000 {
            for client in [0, 1] {
                commit(&mut cluster, client, ADDED);
            }
            // Every other time both push before either hears of the other.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            order.into_iter().for_each(|client| run(&mut cluster, client));
        }
        step(&mut cluster, ClusterAction::Settle);
        assert_eq!(cluster.backend().log.len(), 2000);
    };
    check(true);
    check(false);
}

#[test]
fn a_constraint_that_only_fails_after_the_rebase_goes_to_quarantine() {
    let mut cluster = open(2, true, OnBackendChanged::Keep);
    partition(&mut cluster, 0);
    [CLAIMED, ADDED].into_iter().for_each(|what| commit(&mut cluster, 0, what));
    run(&mut cluster, 0);
    assert_eq!(quarantined(&cluster, 0), 0, "nobody else has claimed it yet");
    commit(&mut cluster, 1, CLAIMED);
    run(&mut cluster, 1);
    step(&mut cluster, ClusterAction::Settle);
    assert_eq!((quarantined(&cluster, 0), quarantined(&cluster, 1)), (1, 0));
    assert_eq!(cluster.backend().log.len(), 2);
}

#[test]
fn two_offline_clients_that_come_back_at_once_converge() {
    let mut cluster = open(3, true, OnBackendChanged::Keep);
    [0, 1].into_iter().for_each(|client| partition(&mut cluster, client));
    for _ in 0..50 {
        for client in 0..3 {
            commit(&mut cluster, client, ADDED);
            run(&mut cluster, client);
        }
    }
    [0, 1].into_iter().for_each(|client| partition(&mut cluster, client));
    step(&mut cluster, ClusterAction::Settle);
    assert_eq!(cluster.backend().log.len(), 150);
}

#[test]
fn a_lost_acknowledgement_is_recognised_by_the_echo() {
    let mut cluster = open(1, true, OnBackendChanged::Keep);
    commit(&mut cluster, 0, ADDED);
    at(&mut cluster, 0, Action::Deliver { message: 0 });
    at(&mut cluster, 0, Action::Write { fate: Fate::Lives });
    step(&mut cluster, ClusterAction::Ask { client: 0, message: 0 });
    assert_eq!(cluster.backend().log.len(), 1, "the backend has it");
    step(&mut cluster, ClusterAction::Restart { up: true });
    step(&mut cluster, ClusterAction::Settle);
    assert_eq!(cluster.backend().log.len(), 1);
}

#[test]
fn a_refused_commit_is_the_only_one_that_goes() {
    let check = |plain: bool| {
        let mut cluster = open(2, plain, OnBackendChanged::Keep);
        for what in [ADDED, ADDED, BARRED, ADDED] {
            commit(&mut cluster, 0, what);
        }
        commit(&mut cluster, 1, ADDED);
        step(&mut cluster, ClusterAction::Settle);
        assert_eq!((cluster.backend().log.len(), quarantined(&cluster, 0)), (4, 1));
        let reason = &cluster.clients()[0].world.disk().log.quarantine[0].1;
        let expected = if plain { "refused, reason unknown: onPush threw" } else { "barred" };
        assert_eq!(&**reason, expected);
    };
    check(true);
    check(false);
}

#[test]
fn each_policy_answers_a_backend_that_has_lost_something() {
    let check = |policy, empty: bool, left: usize, pending: usize, stopped: bool| {
        let mut cluster = open(2, true, policy);
        commit(&mut cluster, 0, ADDED);
        step(&mut cluster, ClusterAction::Settle);
        step(&mut cluster, ClusterAction::BackUp);
        commit(&mut cluster, 0, ADDED);
        commit(&mut cluster, 1, ADDED);
        step(&mut cluster, ClusterAction::Settle);
        step(&mut cluster, ClusterAction::Replace { empty });
        commit(&mut cluster, 1, ADDED);
        step(&mut cluster, ClusterAction::Settle);
        assert_eq!(cluster.backend().log.len(), left, "{policy:?}");
        assert_eq!(quarantined(&cluster, 1), pending, "{policy:?}");
        let leader = cluster.clients()[0].world.leader().expect("somebody leads");
        let status = leader.machine.backend_status().expect("there is a backend");
        assert_eq!(status.connection == ConnectionStatus::Stopped, stopped, "{policy:?}");
    };
    // What is pending when the loss is noticed goes to quarantine; what comes from sessions later does not.
    check(OnBackendChanged::Reset, false, 1, 1, false);
    check(OnBackendChanged::Reset, true, 0, 1, false);
    check(OnBackendChanged::Keep, false, 4, 0, false);
    check(OnBackendChanged::Keep, true, 4, 0, false);
    check(OnBackendChanged::Fail, false, 1, 0, true);
}

#[test]
fn what_was_logged_without_a_backend_is_pending_when_there_is_one() {
    // A leader with a backend starts on a log that a leader without one has written.
    let mut cluster = open(1, true, OnBackendChanged::Keep);
    step(&mut cluster, ClusterAction::Pause { client: 0, paused: true });
    (0..20).for_each(|_| commit(&mut cluster, 0, ADDED));
    run(&mut cluster, 0);
    assert_eq!(cluster.backend().log.len(), 0);
    at(&mut cluster, 0, Action::StepDown { drains: true });
    at(&mut cluster, 0, Action::Lead { schema: Schema::Old });
    step(&mut cluster, ClusterAction::WriteForeign { what: 0 });
    step(&mut cluster, ClusterAction::Settle);
    assert_eq!(cluster.backend().log.len(), 21);
}
