//! Clients that have seen different things come to the same log and state.

use std::{cell::Cell, rc::Rc};

use livestore_sync::{ConnectionStatus, OnBackendChanged, Outcome};

use super::{
    super::{TRAP, UNTRAP},
    Client, Site, settle, wait,
};
use crate::{backend::Backend, link::BackendWish, testing::test};

fn two(site: &Site) -> (Client, Client) {
    let client = |number| Client::new(number, site, OnBackendChanged::Reset);
    let (mut a, mut b) = (client(1), client(2));
    settle(&mut [&mut a, &mut b]);
    (a, b)
}

/// Both have the same log, and states that are its fold.
fn assert_equal(a: &Client, b: &Client) {
    assert_eq!(a.logged(), b.logged());
    assert_eq!(a.check(), b.check());
}

#[test]
fn what_one_commits_the_other_has_and_both_know_that_the_backend_has_it() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Current);
    a.commit(&[1, 2]);
    settle(&mut [&mut a, &mut b]);
    b.commit(&[3]);
    settle(&mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!((a.rows(), a.confirmed(), b.confirmed()), (vec![1, 2, 3], 3, 3));
    let settled = a.take_settled();
    assert_eq!(settled, [(2, Outcome::Persisted), (2, Outcome::Confirmed)]);
    assert_eq!((a.undo_records(), b.undo_records()), (0, 0), "confirmed events are final");
}

#[test]
fn offline_edits_on_both_sides_rebase_and_only_what_fails_then_is_refused() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    site.backend().go_offline();
    a.commit(&[1]);
    a.commit(&[2]);
    b.commit(&[3]);
    b.commit(&[1, 4]);
    b.commit(&[5]);
    wait(3, &mut [&mut a, &mut b]);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Offline);
    assert_eq!((a.rows(), b.rows()), (vec![1, 2], vec![1, 3, 4, 5]));
    assert_eq!((a.undo_records(), b.undo_records()), (2, 3));

    // The first one back is the first in the log.
    site.backend().go_online();
    wait(60, &mut [&mut a]);
    wait(60, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!(a.rows(), [1, 2, 3, 5]);
    assert_eq!(b.quarantined().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [2]);
    assert!(b.quarantined()[0].1.contains("UNIQUE"), "{:?}", b.quarantined());
    let settled = b.take_settled();
    let refused =
        |(n, outcome): &(u64, Outcome)| matches!(outcome, Outcome::Refused { .. }).then_some(*n);
    assert_eq!(settled.iter().filter_map(refused).collect::<Vec<_>>(), [3], "{settled:?}");
}

#[test]
fn many_offline_events_meet_one_foreign_one() {
    for count in [400, 2_000] {
        let site = Site::new();
        let (mut a, mut b) = two(&site);
        site.backend().go_offline();
        for row in 0..count {
            a.commit(&[row]);
        }
        b.commit(&[-1]);
        wait(2, &mut [&mut a, &mut b]);
        site.backend().go_online();
        wait(60, &mut [&mut b]);
        wait(60, &mut [&mut a, &mut b]);
        assert_equal(&a, &b);
        assert_eq!(a.confirmed(), 1 + u64::try_from(count).unwrap());
        assert_eq!(a.logged()[0], r#"{"id":-1}"#, "who comes first is first");
        assert_eq!(a.undo_records(), 0);
    }
}

#[test]
fn a_leader_that_dies_between_the_logs_commit_of_a_rebase_and_the_states_goes_back_and_on() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    a.commit(&[7]);
    settle(&mut [&mut a, &mut b]);
    site.backend().go_offline();
    a.commit(&[1]);
    a.commit(&[2]);
    b.commit(&[3]);
    wait(2, &mut [&mut a, &mut b]);
    site.backend().go_online();
    wait(60, &mut [&mut b]);

    // The log takes the rebase, the state does not.
    a.state(TRAP);
    wait(60, &mut [&mut a, &mut b]);
    assert_eq!(a.logged().len(), 4);
    assert_eq!(a.rows(), [1, 2, 7], "the state is where the log was before");
    a.state(UNTRAP);
    a.kill();
    a.start();
    assert_eq!(a.rows(), [1, 2, 3, 7], "it is healed before anybody is served");
    let serving = format!("{:?}", a.driver().serving());
    assert!(!serving.contains("Rebuilt"), "the undo records lead back: {serving}");
    wait(60, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);

    // The same without a death: the next merge or group brings the state along.
    site.backend().go_offline();
    a.commit(&[4]);
    b.commit(&[5]);
    wait(2, &mut [&mut a, &mut b]);
    site.backend().go_online();
    wait(60, &mut [&mut b]);
    a.state(TRAP);
    wait(60, &mut [&mut a]);
    a.state(UNTRAP);
    a.commit(&[6]);
    wait(60, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!(a.rows(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_rebase_without_undo_records_folds_the_log_anew() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    site.backend().go_offline();
    a.commit(&[1]);
    a.commit(&[2]);
    b.commit(&[3]);
    wait(2, &mut [&mut a, &mut b]);
    a.state("delete from livestore_undo");
    site.backend().go_online();
    wait(60, &mut [&mut b]);
    wait(60, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!(a.rows(), [1, 2, 3]);
}

#[test]
fn a_store_that_gets_its_backend_later_gives_it_everything() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    a.kill();
    let backend = a.set_backend(None);
    a.start();
    a.commit(&[1, 2]);
    a.commit(&[3]);
    settle(&mut [&mut a]);
    assert_eq!(a.undo_records(), 0, "without a backend nothing is rolled back");
    b.commit(&[3]);
    wait(10, &mut [&mut a, &mut b]);

    a.kill();
    a.set_backend(backend);
    a.start();
    wait(60, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!((a.rows(), a.confirmed()), (vec![1, 2, 3], 3));
    assert_eq!(a.quarantined().len(), 1, "row 3 was the other's first");
}

#[test]
fn pending_events_survive_the_leader_and_go_up_with_the_next_one() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    site.backend().go_offline();
    a.commit(&[1]);
    wait(2, &mut [&mut a]);
    a.kill();
    site.backend().go_online();
    a.start();
    a.commit(&[2]);
    wait(10, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!((b.rows(), a.confirmed()), (vec![1, 2], 2));
}

#[test]
fn a_backend_that_has_lost_everything_is_treated_as_the_app_says() {
    for (policy, rows, quarantined) in [
        (OnBackendChanged::Reset, vec![9], 1),
        (OnBackendChanged::Fail, vec![1, 2, 3], 0),
        (OnBackendChanged::Keep, vec![1, 2, 3, 9], 0),
    ] {
        let site = Site::new();
        let mut a = Client::new(1, &site, policy);
        a.commit(&[1]);
        a.commit(&[2]);
        settle(&mut [&mut a]);
        assert_eq!(a.confirmed(), 2);
        site.replace();
        a.commit(&[3]);
        let mut b = Client::new(2, &site, OnBackendChanged::Reset);
        b.commit(&[9]);
        settle(&mut [&mut b]);
        wait(120, &mut [&mut a, &mut b]);
        assert_eq!(a.rows(), rows, "{policy:?}");
        assert_eq!(a.quarantined().len(), quarantined, "{policy:?}");
        let status = a.status.clone().unwrap();
        if policy == OnBackendChanged::Fail {
            assert_eq!(status.connection, ConnectionStatus::Stopped);
            a.check();
        } else {
            assert_eq!(status.connection, ConnectionStatus::Current);
            assert_equal(&a, &b);
        }
        // The next leader goes on from there.
        a.kill();
        a.start();
        wait(120, &mut [&mut a, &mut b]);
        assert_eq!(a.rows(), rows, "{policy:?}");
        a.check();
    }
}

#[test]
fn a_paused_leader_says_nothing_until_it_is_resumed() {
    let site = Site::new();
    let (mut a, mut b) = two(&site);
    a.driver().obey(BackendWish::Pause);
    a.commit(&[1]);
    wait(60, &mut [&mut a, &mut b]);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Paused);
    assert_eq!((a.rows(), b.rows()), (vec![1], vec![]));
    a.driver().obey(BackendWish::Resume);
    wait(1, &mut [&mut a, &mut b]);
    assert_equal(&a, &b);
    assert_eq!(b.rows(), [1]);
}

#[test]
fn retry_asks_at_once_whatever_the_wait() {
    let site = Site::new();
    let (mut a, _b) = two(&site);
    site.backend().go_offline();
    wait(300, &mut [&mut a]);
    site.backend().go_online();
    settle(&mut [&mut a]);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Offline);
    a.driver().obey(BackendWish::Retry);
    settle(&mut [&mut a]);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Current);
}

#[test]
fn retry_connects_anew_for_a_connection_may_be_dead_and_not_say_so() {
    let site = Site::new();
    let dialled = Rc::new(Cell::new(0));
    let dial = {
        let dialled = Rc::clone(&dialled);
        move |_| {
            dialled.set(dialled.get() + 1);
            Box::new(site.backend()) as Box<dyn Backend>
        }
    };
    let mut a = Client::dialling(1, Rc::new(dial), OnBackendChanged::Reset);
    settle(&mut [&mut a]);
    a.commit(&[1]);
    assert_eq!(dialled.get(), 1);
    a.driver().obey(BackendWish::Retry);
    settle(&mut [&mut a]);
    assert_eq!(dialled.get(), 2);
    assert_eq!(a.status.as_ref().unwrap().connection, ConnectionStatus::Current);
    assert_eq!((a.rows(), a.confirmed()), (vec![1], 1));
    a.check();
}
