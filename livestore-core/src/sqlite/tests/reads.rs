//! Read sets on literal queries.

use super::basics::db;
use crate::{
    Value,
    sqlite::{Db, ReadSetError, SqliteError},
    testing::test,
};

fn reads(db: &Db, sql: &str) -> Vec<String> {
    let set = db.read_set(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut names = Vec::new();
    for (table, columns) in set.tables() {
        let info = db.table(table).unwrap().unwrap();
        if columns.is_empty() {
            names.push(table.to_owned());
        }
        for column in columns.iter() {
            let name = info.columns().get(column).map_or("rowid", |column| &column.name);
            names.push(format!("{table}.{name}"));
        }
    }
    names
}

fn check(sql: &str, expected: &str) {
    let db = db();
    db.execute_batch(
        "CREATE VIEW adults AS SELECT id, name FROM people WHERE age > 18;
         CREATE INDEX people_team ON people (team, age);
         CREATE INDEX loud_posts ON posts (loud);
         CREATE VIRTUAL TABLE search USING fts5 (title, content='posts', content_rowid='id');",
    )
    .unwrap();
    db.declare_full_text("search", "posts");
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(reads(&db, sql), expected, "{sql}");
}

#[test]
fn a_read_set_holds_the_columns_a_result_depends_on() {
    check("SELECT 1", "");
    check("SELECT name FROM people", "people.id people.name");
    check("SELECT count(*) FROM notes", "notes");
    // In the order of the narrow index that SQLite scans.
    check("SELECT rowid FROM notes", "notes.pair_a notes.pair_b notes.rowid");
    check("SELECT _rowid_ FROM posts ORDER BY id", "posts.id");
    check("SELECT NAME FROM PEOPLE WHERE Id = ?", "people.id people.name");
    check(
        "SELECT name FROM people WHERE team = 'x'",
        "people.id people.team people.name people.age",
    );
    check("SELECT body FROM notes ORDER BY pair_b", "notes.body notes.pair_b notes.rowid");
    check("SELECT title FROM posts WHERE id = 1", "posts.id posts.title");
    check("SELECT size FROM posts", "posts.id posts.title");
    check("SELECT loud FROM posts", "posts.id posts.title");
    check("SELECT score FROM posts WHERE loud = 'A'", "posts.id posts.title posts.score");
    check("SELECT * FROM counts", "counts.a counts.b counts.n");
    check("SELECT n FROM counts", "counts.a counts.b counts.n");
    check("SELECT name FROM adults", "people.id people.name people.age");
    // The columns a view lists count although nobody asks for them: coarser than need be, never wrong.
    check("SELECT count(*) FROM adults", "people.id people.team people.name people.age");
    check(
        "WITH people AS (SELECT body AS name FROM notes) SELECT name FROM people",
        "notes.body notes.rowid",
    );
    check(
        "SELECT (SELECT max(score) FROM posts WHERE person = p.id) FROM people AS p",
        "people.id people.team people.age posts.id posts.person posts.score",
    );
    check("SELECT value FROM json_each('[1, 2]')", "");
    check(
        "SELECT name, value FROM people, json_each(people.team)",
        "people.id people.team people.name",
    );
    check(
        "SELECT id FROM posts WHERE id IN (SELECT rowid FROM search WHERE search MATCH 'hello')",
        "posts.id posts.person posts.title posts.score posts.size posts.loud posts.rowid",
    );
}

#[test]
fn columns_joined_by_using_and_natural_are_read() {
    let db = Db::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, k TEXT, x TEXT, unused TEXT);
         CREATE TABLE b (id INTEGER PRIMARY KEY, k TEXT, y TEXT);
         CREATE TABLE c (k TEXT NOT NULL PRIMARY KEY, z TEXT) WITHOUT ROWID;",
    )
    .unwrap();
    for (sql, expected) in [
        ("SELECT y FROM a JOIN b USING (k)", vec!["a.id", "a.k", "b.id", "b.k", "b.y"]),
        ("SELECT x FROM a NATURAL JOIN c", vec!["a.id", "a.k", "a.x", "c.k"]),
        ("SELECT z FROM c LEFT JOIN b USING (k)", vec!["b.id", "b.k", "c.k", "c.z"]),
        ("SELECT k FROM b FULL JOIN c USING (k)", vec!["b.id", "b.k", "c.k"]),
    ] {
        assert_eq!(reads(&db, sql), expected, "{sql}");
    }
}

fn refused(sql: &str) -> ReadSetError {
    let db = db();
    db.execute_batch("CREATE TABLE livestore_heads (n); CREATE TEMP TABLE passing (x)").unwrap();
    match db.read_set(sql) {
        Err(SqliteError::ReadSet(error)) => error,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn a_query_that_can_not_be_live_is_refused() {
    for sql in [
        "SELECT random()",
        "SELECT name FROM people ORDER BY random()",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT datetime('now')",
        "SELECT datetime()",
        "SELECT unixepoch('NOW', 'localtime')",
        "SELECT strftime('%Y')",
        "SELECT strftime('%Y', 'now')",
        "SELECT date('subsec')",
        "SELECT changes()",
        "SELECT last_insert_rowid() FROM people",
        "SELECT name FROM people WHERE age > strftime('%s', 'now')",
    ] {
        let error = refused(sql);
        assert!(matches!(error, ReadSetError::NonDeterministic { .. }), "{sql}: {error}");
    }
    for sql in [
        "UPDATE people SET age = 1",
        "DELETE FROM people RETURNING id",
        "PRAGMA user_version",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "EXPLAIN SELECT 1",
        "CREATE TABLE t (x)",
    ] {
        assert_eq!(refused(sql), ReadSetError::NotAQuery, "{sql}");
    }
    for sql in [
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM livestore_heads",
        "SELECT count(*) FROM livestore_heads",
        "SELECT * FROM passing",
        "SELECT name FROM pragma_table_info('people')",
    ] {
        let error = refused(sql);
        assert!(matches!(error, ReadSetError::Unknowable { .. }), "{sql}: {error}");
    }
}

#[test]
fn date_functions_of_stored_times_are_fine() {
    let db = db();
    for sql in [
        "SELECT date(age, 'unixepoch') FROM people",
        "SELECT strftime('%Y', age, 'unixepoch') FROM people",
        "SELECT unixepoch(name, 'subsec') FROM people",
        "SELECT datetime(?1)",
        "SELECT strftime('%Y', ?)",
    ] {
        let set = db.read_set(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(set.check_parameters(&[Value::Text("2026-01-01".into())]).is_ok());
        assert!(set.check_parameters(&[Value::Text("now".into())]).is_err(), "{sql}");
    }
    let set = db.read_set("SELECT ?1").unwrap();
    assert!(set.check_parameters(&[Value::Text("now".into())]).is_ok());
}

fn touches(sql: &str, write: &str) -> bool {
    let db = db();
    let set = db.read_set(sql).unwrap();
    let (_, records) = db.recorded(|| db.execute(write, &[])).unwrap();
    db.changes(&records).unwrap().touches(&set)
}

#[test]
fn another_table_another_column_and_equal_values_do_not_touch() {
    let sql = "SELECT name FROM people WHERE team = 'x'";
    assert!(touches(sql, "UPDATE people SET name = 'N' WHERE id = 'a'"));
    assert!(touches(sql, "UPDATE people SET team = 'x' WHERE id = 'c'"));
    assert!(touches(sql, "DELETE FROM people WHERE id = 'c'"));
    assert!(touches(sql, "INSERT INTO people (id) VALUES ('new')"));
    assert!(touches(sql, "UPDATE people SET id = 'zz' WHERE id = 'a'"));
    assert!(!touches(sql, "UPDATE people SET age = 99"));
    assert!(!touches(sql, "UPDATE people SET name = name, team = team"));
    assert!(!touches(sql, "INSERT INTO counts VALUES (4, 'z', 1)"));
    assert!(!touches(sql, "REPLACE INTO people VALUES ('c', 'y', 'Cy', 51, 'cy')"));
    assert!(touches("SELECT loud FROM posts", "UPDATE posts SET title = 'T' WHERE id = 1"));
    assert!(!touches("SELECT loud FROM posts", "UPDATE posts SET score = 9"));
    assert!(!touches("SELECT count(*) FROM posts", "UPDATE posts SET title = 'T'"));
    assert!(touches("SELECT n FROM counts", "INSERT INTO notes VALUES ('n', 9, 9)"), "by trigger");
    assert!(
        touches("SELECT count(*) FROM posts", "DELETE FROM people WHERE id = 'a'"),
        "by cascade"
    );
}

#[test]
fn a_read_set_follows_a_change_of_structure() {
    let db = db();
    let sql = "SELECT * FROM notes";
    assert_eq!(reads(&db, sql).len(), 4);
    db.execute_batch("ALTER TABLE notes ADD COLUMN more TEXT").unwrap();
    assert_eq!(
        reads(&db, sql),
        ["notes.body", "notes.pair_a", "notes.pair_b", "notes.more", "notes.rowid"]
    );
    db.savepoint(|| {
        db.execute_batch("ALTER TABLE notes ADD COLUMN most TEXT")?;
        assert_eq!(reads(&db, sql).len(), 6);
        Err::<(), _>(SqliteError::Sql("back".into()))
    })
    .unwrap_err();
    assert_eq!(reads(&db, sql).len(), 5);
}
