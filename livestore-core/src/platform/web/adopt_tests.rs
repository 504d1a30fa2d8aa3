//! Journals of dead sessions in a real page: who adopts them, when, and in which order.

use livestore_sync::{SessionId, StoreId, TabId};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{
    journal_tests::{contents, place, session, store},
    tests::{hears, is_silent, ms, next},
};
use crate::platform::{Journal, adopt_journals, identify, lock_exclusive, sleep, watch_journals};

fn lock_of(store: &StoreId, session: SessionId) -> String {
    format!("livestore-session-{store}-{session}")
}

#[wasm_bindgen_test]
async fn the_journal_of_a_dead_session_is_adopted_by_one_and_stays_until_it_is_forgotten() {
    let (store, dead, alive, own) = (store(), session(1), session(2), session(3));
    let bytes: Vec<u8> = (0..=255).collect();
    for session in [dead, alive] {
        let journal = Journal::open(Some(&place(&store)), session);
        journal.write(&bytes).unwrap();
    }
    drop(Journal::open(Some(&place(&store)), session(4)));
    let living = lock_exclusive(&lock_of(&store, alive)).await.unwrap();

    let adopted = adopt_journals(&place(&store), own).await;
    assert_eq!(contents(&adopted), [(dead, Ok(vec![bytes.clone()]))]);
    assert_eq!(
        adopt_journals(&place(&store), session(5)).await.len(),
        0,
        "the first adopter holds it"
    );
    drop(adopted);
    // The browser frees a lock a moment later.
    drop(lock_exclusive(&lock_of(&store, dead)).await.unwrap());
    sleep(ms(20)).await;
    let mut adopted = adopt_journals(&place(&store), own).await;
    assert_eq!(contents(&adopted), [(dead, Ok(vec![bytes.clone()]))], "the first adopter died");
    adopted.pop().expect("one journal").forget();
    assert_eq!(adopt_journals(&place(&store), own).await.len(), 0);

    let (heard, mut dies) = hears();
    let _watch = watch_journals(&place(&store), own, heard);
    assert!(is_silent(50, &mut dies).await);
    drop(living);
    let adopted = next(&mut dies).await;
    assert_eq!((adopted.session(), adopted.records()), (alive, Ok(vec![bytes])));
    adopted.forget();
}

#[wasm_bindgen_test]
async fn journals_are_adopted_in_the_order_of_their_openings() {
    let store = store();
    let opened = |open: u64| SessionId { tab: TabId(90 - open), open };
    for open in [5, 2, 9, 1, 7, 3] {
        Journal::open(Some(&place(&store)), opened(open)).write(b"words").unwrap();
    }
    let adopted = adopt_journals(&place(&store), opened(10)).await;
    let order: Vec<u64> = adopted.iter().map(|journal| journal.session().open).collect();
    assert_eq!(order, [1, 2, 3, 5, 7, 9]);
    let identity = identify(Some(&place(&store))).await;
    assert!(identity.session().open > 9, "{:?}", identity.session());
}
