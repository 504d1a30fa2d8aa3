//! What a live query promises to the effects and memos that read it.
#![cfg(not(target_family = "wasm"))]

mod support;

use leptos::prelude::{
    Get, GetUntracked, IsDisposed, Memo, Read, RwSignal, Set, Signal, Update, With,
};
use livestore_leptos::{LiveSignal, use_client_document, use_query};

use support::{App, Filter, Note, NoteEvent, Seen, Tag, added, note, run};

#[test]
fn an_effect_sees_the_first_value_and_every_change_once() {
    let app = App::new();
    app.add(1);
    let (_owner, seen) = app.component(|| {
        let count = use_query(|| Note::query().count());
        Seen::by_effect(move || count.get())
    });
    assert_eq!(seen.take(), [1]);
    app.add(2);
    assert_eq!(seen.take(), [2]);
    app.store.commit([added(3), added(4)]).expect("it applies");
    run();
    assert_eq!(seen.take(), [4], "a commit of two events is one change");
}

#[test]
fn a_read_right_after_a_commit_is_fresh_without_any_effect_having_run() {
    let app = App::new();
    let (_owner, (count, double)) = app.component(|| {
        let count = use_query(|| Note::query().count());
        (count, Memo::new(move |_| count.get() * 2))
    });
    assert_eq!((count.get_untracked(), double.get_untracked()), (0, 0));
    app.store.commit(added(1)).expect("it applies");
    assert_eq!((count.get_untracked(), double.get_untracked()), (1, 2));
}

#[test]
fn what_a_query_does_not_read_re_runs_nothing() {
    let app = App::new();
    app.add(1);
    app.add(2);
    let (_owner, (row, text, tags)) = app.component(|| {
        let row = use_query(|| note(1).first());
        let text = use_query(|| note(1).columns(Note::TEXT));
        let tags = use_query(|| Tag::query().count());
        (
            Seen::by_effect(move || row.get().map(|note| note.stars)),
            Seen::by_effect(move || text.get()),
            Seen::by_effect(move || tags.get()),
        )
    });
    let check = |event: NoteEvent, expected: [usize; 3]| {
        let what = format!("{event:?}");
        app.commit(event);
        assert_eq!([row.take().len(), text.take().len(), tags.take().len()], expected, "{what}");
    };
    // The first column is what the effects have seen when they were made.
    check(NoteEvent::Tagged { name: "a".into() }, [1, 1, 2]);
    check(added(3), [0, 0, 0]);
    check(NoteEvent::Starred { id: 2 }, [0, 0, 0]);
    check(NoteEvent::Starred { id: 1 }, [1, 0, 0]);
    check(NoteEvent::Tagged { name: "a".into() }, [0, 0, 0]);
    check(NoteEvent::Tagged { name: "b".into() }, [0, 0, 1]);
}

#[test]
fn an_equal_value_stops_at_the_query() {
    let app = App::new();
    app.add(1);
    let (_owner, seen) = app.component(|| {
        let any = use_query(|| {
            Note::query()
                .filter(Note::STARS.ge(0))
                .order_by(Note::ID.asc())
                .limit(1)
                .columns(Note::ID)
        });
        Seen::by_effect(move || any.get())
    });
    assert_eq!(seen.take(), [vec![1]]);
    app.commit(NoteEvent::Starred { id: 1 });
    assert!(seen.take().is_empty(), "the query ran again and gave the same");
}

#[test]
fn cleanup_ends_the_subscription_at_once() {
    let app = App::new();
    let nothing = app.store.node_count();
    let (owner, (seen, query)) = app.component(|| {
        let query = use_query(|| Note::query().count());
        (Seen::by_effect(move || query.get()), query)
    });
    assert_ne!(app.store.node_count(), nothing);
    owner.cleanup();
    assert_eq!(app.store.node_count(), nothing, "without a tick");
    assert!(query.is_disposed());
    seen.take();
    app.add(1);
    assert!(seen.take().is_empty());

    let (owner, _query) = app.component(|| use_query(|| Note::query().count()).get_untracked());
    drop(owner);
    assert_eq!(app.store.node_count(), nothing, "a dropped owner is as good");
}

#[test]
fn a_query_that_nobody_reads_is_not_followed() {
    let app = App::new();
    let nothing = app.store.node_count();
    let (_owner, query) = app.component(|| use_query(|| Note::query().count()));
    assert_eq!(app.store.node_count(), nothing);
    assert_eq!(query.get_untracked(), 0);
    assert_ne!(app.store.node_count(), nothing);
}

#[test]
fn equal_queries_share_one_result() {
    let app = App::new();
    app.add(1);
    let all = || use_query(|| Note::query().order_by(Note::ID.asc()));
    let (_owner, first) = app.component(all);
    let rows = first.read();
    let one = app.store.node_count();
    let (other, second) = app.component(all);
    assert!(std::ptr::eq(&*rows, &*second.read()), "the very same rows");
    assert_eq!(app.store.node_count(), one);
    other.cleanup();
    assert_eq!(app.store.node_count(), one, "the first one still follows it");
    app.add(2);
    assert_eq!(first.with(Vec::len), 2);
}

#[test]
fn nobody_sees_one_query_before_a_commit_and_another_after_it() {
    let app = App::new();
    app.add(1);
    app.add(2);
    app.commit(NoteEvent::Swapped { from: 2, to: 1 });
    let (_owner, (memo, layered, effect)) = app.component(|| {
        let stars = |id: i64| use_query(move || note(id).columns(Note::STARS));
        let (one, two) = (stars(1), stars(2));
        let (memo, layered) = (Seen::new(), Seen::new());
        let both = Memo::new({
            let memo = memo.clone();
            move |_| {
                let pair = (one.get(), two.get());
                memo.note(pair.clone());
                pair
            }
        });
        let (a, b) = (Memo::new(move |_| one.get()), Memo::new(move |_| two.get()));
        let of_memos = Memo::new({
            let layered = layered.clone();
            move |_| {
                let pair = (a.get(), b.get());
                layered.note(pair.clone());
                pair
            }
        });
        let effect = Seen::by_effect(move || [both.get(), (one.get(), two.get()), of_memos.get()]);
        (memo, layered, effect)
    });
    let check = |one: i64, two: i64| {
        let pair = (vec![one], vec![two]);
        let [from_memo, from_layered] = [&memo, &layered].map(Seen::take);
        assert_eq!(from_memo, from_layered);
        assert_eq!(effect.take(), [[pair.clone(), pair.clone(), pair.clone()]]);
        assert_eq!(from_memo, [pair], "each runs once");
    };
    check(1, 0);
    app.commit(NoteEvent::Swapped { from: 1, to: 2 });
    check(0, 1);
    app.commit(NoteEvent::Swapped { from: 2, to: 1 });
    check(1, 0);
}

#[test]
fn a_filter_document_and_the_rows_change_together() {
    let app = App::new();
    app.add(1);
    let (_owner, (seen, filter)) = app.component(|| {
        let filter = use_client_document::<Filter>();
        let shown = use_query(move || {
            let notes = Note::query().order_by(Note::ID.asc()).columns(Note::ID);
            if filter.get().starred { notes.filter(Note::STARS.gt(0)) } else { notes }
        });
        (Seen::by_effect(move || (filter.get().starred, shown.get())), filter)
    });
    assert_eq!(seen.take(), [(false, vec![1])]);
    app.store.batch(|| {
        app.store.commit((added(2), NoteEvent::Starred { id: 2 })).expect("it applies");
        filter.update(|filter| filter.starred = true);
    });
    run();
    assert_eq!(seen.take(), [(true, vec![2])]);
    filter.update(|filter| filter.starred = false);
    run();
    assert_eq!(seen.take(), [(false, vec![1, 2])]);
}

#[test]
fn all_that_is_read_in_a_batch_is_of_one_moment_also_through_memos_and_switched_queries() {
    let app = App::new();
    app.add(1);
    let (_owner, (filter, least, shown, count, memos, seen)) = app.component(|| {
        let filter = use_client_document::<Filter>();
        let least = RwSignal::new(0_i64);
        let shown = use_query(move || {
            let notes = Note::query().filter(Note::ID.ge(least.get())).order_by(Note::ID.asc());
            let notes = notes.columns(Note::ID);
            if filter.get().starred { notes.filter(Note::STARS.gt(0)) } else { notes }
        });
        let count = use_query(|| Note::query().count());
        let starred = Memo::new(move |_| filter.get().starred);
        let (ids, all) = (Memo::new(move |_| shown.get()), Memo::new(move |_| count.get()));
        let memos = Memo::new(move |_| (starred.get(), ids.get(), all.get()));
        (filter, least, shown, count, memos, Seen::by_effect(move || memos.get()))
    });
    let check = |starred: bool, ids: &[i64], all: u64| {
        let expected = (starred, ids.to_vec(), all);
        // The memos first: they have to know by themselves.
        assert_eq!(memos.get_untracked(), expected);
        let direct = (filter.get_untracked().starred, shown.get_untracked(), count.get_untracked());
        assert_eq!(direct, expected);
        expected
    };
    let first = check(false, &[1], 1);
    assert_eq!(seen.take(), [first]);
    let commit = |event: NoteEvent| drop(app.store.commit(event).expect("it applies"));
    app.store.batch(|| {
        commit(added(2));
        check(false, &[1, 2], 2);
        filter.update(|filter| filter.starred = true);
        check(true, &[], 2);
        commit(NoteEvent::Starred { id: 2 });
        check(true, &[2], 2);
        commit(NoteEvent::Starred { id: 1 });
        check(true, &[1, 2], 2);
        least.set(2);
        check(true, &[2], 2);
        commit(added(3));
        commit(NoteEvent::Starred { id: 3 });
        check(true, &[2, 3], 3);
        assert!(seen.take().is_empty(), "effects run after the batch");
    });
    let last = check(true, &[2, 3], 3);
    run();
    assert_eq!(seen.take(), [last], "one batch, one run");
}

#[test]
fn a_batch_without_reads_runs_an_effect_once_and_one_that_changes_no_value_does_not() {
    let app = App::new();
    app.add(1);
    let (_owner, seen) = app.component(|| {
        let first = use_query(|| {
            let noted = Note::query().filter(Note::STARS.ge(0)).order_by(Note::ID.asc());
            noted.limit(1).columns(Note::ID)
        });
        let count = use_query(|| Note::query().count());
        Seen::by_effect(move || (first.get(), count.get()))
    });
    assert_eq!(seen.take(), [(vec![1], 1)]);
    let batch = |events: &[NoteEvent]| {
        app.store.batch(|| {
            for event in events {
                app.store.commit(event.clone()).expect("it applies");
            }
        });
        run();
    };
    batch(&[NoteEvent::Starred { id: 1 }, NoteEvent::Starred { id: 1 }]);
    assert!(seen.take().is_empty(), "the query ran again and gave the same");
    batch(&[added(2), added(3)]);
    assert_eq!(seen.take(), [(vec![1], 3)]);
}

#[test]
fn a_chain_of_closures_is_fresh_on_a_synchronous_read() {
    let app = App::new();
    for id in 1..=3 {
        app.add(id);
    }
    let before = app.store.node_count();
    let (owner, (first, last)) = app.component(|| {
        let first = RwSignal::new(1_i64);
        let from = use_query(move || Note::query().filter(Note::ID.ge(first.get())).count());
        // Reads the result of one query to make the next.
        let middle = use_query(move || {
            note(i64::try_from(from.get()).unwrap_or_default()).columns(Note::ID)
        });
        let last =
            use_query(move || note(middle.with(|ids| ids.first().copied().unwrap_or(0))).first());
        (first, Memo::new(move |_| last.get().map(|note| note.text)))
    });
    let check = |expected: Option<&str>| {
        assert_eq!(last.get_untracked().as_deref(), expected);
    };
    check(Some("note 3"));
    first.set(2);
    check(Some("note 2"));
    first.set(9);
    check(None);
    first.set(3);
    check(Some("note 1"));
    app.store.commit(added(4)).expect("it applies");
    check(Some("note 2"));
    let followed = app.store.node_count();
    for id in 1..50 {
        first.set(id);
        let _ = last.get_untracked();
    }
    first.set(3);
    let _ = last.get_untracked();
    assert_eq!(app.store.node_count(), followed, "queries that were left are not followed");
    owner.cleanup();
    assert_eq!(app.store.node_count(), before);
}

#[test]
fn a_closure_that_returns_an_equal_query_changes_nothing() {
    let app = App::new();
    let (_owner, (seen, signal)) = app.component(|| {
        let signal = RwSignal::new(0);
        let count = use_query(move || {
            signal.get();
            Note::query().count()
        });
        (Seen::by_effect(move || count.get()), signal)
    });
    assert_eq!(seen.take(), [0]);
    signal.set(1);
    run();
    assert!(seen.take().is_empty());
    app.add(1);
    assert_eq!(seen.take(), [1]);
}

#[test]
fn a_commit_in_an_effect_is_applied_at_once_and_shown_by_the_next_run() {
    let app = App::new();
    let store = app.store.clone();
    let (_owner, seen) = app.component(move || {
        let count = use_query(|| Note::query().count());
        Seen::by_effect(move || {
            let shown = count.get();
            if shown < 3 {
                let id = i64::try_from(shown).expect("small") + 1;
                store.commit(added(id)).expect("it applies");
            }
            (shown, store.query(Note::query().count()).expect("it runs"))
        })
    });
    assert_eq!(seen.take(), [(0, 1), (1, 2), (2, 3), (3, 3)]);
}

#[test]
fn a_live_signal_is_a_leptos_signal() {
    fn is_copy<T: Copy + Send + Sync>(_: T) {}
    let app = App::new();
    app.add(1);
    let (_owner, (query, signal)) = app.component(|| {
        let query: LiveSignal<Vec<Note>> = use_query(Note::query);
        is_copy(query);
        (query, Signal::from(query))
    });
    assert_eq!(query.get_untracked(), signal.get_untracked());
    app.add(2);
    assert_eq!(signal.with(Vec::len), 2);
    assert_eq!(query.read().len(), 2);
}

#[test]
fn changes_that_arrive_on_another_thread_reach_effects_here() {
    let app = App::new();
    let (_owner, seen) = app.component(|| {
        let count = use_query(|| Note::query().count());
        Seen::by_effect(move || count.get())
    });
    assert_eq!(seen.take(), [0]);
    std::thread::scope(|scope| {
        scope.spawn(|| app.store.commit(added(1)).expect("it applies"));
    });
    run();
    assert_eq!(seen.take(), [1]);
}

#[test]
fn an_effect_that_reads_only_sometimes_is_told_only_then() {
    let app = App::new();
    let (_owner, (seen, reads)) = app.component(|| {
        let reads = RwSignal::new(true);
        let count = use_query(|| Note::query().count());
        (Seen::by_effect(move || reads.get().then(|| count.get())), reads)
    });
    reads.set(false);
    run();
    app.add(1);
    assert_eq!(seen.take(), [Some(0), None]);
    reads.set(true);
    run();
    assert_eq!(seen.take(), [Some(1)], "and catches up");
}
