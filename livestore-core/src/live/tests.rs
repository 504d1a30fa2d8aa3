//! What re-runs after which write, and what observers see of it. Every step checks the invariants.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Cx, Live, LiveError, NodeHandle, Observer, owner::Invalidated};
use crate::{
    IntoQuery, Query, QueryError, Table, Value,
    graph::{NodeId, Refreshed},
    raw,
    sqlite::{ChangeSet, Db, ReadSetError, SqliteError},
    testing::test,
};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(owner))]
pub(super) struct Todo {
    #[column(primary_key)]
    pub(super) id: i64,
    pub(super) text: String,
    pub(super) completed: bool,
    pub(super) owner: Option<String>,
}

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "notes")]
struct Note {
    #[column(primary_key)]
    id: String,
    body: String,
}

/// A live layer over a database with three todos and a note.
pub(super) struct World {
    pub(super) live: Live,
    pub(super) db: Db,
}

impl World {
    pub(super) fn new() -> Self {
        let db = Db::open_in_memory().unwrap();
        for statement in [Todo::DEF.ddl(), Note::DEF.ddl()].concat() {
            db.execute_batch(&statement).unwrap();
        }
        let world = Self { live: Live::new(), db };
        world.changes(
            "INSERT INTO todos VALUES (1, 'milk', 0, 'ann'), (2, 'bread', 1, 'bob'), (3, 'tea', 0, NULL)",
        );
        world.changes("INSERT INTO notes VALUES ('n', 'a note')");
        world
    }

    pub(super) fn changes(&self, sql: &str) -> ChangeSet {
        let ((), records) = self.db.recorded(|| self.db.execute(sql, &[]).map(drop)).unwrap();
        self.db.changes(&records).unwrap()
    }

    /// What a commit does up to the refresh.
    fn write(&mut self, sql: &str) -> Invalidated {
        let changes = self.changes(sql);
        let invalidated = self.live.invalidate(&changes);
        self.live.check_invariants();
        invalidated
    }

    fn refresh(&mut self) -> Refreshed {
        let refreshed = self.live.refresh(&self.db);
        self.live.check_invariants();
        self.live.check_cells(&self.db);
        refreshed
    }

    /// What a commit does, refresh and all.
    fn commit(&mut self, sql: &str) -> Refreshed {
        self.write(sql);
        self.refresh()
    }

    fn node<Q: IntoQuery>(&mut self, query: Q) -> NodeHandle<Q::Output> {
        self.live.query_node(&query.into_query())
    }

    fn observe<T: Send + Sync + 'static>(&mut self, node: &NodeHandle<T>) -> Observer<T> {
        let observer = self.live.observe(node, &self.db).unwrap();
        self.live.check_invariants();
        observer
    }

    fn follow<Q: IntoQuery>(&mut self, query: Q) -> Observer<Q::Output> {
        let node = self.node(query);
        self.observe(&node)
    }

    fn runs(&self, node: NodeId) -> u64 {
        self.live.stats(node).runs
    }
}

fn texts() -> Query<Vec<String>> {
    Todo::query().columns(Todo::TEXT).all()
}

#[test]
#[expect(clippy::too_many_lines, reason = "literal cases")]
fn only_a_commit_that_touches_what_a_query_reads_runs_it_again() {
    /// A query, and for each statement (one commit each) whether it runs the query again.
    fn check<Q: IntoQuery<Output: std::fmt::Debug>>(query: Q, statements: &[(&str, bool)]) {
        let query = query.into_query();
        let mut world = World::new();
        let observer = world.follow(query.clone());
        for (sql, expected) in statements {
            let before = world.runs(observer.node().id());
            world.commit(sql);
            let ran = world.runs(observer.node().id()) - before;
            assert_eq!(ran, u64::from(*expected), "`{}` after `{sql}`", query.sql());
            assert_eq!(
                observer.value().ok(),
                query.run(world.db.conn()).ok().map(Arc::new),
                "{sql}"
            );
        }
    }
    let elsewhere = ("UPDATE notes SET body = 'other'", false);

    check(
        texts(),
        &[
            elsewhere,
            ("UPDATE todos SET completed = 1", false),
            ("UPDATE todos SET text = 'milk' WHERE id = 1", false),
            ("UPDATE todos SET text = 'cream' WHERE id = 1", true),
            ("INSERT INTO todos VALUES (4, 'jam', 0, NULL)", true),
            ("DELETE FROM todos WHERE id = 4", true),
        ],
    );
    check(
        Todo::query().count(),
        &[
            elsewhere,
            ("UPDATE todos SET text = 'other'", false),
            ("DELETE FROM todos WHERE id = 1", true),
        ],
    );
    check(
        Todo::query().filter(Todo::ID.eq(1)),
        &[
            elsewhere,
            ("UPDATE todos SET text = 'other' WHERE id = 2", false),
            ("INSERT INTO todos VALUES (4, 'jam', 0, NULL)", false),
            ("DELETE FROM todos WHERE id = 2", false),
            ("UPDATE todos SET text = 'cream' WHERE id = 1", true),
            ("UPDATE todos SET id = 9 WHERE id = 1", true),
            ("UPDATE todos SET text = 'lost' WHERE id = 9", false),
            ("UPDATE todos SET id = 1 WHERE id = 9", true),
            ("DELETE FROM todos", true),
            ("INSERT INTO todos VALUES (1, 'back', 0, NULL)", true),
        ],
    );
    check(
        Todo::query().filter(Todo::OWNER.eq("ann")).columns(Todo::TEXT).all(),
        &[
            ("UPDATE todos SET text = 'x' WHERE owner = 'bob'", false),
            ("UPDATE todos SET completed = 1 WHERE owner = 'ann'", false),
            ("UPDATE todos SET owner = 'ANN' WHERE owner = 'bob'", false),
            ("UPDATE todos SET owner = 'ann' WHERE id = 3", true),
            ("UPDATE todos SET owner = 'bob' WHERE id = 1", true),
            ("UPDATE todos SET text = 'x' WHERE id = 1", false),
        ],
    );
    check(
        Todo::query().filter(Todo::OWNER.in_(["ann", "bob"])).columns(Todo::ID).all(),
        &[
            ("UPDATE todos SET text = 'x'", false),
            ("UPDATE todos SET owner = 'cleo' WHERE id = 3", false),
            ("DELETE FROM todos WHERE id = 3", false),
            ("UPDATE todos SET owner = 'ann' WHERE id = 2", true),
            ("DELETE FROM todos WHERE id = 2", true),
        ],
    );
    check(
        Todo::query().filter(Todo::OWNER.eq(None)).count(),
        &[
            ("DELETE FROM todos WHERE owner = 'ann'", false),
            ("UPDATE todos SET owner = 'cleo' WHERE owner IS NULL", true),
            ("UPDATE todos SET owner = NULL WHERE owner = 'bob'", true),
        ],
    );
    check(Todo::query().filter(Todo::ID.in_(Vec::<i64>::new())), &[("DELETE FROM todos", false)]);
    check(
        raw::<(String, String)>("SELECT text, body FROM todos, notes WHERE todos.id = 1", ()).all(),
        &[
            ("UPDATE todos SET completed = 1", false),
            ("UPDATE notes SET body = 'other'", true),
            // Raw SQL is followed by its columns, not by its keys.
            ("UPDATE todos SET text = 'other' WHERE id = 2", true),
        ],
    );
}

#[test]
fn a_commit_costs_the_same_whatever_else_is_subscribed() {
    let mut world = World::new();
    let followed = world.follow(Todo::query().filter(Todo::ID.eq(1)));
    let notes = world.follow(Note::query().count());
    let statement = "UPDATE todos SET text = text || '!' WHERE id <= 2";
    let alone = world.write(statement);
    assert_eq!(alone, Invalidated { marked: 1, visited: 1 });
    world.refresh();

    let unrelated: Vec<_> = (10..100_010)
        .map(|id| {
            let node = world
                .live
                .query_node(&Todo::query().filter(Todo::ID.eq(id)).columns(Todo::TEXT).first());
            world.live.read(&node, &world.db).unwrap();
            node
        })
        .collect();
    assert!(world.live.index_entries() > 100_000);
    assert_eq!(world.write(statement), alone);
    let refreshed = world.refresh();
    assert_eq!(
        (refreshed.changed, refreshed.ran),
        (vec![followed.id()], vec![followed.node().id()])
    );
    assert_eq!(world.runs(notes.node().id()), 1);

    drop((unrelated, followed, notes));
    assert_eq!((world.live.node_count(), world.live.index_entries()), (0, 0));
    world.live.check_invariants();
}

#[test]
fn equal_queries_share_one_node_and_one_value() {
    let mut world = World::new();
    let (first, second) = (world.follow(texts()), world.follow(texts()));
    assert_eq!((first.node().id(), first.id(), &first), (second.node().id(), second.id(), &second));
    assert!(Arc::ptr_eq(&first.value().unwrap(), &second.value().unwrap()));
    assert_eq!((world.live.node_count(), world.runs(first.node().id())), (2, 1));
    // Another value, another way to read the rows: another query.
    let others = [
        world.node(Todo::query().filter(Todo::OWNER.eq("ann")).columns(Todo::TEXT).all()).id(),
        world.node(Todo::query().filter(Todo::OWNER.eq("bob")).columns(Todo::TEXT).all()).id(),
        world.node(raw::<String>(texts().sql(), ()).all()).id(),
    ];
    assert!(others.iter().all(|id| *id != first.node().id()) && others[0] != others[1]);
    drop(first);
    world.commit("UPDATE todos SET text = 'x'");
    assert_eq!(*second.value().unwrap(), ["x", "x", "x"]);
}

#[test]
fn what_nobody_follows_is_freed_and_made_anew_when_asked_again() {
    let mut world = World::new();
    let observer = world.follow(texts());
    let id = observer.node().id();
    drop(observer);
    assert_eq!((world.live.node_count(), world.live.index_entries()), (0, 0));
    world.live.check_invariants();
    let again = world.follow(texts());
    assert!(again.node().id() != id);
    assert_eq!(world.commit("DELETE FROM todos").changed, [again.id()]);
    assert_eq!(*again.value().unwrap(), [""; 0]);
}

#[test]
fn an_equal_result_tells_nobody() {
    let mut world = World::new();
    let open = world.follow(Todo::query().filter(Todo::COMPLETED.eq(false)).count());
    let refreshed = world.commit("UPDATE todos SET completed = 1 - completed WHERE id < 3");
    assert_eq!((refreshed.changed, refreshed.cut_off), (vec![], vec![open.node().id()]));
    let value = open.value().unwrap();
    world.commit("UPDATE todos SET completed = 1 - completed WHERE id < 3");
    assert!(Arc::ptr_eq(&value, &open.value().unwrap()));
}

#[test]
fn an_error_keeps_the_last_value_and_passes_when_its_cause_does() {
    let mut world = World::new();
    let one = world.follow(Todo::query().filter(Todo::ID.eq(1)).columns(Todo::TEXT).one());
    assert_eq!(*one.value().unwrap(), "milk");
    assert_eq!(world.commit("DELETE FROM todos WHERE id = 1").changed, [one.id()]);
    assert!(matches!(one.value(), Err(QueryError::NoRow { .. })), "{:?}", one.value());
    assert_eq!(*one.last().unwrap(), "milk");
    assert_eq!(world.commit("INSERT INTO todos VALUES (1, 'milk', 0, NULL)").changed, [one.id()]);
    assert_eq!(*one.value().unwrap(), "milk");
}

#[test]
fn a_query_that_fails_at_first_is_followed_all_the_same() {
    let mut world = World::new();
    let one = world.follow(Todo::query().filter(Todo::ID.eq(7)).one());
    assert!(one.value().is_err() && one.last().is_none());
    world.commit("INSERT INTO todos VALUES (7, 'new', 0, NULL)");
    assert_eq!(one.value().unwrap().text, "new");
}

#[test]
fn a_query_of_the_clock_or_of_what_is_not_there_is_an_error() {
    let mut world = World::new();
    let clock = world.follow(raw::<i64>("SELECT random()", ()).all());
    let Err(QueryError::Live(LiveError::NotLive { source, .. })) = clock.value() else {
        panic!("{clock:?}")
    };
    assert!(matches!(source, ReadSetError::NonDeterministic { .. }), "{source:?}");
    let bound = world.follow(raw::<String>("SELECT date(?1)", ("now",)).all());
    assert!(matches!(bound.value(), Err(QueryError::Live(LiveError::NotLive { .. }))));
    let missing = world.follow(raw::<i64>("SELECT id FROM nowhere", ()).all());
    assert!(matches!(missing.value(), Err(QueryError::Sqlite(_))));

    world.db.execute_batch("CREATE TABLE nowhere (id INTEGER PRIMARY KEY) STRICT").unwrap();
    world.live.invalidate_all();
    assert_eq!(world.refresh().changed, [missing.id()]);
    assert_eq!(*missing.value().unwrap(), [0; 0]);
    world.commit("INSERT INTO nowhere VALUES (5)");
    assert_eq!(*missing.value().unwrap(), [5]);
}

#[test]
fn a_loaded_snapshot_runs_every_query_again() {
    let mut world = World::new();
    let (all, note) = (world.follow(texts()), world.follow(Note::query().filter(Note::ID.eq("n"))));
    let lazy = world.node(Todo::query().count());
    let other = World::new();
    other.changes("DELETE FROM todos WHERE id > 1");
    world.db.load_bytes(&other.db.to_bytes().unwrap()).unwrap();
    world.live.invalidate_all();
    let refreshed = world.refresh();
    assert_eq!((refreshed.changed, refreshed.cut_off), (vec![all.id()], vec![note.node().id()]));
    assert_eq!((&*all.value().unwrap(), world.runs(lazy.id())), (&vec!["milk".to_owned()], 0));
    assert_eq!(*world.live.read(&lazy, &world.db).unwrap(), 1);
    world.commit("UPDATE todos SET text = 'x'");
    assert_eq!(*all.value().unwrap(), ["x"]);
}

#[test]
fn what_a_query_reads_is_found_out_again_when_the_structure_changes() {
    let mut world = World::new();
    world.db.execute_batch("CREATE VIEW titles AS SELECT text AS title FROM todos").unwrap();
    let titles = world.follow(raw::<String>("SELECT title FROM titles", ()).all());
    world.db.execute_batch("DROP VIEW titles").unwrap();
    world.db.execute_batch("CREATE VIEW titles AS SELECT body AS title FROM notes").unwrap();
    world.live.invalidate_all();
    assert_eq!(world.refresh().changed, [titles.id()]);
    assert_eq!(world.commit("DELETE FROM todos").ran, []);
    assert_eq!(world.commit("UPDATE notes SET body = 'other'").ran, [titles.node().id()]);
    assert_eq!(*titles.value().unwrap(), ["other"]);
}

#[test]
fn cells_show_the_last_refresh_until_the_next_is_done() {
    let mut world = World::new();
    let (all, count) = (world.follow(texts()), world.follow(Todo::query().count()));
    let seen = || (all.value().unwrap().len(), *count.value().unwrap());
    world.write("DELETE FROM todos WHERE id = 1");
    assert_eq!(seen(), (3, 3));
    world.write("DELETE FROM todos WHERE id = 2");
    let refreshed = world.refresh();
    assert_eq!(
        (refreshed.changed, refreshed.ran.len(), seen()),
        (vec![all.id(), count.id()], 2, (1, 1))
    );
    // A read without an observer is up to date at any time.
    let node = world.node(Todo::query().columns(Todo::ID).all());
    world.write("DELETE FROM todos");
    assert_eq!((&*world.live.read(&node, &world.db).unwrap(), seen()), (&vec![], (1, 1)));
}

#[test]
fn computed_values_read_queries_signals_and_each_other() {
    let mut world = World::new();
    let filter = world.live.signal(String::from("ann"));
    let count = world.node(Todo::query().count());
    let (f, c) = (filter.clone(), count.clone());
    let label = world.live.computed(Some("label"), move |cx: &mut Cx<'_, '_>| {
        let (owner, all) = (cx.get(&f)?, cx.get(&c)?);
        let mine = cx.query(&Todo::query().filter(Todo::OWNER.eq(owner.as_str())).count())?;
        Ok(format!("{owner}: {mine} of {all}"))
    });
    let inner = label.clone();
    let counted = world.live.computed(None, move |cx| Ok(cx.get(&inner)?.len()));
    let nodes = (label, counted);
    let (label, length) = (world.observe(&nodes.0), world.observe(&nodes.1));
    assert_eq!((&**label.value().unwrap(), *length.value().unwrap()), ("ann: 1 of 3", 11));
    // signal, count, the owner's count, two computed values, two effects
    assert_eq!(world.live.node_count(), 7);

    assert_eq!(world.live.set(&filter, "bob".into()), Ok(true));
    let refreshed = world.refresh();
    assert_eq!(
        (refreshed.changed, refreshed.cut_off),
        (vec![label.id()], vec![length.node().id()])
    );
    assert_eq!((&**label.value().unwrap(), world.live.node_count()), ("bob: 1 of 3", 7));
    // The query of the owner before is gone: only what is read now is followed.
    assert_eq!(world.commit("UPDATE todos SET owner = NULL WHERE owner = 'ann'").ran, []);
    world.commit("UPDATE todos SET owner = 'bob' WHERE owner IS NULL");
    assert_eq!(&**label.value().unwrap(), "bob: 3 of 3");
    assert_eq!(world.runs(count.id()), 1);

    drop((nodes, label, length, filter, count));
    assert_eq!((world.live.node_count(), world.live.index_entries()), (0, 0));
}

#[test]
fn computed_values_of_one_key_and_type_are_one() {
    let mut world = World::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = |live: &mut Live| {
        let runs = Arc::clone(&runs);
        live.computed(Some("count"), move |cx| {
            runs.fetch_add(1, Ordering::Relaxed);
            cx.query(&Todo::query().count()).map(|count| *count)
        })
    };
    let (first, second) = (counted(&mut world.live), counted(&mut world.live));
    assert_eq!(first.id(), second.id());
    let other = world
        .live
        .computed(Some("count"), |cx| Ok(format!("{}", cx.query(&Todo::query().count())?)));
    let outer = world.live.computed(None, |cx| Ok(*cx.computed("count", |_| Ok::<u64, _>(0))? + 1));
    let read = *world.live.read(&outer, &world.db).unwrap();
    assert_eq!(
        (read, &**world.live.read(&other, &world.db).unwrap(), runs.load(Ordering::Relaxed)),
        (4, "3", 1)
    );
}

#[test]
fn a_chain_of_computed_values_far_deeper_than_nested_runs_is_computed() {
    let mut world = World::new();
    let mut top =
        world.live.computed(None, |cx| cx.query(&Todo::query().count()).map(|count| *count));
    for _ in 0..2_000 {
        let below = top;
        top = world.live.computed(None, move |cx| Ok(*cx.get(&below)? + 1));
    }
    let top = world.observe(&top);
    assert_eq!(*top.value().unwrap(), 2_003);
    world.commit("DELETE FROM todos");
    assert_eq!(*top.value().unwrap(), 2_000);
}

#[test]
fn what_belongs_to_another_store_is_an_error() {
    let (mut here, mut there) = (World::new(), World::new());
    let signal = there.live.signal(1);
    assert_eq!(here.live.read(&signal, &here.db), Err(LiveError::Foreign.into()));
    assert_eq!(here.live.set(&signal, 2), Err(LiveError::Foreign.into()));
    assert_eq!(here.live.observe(&signal, &here.db), Err(LiveError::Foreign.into()));
    let reads = here.live.computed(None, move |cx| cx.get(&signal).map(|value| *value));
    assert_eq!(here.live.read(&reads, &here.db), Err(LiveError::Foreign.into()));
}

// A panic ends a wasm program, and it has no threads: natively only.
#[std::prelude::v1::test]
fn a_panic_in_a_computed_value_is_its_error() {
    let mut world = World::new();
    let fragile = world.live.computed(None, |cx| {
        let count = cx.query(&Todo::query().count())?;
        assert!(*count > 2, "too few");
        Ok(*count)
    });
    let observer = world.observe(&fragile);
    world.commit("DELETE FROM todos WHERE id = 1");
    assert_eq!(observer.value(), Err(LiveError::Panicked("too few".into()).into()));
    assert_eq!(*observer.last().unwrap(), 3);
    world.commit("INSERT INTO todos VALUES (8, 'jam', 0, NULL)");
    assert_eq!(*observer.value().unwrap(), 3);
}

#[std::prelude::v1::test]
fn observers_are_read_and_dropped_on_other_threads() {
    let mut world = World::new();
    let observer = world.follow(texts());
    let thread = std::thread::spawn(move || observer.value().unwrap().len());
    assert_eq!(thread.join().unwrap(), 3);
    assert_eq!(world.live.node_count(), 0);
    world.live.check_invariants();
}

#[test]
fn a_rolled_back_commit_marks_nothing() {
    let mut world = World::new();
    let observer = world.follow(texts());
    let outcome = world.db.recorded(|| {
        world.db.savepoint(|| {
            world.db.execute("DELETE FROM todos WHERE id = ?", &[Value::Integer(1)])?;
            Err::<(), _>(SqliteError::Sql("on purpose".into()))
        })
    });
    assert!(outcome.is_err());
    let changes = world.changes("UPDATE todos SET text = text");
    assert_eq!(world.live.invalidate(&changes), Invalidated { marked: 0, visited: 0 });
    assert_eq!((world.refresh(), observer.value().unwrap().len()), (Refreshed::default(), 3));
}
