//! The platform in a real browser: this binary's tests run in a page, its leaders in workers made of its own module.

use std::{cell::RefCell, pin::pin, rc::Rc, time::Duration};

use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, select},
};
use livestore_sync::StoreId;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::platform::{
    Channel, Durability, LeaderEvent, LeaderFailure, LeaderHandle, LeaderScope, SpawnLeader,
    Storage, StorageMode, StoragePlace, StorageRefused, after, every, identify, is_held, is_worker,
    lock_exclusive, now_ms, random_u64, sleep, spawn_leader, spawn_local, try_lock,
};

wasm_bindgen_test_configure!(run_in_browser);
crate::worker_entry!(leader);

const LONG: Duration = Duration::from_secs(20);

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A name that no other test and no earlier run has used.
pub(super) fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", random_u64())
}

pub(super) fn fresh_place() -> StoragePlace {
    StoragePlace { store: fresh("test").parse().expect("a store id"), directory: None }
}

/// What a callback was given, to be waited for.
pub(super) fn hears<T: 'static>() -> (impl Fn(T) + Clone + 'static, UnboundedReceiver<T>) {
    let (heard, hears) = unbounded();
    (move |value| drop(heard.unbounded_send(value)), hears)
}

pub(super) async fn next<T>(hears: &mut UnboundedReceiver<T>) -> T {
    within(LONG, hears.next()).await.flatten().expect("something was to be heard")
}

/// Whether nothing is heard for this many milliseconds.
pub(super) async fn is_silent<T>(millis: u64, hears: &mut UnboundedReceiver<T>) -> bool {
    within(ms(millis), hears.next()).await.flatten().is_none()
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(sleep(time))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

#[wasm_bindgen_test]
async fn a_lock_goes_to_the_waiting_in_their_order_and_skips_who_gave_up() {
    let name = fresh("lock");
    let first = lock_exclusive(&name).await.unwrap();
    assert!(is_held(&name).await.unwrap());
    assert!(try_lock(&name).await.unwrap().is_none());
    let (got, mut order) = hears();
    assert!(within(ms(30), lock_exclusive(&name)).await.is_none(), "given up after 30 ms");
    for who in ["second", "third"] {
        let (name, got) = (name.clone(), got.clone());
        spawn_local(async move {
            let lock = lock_exclusive(&name).await.unwrap();
            got(who);
            drop(lock);
        });
    }
    assert!(is_silent(30, &mut order).await);
    drop(first);
    assert_eq!([next(&mut order).await, next(&mut order).await], ["second", "third"]);
    sleep(ms(20)).await;
    assert!(!is_held(&name).await.unwrap());
    assert!(try_lock(&name).await.unwrap().is_some());
}

#[wasm_bindgen_test]
async fn frames_reach_the_others_of_that_name_in_order_and_nobody_after_the_close() {
    let (one, two) = (fresh("channel"), fresh("channel"));
    let (heard, mut frames) = hears();
    let open = |name: &str, id: char| {
        let heard = heard.clone();
        Channel::open(name, move |frame| heard((id, frame))).unwrap()
    };
    let (a, b, _other) = (open(&one, 'a'), open(&one, 'b'), open(&two, 'c'));
    let large = vec![7; 1 << 20];
    a.post(&[]).unwrap();
    a.post(&large).unwrap();
    b.post(&[3]).unwrap();
    let mut heard = [next(&mut frames).await, next(&mut frames).await, next(&mut frames).await];
    heard.sort_by_key(|(id, _)| *id);
    assert_eq!(heard, [('a', vec![3]), ('b', vec![]), ('b', large)]);
    drop(b);
    a.post(&[4]).unwrap();
    assert!(is_silent(50, &mut frames).await);
}

#[wasm_bindgen_test]
async fn a_callback_may_drop_its_own_channel_and_its_own_timer() {
    let name = fresh("channel");
    let (done, mut dones) = hears();
    let own: Rc<RefCell<Option<Channel>>> = Rc::default();
    let (weak, seen) = (Rc::downgrade(&own), done.clone());
    let channel = Channel::open(&name, move |_frame| {
        drop(weak.upgrade().and_then(|own| own.borrow_mut().take()));
        seen("channel");
    });
    own.replace(Some(channel.unwrap()));
    let other = Channel::open(&name, |_| {}).unwrap();
    other.post(&[1]).unwrap();
    other.post(&[2]).unwrap();
    assert_eq!(next(&mut dones).await, "channel");

    let own = Rc::new(RefCell::new(None));
    let weak = Rc::downgrade(&own);
    let timer = every(ms(5), move || {
        drop(weak.upgrade().and_then(|own| own.borrow_mut().take()));
        done("timer");
    });
    own.replace(Some(timer));
    assert_eq!(next(&mut dones).await, "timer");
    assert!(is_silent(50, &mut dones).await);
}

#[wasm_bindgen_test]
async fn timers_fire_in_the_order_of_their_times_until_they_are_dropped() {
    let (fired, mut fires) = hears();
    let fire = |what: &'static str| {
        let fired = fired.clone();
        move || fired(what)
    };
    let start = now_ms();
    let _late = after(ms(40), fire("late"));
    let dropped = after(ms(20), fire("dropped"));
    let _soon = after(ms(10), fire("soon"));
    drop(dropped);
    assert_eq!([next(&mut fires).await, next(&mut fires).await], ["soon", "late"]);
    assert!(now_ms() - start >= 39);
    let again = every(ms(5), fire("again"));
    assert_eq!([next(&mut fires).await, next(&mut fires).await], ["again"; 2]);
    drop(again);
    while fires.next().now_or_never().is_some() {}
    assert!(is_silent(30, &mut fires).await);
}

#[wasm_bindgen_test]
async fn client_and_tab_last_the_open_does_not_and_a_second_session_has_its_own_tab() {
    let place = fresh_place();
    let first = identify(Some(&place)).await;
    assert!(first.is_lasting());
    let (client, session) = (first.client(), first.session());
    let asked = now_ms();
    let twin = identify(Some(&place)).await;
    assert!(now_ms() - asked < 1000, "the first said at once that the tab is its own");
    assert_eq!(twin.client(), client);
    assert_ne!(twin.session().tab, session.tab, "its tab id was copied while the first lives");
    drop((first, twin));
    let again = identify(Some(&place)).await;
    assert_eq!(again.client(), client);
    assert_ne!(again.session().open, session.open);
    assert_ne!(identify(Some(&fresh_place())).await.client(), client, "another store's client");
}

/// The leaders of these tests: a store's, or one whose configuration is `WHAT NAME`; what happens is told on the channel NAME.
fn leader(scope: LeaderScope) -> LocalBoxFuture<'static, ()> {
    if postcard::from_bytes::<crate::leader::LeaderConfig>(scope.config()).is_ok() {
        // That of a store.
        return crate::leader::run::<super::journal_tests::Rows>(scope);
    }
    async move {
        let config = String::from_utf8(scope.config().to_vec()).expect("text");
        let (what, name) = config.split_once(' ').expect("WHAT NAME");
        let (heard, mut orders) = hears();
        let channel = Channel::open(name, heard).expect("a channel");
        let tell = |text: String| channel.post(text.as_bytes()).expect("a frame");
        let lock_name = format!("{name}-lock");
        let lock = match select(pin!(lock_exclusive(&lock_name)), scope.stopped()).await {
            Either::Left((lock, _)) => lock.expect("a lock"),
            Either::Right(_) => return,
        };
        match what {
            "count" => tell(
                count(&name.parse().expect("a store id")).await.unwrap_or_else(|e| e.to_string()),
            ),
            "tidy" => tell(
                tidy(&name.parse().expect("a store id")).await.unwrap_or_else(|e| e.to_string()),
            ),
            "leave" => return tell("left".to_owned()),
            _ => tell("here".to_owned()),
        }
        let orders = async {
            let order = orders.next().await;
            if order.as_deref() == Some(b"trap") {
                core::arch::wasm32::unreachable();
            }
            panic!("as told: {order:?}");
        };
        select(pin!(orders), pin!(scope.stopped())).await;
        tell("stopped".to_owned());
        drop(lock);
    }
    .boxed_local()
}

/// Adds a row and says how many there are.
async fn count(store: &StoreId) -> Result<String, Box<dyn std::error::Error>> {
    let storage = Storage::open(&StoragePlace { store: store.clone(), directory: None }).await?;
    storage.reserve(1).await?;
    let log = storage.open_database("eventlog.db", Durability::Log)?;
    log.execute_batch("CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES (1)")?;
    let rows: i64 = log.query_one("SELECT count(*) FROM t", [], |row| row.get(0))?;
    let journal: String = log.query_one("PRAGMA journal_mode", [], |row| row.get(0))?;
    // As a leader that is killed: nothing is closed.
    std::mem::forget(log);
    Ok(format!("{rows} in {journal}, {:?}", storage.mode()))
}

/// Makes more databases than the pool has slots at first, deletes all but one, and says what is left.
async fn tidy(store: &StoreId) -> Result<String, Box<dyn std::error::Error>> {
    let storage = Storage::open(&StoragePlace { store: store.clone(), directory: None }).await?;
    for n in 0..12 {
        storage.reserve(1).await?;
        let state = storage.open_database(&format!("state-{n:02}.db"), Durability::State)?;
        state.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1)")?;
    }
    let made = storage.databases()?.len();
    for n in 1..12 {
        assert!(storage.delete_database(&format!("state-{n:02}.db"))?);
    }
    let again = storage.delete_database("state-01.db")?;
    Ok(format!("{made} made, {:?} left, again {again}", storage.databases()?))
}

struct Started {
    handle: LeaderHandle,
    events: UnboundedReceiver<LeaderEvent>,
    told: UnboundedReceiver<Vec<u8>>,
    channel: Channel,
}

fn start(what: &str, name: &str) -> Started {
    start_from(None, false, what, name)
}

fn start_from(script: Option<&str>, inline: bool, what: &str, name: &str) -> Started {
    let (event, events) = hears();
    let (tell, told) = hears();
    let channel = Channel::open(name, tell).unwrap();
    let config = format!("{what} {name}").into_bytes();
    let script = script.map(str::to_owned);
    let spawn = SpawnLeader { name: name.to_owned(), config, script, inline };
    Started { handle: spawn_leader(spawn, leader, event), events, told, channel }
}

impl Started {
    async fn told(&mut self) -> String {
        let mut frame = next(&mut self.told).await;
        while frame == b"stopped" {
            // An earlier leader's last word.
            frame = next(&mut self.told).await;
        }
        String::from_utf8(frame).expect("text")
    }
}

#[wasm_bindgen_test]
async fn a_leader_runs_in_a_worker_until_its_handle_is_dropped() {
    assert!(!is_worker());
    let mut started = start("stay", &fresh("leader"));
    assert_eq!(next(&mut started.events).await, LeaderEvent::Started);
    assert_eq!(started.told().await, "here");
    let Started { handle, mut told, channel: _channel, .. } = started;
    drop(handle);
    assert_eq!(next(&mut told).await, b"stopped");
}

#[wasm_bindgen_test]
async fn a_leader_that_is_done_is_not_started_again() {
    let mut started = start("leave", &fresh("leader"));
    assert_eq!(started.told().await, "left");
    let events = [next(&mut started.events).await, next(&mut started.events).await];
    assert_eq!(events, [LeaderEvent::Started, LeaderEvent::Ended]);
    assert!(is_silent(300, &mut started.events).await);
}

#[wasm_bindgen_test]
async fn a_leader_that_panics_frees_its_lock_and_is_replaced() {
    let mut started = start("stay", &fresh("leader"));
    assert_eq!(started.told().await, "here");
    started.channel.post(b"die").unwrap();
    assert_eq!(next(&mut started.events).await, LeaderEvent::Started);
    let failed = next(&mut started.events).await;
    assert!(
        matches!(&failed, LeaderEvent::Failed { reason: LeaderFailure::Panicked(text), .. } if text.contains("as told")),
        "{failed:?}"
    );
    assert_eq!(started.told().await, "here");
}

#[wasm_bindgen_test]
async fn a_leader_that_traps_without_a_panic_is_replaced_too() {
    let mut started = start("stay", &fresh("leader"));
    assert_eq!(started.told().await, "here");
    started.channel.post(b"trap").unwrap();
    assert_eq!(next(&mut started.events).await, LeaderEvent::Started);
    let failed = next(&mut started.events).await;
    assert!(
        matches!(&failed, LeaderEvent::Failed { reason: LeaderFailure::Crashed(_), .. }),
        "{failed:?}"
    );
    assert_eq!(started.told().await, "here");
}

#[wasm_bindgen_test]
async fn a_worker_whose_script_is_not_there_is_tried_five_times_before_the_page_says_that_it_cant_lead()
 {
    for inline in [false, true] {
        let mut started = start_from(Some("./no-such-file.js"), inline, "leave", &fresh("leader"));
        for _ in 1..5 {
            let failed = next(&mut started.events).await;
            assert!(
                matches!(&failed, LeaderEvent::Failed { reason: LeaderFailure::Blocked(_), .. }),
                "{failed:?}"
            );
        }
        let given_up = next(&mut started.events).await;
        if inline {
            assert!(matches!(&given_up, LeaderEvent::Inline(_)), "{given_up:?}");
            assert_eq!(started.told().await, "left", "the page's own leader");
        } else {
            assert!(matches!(&given_up, LeaderEvent::Unable(_)), "{given_up:?}");
            let failed = next(&mut started.events).await;
            assert!(matches!(&failed, LeaderEvent::Failed { .. }), "and tried again: {failed:?}");
        }
    }
}

#[wasm_bindgen_test]
async fn rows_survive_leaders_that_close_nothing_and_the_next_leader_waits_for_the_lock() {
    let name = fresh_place().store.to_string();
    for rows in 1..=3 {
        let mut leading = start("count", &name);
        assert_eq!(leading.told().await, format!("{rows} in wal, Persistent"));
        if rows == 1 {
            let mut waiting = start("count", &name);
            assert_eq!(next(&mut waiting.events).await, LeaderEvent::Started);
            assert!(is_silent(200, &mut waiting.told).await, "the lock is held");
        }
    }
}

#[wasm_bindgen_test]
async fn the_pool_grows_and_deleted_databases_are_gone() {
    let mut started = start("tidy", fresh_place().store.as_str());
    assert_eq!(started.told().await, "12 made, [\"state-00.db\"] left, again false");
}

#[wasm_bindgen_test]
async fn a_page_reaches_no_files_and_memory_says_why() {
    let refused = Storage::open(&fresh_place()).await.unwrap_err();
    assert!(matches!(refused, StorageRefused::NoWorker(_)), "{refused}");
    let storage = Storage::in_memory(refused.clone());
    assert_eq!(storage.mode(), StorageMode::InMemory(refused));
    let log = storage.open_database("eventlog.db", Durability::Log).unwrap();
    log.execute_batch("CREATE TABLE t(x)").unwrap();
}
