//! Predicates, orders and limits.

use livestore_core::{IntoQuery, Predicate, Query, Value};

use super::{COLUMNS, Link, Priority, Todo, database, int, text};
use crate::testing::test;

#[test]
fn predicates_are_sql_with_bound_values_and_find_what_rust_would() {
    let connection = database();
    let check = |predicate: Predicate<Todo>, sql: &str, binds: &[Value], found: &[i64]| {
        let query = Todo::query().filter(predicate).columns(Todo::ID).all();
        let condition = if sql.is_empty() { String::new() } else { format!(" WHERE {sql}") };
        assert_eq!(query.sql(), format!(r#"SELECT "id" FROM "todos"{condition} ORDER BY "id""#));
        assert_eq!(query.binds(), binds, "{sql}");
        assert_eq!(query.run(&connection).as_deref(), Ok(found), "{sql}");
    };
    check(Predicate::all(), "", &[], &[1, 2, 3, 4]);
    check(Predicate::none(), "0", &[], &[]);
    check(Todo::TEXT.eq("milk"), r#""text" = ?"#, &[text("milk")], &[1, 4]);
    check(Todo::TEXT.ne("milk"), r#""text" <> ?"#, &[text("milk")], &[2, 3]);
    check(Todo::DUE.lt(20), r#""due" < ?"#, &[int(20)], &[1]);
    check(Todo::DUE.le(20), r#""due" <= ?"#, &[int(20)], &[1, 4]);
    check(Todo::DUE.gt(20), r#""due" > ?"#, &[int(20)], &[3]);
    check(Todo::DUE.ge(20), r#""due" >= ?"#, &[int(20)], &[3, 4]);
    check(Todo::COMPLETED.eq(true), r#""completed" = ?"#, &[int(1)], &[2, 4]);
    check(Todo::PRIORITY.eq(Priority::High), r#""priority" = ?"#, &[text("High")], &[1, 3]);
    check(Todo::TAGS.eq(vec!["t2".to_owned()]), r#""tags" = ?"#, &[text(r#"["t2"]"#)], &[2]);
    check(Todo::WEIGHT.gt(0.25), r#""weight" > ?"#, &[Value::Real(0.25)], &[1, 2, 3, 4]);
    // No value is a value to compare with.
    check(Todo::DUE.eq(None), r#""due" IS ?"#, &[Value::Null], &[2]);
    check(Todo::DUE.eq(10), r#""due" IS ?"#, &[int(10)], &[1]);
    check(Todo::DUE.ne(None), r#""due" IS NOT ?"#, &[Value::Null], &[1, 3, 4]);
    check(Todo::DUE.ne(Some(10)), r#""due" IS NOT ?"#, &[int(10)], &[2, 3, 4]);
    check(Todo::DUE.is_null(), r#""due" IS NULL"#, &[], &[2]);
    check(Todo::DUE.is_not_null(), r#""due" IS NOT NULL"#, &[], &[1, 3, 4]);
    check(!Todo::DUE.is_null(), r#""due" IS NOT NULL"#, &[], &[1, 3, 4]);
    check(!Todo::DUE.lt(20), r#"("due" < ?) IS NOT TRUE"#, &[int(20)], &[2, 3, 4]);
    check(!!Todo::DUE.lt(20), r#""due" < ?"#, &[int(20)], &[1]);
    check(!Todo::DUE.eq(10), r#""due" IS NOT ?"#, &[int(10)], &[2, 3, 4]);
    // Lists.
    check(Todo::ID.in_([1, 3, 9]), r#""id" IN (?, ?, ?)"#, &[int(1), int(3), int(9)], &[1, 3]);
    check(Todo::ID.in_(Vec::<i64>::new()), r#""id" IN ()"#, &[], &[]);
    check(!Todo::ID.in_(Vec::<i64>::new()), r#"("id" IN ()) IS NOT TRUE"#, &[], &[1, 2, 3, 4]);
    check(
        Todo::TEXT.in_(["milk", "x"]),
        r#""text" IN (?, ?)"#,
        &[text("milk"), text("x")],
        &[1, 4],
    );
    check(
        Todo::DUE.in_([Some(10), None]),
        r#"("due" IN (?) OR "due" IS NULL)"#,
        &[int(10)],
        &[1, 2],
    );
    check(!Todo::DUE.in_([10]), r#"("due" IN (?)) IS NOT TRUE"#, &[int(10)], &[2, 3, 4]);
    // Text.
    check(Todo::TEXT.like("%R%"), r#""text" LIKE ? ESCAPE '\'"#, &[text("%R%")], &[2]);
    check(Todo::TEXT.contains("% o"), r#""text" LIKE ? ESCAPE '\'"#, &[text("%\\% o%")], &[3]);
    check(Todo::TEXT.starts_with("mi"), r#""text" LIKE ? ESCAPE '\'"#, &[text("mi%")], &[1, 4]);
    check(Todo::TEXT.ends_with("f_"), r#""text" LIKE ? ESCAPE '\'"#, &[text("%f\\_")], &[3]);
    check(
        !Todo::CODE.like("c%"),
        r#"("code" LIKE ? ESCAPE '\') IS NOT TRUE"#,
        &[text("c%")],
        &[2, 3, 4],
    );
}

#[test]
fn predicates_combine_with_the_brackets_they_need() {
    let connection = database();
    let (open, milk, bread) =
        (|| Todo::COMPLETED.eq(false), || Todo::TEXT.eq("milk"), || Todo::TEXT.eq("Bread"));
    let check = |predicate: Predicate<Todo>, sql: &str, found: &[i64]| {
        let query = Todo::query().filter(predicate).columns(Todo::ID).all();
        assert_eq!(query.sql(), format!(r#"SELECT "id" FROM "todos" WHERE {sql} ORDER BY "id""#));
        assert_eq!(query.run(&connection).as_deref(), Ok(found), "{sql}");
    };
    check(open().and(milk()), r#""completed" = ? AND "text" = ?"#, &[1]);
    check(open() & milk(), r#""completed" = ? AND "text" = ?"#, &[1]);
    check(open().or(milk()), r#""completed" = ? OR "text" = ?"#, &[1, 3, 4]);
    check(open() | milk(), r#""completed" = ? OR "text" = ?"#, &[1, 3, 4]);
    check(
        open().and(milk().or(bread())),
        r#""completed" = ? AND ("text" = ? OR "text" = ?)"#,
        &[1],
    );
    check(
        open().and(milk()).or(bread()),
        r#"("completed" = ? AND "text" = ?) OR "text" = ?"#,
        &[1, 2],
    );
    check(open().and(milk()).and(bread()), r#""completed" = ? AND "text" = ? AND "text" = ?"#, &[]);
    check(
        open().and(!milk().or(bread())),
        r#""completed" = ? AND (("text" = ? OR "text" = ?) IS NOT TRUE)"#,
        &[3],
    );
    check(open().and(Predicate::all()), r#""completed" = ?"#, &[1, 3]);
    check(Predicate::none().or(open()), r#""completed" = ?"#, &[1, 3]);
    check(open().and(Predicate::none()), r#""completed" = ? AND 0"#, &[]);
    check(open().or(Predicate::all()), r#""completed" = ? OR 1"#, &[1, 2, 3, 4]);
    let filtered = Todo::query().filter(open()).filter(Predicate::all()).filter(milk().or(bread()));
    let sql =
        r#"SELECT count(*) FROM "todos" WHERE "completed" = ? AND ("text" = ? OR "text" = ?)"#;
    assert_eq!(filtered.count().sql(), sql);
}

#[test]
fn orders_limits_and_offsets_select_the_same_rows_everywhere() {
    let connection = database();
    let check = |query: Query<Vec<Todo>>, rest: &str, binds: &[Value], found: &[i64]| {
        assert_eq!(query.sql(), format!(r#"SELECT {COLUMNS} FROM "todos"{rest}"#));
        assert_eq!(query.binds(), binds, "{rest}");
        let ids: Vec<_> = query.run(&connection).expect(rest).iter().map(|todo| todo.id).collect();
        assert_eq!(ids, found, "{rest}");
    };
    let todos = Todo::query;
    check(todos().all(), r#" ORDER BY "id""#, &[], &[1, 2, 3, 4]);
    check(todos().into_query(), r#" ORDER BY "id""#, &[], &[1, 2, 3, 4]);
    check(
        todos().order_by(Todo::TEXT.asc()).all(),
        r#" ORDER BY "text", "id""#,
        &[],
        &[3, 2, 1, 4],
    );
    check(
        todos().order_by(Todo::TEXT.desc()).all(),
        r#" ORDER BY "text" DESC, "id" DESC"#,
        &[],
        &[4, 1, 2, 3],
    );
    check(
        todos().order_by((Todo::COMPLETED.desc(), Todo::DUE.asc())).all(),
        r#" ORDER BY "completed" DESC, "due", "id""#,
        &[],
        &[2, 4, 1, 3],
    );
    check(
        todos().order_by(Todo::COMPLETED.asc()).order_by(Todo::ID.desc()).all(),
        r#" ORDER BY "completed", "id" DESC"#,
        &[],
        &[3, 1, 4, 2],
    );
    check(todos().limit(2).all(), r#" ORDER BY "id" LIMIT ?"#, &[int(2)], &[1, 2]);
    check(todos().limit(0).all(), r#" ORDER BY "id" LIMIT ?"#, &[int(0)], &[]);
    check(
        todos().limit(u64::MAX).all(),
        r#" ORDER BY "id" LIMIT ?"#,
        &[int(i64::MAX)],
        &[1, 2, 3, 4],
    );
    check(todos().offset(3).all(), r#" ORDER BY "id" LIMIT ? OFFSET ?"#, &[int(-1), int(3)], &[4]);
    check(
        todos().limit(1).offset(1).all(),
        r#" ORDER BY "id" LIMIT ? OFFSET ?"#,
        &[int(1), int(1)],
        &[2],
    );
    let links = Link::query().order_by([Link::TO.desc()]).all();
    assert_eq!(links.sql(), r#"SELECT "from", "to" FROM "link" ORDER BY "to" DESC, "from" DESC"#);
    assert_eq!(links.run(&connection), Ok(vec![]));
}
