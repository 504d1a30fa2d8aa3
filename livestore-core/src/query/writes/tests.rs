//! What materializers can write and read, and what they are refused.

use std::num::NonZeroU64;

use livestore_sync::{ClientId, EventId, Lane, SessionId, TabId};

use crate::{
    ColumnType, EventDef, MaterializeError, QueryError, Table, TypeMismatch, Writes, raw,
    sqlite::{Db, SqliteError},
    testing::test,
};

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", unique(text))]
struct Todo {
    #[column(primary_key)]
    id: i64,
    text: String,
    weight: Weight,
    due: Option<i64>,
}

#[derive(ColumnType, Clone, Copy, PartialEq, Debug)]
struct Weight(f64);

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "links")]
struct Link {
    #[column(primary_key)]
    from: String,
    #[column(primary_key)]
    to: String,
    at: i64,
}

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "pairs", client_only)]
struct Pair {
    #[column(primary_key)]
    left: i64,
    #[column(primary_key)]
    right: i64,
}

fn todo(id: i64, text: &str, due: Option<i64>) -> Todo {
    Todo { id, text: text.into(), weight: Weight(0.5), due }
}

fn link(from: &str, to: &str, at: i64) -> Link {
    Link { from: from.into(), to: to.into(), at }
}

fn database() -> Db {
    let db = Db::open_in_memory().expect("opens");
    for table in [Todo::DEF, Link::DEF, Pair::DEF] {
        for statement in table.ddl() {
            db.execute_batch(&statement).expect(&statement);
        }
    }
    db.declare([Todo::DEF, Link::DEF, Pair::DEF].map(|table| (table.name, table.lane)));
    apply(&db, Lane::Synced, |state| {
        [todo(1, "a", Some(1)), todo(2, "b", None), todo(3, "c", Some(3))]
            .into_iter()
            .try_for_each(|todo| state.insert(todo))?;
        [link("x", "y", 1), link("x", "z", 2), link("y", "z", 3)]
            .into_iter()
            .try_for_each(|link| state.insert(link))
    })
    .expect("the rows of every test");
    db
}

const AUTHOR: EventId = EventId {
    client: ClientId(7),
    session: SessionId { tab: TabId(8), open: 9 },
    n: NonZeroU64::MIN,
};

/// Runs a materializer of an event of this lane.
fn apply<T>(
    db: &Db,
    lane: Lane,
    materialize: impl FnOnce(&mut Writes<'_>) -> Result<T, MaterializeError>,
) -> Result<T, MaterializeError> {
    let event = EventDef { name: "v1.Test", lane, materialize: |_, _| Ok(()) };
    let done = db.guarded(lane, || materialize(&mut Writes::new(db, AUTHOR, &event)));
    match done {
        Ok(done) => done,
        Err(SqliteError::Access(violation)) => Err(crate::schema::access("v1.Test", violation)),
        Err(error) => panic!("{error}"),
    }
}

fn todos(db: &Db) -> Vec<Todo> {
    Todo::query().all().run(db.conn()).expect("rows")
}

#[test]
fn rows_are_inserted_ignored_or_replaced() {
    let check = |write: fn(&mut Writes<'_>) -> Result<(), MaterializeError>,
                 changed: u64,
                 expected: &[Todo]| {
        let db = database();
        let done = apply(&db, Lane::Synced, |state| {
            write(state)?;
            Ok(state.changed())
        });
        assert_eq!(done, Ok(changed));
        assert_eq!(todos(&db), expected);
    };
    let (a, b, c, d) =
        (todo(1, "a", Some(1)), todo(2, "b", None), todo(3, "c", Some(3)), todo(4, "d", None));
    check(|state| state.insert(todo(4, "d", None)), 1, &[a.clone(), b.clone(), c.clone(), d]);
    check(
        |state| state.insert_or_ignore(todo(1, "new", None)),
        0,
        &[a.clone(), b.clone(), c.clone()],
    );
    check(|state| state.insert_or_ignore(todo(9, "a", None)), 0, &[a, b.clone(), c.clone()]);
    check(|state| state.upsert(todo(1, "new", Some(5))), 1, &[todo(1, "new", Some(5)), b, c]);
    // A table of keys alone has nothing to update.
    let db = database();
    let twice =
        |state: &mut Writes<'_>| (0..2).try_for_each(|_| state.upsert(Pair { left: 1, right: 2 }));
    assert_eq!(apply(&db, Lane::ClientOnly, twice), Ok(()));
    assert_eq!(Pair::query().count().run(db.conn()), Ok(1));
}

#[test]
fn updates_and_deletes_touch_the_selected_rows_only() {
    let check = |write: fn(&mut Writes<'_>) -> Result<(), MaterializeError>,
                 expected: &[(i64, &str, Option<i64>)]| {
        let db = database();
        assert_eq!(apply(&db, Lane::Synced, write), Ok(()));
        let expected: Vec<_> =
            expected.iter().map(|(id, text, due)| todo(*id, text, *due)).collect();
        assert_eq!(todos(&db), expected);
    };
    check(
        |state| state.update(Todo::query().filter(Todo::ID.eq(1)), Todo::TEXT.set("new")),
        &[(1, "new", Some(1)), (2, "b", None), (3, "c", Some(3))],
    );
    check(
        |state| state.update(Todo::query(), (Todo::DUE.set(None), Todo::WEIGHT.set(Weight(0.5)))),
        &[(1, "a", None), (2, "b", None), (3, "c", None)],
    );
    check(
        |state| state.update(Todo::query().order_by(Todo::ID.desc()).limit(1), [Todo::DUE.set(9)]),
        &[(1, "a", Some(1)), (2, "b", None), (3, "c", Some(9))],
    );
    check(
        |state| state.update(Todo::query().offset(1), vec![Todo::DUE.set(9)]),
        &[(1, "a", Some(1)), (2, "b", Some(9)), (3, "c", Some(9))],
    );
    check(
        |state| state.update(Todo::query(), vec![]),
        &[(1, "a", Some(1)), (2, "b", None), (3, "c", Some(3))],
    );
    check(|state| state.delete(Todo::query().filter(Todo::DUE.is_not_null())), &[(2, "b", None)]);
    check(|state| state.delete(Todo::query()), &[]);
    check(
        |state| state.delete(Todo::query().filter(Todo::DUE.is_not_null()).limit(1)),
        &[(2, "b", None), (3, "c", Some(3))],
    );
    check(
        |state| state.delete(Todo::query().limit(0)),
        &[(1, "a", Some(1)), (2, "b", None), (3, "c", Some(3))],
    );
}

#[test]
fn a_bounded_write_works_with_a_composite_key() {
    let db = database();
    let done = apply(&db, Lane::Synced, |state| {
        state.update(Link::query().order_by(Link::AT.desc()).limit(2), Link::AT.set(0))?;
        state.delete(Link::query().filter(Link::AT.eq(0)).offset(1))
    });
    assert_eq!(done, Ok(()));
    assert_eq!(Link::query().all().run(db.conn()), Ok(vec![link("x", "y", 1), link("x", "z", 0)]));
}

#[test]
fn deleting_all_rows_is_recorded_row_by_row() {
    let db = database();
    let recorded = db.recorded(|| -> Result<(), SqliteError> {
        apply(&db, Lane::Synced, |state| state.delete(Todo::query())).expect("deletes");
        Ok(())
    });
    assert_eq!(recorded.expect("records").1.len(), 3);
}

#[test]
fn reads_see_what_was_written_before_them() {
    let db = database();
    let done = apply(&db, Lane::Synced, |state| {
        state.insert(todo(4, "d", None))?;
        state.execute("UPDATE todos SET text = ?1 WHERE id = ?2", ("raw", 1))?;
        assert_eq!(state.changed(), 1);
        let texts = state.query(Todo::query().columns(Todo::TEXT))?;
        let late = state.query(raw::<i64>("SELECT id FROM todos WHERE id > ?", (3,)))?;
        Ok((texts, late, state.query(Todo::query().count())?, state.author()))
    });
    let texts = ["raw", "b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!(done, Ok((texts, vec![4], 4, AUTHOR)));
}

#[test]
fn what_fails_says_whether_the_event_is_to_blame() {
    let db = database();
    let fail = |write: fn(&mut Writes<'_>) -> Result<(), MaterializeError>| {
        let error = apply(&db, Lane::Synced, write).expect_err("fails");
        assert!(error.is_deterministic(), "{error}");
        error
    };
    let constraint = |error: MaterializeError| {
        assert!(
            matches!(&error, MaterializeError::Sqlite(error) if error.is_constraint()),
            "{error}"
        );
    };
    constraint(fail(|state| state.insert(todo(1, "other", None))));
    constraint(fail(|state| state.insert(todo(9, "a", None))));
    constraint(fail(|state| state.upsert(todo(9, "a", None))));
    constraint(fail(|state| state.update(Todo::query(), Todo::TEXT.set("same"))));
    assert!(matches!(
        fail(|state| state.execute("UPDATE nothing", ())),
        MaterializeError::Sqlite(_)
    ));
    assert_eq!(fail(|_| Err("no".into())), MaterializeError::refuse("no"));
    assert_eq!(fail(|_| Err(format!("no {}", 1).into())).to_string(), "refused: no 1");
    let nan = TypeMismatch {
        table: Some("todos"),
        column: "weight".into(),
        expected: "a number".into(),
        found: "NaN".into(),
    };
    let value = || MaterializeError::Value(nan.clone());
    assert_eq!(
        fail(|state| state.insert(Todo { weight: Weight(f64::NAN), ..todo(9, "x", None) })),
        value()
    );
    assert_eq!(
        fail(|state| state.update(Todo::query(), Todo::WEIGHT.set(Weight(f64::NAN)))),
        value()
    );
    assert_eq!(
        fail(|state| state.delete(Todo::query().filter(Todo::WEIGHT.gt(Weight(f64::NAN))))),
        value()
    );
    let by_nan = |state: &mut Writes<'_>| {
        state.query(Todo::query().filter(Todo::WEIGHT.eq(Weight(f64::NAN)))).map(drop)
    };
    assert_eq!(fail(by_nan), MaterializeError::Query(QueryError::Bind(nan.clone())));
    let gone =
        |state: &mut Writes<'_>| state.query(Todo::query().filter(Todo::ID.eq(99)).one()).map(drop);
    assert!(matches!(fail(gone), MaterializeError::Query(QueryError::NoRow { .. })));
}

#[test]
fn a_materializer_keeps_to_its_lane() {
    let other = |lane, table: &str| {
        Err(MaterializeError::OtherLane { event: "v1.Test", lane, table: Some(table.to_owned()) })
    };
    let check = |lane, table: &str, touch: fn(&mut Writes<'_>) -> Result<(), MaterializeError>| {
        let db = database();
        // Once more unguarded, so that the statement is in the cache before.
        drop(raw::<i64>("SELECT count(*) FROM pairs", ()).all().run(db.conn()));
        assert_eq!(apply(&db, lane, touch), other(lane, table));
    };
    let (synced, client_only) = (Lane::Synced, Lane::ClientOnly);
    check(synced, "pairs", |state| state.insert(Pair { left: 1, right: 1 }));
    check(synced, "pairs", |state| state.update(Pair::query(), Pair::LEFT.set(1)));
    check(synced, "pairs", |state| state.delete(Pair::query()));
    check(synced, "pairs", |state| state.query(Pair::query()).map(drop));
    check(synced, "pairs", |state| {
        state.query(raw::<i64>("SELECT count(*) FROM pairs", ())).map(drop)
    });
    check(synced, "pairs", |state| state.execute("INSERT INTO pairs VALUES (1, 1)", ()));
    check(client_only, "todos", |state| state.upsert(todo(1, "x", None)));
    check(client_only, "todos", |state| state.query(Todo::query().count()).map(drop));
    check(client_only, "todos", |state| state.execute("DELETE FROM todos", ()));
    let text =
        MaterializeError::OtherLane { event: "v1.Test", lane: synced, table: Some("pairs".into()) }
            .to_string();
    let expected = "`v1.Test` is synced and can't read or write the table `pairs`, which is fed by client-only events";
    assert_eq!(text, expected);
}

/// What a materializer is told that runs this SQL, the second time as the first.
fn check_impure(function: &str, sql: &'static str, params: impl crate::Params + Clone) {
    let db = database();
    for _ in 0..2 {
        let write = |state: &mut Writes<'_>| state.execute(sql, params.clone());
        let error = apply(&db, Lane::Synced, write).expect_err(sql);
        let (event, function) = ("v1.Test", function.to_owned());
        let impure = MaterializeError::Impure { event, function, sql: sql.to_owned() };
        assert_eq!(error, impure);
        assert!(error.is_deterministic());
    }
    assert_eq!(todos(&db).len(), 3, "{sql}");
}

#[test]
fn a_statement_that_reads_the_clock_the_zone_or_chance_is_refused_by_name() {
    let now = |function: &str| format!("{function}() of the clock");
    check_impure(&now("datetime"), "UPDATE todos SET text = datetime('now')", ());
    check_impure(&now("datetime"), "UPDATE todos SET text = datetime('NOW', '+1 day')", ());
    check_impure(&now("date"), "UPDATE todos SET text = date()", ());
    check_impure(&now("unixepoch"), "UPDATE todos SET due = unixepoch('subsec')", ());
    check_impure(&now("strftime"), "UPDATE todos SET text = strftime('%s')", ());
    check_impure(&now("strftime"), "UPDATE todos SET text = strftime('%s') WHERE id = 1", ());
    check_impure(&now("julianday"), "DELETE FROM todos WHERE due < julianday('now')", ());
    check_impure(
        &now("date"),
        "INSERT INTO todos SELECT 9, date('now'), 0.5, NULL FROM todos WHERE id = 1",
        (),
    );
    let zone = "datetime() of the local time zone";
    check_impure(zone, "UPDATE todos SET text = datetime(due, 'unixepoch', 'localtime')", ());
    check_impure(zone, "UPDATE todos SET text = datetime(due, 'unixepoch', 'utc')", ());
    let bound = "a date function of the clock, through a parameter";
    check_impure(bound, "UPDATE todos SET text = datetime(?1)", ("now",));
    check_impure(bound, "UPDATE todos SET text = date(?1, ?2)", ("2026-01-01", "subsec"));
    let bound = "a date function of the local time zone, through a parameter";
    check_impure(bound, "UPDATE todos SET text = datetime(due, ?1)", ("localtime",));
    check_impure("random()", "UPDATE todos SET due = random()", ());
    check_impure("current_timestamp()", "UPDATE todos SET text = current_timestamp", ());
    check_impure("sqlite_version()", "UPDATE todos SET text = sqlite_version()", ());
}

#[test]
fn a_read_of_the_clock_is_refused_and_a_date_that_is_given_is_not() {
    let db = database();
    let sql = "SELECT datetime('now')";
    let read = |state: &mut Writes<'_>| state.query(raw::<String>(sql, ())).map(drop);
    let refused = apply(&db, Lane::Synced, read);
    assert!(
        matches!(&refused, Err(MaterializeError::Impure { sql: found, .. }) if found == sql),
        "{refused:?}"
    );
    let given = |state: &mut Writes<'_>| {
        // The words are only words where no date function looks at them.
        state.insert(todo(9, "now", None))?;
        state.execute("UPDATE todos SET text = ?1 WHERE id = 1", ("utc",))?;
        state.execute("UPDATE todos SET due = unixepoch(?1) WHERE id = 2", ("2026-01-02",))?;
        state.query(raw::<String>("SELECT date(due, 'unixepoch') FROM todos WHERE id = 2", ()))
    };
    assert_eq!(apply(&db, Lane::Synced, given), Ok(vec!["2026-01-02".to_owned()]));
}
