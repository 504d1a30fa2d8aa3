//! What is read between a change and the round that shows it: in a batch, in an observer, beside another thread's batch.

mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use livestore_core::{IntoQuery, LiveQuery, Store, Subscription};
use support::{Draft, Note, NoteEvent, Notes, Seen, Tag, added, ids, memory};

fn count(store: &Store<Notes>) -> LiveQuery<u64> {
    store.live(Note::query().count())
}

fn now(live: &LiveQuery<u64>) -> u64 {
    *live.value().expect("the query runs")
}

/// A computed value of the count, and how often it has run.
fn counted(store: &Store<Notes>) -> (LiveQuery<u64>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let computed = store.computed({
        let runs = Arc::clone(&runs);
        move |cx| {
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(*cx.query(&Note::query().count().into_query())?)
        }
    });
    (computed.expect("not inside the store"), runs)
}

/// Notes what an observer reads whenever it is told of `live`.
fn follow<T: Send + Sync + 'static, S: Clone + Send + 'static>(
    live: &LiveQuery<T>,
    read: impl Fn() -> S + Send + Sync + 'static,
) -> (Seen<S>, Subscription) {
    let seen = Seen::new();
    let subscription = live.on_change({
        let seen = seen.clone();
        move || seen.note(read())
    });
    (seen, subscription)
}

#[test]
fn all_that_a_batch_reads_is_after_its_changes_and_told_once_at_its_end() {
    let store = memory();
    let old = count(&store);
    let (computed, runs) = counted(&store);
    let draft = store.document::<Draft>().expect("the schema has it");
    let signal = store.signal(0_u64).expect("not inside the store");
    let (seen, _subscription) = follow(&old, {
        let (old, computed, draft, signal) =
            (old.clone(), computed.clone(), draft.clone(), signal.clone());
        move || (now(&old), now(&computed), draft.get().text.len() as u64, now(signal.live()))
    });
    let all = || {
        let new = store.live(Note::query().filter(Note::ID.ge(0)).count());
        let asked = ids(&store).len() as u64;
        let text = draft.get().text.len() as u64;
        [now(&old), now(&computed), now(&new), asked, text, now(signal.live())]
    };
    let change = |n: u64| {
        store.commit(added(n.cast_signed())).expect("it applies");
        draft.update(|draft| draft.text.push('x')).expect("it is JSON");
        signal.set(n).expect("not inside the store");
    };
    store.batch(|| {
        for n in 1..=3 {
            change(n);
            assert_eq!(all(), [n; 6]);
            assert_eq!(old.last().as_deref(), Some(&n));
        }
        assert!(seen.take().is_empty(), "nobody is told of parts");
    });
    assert_eq!(seen.take(), [(3, 3, 3, 3)], "one batch, one refresh");
    assert_eq!(runs.load(Ordering::Relaxed), 4, "at first, and for each read of another value");
    store.batch(|| (4..=6).for_each(change));
    assert_eq!(seen.take(), [(6, 6, 6, 6)]);
    assert_eq!(runs.load(Ordering::Relaxed), 5, "what nobody reads in between runs once");
    assert_eq!(all(), [6; 6]);
}

#[test]
fn what_a_batch_reads_first_is_followed_like_anything_else() {
    let store = memory();
    let kept = Mutex::new(None);
    store.batch(|| {
        store.commit(added(1)).expect("it applies");
        let live = count(&store);
        assert_eq!(now(&live), 1);
        let (seen, subscription) = follow(&live, {
            let live = live.clone();
            move || now(&live)
        });
        *kept.lock().expect("no panic") = Some((live, seen, subscription));
    });
    let kept = kept.into_inner().expect("no panic").expect("put there in the batch");
    let (live, seen, _subscription) = kept;
    assert!(seen.take().is_empty(), "it has known that from the start");
    store.commit(added(2)).expect("it applies");
    assert_eq!((now(&live), seen.take()), (2, vec![2]));
}

#[test]
fn a_query_that_fails_in_a_batch_keeps_its_last_value() {
    let store = memory();
    store.commit(added(1)).expect("it applies");
    let fails = store.computed(|cx| {
        let count = *cx.query(&Note::query().count().into_query())?;
        assert!(count < 2, "on purpose");
        Ok(count)
    });
    let fails = fails.expect("not inside the store");
    store.batch(|| {
        store.commit(added(2)).expect("it applies");
        assert!(fails.value().is_err());
        assert_eq!(fails.last().as_deref(), Some(&1));
        store.commit(NoteEvent::Removed { id: 1 }).expect("it applies");
        assert_eq!(now(&fails), 1);
    });
    assert_eq!(now(&fails), 1);
}

#[test]
fn a_batch_shows_nothing_to_another_thread_before_its_end() {
    let store = memory();
    let (old, tags) = (count(&store), store.live(Tag::query().count()));
    let elsewhere = |read: &(dyn Fn() -> [u64; 2] + Sync)| {
        thread::scope(|scope| scope.spawn(read).join().expect("no panic"))
    };
    let both = || [now(&old), now(&tags)];
    store.batch(|| {
        store.commit(added(1)).expect("it applies");
        assert_eq!((both(), elsewhere(&both)), ([1, 0], [0, 0]));
        let theirs = || {
            store.commit(NoteEvent::Tagged { name: "a".into() }).expect("it applies");
            both()
        };
        assert_eq!(elsewhere(&theirs), [0, 0], "its own commit waits with the batch");
        store.commit(added(2)).expect("it applies");
    });
    assert_eq!((both(), elsewhere(&both)), ([2, 1], [2, 1]));
}

#[test]
fn after_an_observer_has_committed_the_next_ones_read_one_moment() {
    let store = memory();
    let (notes, tags) = (count(&store), store.live(Tag::query().count()));
    let moments = Seen::new();
    let subscriptions: Vec<_> = (0..3)
        .map(|observer| {
            let (moments, weak) = (moments.clone(), store.downgrade());
            let (notes_seen, tags_seen) = (notes.clone(), tags.clone());
            let typed = (observer == 1).then(|| store.clone());
            notes.on_change(move || {
                let Some(store) = weak.upgrade() else { return };
                if let Some(typed) = &typed
                    && now(&notes_seen) == 1
                {
                    let tagged = NoteEvent::Tagged { name: "a".into() };
                    typed.commit((added(2), tagged)).expect("it applies");
                }
                let fresh = store.live(Note::query().filter(Note::ID.ge(0)).count());
                moments.note((observer, [now(&notes_seen), now(&tags_seen), now(&fresh)]));
            })
        })
        .collect();
    store.commit(added(1)).expect("it applies");
    let (before, after) = ([1, 0, 1], [2, 1, 2]);
    let told = [(0, before), (1, after), (2, after), (0, after), (1, after), (2, after)];
    assert_eq!(moments.take(), told, "each is told once of each commit");
    drop(subscriptions);
}

#[test]
fn a_subscriber_is_given_the_value_that_it_would_read() {
    let store = memory();
    let seen = Seen::new();
    let other = store.live(Tag::query().count());
    let first = store.live(Note::query().count()).on_change({
        let typed = store.clone();
        move || {
            if ids(&typed).len() == 1 {
                let tagged = NoteEvent::Tagged { name: "a".into() };
                typed.commit((added(2), tagged)).expect("it applies");
            }
        }
    });
    let second = store.subscribe(Note::query().count(), {
        let seen = seen.clone();
        move |count| seen.note((*count, now(&other)))
    });
    assert_eq!(seen.take(), [(0, 0)]);
    store.commit(added(1)).expect("it applies");
    assert_eq!(seen.take(), [(2, 1), (2, 1)]);
    drop((first, second));
}

#[test]
fn a_batch_that_panics_shows_what_it_has_committed() {
    let store = memory();
    let live = count(&store);
    let (seen, _subscription) = follow(&live, {
        let live = live.clone();
        move || now(&live)
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.batch(|| {
            store.commit(added(1)).expect("it applies");
            panic!("on purpose");
        });
    }));
    assert!(panicked.is_err(), "it goes on to the caller");
    assert_eq!((now(&live), seen.take()), (1, vec![1]));
    store.commit(added(2)).expect("it applies");
    assert_eq!(seen.take(), [2]);
}

#[test]
fn a_callback_that_panics_keeps_nothing_from_the_others() {
    let store = memory();
    let seen = Seen::new();
    let live = count(&store);
    let note = |name: &'static str| {
        let seen = seen.clone();
        move || seen.note(name)
    };
    let follow_with = |panics: bool, name| {
        let note = note(name);
        live.on_change(move || {
            note();
            assert!(!panics, "on purpose: {name}");
        })
    };
    let subscriptions = [
        follow_with(false, "first"),
        follow_with(true, "bad"),
        follow_with(true, "worse"),
        follow_with(false, "last"),
    ];
    let status = store.on_status(note("status"));
    for id in [1, 2] {
        let panicked = catch_unwind(AssertUnwindSafe(|| store.commit(added(id))));
        let panic = panicked.expect_err("the first panic goes on to whoever commits");
        let message = panic.downcast_ref::<String>().expect("a panic with a message");
        assert_eq!(message, "on purpose: bad");
        let mut told = seen.take();
        told.dedup();
        told.retain(|name| *name != "status");
        assert_eq!(told, ["first", "bad", "worse", "last"]);
        assert_eq!(now(&live), id.cast_unsigned(), "the commit is made");
    }
    drop((subscriptions, status));
    store.commit(added(3)).expect("it applies");
}

#[test]
fn a_callback_may_end_its_own_subscription_and_make_new_ones_which_wait_for_the_next_round() {
    let store = memory();
    let live = count(&store);
    let seen = Seen::new();
    let slot = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let subscription = live.on_change({
        let (slot, live, seen) = (Arc::clone(&slot), live.clone(), seen.clone());
        move || {
            seen.note("once");
            let mine = std::mem::take(&mut *slot.lock().expect("no panic"));
            let seen = seen.clone();
            let new = live.on_change(move || seen.note("new"));
            slot.lock().expect("no panic").push(new);
            drop(mine);
        }
    });
    slot.lock().expect("no panic").push(subscription);
    store.commit(added(1)).expect("it applies");
    store.commit(added(2)).expect("it applies");
    assert_eq!(seen.take(), ["once", "new"]);
}

#[test]
fn who_keeps_what_it_derives_hears_at_once_when_a_change_waits_for_its_round() {
    let store = memory();
    let (notes, tags) = (count(&store), store.live(Tag::query().count()));
    let told = Seen::new();
    let note = |name: &'static str| {
        let told = told.clone();
        move || told.note(name)
    };
    let subscriptions = [
        notes.on_stale(note("notes stale")),
        tags.on_stale(note("tags stale")),
        notes.on_change(note("notes changed")),
    ];
    store.commit(added(1)).expect("it applies");
    assert_eq!(told.take(), ["notes changed"], "nothing waits");
    store.batch(|| {
        let commit = |id, expected: &[&str]| {
            store.commit(added(id)).expect("it applies");
            assert_eq!(told.take(), expected, "note {id}");
        };
        commit(2, &["notes stale"]);
        commit(3, &[]);
        assert_eq!(now(&notes), 3);
        commit(4, &["notes stale"]);
    });
    assert_eq!(told.take(), ["notes changed"]);
    drop(subscriptions);
}

#[test]
fn a_panic_in_a_callback_that_hears_at_once_leaves_the_batch_whole() {
    let store = memory();
    let live = count(&store);
    let stale = live.on_stale(|| panic!("on purpose"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.batch(|| store.commit(added(1)).expect("it applies"))
    }));
    assert!(panicked.is_err());
    assert_eq!((now(&live), ids(&store)), (1, vec![1]));
    drop(stale);
    store.batch(|| store.commit(added(2)).expect("it applies"));
    assert_eq!(now(&live), 2);
}
