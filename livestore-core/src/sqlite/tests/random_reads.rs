//! Read sets against random queries and writes: if a result changed, the write touched the read set.

use proptest::prelude::{ProptestConfig, any, proptest};

use super::choices::Choices;
use crate::{
    Value,
    sqlite::{Db, SqliteError},
    testing::test,
};

const STRUCTURE: &str = "
    CREATE TABLE a (id INTEGER PRIMARY KEY, k INTEGER, x INTEGER, y INTEGER,
        g INTEGER AS (x + 1) VIRTUAL, h INTEGER AS (g * y) STORED);
    CREATE INDEX a_x ON a (x);
    CREATE INDEX a_g ON a (g);
    CREATE TABLE b (k INTEGER NOT NULL, id INTEGER, x INTEGER, w INTEGER, u INTEGER DEFAULT 0,
        PRIMARY KEY (w, k)) WITHOUT ROWID;
    CREATE INDEX b_x ON b (x) WHERE u > 1;
    CREATE TABLE c (k INTEGER, z INTEGER, id INTEGER, unread INTEGER);
    CREATE INDEX c_expression ON c (z + id);
    CREATE UNIQUE INDEX c_k ON c (k, z);
    CREATE TABLE d (k INTEGER PRIMARY KEY, x INTEGER);
    CREATE VIEW v AS SELECT a.k AS k, b.x AS x, a.y AS id FROM a JOIN b USING (k);
    CREATE VIEW vv AS SELECT k, count(*) AS x, max(id) AS id FROM v GROUP BY k;
";

/// What stands in a FROM, and the columns it shows.
struct Source {
    sql: String,
    columns: &'static [&'static str],
}

fn source(choices: &mut Choices<'_>, depth: usize) -> Source {
    let table = |sql: &str, columns| Source { sql: sql.to_owned(), columns };
    match choices.below(if depth == 0 { 9 } else { 6 }) {
        0 => table("a", &["id", "k", "x", "y", "g", "h", "rowid"]),
        1 => table("b", &["k", "id", "x", "w", "u"]),
        2 => table("c", &["k", "z", "id", "rowid"]),
        3 => table("d", &["k", "x"]),
        4 => table("v", &["k", "x", "id"]),
        5 => table("vv", &["k", "x", "id"]),
        6 => table("q", &["k", "x"]),
        7 => {
            Source { sql: format!("({})", select(choices, depth + 1, true)), columns: &["k", "x"] }
        }
        _ => {
            let (left, right) = (source(choices, 1), source(choices, 1));
            Source {
                sql: format!("(SELECT k, 1 AS x FROM {} NATURAL JOIN {})", left.sql, right.sql),
                columns: &["k", "x"],
            }
        }
    }
}

fn column(choices: &mut Choices<'_>, sources: &[Source]) -> String {
    let source = choices.below(sources.len());
    format!("s{source}.{}", choices.of(sources[source].columns))
}

fn expression(choices: &mut Choices<'_>, sources: &[Source], depth: usize) -> String {
    let column = column(choices, sources);
    match choices.below(if depth == 0 { 9 } else { 5 }) {
        0 | 1 => column,
        2 => format!("coalesce({column}, -1) + 1"),
        3 => format!("CASE WHEN {column} > 2 THEN 1 ELSE {} END", self::column(choices, sources)),
        4 => format!("{column} IN (1, 2, 3)"),
        5 => format!("(SELECT max(i.x) FROM d AS i WHERE i.k = {column})"),
        6 => format!("EXISTS (SELECT 1 FROM c AS i WHERE i.k = {column})"),
        7 => format!("{column} IN (SELECT x FROM a NATURAL JOIN d)"),
        _ => format!("(SELECT count(*) FROM b JOIN c USING (k) WHERE z > {column})"),
    }
}

fn from(choices: &mut Choices<'_>, sources: &[Source]) -> String {
    let mut sql = format!("{} AS s0", sources[0].sql);
    for (index, source) in sources.iter().enumerate().skip(1) {
        let kind = choices.of(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        sql += &match choices.below(4) {
            0 => format!(" {kind} {} AS s{index} USING (k)", source.sql),
            1 => format!(" NATURAL {kind} {} AS s{index}", source.sql),
            2 => format!(" {kind} {} AS s{index} ON s{index}.k = s0.k", source.sql),
            _ => format!(", {} AS s{index}", source.sql),
        };
    }
    sql
}

/// A SELECT of two columns, `k` and `x`.
fn select(choices: &mut Choices<'_>, depth: usize, inner: bool) -> String {
    let sources: Vec<Source> =
        (0..=choices.below(3 - depth.min(2))).map(|_| source(choices, depth)).collect();
    let from = from(choices, &sources);
    let (k, x) = (expression(choices, &sources, depth), expression(choices, &sources, depth));
    let mut sql = match choices.below(5) {
        0 => format!("SELECT {k} AS k, count(*) AS x FROM {from}"),
        1 => format!("SELECT DISTINCT {k} AS k, {x} AS x FROM {from}"),
        2 => format!("SELECT {k} AS k, max({x}) AS x FROM {from}"),
        _ => format!("SELECT {k} AS k, {x} AS x FROM {from}"),
    };
    if choices.below(2) == 0 {
        sql += &format!(" WHERE {} > {}", expression(choices, &sources, depth), choices.below(4));
    }
    match choices.below(5) {
        0 => sql += &format!(" GROUP BY {}", column(choices, &sources)),
        1 if !inner => sql += &format!(" ORDER BY {} LIMIT 3", column(choices, &sources)),
        2 if !inner => {
            let other = select(choices, 2, true);
            sql +=
                &format!(" {} {other}", choices.of(&["UNION", "EXCEPT", "UNION ALL", "INTERSECT"]));
        }
        _ => {}
    }
    sql
}

fn query(choices: &mut Choices<'_>) -> String {
    let common = match choices.below(3) {
        0 => "SELECT k, x FROM d".to_owned(),
        1 => "SELECT k, y AS x FROM a NATURAL JOIN c".to_owned(),
        _ => select(choices, 2, true),
    };
    format!("WITH q (k, x) AS ({common}) {}", select(choices, 0, false))
}

fn write(choices: &mut Choices<'_>) -> String {
    let columns: &[(&str, &[&str])] = &[
        ("a", &["id", "k", "x", "y"]),
        ("b", &["k", "id", "x", "w", "u"]),
        ("c", &["rowid", "k", "z", "id", "unread"]),
        ("d", &["k", "x"]),
    ];
    let (table, columns) = columns[choices.below(columns.len())];
    let (set, by) = (choices.of(columns), choices.of(columns));
    let (n, m) = (choices.below(6), choices.below(6));
    match choices.below(8) {
        0 => format!("DELETE FROM {table} WHERE {by} = {n}"),
        1 => {
            let values: Vec<String> =
                columns.iter().map(|_| choices.below(6).to_string()).collect();
            format!("REPLACE INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
        }
        2 => format!("UPDATE OR IGNORE {table} SET {set} = {set} + 1"),
        _ => format!("UPDATE OR IGNORE {table} SET {set} = {m} WHERE {by} = {n}"),
    }
}

fn filled() -> Db {
    let db = Db::open_in_memory().unwrap();
    db.execute_batch(STRUCTURE).unwrap();
    db.execute_batch(
        "INSERT INTO a (id, k, x, y) VALUES (1, 1, 2, 3), (2, 2, 1, 0), (3, 3, 5, 1), (5, 1, 0, 4);
         INSERT INTO b VALUES (1, 4, 2, 0, 3), (2, 1, 5, 1, 0), (3, 2, 1, 2, 2), (1, 0, 3, 4, 5);
         INSERT INTO c VALUES (1, 1, 2, 0), (2, 3, 0, 0), (3, 0, 5, 0), (4, 4, 1, 0);
         INSERT INTO d VALUES (1, 5), (2, 3), (3, 0), (4, 1);",
    )
    .unwrap();
    db
}

fn result(db: &Db, sql: &str) -> Vec<(Value, Value)> {
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get_ref(0)?.into(), row.get_ref(1)?.into()));
    db.query(sql, &[], pair).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Gives how many writes were missed by the read set, rightly; nothing for a query that SQLite finds ambiguous.
fn check(numbers: &[u16]) -> Option<usize> {
    let db = filled();
    let mut choices = Choices::new(numbers);
    let sql = query(&mut choices);
    let set = match db.read_set(&sql) {
        Err(SqliteError::Sql(error)) if error.contains("ambiguous") => return None,
        set => set.unwrap_or_else(|error| panic!("{sql}: {error}")),
    };
    let mut before = result(&db, &sql);
    let mut untouched = 0;
    for _ in 0..16 {
        let write = write(&mut choices);
        let (_, records) = db.recorded(|| db.execute(&write, &[])).unwrap();
        let touched = db.changes(&records).unwrap().touches(&set);
        let after = result(&db, &sql);
        assert!(
            touched || before == after,
            "{write}\n  was missed by\n{sql}\n  which reads {set:?}"
        );
        untouched += usize::from(!touched);
        before = after;
    }
    Some(untouched)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_result_was_touched(numbers in proptest::collection::vec(any::<u16>(), 200..300)) {
        check(&numbers);
    }
}

#[test]
fn a_read_set_is_not_everything() {
    // The property above would hold for a read set of everything, too, and for no queries at all.
    let untouched: Vec<usize> = (0..100_u64)
        .filter_map(|seed| {
            let hash = |i: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&i.to_le_bytes(), seed);
            let numbers: Vec<u16> = (0..300).map(|i| (hash(i) & 0xffff) as u16).collect();
            check(&numbers)
        })
        .collect();
    assert!(untouched.len() > 70, "{} of 100 queries are sound", untouched.len());
    let share = untouched.iter().sum::<usize>() * 100 / (untouched.len() * 16);
    assert!(share > 20, "{share}% of the writes touched nothing");
}
