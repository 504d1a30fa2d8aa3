//! Which queries are one, and by which key they are bound.

use livestore_core::{IntoQuery, KeyFilter, Query, Value, raw};

use super::{Todo, int, text};
use crate::testing::test;

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
