//! Predicates, keys and patterns against a model.

use livestore_core::{Predicate, Table, Value, escape_like, raw};
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};
use rusqlite::Connection;

use super::{Todo, database, int, todo};
use crate::testing::test;

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
