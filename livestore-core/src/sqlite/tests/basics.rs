//! Statements, savepoints, recording, undo and errors on literal cases.

use livestore_sync::Lane;

use crate::{
    Value,
    sqlite::{AccessViolation, ChangeSet, Db, Record, SqliteError},
    testing::test,
};

/// A database with tables of every kind of key, with triggers and cascades.
pub(super) const STRUCTURE: &str = "
    CREATE TABLE people (id TEXT NOT NULL, team TEXT, name TEXT, age INTEGER, nick TEXT UNIQUE,
        PRIMARY KEY (id)) STRICT, WITHOUT ROWID;
    CREATE TABLE posts (id INTEGER PRIMARY KEY, person TEXT REFERENCES people (id)
        ON DELETE CASCADE ON UPDATE CASCADE, title TEXT, score REAL DEFAULT 0, size INTEGER
        GENERATED ALWAYS AS (length(title)) STORED, loud TEXT AS (upper(title)) VIRTUAL);
    CREATE INDEX posts_person ON posts (person);
    CREATE TABLE notes (body TEXT, pair_a INTEGER, pair_b INTEGER, UNIQUE (pair_a, pair_b));
    CREATE TABLE counts (a INTEGER NOT NULL, b TEXT NOT NULL, n INTEGER, PRIMARY KEY (b, a))
        WITHOUT ROWID;
    CREATE TRIGGER counted AFTER INSERT ON notes BEGIN
        INSERT INTO counts VALUES (1, 'notes', 1)
            ON CONFLICT (b, a) DO UPDATE SET n = n + 1;
    END;
    CREATE TRIGGER uncounted AFTER DELETE ON notes BEGIN
        UPDATE counts SET n = n - 1 WHERE a = 1 AND b = 'notes';
    END;
";

pub(super) const TABLES: [&str; 4] = ["people", "posts", "notes", "counts"];

pub(super) fn db() -> Db {
    let db = Db::open_in_memory().unwrap();
    db.execute_batch(STRUCTURE).unwrap();
    db.execute_batch(
        "INSERT INTO people VALUES ('a', 'x', 'Ann', 30, 'annie'), ('b', 'x', 'Bob', 40, NULL),
            ('c', 'y', 'Cy', 50, 'cy');
         INSERT INTO posts (id, person, title, score) VALUES (1, 'a', 'hello', 1.5), (2, 'a', 'again', 2),
            (3, 'b', 'bob', 0.25), (7, NULL, 'nobody', NULL);
         INSERT INTO notes (rowid, body, pair_a, pair_b) VALUES (5, 'five', 1, 1), (9, 'nine', 1, 2);",
    )
    .unwrap();
    db
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn record(db: &Db, statements: &[&str]) -> Vec<Record> {
    let recorded = db.recorded(|| {
        for sql in statements {
            db.execute(sql, &[])?;
        }
        Ok::<_, SqliteError>(())
    });
    recorded.unwrap().1
}

fn check_undo(statements: &[&str], records: usize) {
    let db = db();
    let before = db.content_hash(TABLES).unwrap();
    let recorded = record(&db, statements);
    assert_eq!(recorded.len(), records, "{statements:?}: {recorded:#?}");
    let mut net = db.changes(&recorded).unwrap();
    net.merge(db.undo([recorded.as_slice()]).unwrap());
    assert!(net.is_empty(), "{statements:?} there and back again is no change: {net:?}");
    assert_eq!(db.content_hash(TABLES).unwrap(), before, "{statements:?}");
    let verdict: String =
        db.conn().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn undo_restores_every_kind_of_write() {
    check_undo(&["INSERT INTO people (id) VALUES ('z')"], 1);
    check_undo(&["UPDATE people SET age = age + 1"], 3);
    check_undo(&["UPDATE people SET id = id || '!'"], 6); // three posts follow by cascade
    check_undo(&["DELETE FROM people WHERE id = 'a'"], 3);
    check_undo(&["DELETE FROM people"], 6);
    check_undo(&["INSERT OR REPLACE INTO people VALUES ('z', 'q', 'Zed', 1, 'annie')"], 4);
    check_undo(&["INSERT OR IGNORE INTO people VALUES ('z', 'q', 'Zed', 1, 'annie')"], 0);
    check_undo(&["UPDATE OR IGNORE people SET nick = 'same'"], 1);
    check_undo(
        &[
            "INSERT INTO people VALUES ('a', 'n', 'New', 9, 'n') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        ],
        1,
    );
    check_undo(&["UPDATE posts SET title = title || '?', score = score * 2"], 4);
    check_undo(&["UPDATE posts SET id = id + 10"], 4);
    check_undo(&["REPLACE INTO posts (id, title) VALUES (1, 'new'), (8, 'eight')"], 3);
    check_undo(&["INSERT INTO notes VALUES ('ten', 2, 2)"], 2); // the trigger counts
    check_undo(&["DELETE FROM notes WHERE rowid = 9"], 2);
    check_undo(&["UPDATE notes SET rowid = rowid + 100"], 2);
    check_undo(&["REPLACE INTO notes VALUES ('again', 1, 1)"], 3);
    check_undo(
        &["DELETE FROM notes", "INSERT INTO notes VALUES ('x', 1, 1)", "DELETE FROM notes"],
        8,
    );
    check_undo(&["UPDATE counts SET a = 7, n = NULL"], 1);
}

#[test]
fn undo_restores_unusual_tables() {
    let structure = "
        CREATE TABLE odd (v TEXT AS (upper(t)) VIRTUAL, t TEXT, s INTEGER AS (length(t)) STORED,
            key REAL NOT NULL, rowid TEXT, part TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (part, key))
            WITHOUT ROWID;
        CREATE TABLE hidden (rowid TEXT, oid INTEGER, x DOUBLE PRECISION);
        CREATE TABLE \"we \"\"ird\" (\"a b\" INTEGER PRIMARY KEY, \"select\" ANY) STRICT;
        INSERT INTO odd (t, key, rowid, part) VALUES ('one', 1, 'r', 'A'), ('two', 2.5, NULL, 'b');
        INSERT INTO hidden VALUES ('r', 1, 3), (NULL, NULL, NULL);
        INSERT INTO \"we \"\"ird\" VALUES (1, 'x'), (2, 2.0), (3, x'00ff'), (-4, NULL);";
    let tables = ["odd", "hidden", "we \"ird"];
    for sql in [
        "UPDATE odd SET t = t || '!', key = key + 1",
        "UPDATE odd SET part = lower(part)",
        "REPLACE INTO odd (t, key, part) VALUES ('new', 1, 'a')",
        "DELETE FROM odd",
        "INSERT INTO odd (key, part) VALUES (9, 'z')",
        "UPDATE hidden SET _rowid_ = _rowid_ + 7, x = 4",
        "DELETE FROM hidden",
        "UPDATE \"we \"\"ird\" SET \"a b\" = \"a b\" * 10, \"select\" = 1.0",
        "DELETE FROM \"we \"\"ird\" WHERE \"a b\" < 3",
    ] {
        let db = Db::open_in_memory().unwrap();
        db.execute_batch(structure).unwrap();
        let before = db.content_hash(tables).unwrap();
        let records = record(&db, &[sql]);
        assert_ne!(db.content_hash(tables).unwrap(), before, "{sql}");
        let mut net = db.changes(&records).unwrap();
        net.merge(db.undo([records.as_slice()]).unwrap());
        assert!(net.is_empty(), "{sql}: {net:?}");
        assert_eq!(db.content_hash(tables).unwrap(), before, "{sql}");
    }
}

#[test]
fn a_write_that_gives_rows_is_all_or_nothing_too() {
    let db = db();
    let before = db.content_hash(TABLES).unwrap();
    let sql = "UPDATE people SET age = 1 RETURNING id";
    let ((), records) = db
        .recorded(|| {
            assert!(db.execute(sql, &[]).is_err(), "it gives rows");
            assert!(db.query(sql, &[], |row| row.get::<_, i64>(0)).is_err(), "ids are text");
            Ok::<_, SqliteError>(())
        })
        .unwrap();
    assert_eq!(records, []);
    assert_eq!(db.content_hash(TABLES).unwrap(), before);
    db.declare([("people", Lane::Synced)]);
    let ids = db.guarded(Lane::Synced, || db.query(sql, &[], |row| row.get::<_, String>(0)));
    assert_eq!(ids.unwrap().unwrap(), ["a", "b", "c"]);
    let savepoint = db.guarded(Lane::Synced, || db.execute("RELEASE livestore", &[]));
    assert!(matches!(savepoint, Err(SqliteError::Access(AccessViolation::Forbidden { .. }))));
}

#[test]
fn full_text_follows_the_rows_and_is_not_recorded() {
    let db = db();
    db.execute_batch(
        "CREATE VIRTUAL TABLE search USING fts5 (title, content='posts', content_rowid='id');
         INSERT INTO search (search) VALUES ('rebuild');
         CREATE TEMP TRIGGER search_out AFTER DELETE ON main.posts BEGIN
             INSERT INTO search (search, rowid, title) VALUES ('delete', old.id, old.title);
         END;
         CREATE TEMP TRIGGER search_in AFTER INSERT ON main.posts BEGIN
             INSERT INTO search (rowid, title) VALUES (new.id, new.title);
         END;",
    )
    .unwrap();
    db.declare_full_text("search", "posts");
    let find =
        "SELECT id FROM posts WHERE id IN (SELECT rowid FROM search WHERE search MATCH 'hello')";
    let found = || db.query(find, &[], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(found(), [1]);
    let records = record(&db, &["DELETE FROM posts WHERE id = 1"]);
    assert_eq!(records.len(), 1);
    assert!(db.changes(&records).unwrap().touches(&db.read_set(find).unwrap()));
    assert!(found().is_empty());
    db.undo([records.as_slice()]).unwrap();
    assert_eq!(found(), [1], "TEMP triggers fire while an undo keeps the others off");
    db.execute("INSERT INTO search (search) VALUES ('integrity-check')", &[]).unwrap();
}

#[test]
fn a_failing_statement_leaves_no_records() {
    let db = db();
    let before = db.content_hash(TABLES).unwrap();
    let ((), records) = db
        .recorded(|| {
            let error = db.execute("UPDATE people SET nick = 'same'", &[]).unwrap_err();
            assert!(matches!(error, SqliteError::Constraint(_)), "{error}");
            db.savepoint(|| {
                db.execute("DELETE FROM notes", &[])?;
                Err::<(), _>(SqliteError::Sql("on purpose".into()))
            })
            .unwrap_err();
            Ok::<_, SqliteError>(())
        })
        .unwrap();
    assert_eq!(records, []);
    assert_eq!(db.content_hash(TABLES).unwrap(), before);
}

fn changed(statements: &[&str]) -> ChangeSet {
    let db = db();
    let records = record(&db, statements);
    db.changes(&records).unwrap()
}

fn check_change(statements: &[&str], expected: &[(&str, bool, &[&str], usize)]) {
    let changes = changed(statements);
    let found: Vec<_> = changes
        .tables()
        .map(|change| {
            let name = |column: usize| {
                change.table().columns().get(column).map_or("rowid", |column| column.name.as_str())
            };
            let columns: Vec<&str> = change.changed_columns().iter().map(name).collect();
            (change.name(), change.existence_changed(), columns, change.rows().count())
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(table, existence, columns, rows)| (*table, *existence, columns.to_vec(), *rows))
        .collect();
    assert_eq!(found, expected, "{statements:?}");
}

#[test]
fn a_change_set_tells_what_differs_and_nothing_else() {
    check_change(&["UPDATE people SET age = age"], &[]);
    check_change(&["UPDATE people SET age = 40"], &[("people", false, &["age"], 2)]);
    check_change(&["INSERT INTO people (id) VALUES ('z')"], &[("people", true, &[], 1)]);
    check_change(
        &["INSERT INTO people (id) VALUES ('z')", "DELETE FROM people WHERE id = 'z'"],
        &[],
    );
    check_change(
        &["REPLACE INTO people VALUES ('c', 'y', 'Cyd', 50, 'cy')"],
        &[("people", false, &["name"], 1)],
    );
    check_change(
        &["UPDATE posts SET title = 'abcde' WHERE id = 1"],
        &[("posts", false, &["title"], 1)],
    );
    check_change(
        &["UPDATE posts SET title = 'longer' WHERE id = 1"],
        &[("posts", false, &["title", "size"], 1)],
    );
    check_change(&["UPDATE people SET id = 'd' WHERE id = 'c'"], &[("people", true, &[], 2)]);
    check_change(
        &["UPDATE people SET age = 41 WHERE id = 'b'", "UPDATE people SET age = 40 WHERE id = 'b'"],
        &[],
    );
}

#[test]
fn rows_of_a_change_show_old_and_new_values() {
    let changes = changed(&[
        "UPDATE people SET team = 'y' WHERE id = 'a'",
        "DELETE FROM people WHERE id = 'c'",
    ]);
    let people = changes.table("people").unwrap();
    let team = people.table().column("team").unwrap();
    let mut teams: Vec<_> =
        people.rows().map(|row| (row.old(team).cloned(), row.new(team).cloned())).collect();
    teams.sort_by_key(|(_, new)| new.is_none());
    assert_eq!(teams, [(Some(text("x")), Some(text("y"))), (Some(text("y")), None)]);
}

fn guarded_db() -> Db {
    let db = db();
    db.declare([("people", Lane::Synced), ("posts", Lane::Synced), ("notes", Lane::ClientOnly)]);
    db
}

fn violation<T>(ran: Result<T, SqliteError>) -> Result<T, AccessViolation> {
    ran.map_err(|error| match error {
        SqliteError::Access(violation) => violation,
        error => panic!("{error}"),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better so")]
fn check_guard(lane: Lane, sql: &str, expected: Result<(), AccessViolation>) {
    let db = guarded_db();
    // Whether the statement is new, or cached by a reader or by the other lane's guard, must make no difference.
    for round in 0..3 {
        let ran = db.guarded(lane, || db.query(sql, &[], |_| Ok(())));
        assert_eq!(violation(ran.map(|_| ())), expected, "round {round}: {sql}");
        if !sql.contains("ATTACH") {
            db.savepoint(|| {
                drop(db.query(sql, &[], |_| Ok(())));
                Err::<(), _>(SqliteError::Sql("back".into()))
            })
            .unwrap_err();
        }
        let other = if lane == Lane::Synced { Lane::ClientOnly } else { Lane::Synced };
        drop(db.guarded(other, || drop(db.query(sql, &[], |_| Ok(())))));
    }
}

#[test]
fn a_materializer_touches_only_rows_of_its_lane() {
    let (synced, client) = (Lane::Synced, Lane::ClientOnly);
    let other =
        |table: &str, by, of| Err(AccessViolation::OtherLane { table: table.to_owned(), by, of });
    let forbidden = |what| Err(AccessViolation::Forbidden { what });
    check_guard(synced, "SELECT * FROM people", Ok(()));
    check_guard(
        synced,
        "WITH c AS (SELECT 1 AS x) SELECT count(*) FROM c, json_each('[1]')",
        Ok(()),
    );
    check_guard(synced, "UPDATE people SET age = 1 WHERE id = 'a' RETURNING id", Ok(()));
    check_guard(synced, "SELECT body FROM notes", other("notes", synced, client));
    check_guard(synced, "SELECT count(*) FROM notes", other("notes", synced, client));
    check_guard(
        synced,
        "UPDATE people SET age = (SELECT count(*) FROM NOTES)",
        other("NOTES", synced, client),
    );
    check_guard(client, "DELETE FROM posts", other("posts", client, synced));
    check_guard(client, "INSERT INTO people (id) VALUES ('q')", other("people", client, synced));
    let unknown =
        |table: &str| Err(AccessViolation::UnknownTable { table: table.to_owned(), by: synced });
    check_guard(synced, "SELECT * FROM counts", unknown("counts"));
    check_guard(synced, "SELECT count(*) FROM sqlite_schema", unknown("sqlite_schema"));
    check_guard(synced, "PRAGMA user_version = 3", forbidden("a PRAGMA"));
    check_guard(synced, "ATTACH ':memory:' AS other", forbidden("ATTACH or DETACH"));
    check_guard(synced, "CREATE TABLE t (x)", forbidden("to change the database's structure"));
    check_guard(synced, "DROP TABLE people", forbidden("to change the database's structure"));
    check_guard(synced, "SAVEPOINT mine", forbidden("to control a transaction"));
    check_guard(synced, "COMMIT", forbidden("to control a transaction"));
    check_guard(
        synced,
        "UPDATE people SET age = random()",
        Err(AccessViolation::Impure {
            function: "random()".into(),
            sql: "UPDATE people SET age = random()".into(),
        }),
    );
    check_guard(
        synced,
        "UPDATE OR FAIL people SET nick = 'x'",
        Err(AccessViolation::ConflictClause),
    );
    check_guard(
        synced,
        "INSERT OR ROLLBACK INTO people (id) VALUES ('a')",
        Err(AccessViolation::ConflictClause),
    );
    check_guard(synced, "INSERT OR IGNORE INTO people (id) VALUES ('a')", Ok(()));
}

#[test]
fn the_recorder_catches_a_write_that_the_authorizer_never_saw() {
    let db = guarded_db();
    let sql = "UPDATE notes SET body = 'cached outside'";
    db.conn().prepare_cached(sql).unwrap().execute(()).unwrap();
    let ran =
        db.guarded(Lane::Synced, || db.conn().prepare_cached(sql).unwrap().execute(()).unwrap());
    let expected = AccessViolation::OtherLane {
        table: "notes".into(),
        by: Lane::Synced,
        of: Lane::ClientOnly,
    };
    assert_eq!(violation(ran), Err(expected));
}

#[test]
fn errors_tell_the_event_from_the_storage() {
    let db = db();
    for (sql, storage) in [
        ("INSERT INTO people (id) VALUES ('a')", false),
        ("INSERT INTO people (id, age) VALUES ('q', 'no number')", false),
        ("SELECT FROM", false),
        ("INSERT INTO posts (person) VALUES ('nobody')", false),
    ] {
        let error = db.execute(sql, &[]).unwrap_err();
        assert_eq!(error.is_storage_failure(), storage, "{sql}: {error}");
    }
    db.execute_batch("PRAGMA max_page_count = 30").unwrap();
    let error = db
        .execute(
            "UPDATE people SET name = zeroblob(1000000) || ?1",
            &[Value::Text("x".repeat(1_000_000))],
        )
        .unwrap_err();
    assert!(matches!(error, SqliteError::Full(_)) && error.is_storage_failure(), "{error}");
    assert!(db.execute("UPDATE people SET age = 1", &[]).is_ok(), "the database lives on");
}
