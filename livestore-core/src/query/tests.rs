//! The query builder: the SQL it writes, and what that finds in a database.

use livestore_core::{
    ColumnType, IntoQuery, KeyFilter, Predicate, Query, QueryError, Table, TypeMismatch, Value,
    escape_like, raw,
};
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};
use rusqlite::Connection;

use crate::testing::test;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(completed), index(text))]
struct Todo {
    #[column(primary_key)]
    id: i64,
    text: String,
    completed: bool,
    due: Option<i64>,
    priority: Priority,
    #[column(json)]
    tags: Vec<String>,
    #[column(unique)]
    code: Option<String>,
    weight: f64,
}

#[derive(ColumnType, Clone, Copy, PartialEq, Debug)]
enum Priority {
    Low,
    High,
}

#[derive(Table, Clone, PartialEq, Debug)]
struct Link {
    #[column(primary_key)]
    from: String,
    #[column(primary_key)]
    to: String,
}

fn todo(id: i64, text: &str, completed: bool, due: Option<i64>) -> Todo {
    let priority = if id % 2 == 0 { Priority::Low } else { Priority::High };
    let code = (id == 1).then(|| "c1".to_owned());
    Todo {
        id,
        text: text.into(),
        completed,
        due,
        priority,
        tags: vec![format!("t{id}")],
        code,
        weight: 0.5,
    }
}

fn rows() -> Vec<Todo> {
    vec![
        todo(1, "milk", false, Some(10)),
        todo(2, "Bread", true, None),
        todo(3, "50% off_", false, Some(30)),
        todo(4, "milk", true, Some(20)),
    ]
}

/// The rows, written by the test's own SQL.
fn database() -> Connection {
    let connection = Connection::open_in_memory().expect("opens");
    for statement in [Todo::DEF.ddl(), Link::DEF.ddl()].concat() {
        connection.execute(&statement, ()).expect(&statement);
    }
    for row in rows() {
        let values = row.to_values().expect("storable");
        connection
            .execute(
                "INSERT INTO todos VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rusqlite::params_from_iter(values),
            )
            .expect("inserts");
    }
    connection
}

fn int(integer: i64) -> Value {
    Value::Integer(integer)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const COLUMNS: &str = r#""id", "text", "completed", "due", "priority", "tags", "code", "weight""#;

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

#[test]
fn a_select_becomes_rows_a_row_a_count_or_columns() {
    let connection = database();
    fn check<T: PartialEq + std::fmt::Debug>(
        connection: &Connection,
        query: &Query<T>,
        sql: &str,
        expected: T,
    ) {
        assert_eq!(query.sql(), sql);
        assert_eq!(query.run(connection), Ok(expected), "{sql}");
    }
    let c = &connection;
    let (open, all) = (Todo::query().filter(Todo::COMPLETED.eq(false)), rows());
    let whole = format!(r#"SELECT {COLUMNS} FROM "todos""#);
    let filtered = format!(r#"{whole} WHERE "completed" = ? ORDER BY "id""#);
    check(c, &open.clone().all(), &filtered, vec![all[0].clone(), all[2].clone()]);
    check(c, &open.clone().first(), &format!("{filtered} LIMIT ?"), Some(all[0].clone()));
    check(c, &open.clone().limit(0).first(), &format!("{filtered} LIMIT ?"), None);
    check(
        c,
        &open.clone().offset(1).first(),
        &format!("{filtered} LIMIT ? OFFSET ?"),
        Some(all[2].clone()),
    );
    let by_id = Todo::query().filter(Todo::ID.eq(2));
    check(
        c,
        &by_id.one(),
        &format!(r#"{whole} WHERE "id" = ? ORDER BY "id" LIMIT ?"#),
        all[1].clone(),
    );
    check(c, &open.clone().count(), r#"SELECT count(*) FROM "todos" WHERE "completed" = ?"#, 2);
    check(
        c,
        &open.clone().offset(1).count(),
        r#"SELECT count(*) FROM (SELECT 1 FROM "todos" WHERE "completed" = ? LIMIT ? OFFSET ?)"#,
        1,
    );
    let exists = r#"SELECT EXISTS (SELECT 1 FROM "todos" WHERE "completed" = ?)"#;
    check(c, &open.clone().exists(), exists, true);
    let texts = open.columns(Todo::TEXT);
    let sql = r#"SELECT "text" FROM "todos" WHERE "completed" = ? ORDER BY "id""#;
    check(c, &texts.all(), sql, vec!["milk".to_owned(), "50% off_".to_owned()]);
    let pairs = Todo::query().columns((Todo::ID, Todo::DUE)).filter(Todo::TEXT.eq("milk")).limit(5);
    let sql = r#"SELECT "id", "due" FROM "todos" WHERE "text" = ? ORDER BY "id" LIMIT ?"#;
    check(c, &pairs.clone().all(), sql, vec![(1, Some(10)), (4, Some(20))]);
    check(c, &pairs.first(), sql, Some((1, Some(10))));
    let eight = (
        Todo::ID,
        Todo::TEXT,
        Todo::COMPLETED,
        Todo::DUE,
        Todo::PRIORITY,
        Todo::TAGS,
        Todo::CODE,
        Todo::WEIGHT,
    );
    let row = Todo::query().columns(eight).first().run(c).expect("runs").expect("a row");
    assert_eq!(
        (row.0, row.4, &row.5.0, row.6.as_deref()),
        (1, Priority::High, &vec!["t1".to_owned()], Some("c1"))
    );
}

#[test]
fn one_row_means_one() {
    let connection = database();
    let one = |predicate| Todo::query().filter(predicate).columns(Todo::ID).one().run(&connection);
    assert_eq!(one(Todo::ID.eq(3)), Ok(3));
    assert!(matches!(one(Todo::ID.eq(9)), Err(QueryError::NoRow { sql }) if sql.contains("WHERE")));
    assert!(matches!(one(Todo::TEXT.eq("milk")), Err(QueryError::SeveralRows { .. })));
}

#[test]
fn raw_sql_is_typed_and_bound() {
    let connection = database();
    let c = &connection;
    let rows = raw::<(String, i64)>(
        "SELECT text, id FROM todos WHERE due > ?1 OR text = ?2",
        (15, "Bread"),
    );
    assert_eq!(
        rows.clone().all().run(c),
        Ok(vec![("Bread".into(), 2), ("50% off_".into(), 3), ("milk".into(), 4)])
    );
    assert_eq!(rows.first().run(c), Ok(Some(("Bread".into(), 2))));
    assert_eq!(raw::<i64>("SELECT count(*) FROM todos", ()).one().run(c), Ok(4));
    assert_eq!(
        Query::<Vec<Option<i64>>>::raw("SELECT due FROM todos LIMIT 2", ()).run(c),
        Ok(vec![Some(10), None])
    );
    let ids = vec![1, 2];
    assert_eq!(raw::<i64>("SELECT id FROM todos WHERE id IN (?, ?)", &ids).all().run(c), Ok(ids));
    // Rows of a table are found by column name, whatever the order.
    let reordered = "SELECT weight, code, tags, 7 AS more, priority, due, completed, text, id FROM todos WHERE id = ?";
    assert_eq!(raw::<Todo>(reordered, (4,)).one().run(c), Ok(self::rows()[3].clone()));
    assert_eq!(raw::<Todo>("SELECT * FROM todos", ()).all().run(c), Ok(self::rows()));
}

#[test]
fn what_does_not_fit_is_a_typed_error_with_its_sql() {
    let connection = database();
    let c = &connection;
    let mismatch = |table, column: &str, expected: &str, found: &str| TypeMismatch {
        table,
        column: column.into(),
        expected: expected.into(),
        found: found.into(),
    };
    fn typed<T>(sql: &str, mismatch: TypeMismatch) -> Result<T, QueryError> {
        Err(QueryError::Type { sql: sql.into(), mismatch })
    }
    let sql = "SELECT text FROM todos ORDER BY id";
    assert_eq!(
        raw::<i64>(sql, ()).all().run(c),
        typed(sql, mismatch(None, "text", "i64", r#"the text "milk""#))
    );
    let sql = "SELECT due FROM todos WHERE id = 2";
    assert_eq!(raw::<i64>(sql, ()).all().run(c), typed(sql, mismatch(None, "due", "i64", "NULL")));
    let sql = "SELECT 300";
    assert_eq!(
        raw::<u8>(sql, ()).all().run(c),
        typed(sql, mismatch(None, "300", "u8", "the integer 300"))
    );
    let sql = "SELECT id FROM todos";
    let lost = mismatch(Some("todos"), "text", "a column of this name", "a result without it");
    assert_eq!(raw::<Todo>(sql, ()).all().run(c), typed(sql, lost));
    assert_eq!(
        raw::<(i64, i64)>(sql, ()).all().run(c),
        Err(QueryError::Columns { sql: sql.into(), expected: 2, found: 1 })
    );
    for sql in ["DELETE FROM todos RETURNING id", "INSERT INTO link VALUES ('a', 'b') RETURNING 1"]
    {
        assert_eq!(raw::<i64>(sql, ()).all().run(c), Err(QueryError::Writes { sql: sql.into() }));
    }
    for sql in ["SELECT nothing FROM todos", "SELECT", "SELECT ?", "SELECT 1; SELECT 2"] {
        let error = raw::<i64>(sql, ()).all().run(c).expect_err(sql);
        assert!(matches!(&error, QueryError::Sqlite(error) if error.sql == sql), "{error}");
    }
    c.execute("UPDATE todos SET priority = 'Odd', tags = '[' WHERE id = 1", ()).expect("updates");
    let query = Todo::query().columns(Todo::PRIORITY).all();
    let odd = mismatch(Some("todos"), "priority", "one of `Low`, `High`", r#"the text "Odd""#);
    assert_eq!(query.run(c), typed(query.sql(), odd));
    let error = Todo::query().columns(Todo::TAGS).first().run(c).expect_err("no JSON");
    assert!(
        error.to_string().starts_with("`todos.tags`: expected JSON that decodes (EOF"),
        "{error}"
    );
    // A value that can't be bound waits in the query for its run.
    let nan = mismatch(Some("todos"), "weight", "a number", "NaN");
    assert_eq!(
        Todo::query().filter(Todo::WEIGHT.eq(f64::NAN)).count().run(c),
        Err(QueryError::Bind(nan))
    );
    let large = mismatch(None, "parameter", "an integer up to 2^63-1", "18446744073709551615");
    assert_eq!(raw::<i64>("SELECT ?", (u64::MAX,)).one().run(c), Err(QueryError::Bind(large)));
}

#[test]
fn equal_queries_have_one_identity() {
    let open = || Todo::query().filter(Todo::COMPLETED.eq(false));
    assert_eq!(open().all().id(), open().all().id());
    assert_eq!(open().all(), open().into_query());
    assert_ne!(open().all().id(), Todo::query().filter(Todo::COMPLETED.eq(true)).all().id());
    // The same SQL and values, read in another way.
    let sql = "SELECT due FROM todos LIMIT 1";
    let ids = [
        raw::<Option<i64>>(sql, ()).one().id(),
        raw::<i64>(sql, ()).first().id(),
        raw::<Option<i64>>(sql, ()).first().id(),
        raw::<i64>(sql, ()).one().id(),
        raw::<i32>(sql, ()).one().id(),
        raw::<(i64,)>(sql, ()).one().id(),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{index}");
    }
    let hash = |id: &livestore_core::QueryId| {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(id)
    };
    assert_eq!(hash(&open().all().id()), hash(&open().all().id()));
}

#[test]
fn a_query_bound_by_a_column_says_by_which_values() {
    let check = |query: Query<Vec<Todo>>, expected: Option<(&'static str, &[Value])>| {
        let expected = expected.map(|(column, values)| KeyFilter {
            table: "todos",
            column,
            values: values.to_vec(),
        });
        assert_eq!(query.key(), expected.as_ref(), "{}", query.sql());
    };
    let by = |predicate| Todo::query().filter(predicate).all();
    let milk = || Todo::TEXT.eq("milk");
    check(Todo::query().all(), None);
    check(by(Todo::ID.eq(1)), Some(("id", &[int(1)])));
    check(by(milk()), Some(("text", &[text("milk")])));
    check(by(Todo::COMPLETED.eq(true)), Some(("completed", &[int(1)])));
    check(by(Todo::DUE.eq(None)), Some(("due", &[Value::Null])));
    check(by(Todo::ID.in_([1, 2, 1])), Some(("id", &[int(1), int(2)])));
    check(by(Todo::ID.in_(Vec::<i64>::new())), Some(("id", &[])));
    // The key before a unique column before the others; then the fewer values.
    check(by(milk().and(Todo::ID.eq(1))), Some(("id", &[int(1)])));
    check(by(milk().and(Todo::CODE.eq("c"))), Some(("code", &[text("c")])));
    check(
        by(Todo::TEXT.in_(["a", "b"]) & Todo::COMPLETED.eq(false)),
        Some(("completed", &[int(0)])),
    );
    check(
        Todo::query().filter(milk()).filter(Todo::DUE.gt(3)).limit(3).all(),
        Some(("text", &[text("milk")])),
    );
    // Nothing under an OR or a NOT, no reals, no long lists.
    check(by(Todo::ID.eq(1).or(milk())), None);
    check(by(!Todo::ID.eq(1)), None);
    check(by(!Todo::ID.ne(1)), Some(("id", &[int(1)])));
    check(by(!Todo::ID.in_([1])), None);
    check(by(Todo::ID.gt(1)), None);
    check(by(Todo::WEIGHT.eq(0.5)), None);
    check(by(Todo::ID.in_(0..257)), None);
    assert!(by(Todo::ID.in_(0..256)).key().is_some());
    assert_eq!(Todo::query().filter(milk()).count().key().map(|key| key.column), Some("text"));
    assert_eq!(raw::<i64>("SELECT id FROM todos WHERE id = 1", ()).all().key(), None);
}

fn like_text() -> impl Strategy<Value = String> {
    "[aA%_\\\\é'\"]{0,6}"
}

/// What a predicate means, in Rust.
type Model = fn(&Todo, i64) -> bool;
type Leaf = (fn(i64) -> Predicate<Todo>, Model);

fn predicate() -> impl Strategy<Value = (Predicate<Todo>, Model, i64)> {
    let leaf: Vec<Leaf> = vec![
        (|n| Todo::ID.eq(n), |todo, n| todo.id == n),
        (|n| Todo::DUE.eq(n), |todo, n| todo.due == Some(n)),
        (|n| Todo::DUE.ne(n), |todo, n| todo.due != Some(n)),
        (|n| Todo::DUE.lt(n), |todo, n| todo.due.is_some_and(|due| due < n)),
        (|n| Todo::DUE.in_([Some(n), None]), |todo, n| todo.due.is_none_or(|due| due == n)),
        (|_| Todo::DUE.is_null(), |todo, _| todo.due.is_none()),
    ];
    (proptest::sample::select(leaf), 0..4_i64)
        .prop_map(|((predicate, model), n)| (predicate(n), model, n))
}

proptest! {
    #[test]
    fn an_escaped_pattern_matches_just_its_text(texts in prop::collection::vec(like_text(), 1..6), needle in like_text()) {
        let connection = Connection::open_in_memory().expect("opens");
        let fold = |text: &str| text.to_ascii_lowercase();
        for text in &texts {
            let like = |pattern: String| {
                let sql = r"SELECT ?1 LIKE ?2 ESCAPE '\'";
                raw::<bool>(sql, (text, &pattern)).one().run(&connection).expect("runs")
            };
            let (text, pattern) = (fold(text), escape_like(&needle));
            prop_assert_eq!(like(pattern.clone()), text == fold(&needle));
            prop_assert_eq!(like(format!("%{pattern}%")), text.contains(&fold(&needle)));
            prop_assert_eq!(like(format!("{pattern}%")), text.starts_with(&fold(&needle)));
        }
    }

    #[test]
    fn predicates_and_keys_agree_with_a_model(
        dues in prop::collection::vec(prop::option::of(0..4_i64), 0..6),
        (a, in_a, n) in predicate(),
        (b, in_b, m) in predicate(),
        shape in 0..8,
    ) {
        let connection = database();
        connection.execute("DELETE FROM todos WHERE 1", ()).expect("deletes");
        let rows: Vec<Todo> = dues.iter().zip(0..).map(|(due, id)| Todo { code: None, ..todo(id, "x", false, *due) }).collect();
        for row in &rows {
            let values = rusqlite::params_from_iter(row.to_values().expect("storable"));
            connection.execute("INSERT INTO todos VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values).expect("inserts");
        }
        let predicate = match shape {
            0 => a,
            1 => !a,
            2 => a.and(b),
            3 => a.or(b),
            4 => !a.and(b),
            5 => !a.or(b),
            6 => a.and(!b),
            _ => a.or(!b),
        };
        let model = |todo: &Todo| {
            let (a, b) = (in_a(todo, n), in_b(todo, m));
            match shape {
                0 => a,
                1 => !a,
                2 => a && b,
                3 => a || b,
                4 => !(a && b),
                5 => !(a || b),
                6 => a && !b,
                _ => a || !b,
            }
        };
        let query = Todo::query().filter(predicate).all();
        let expected: Vec<Todo> = rows.into_iter().filter(model).collect();
        prop_assert_eq!(query.run(&connection), Ok(expected.clone()), "{}", query.sql());
        if let Some(key) = query.key() {
            for todo in expected {
                let value = match key.column {
                    "id" => int(todo.id),
                    _ => todo.due.map_or(Value::Null, Value::Integer),
                };
                prop_assert!(key.values.contains(&value), "{} by {:?}", query.sql(), key);
            }
        }
    }
}
