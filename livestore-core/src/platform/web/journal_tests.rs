//! Journals in a real page, alone and in a store whose leader is a worker of this binary.

use std::{cell::RefCell, rc::Rc, time::Duration};

use livestore_core::{
    ClientDocument, Durability, Event, Materialize, MaterializeError, Schema, Store, StoreOptions,
    Table, Writes,
};
use livestore_sync::{SessionId, StoreId, TabId};
use serde::{Deserialize, Serialize};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{
    identity::local_storage,
    journal::{CHUNK, chunk_key, read_chunks, records},
    tests::{fresh, fresh_place, ms},
};
use crate::{
    platform::{
        Adopted, Journal, JournalError, LeaveWarning, StoragePlace, adopt_journals, identify,
        random_u64, sleep,
    },
    store::from_record,
};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "rows")]
pub(super) struct Row {
    #[column(primary_key)]
    id: i64,
    text: String,
}

#[derive(Event, Clone, Serialize, Deserialize)]
pub(super) enum RowEvent {
    #[event(name = "v1.Inserted")]
    Inserted { id: i64, text: String },
}

impl Materialize for RowEvent {
    fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
        let Self::Inserted { id, text } = self;
        state.insert(Row { id: *id, text: text.clone() })
    }
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Default)]
pub(super) struct Draft {
    text: String,
}

#[derive(Schema)]
#[schema(tables(Row), events(RowEvent), documents(Draft))]
pub(super) struct Rows;

async fn persisted_store() -> Store<Rows> {
    let options = StoreOptions::new(fresh("rows")).persisted();
    Store::open(options).await.expect("a store in OPFS opens")
}

fn inserted(id: usize, length: usize) -> RowEvent {
    RowEvent::Inserted { id: id as i64, text: "x".repeat(length) }
}

pub(super) fn place(store: &StoreId) -> StoragePlace {
    StoragePlace { store: store.clone(), directory: None }
}

/// Whether the browser would ask before it leaves the page.
fn asks_before_leaving() -> bool {
    let init = web_sys::EventInit::new();
    init.set_cancelable(true);
    let event = web_sys::Event::new_with_event_init_dict("beforeunload", &init).unwrap();
    web_sys::window().unwrap().dispatch_event(&event).unwrap();
    event.default_prevented()
}

/// Changes the page by a script, until it is dropped.
struct Changed(&'static str);

impl Changed {
    fn by(script: &str, back: &'static str) -> Self {
        js_sys::eval(script).expect("the script runs");
        Self(back)
    }

    /// As if nobody saw the page.
    fn hidden() -> Self {
        Self::by(
            "Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true })",
            "delete document.visibilityState",
        )
    }

    /// As if other code had used up `localStorage`.
    fn full() -> Self {
        Self::by(
            "globalThis.realSetItem = Storage.prototype.setItem; Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
            "Storage.prototype.setItem = globalThis.realSetItem",
        )
    }

    /// Counts the code units that are written to `localStorage`.
    fn counting() -> Self {
        Self::by(
            "globalThis.realSetItem = Storage.prototype.setItem; globalThis.unitsWritten = 0; Storage.prototype.setItem = function (k, v) { unitsWritten += v.length; return realSetItem.call(this, k, v) }",
            "Storage.prototype.setItem = globalThis.realSetItem",
        )
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        js_sys::eval(self.0).expect("the script runs");
    }
}

fn units_written() -> usize {
    js_sys::eval("unitsWritten").unwrap().as_f64().unwrap() as usize
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        sleep(ms(10)).await;
    }
    panic!("never: {what}");
}

#[wasm_bindgen_test]
async fn commits_are_at_risk_from_the_one_that_does_not_fit_until_the_leader_has_them() {
    let store = persisted_store().await;
    assert_eq!((store.durability(), asks_before_leaving()), (Durability::Safe, false));
    // No message of the leader arrives in this task.
    let mut bytes = 0;
    let mut last = None;
    for id in 0..400 {
        last = Some(store.commit(inserted(id, 10_000)).unwrap());
        if store.durability() == Durability::AtRisk {
            break;
        }
        bytes += 10_000;
    }
    assert_eq!((store.durability(), asks_before_leaving()), (Durability::AtRisk, true));
    assert!((1_940_000..1_966_000).contains(&bytes), "{bytes} bytes of text were safe");
    last.unwrap().persisted().await.unwrap();
    assert_eq!((store.durability(), asks_before_leaving()), (Durability::Safe, false));
}

#[wasm_bindgen_test]
async fn a_document_that_does_not_fit_is_at_risk_until_the_leader_has_it() {
    let store = persisted_store().await;
    let draft = store.document::<Draft>().unwrap();
    draft.set(Draft { text: "x".repeat(1_000_000) }).unwrap();
    assert_eq!(store.durability(), Durability::Safe);
    draft.set(Draft { text: "x".repeat(2_000_000) }).unwrap();
    assert_eq!((store.durability(), asks_before_leaving()), (Durability::AtRisk, true));
    eventually("it is saved", || store.durability() == Durability::Safe).await;
    assert!(!asks_before_leaving());
}

#[wasm_bindgen_test]
async fn a_store_in_memory_says_that_nothing_survives_and_asks_nobody() {
    let wished = Store::<Rows>::open(StoreOptions::new(fresh("rows"))).await.unwrap();
    let refused = Changed::by(
        "globalThis.realWorker = Worker; globalThis.Worker = function () { throw new Error('no workers') }",
        "globalThis.Worker = globalThis.realWorker",
    );
    let fallen_back = persisted_store().await;
    drop(refused);
    for store in [wished, fallen_back] {
        assert_eq!(store.durability(), Durability::InMemory);
        let receipt = store.commit(inserted(1, 3_000_000 / 4)).unwrap();
        assert_eq!((store.durability(), asks_before_leaving()), (Durability::InMemory, false));
        receipt.persisted().await.unwrap();
        assert_eq!(store.durability(), Durability::InMemory);
    }
}

#[wasm_bindgen_test]
async fn without_room_in_local_storage_only_what_the_leader_lacks_is_at_risk() {
    let full = Changed::full();
    let store = persisted_store().await;
    assert_eq!(store.durability(), Durability::Safe, "nothing is unsaved");
    let receipt = store.commit(inserted(1, 1)).unwrap();
    assert_eq!(store.durability(), Durability::AtRisk);
    receipt.persisted().await.unwrap();
    assert_eq!(store.durability(), Durability::Safe);
    drop(full);
    store.commit(inserted(2, 1)).unwrap();
    assert_eq!(store.durability(), Durability::Safe, "there is room again");
}

/// Milliseconds for each of `times` calls.
fn each_takes(times: usize, mut call: impl FnMut()) -> f64 {
    let start = web_time::Instant::now();
    (0..times).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1000.0 / times as f64
}

/// Prints the figures of ARCHITECTURE.md; see there for the command.
#[wasm_bindgen_test]
async fn the_journal_costs_a_commit_little_however_much_the_leader_lacks() {
    let store = persisted_store().await;
    let mut id = 0;
    let mut ratios = Vec::new();
    for _ in 0..4 {
        let commit = each_takes(1_000, || {
            id += 1;
            store.commit(inserted(id, 20)).unwrap();
        });
        assert!(store.pending() == id, "the leader gets no word in");
        let journal = each_takes(1_000, || assert!(store.keep_journals()));
        let text =
            format!("{id} pending: {commit:.4} ms a commit, {journal:.5} ms of it the journal");
        web_sys::console::log_1(&text.into());
        ratios.push(journal / commit);
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[1] < 0.1, "{ratios:?} of a commit is the journal's");
    let hidden = Changed::hidden();
    let commit = each_takes(1_000, || {
        id += 1;
        store.commit(inserted(id, 20)).unwrap();
    });
    web_sys::console::log_1(&format!("hidden, {id} pending: {commit:.4} ms a commit").into());
    drop(hidden);
}

fn journaled_ids(store: &Store<Rows>) -> Vec<u64> {
    let chunks = read_chunks(&local_storage().unwrap(), store.id(), store.session());
    let records = records(&chunks).expect("a sound journal");
    let journals = records.iter().map(|record| from_record(record));
    journals.flat_map(|journal| journal.unwrap().commits).map(|c| c.first_n().get()).collect()
}

#[wasm_bindgen_test]
async fn a_hidden_page_journals_each_commit_once_before_commit_returns() {
    let store = persisted_store().await;
    let hidden = Changed::hidden();
    let counting = Changed::counting();
    let mut most = 0;
    let mut last = None;
    for n in 1..=200 {
        let before = units_written();
        last = Some(store.commit(inserted(n, 1_000)).unwrap());
        most = most.max(units_written() - before);
        if [1, 2, 17, 200].contains(&n) {
            assert_eq!(journaled_ids(&store), (1..=n as u64).collect::<Vec<_>>());
        }
    }
    // A record that ends in the next chunk writes two, and first makes room for the second one.
    assert!(most <= 3 * CHUNK, "{most} code units for one commit");
    let before = units_written();
    let freeze = web_sys::Event::new("freeze").unwrap();
    web_sys::window().unwrap().document().unwrap().dispatch_event(&freeze).unwrap();
    assert_eq!(units_written(), before, "nothing new");
    assert_eq!(store.durability(), Durability::Safe);
    last.unwrap().persisted().await.unwrap();
    assert_eq!(journaled_ids(&store), [0_u64; 0]);
    drop((counting, hidden));
}

#[wasm_bindgen_test]
async fn a_page_that_hides_again_adds_what_is_new() {
    let store = persisted_store().await;
    let hide = || {
        let event = web_sys::Event::new("pagehide").unwrap();
        web_sys::window().unwrap().dispatch_event(&event).unwrap();
    };
    store.commit(inserted(1, 10)).unwrap();
    hide();
    assert_eq!(journaled_ids(&store), [1]);
    store.commit(inserted(2, 10)).unwrap();
    assert_eq!(journaled_ids(&store), [1], "the page is seen");
    hide();
    assert_eq!(journaled_ids(&store), [1, 2]);
}

#[wasm_bindgen_test]
async fn the_client_is_the_same_whether_local_storage_can_be_written_or_not() {
    let place = fresh_place();
    let key = format!("livestore-client-{}", place.store);
    let full = Changed::full();
    let first = identify(Some(&place)).await.client();
    assert_eq!(identify(Some(&place)).await.client(), first, "still full");
    drop(full);
    let storage = local_storage().unwrap();
    assert_eq!(storage.get_item(&key), Ok(None));
    assert_eq!(identify(Some(&place)).await.client(), first, "there is room again");
    assert_eq!(storage.get_item(&key), Ok(Some(first.to_string())));
    storage.remove_item(&key).unwrap();
    assert_eq!(identify(Some(&place)).await.client(), first, "the app has cleared it");
    assert_ne!(identify(Some(&fresh_place())).await.client(), first, "another store's client");
}

pub(super) fn session(tab: u64) -> SessionId {
    SessionId { tab: TabId(tab), open: random_u64() }
}

pub(super) fn store() -> StoreId {
    fresh_place().store
}

pub(super) fn contents(
    adopted: &[Adopted],
) -> Vec<(SessionId, Result<Vec<Vec<u8>>, JournalError>)> {
    adopted.iter().map(|journal| (journal.session(), journal.records())).collect()
}

#[wasm_bindgen_test]
fn a_journal_that_is_given_up_leaves_nothing_and_takes_nothing() {
    let (store, own) = (store(), session(1));
    let journal = Journal::open(Some(&place(&store)), own);
    journal.append(b"words").unwrap();
    journal.give_up();
    assert_eq!(journal.append(b"more"), Err(JournalError::Unavailable));
    assert_eq!(journal.write(b"all"), Err(JournalError::Unavailable));
    assert!(!journal.make_room(CHUNK));
    assert!(read_chunks(&local_storage().unwrap(), &store, own).is_empty());
}

/// What one journal holds at most: 1.87 MiB.
const MOST: usize = 1_966_076;

#[wasm_bindgen_test]
async fn a_journal_has_the_room_it_was_promised() {
    let (store, own) = (store(), session(1));
    let journal = Journal::open(Some(&place(&store)), own);
    assert!(journal.make_room(30_000) && journal.make_room(MOST));
    assert!(!journal.make_room(MOST + 1), "more than a session's share");

    let storage = local_storage().unwrap();
    let key = |n| format!("{store}-app-{n}");
    let filled =
        (0..).take_while(|n| storage.set_item(&key(*n), &"x".repeat(100_000)).is_ok()).count();
    let all = vec![0xa5; MOST];
    assert_eq!(journal.write(&all), Ok(()), "although the app has filled the rest");
    assert!(journal.make_room(MOST), "a journal that stands there keeps its room");
    assert_eq!(journal.append(&[1]), Err(JournalError::Full(1)));
    let too_much = vec![0; MOST + 1];
    assert_eq!(journal.write(&too_much), Err(JournalError::Full(too_much.len())));
    let second = Journal::open(Some(&place(&store)), session(2));
    assert!(!second.make_room(1_000_000));
    assert_eq!(second.write(&all), Err(JournalError::Full(all.len())));
    for n in 0..filled {
        storage.remove_item(&key(n)).unwrap();
    }
    assert!(second.make_room(1_000_000));
    drop((journal, second));
    let mut adopted = adopt_journals(&place(&store), session(3)).await;
    assert_eq!(contents(&adopted), [(own, Ok(vec![all]))]);
    adopted.pop().expect("one journal").forget();
    sleep(Duration::from_millis(1_500)).await;
    let left = read_chunks(&storage, &store, own).len();
    assert_eq!((left, read_chunks(&storage, &store, session(2)).len()), (0, 0), "no key stays");
}

#[wasm_bindgen_test]
async fn records_that_were_added_come_back_in_their_order_however_they_lie_in_the_chunks() {
    for length in [0, 1, 15, 4_000, 30_717, 30_718, 30_719, 40_000, 70_000] {
        let (store, own) = (store(), session(1));
        let journal = Journal::open(Some(&place(&store)), own);
        let written: Vec<Vec<u8>> = (0..9).map(|n| vec![n; length]).collect();
        for record in &written {
            assert_eq!(journal.append(record), Ok(()));
        }
        drop(journal);
        let adopted = adopt_journals(&place(&store), session(2)).await;
        assert_eq!(contents(&adopted), [(own, Ok(written.clone()))], "records of {length} bytes");
        // As if the page had died while it wrote the last one.
        let storage = local_storage().unwrap();
        let chunks = read_chunks(&storage, &store, own);
        let last = chunks.iter().rposition(|chunk| !chunk.starts_with('\u{33ff}')).unwrap();
        let text = chunks[last].trim_end_matches('\u{33ff}');
        let cut = text.chars().take(text.chars().count() - 1).collect::<String>();
        storage.set_item(&chunk_key(&store, own, last), &cut).unwrap();
        let cut_off = records(&read_chunks(&storage, &store, own));
        assert_eq!(cut_off, Ok(written[..8].to_vec()), "records of {length} bytes");
        adopted.into_iter().for_each(Adopted::forget);
        super::journal::remove_chunks(&storage, &store, own);
    }
}

#[wasm_bindgen_test]
async fn a_journal_that_is_none_is_reported_and_left_alone() {
    let (store, dead) = (store(), session(1));
    let storage = local_storage().unwrap();
    let key = format!("livestore-journal-{store}.{dead}");
    storage.set_item(&key, "[]").unwrap();
    storage.set_item(&format!("livestore-journal-{store}.nonsense"), "x").unwrap();
    assert_eq!(
        contents(&adopt_journals(&place(&store), session(2)).await),
        [(dead, Err(JournalError::Damaged))]
    );
    assert_eq!(storage.get_item(&key), Ok(Some("[]".to_owned())));
}

#[wasm_bindgen_test]
async fn a_page_that_hides_writes_what_its_session_has_not_handed_over() {
    let (store, own) = (store(), session(1));
    let journal = Rc::new(Journal::open(Some(&place(&store)), own));
    let pending = Rc::new(RefCell::new(Some(vec![1, 2, 3])));
    let (content, writes) = (Rc::clone(&pending), Rc::downgrade(&journal));
    journal.on_hide(move || {
        let (content, journal) = (content.borrow(), writes.upgrade().expect("it is open"));
        content.as_ref().is_some_and(|bytes| journal.write(bytes).is_ok())
    });
    let hide = |kind: &str| {
        let event = web_sys::Event::new(kind).unwrap();
        web_sys::window().unwrap().dispatch_event(&event).unwrap();
    };
    let storage = local_storage().unwrap();
    let key = format!("livestore-journal-{store}.{own}");
    let left = || {
        storage
            .get_item(&key)
            .unwrap()
            .map(|text| text.trim_end_matches('\u{33ff}').chars().count())
    };
    assert_eq!(left(), Some(0), "only room");
    hide("pagehide");
    assert_eq!(left(), Some(4));
    journal.clear();
    assert_eq!(left(), Some(0), "acknowledged");
    pending.replace(None);
    hide("pagehide");
    assert_eq!(left(), None, "nothing is left behind");
    assert!(journal.make_room(10), "the page came back");
    pending.replace(Some(vec![1, 2, 3, 4]));
    let document = web_sys::window().unwrap().document().unwrap();
    document.dispatch_event(&web_sys::Event::new("freeze").unwrap()).unwrap();
    assert_eq!(left(), Some(5));
    journal.clear();
    drop(journal);
    pending.replace(Some(vec![1]));
    hide("pagehide");
    assert_eq!(left(), None, "the journal is closed");
}

#[wasm_bindgen_test]
fn the_browser_asks_before_the_page_is_left_only_while_the_warning_is_on() {
    let mut warning = LeaveWarning::new();
    let asked = [false, true, true, false].map(|on| {
        warning.set(on);
        asks_before_leaving()
    });
    assert_eq!(asked, [false, true, true, false]);
    warning.set(true);
    drop(warning);
    assert!(!asks_before_leaving());
}
