//! What queries give, and what does not fit.

use livestore_core::{Query, QueryError, TypeMismatch, raw};
use rusqlite::Connection;

use super::{COLUMNS, Priority, Todo, database, rows};
use crate::testing::test;

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
