//! Undo against random writes: cascades, upserts, REPLACE, failing statements, triggers, nested savepoints.

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{
    basics::{TABLES, db},
    choices::Choices,
};
use crate::{
    sqlite::{Db, SqliteError},
    testing::test,
};

fn statement(choices: &mut Choices<'_>) -> String {
    let name = |choices: &mut Choices<'_>| choices.of(&["'a'", "'b'", "'c'", "'d'", "'e'"]);
    let (who, other) = (name(choices), name(choices));
    let (n, m) = (choices.below(9), choices.below(9));
    match choices.below(20) {
        0 => format!("INSERT INTO people VALUES ({who}, 'x', 'n{n}', {n}, {other})"),
        1 => format!("INSERT OR REPLACE INTO people VALUES ({who}, 'y', 'n{n}', {m}, {other})"),
        2 => format!("INSERT OR IGNORE INTO people VALUES ({who}, 'y', 'n{n}', {m}, {other})"),
        3 => format!(
            "INSERT INTO people (id, nick) VALUES ({who}, {other}) ON CONFLICT (id) DO UPDATE SET nick = excluded.nick, age = {n}"
        ),
        4 => format!("UPDATE people SET id = {who} WHERE id = {other}"),
        5 => format!("UPDATE people SET nick = {who} WHERE age > {n}"),
        6 => "UPDATE people SET id = id || '!', age = age + 1".to_owned(),
        7 => format!("DELETE FROM people WHERE id >= {who}"),
        8 => format!("INSERT INTO posts (id, person, title) VALUES ({n}, {who}, 't{m}')"),
        9 => format!(
            "REPLACE INTO posts (id, person, title, score) VALUES ({n}, {who}, 't', {m}.5), ({m}, NULL, 'u', 1)"
        ),
        10 => format!("UPDATE posts SET id = id + {n}, title = title || {who}"),
        11 => format!("UPDATE OR REPLACE posts SET id = {n} WHERE id <= {m}"),
        12 => format!("DELETE FROM posts WHERE size > {n}"),
        13 => format!("INSERT INTO notes VALUES ('b{n}', {n}, {m})"),
        14 => format!("REPLACE INTO notes (rowid, body, pair_a, pair_b) VALUES ({n}, 'r', {m}, 1)"),
        15 => format!("UPDATE OR IGNORE notes SET rowid = rowid + {n}, pair_a = {m}"),
        16 => "DELETE FROM notes".to_owned(),
        17 => {
            format!("INSERT OR REPLACE INTO counts VALUES ({n}, {who}, {m}), ({m}, {other}, NULL)")
        }
        18 => format!("UPDATE OR REPLACE counts SET a = {n} WHERE n > {m}"),
        _ => format!(
            "INSERT INTO counts SELECT a + {n}, b, n FROM counts ON CONFLICT (b, a) DO UPDATE SET n = n + 10"
        ),
    }
}

/// Runs statements until the choices run out; those that fail are part of the game.
fn write(db: &Db, choices: &mut Choices<'_>, depth: usize) {
    while !choices.is_empty() {
        if depth < 3 && choices.below(6) == 0 {
            let keep = choices.below(2) == 0;
            drop(db.savepoint(|| {
                write_some(db, choices, depth + 1);
                if keep { Ok(()) } else { Err(SqliteError::Sql("on purpose".into())) }
            }));
        } else {
            drop(db.execute(&statement(choices), &[]));
        }
    }
}

fn write_some(db: &Db, choices: &mut Choices<'_>, depth: usize) {
    for _ in 0..choices.below(4) {
        drop(db.execute(&statement(choices), &[]));
    }
    if depth < 3 && choices.below(4) == 0 {
        write_some(db, choices, depth + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn undo_restores_the_content_hash(numbers in proptest::collection::vec(any::<u16>(), 0..120)) {
        let db = db();
        let before = db.content_hash(TABLES).unwrap();
        let mut choices = Choices::new(&numbers);
        let ((), first) = db.recorded(|| {
            let half = numbers.len() / 2;
            write(&db, &mut Choices::new(&numbers[..half]), 0);
            Ok::<_, SqliteError>(())
        }).unwrap();
        let middle = db.content_hash(TABLES).unwrap();
        let ((), second) = db.recorded(|| {
            write(&db, &mut choices, 0);
            Ok::<_, SqliteError>(())
        }).unwrap();
        let mut net = db.changes(&first).unwrap();
        net.merge(db.changes(&second).unwrap());
        assert_eq!(net.is_empty(), db.content_hash(TABLES).unwrap() == before);

        let back = db.undo([second.as_slice()]).unwrap();
        assert_eq!(db.content_hash(TABLES).unwrap(), middle);
        net.merge(back);
        net.merge(db.undo([first.as_slice()]).unwrap());
        assert_eq!(db.content_hash(TABLES).unwrap(), before);
        assert!(net.is_empty(), "there and back again: {net:?}");
        let verdict: String = db.conn().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        // Triggers and foreign keys are on again.
        assert!(db.execute("INSERT INTO posts (person) VALUES ('nobody')", &[]).is_err());
    }
}
