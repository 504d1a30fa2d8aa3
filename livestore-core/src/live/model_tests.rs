//! "The result changed" implies "it ran again": random queries over random writes, against asking SQLite each time.
//!
//! And the other way round, as far as the index promises it: a keyed query does not run for a row that is none of its.

use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::{
    Observer,
    tests::{Todo, World},
};
use crate::{IntoQuery, Predicate, Query, raw, testing::test};

const OWNERS: [Option<&str>; 4] = [None, Some("ann"), Some("bob"), Some("")];

fn predicate() -> impl Strategy<Value = Predicate<Todo>> {
    let owner = || (0..OWNERS.len()).prop_map(|owner| OWNERS[owner].map(str::to_owned));
    let leaf = prop_oneof![
        (0..6_i64).prop_map(|id| Todo::ID.eq(id)),
        proptest::collection::vec(0..6_i64, 0..3).prop_map(|ids| Todo::ID.in_(ids)),
        owner().prop_map(|owner| Todo::OWNER.eq(owner)),
        proptest::collection::vec(owner(), 0..3).prop_map(|owners| Todo::OWNER.in_(owners)),
        owner().prop_map(|owner| Todo::OWNER.ne(owner)),
        any::<bool>().prop_map(|completed| Todo::COMPLETED.eq(completed)),
        (0..6_i64).prop_map(|id| Todo::ID.gt(id)),
        (0..3_u8).prop_map(|text| Todo::TEXT.contains(&text.to_string())),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(|predicate| !predicate),
        ]
    })
}

#[derive(Clone, Debug)]
enum Asked {
    Rows(Query<Vec<Todo>>),
    Ids(Query<Vec<i64>>),
    Count(Query<u64>),
}

fn asked() -> impl Strategy<Value = Asked> {
    let select = || predicate().prop_map(|predicate| Todo::query().filter(predicate));
    prop_oneof![
        (select(), 0..4_u64).prop_map(|(select, limit)| {
            Asked::Rows(select.order_by(Todo::TEXT.desc()).limit(limit).into_query())
        }),
        select().prop_map(|select| Asked::Rows(select.all())),
        select().prop_map(|select| Asked::Ids(select.columns(Todo::ID).all())),
        select().prop_map(|select| Asked::Count(select.count())),
        proptest::sample::select(vec![
            "SELECT a.id FROM todos AS a JOIN todos AS b USING (text) ORDER BY 1",
            "SELECT id FROM todos NATURAL JOIN (SELECT owner FROM todos WHERE completed) ORDER BY 1",
            "WITH mine AS (SELECT * FROM todos WHERE owner = 'ann') SELECT count(*) FROM mine",
            "SELECT max(id) + 0 FROM todos HAVING count(*) > 0",
            "SELECT id FROM todos WHERE EXISTS (SELECT 1 FROM notes WHERE notes.body = todos.text) ORDER BY 1",
        ])
        .prop_map(|sql| Asked::Ids(raw::<i64>(sql, ()).all())),
    ]
}

/// One statement; numbers are small so that rows, keys and values meet.
fn statement() -> impl Strategy<Value = String> {
    let owner = || {
        (0..OWNERS.len())
            .prop_map(|owner| OWNERS[owner].map_or("NULL".to_owned(), |owner| format!("'{owner}'")))
    };
    prop_oneof![
        (0..6_i64, 0..3_u8, 0..2_u8, owner()).prop_map(|(id, text, completed, owner)| {
            format!("INSERT OR REPLACE INTO todos VALUES ({id}, '{text}', {completed}, {owner})")
        }),
        (0..6_i64).prop_map(|id| format!("DELETE FROM todos WHERE id = {id}")),
        (0..6_i64, 0..3_u8)
            .prop_map(|(id, text)| format!("UPDATE todos SET text = '{text}' WHERE id = {id}")),
        (0..6_i64, owner())
            .prop_map(|(id, owner)| format!("UPDATE todos SET owner = {owner} WHERE id = {id}")),
        (0..3_u8).prop_map(|text| format!(
            "UPDATE todos SET completed = 1 - completed WHERE text = '{text}'"
        )),
        (0..6_i64, 0..6_i64).prop_map(|(from, to)| format!(
            "UPDATE OR REPLACE todos SET id = {to} WHERE id = {from}"
        )),
        (0..3_u8).prop_map(|body| format!("UPDATE notes SET body = '{body}'")),
    ]
}

/// Follows a query as its own type; says if the cell shows what SQLite says now.
type Check = Box<dyn Fn(&World) -> bool>;

fn follow<T: PartialEq + Send + Sync + 'static>(world: &mut World, query: Query<T>) -> Check {
    let node = world.live.query_node(&query);
    let observer: Observer<T> = world.live.observe(&node, &world.db).unwrap();
    Box::new(move |world| *observer.value().unwrap() == query.run(world.db.conn()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_result_that_changed_was_asked_for_again(
        asked in proptest::collection::vec(asked(), 1..12),
        commits in proptest::collection::vec(proptest::collection::vec(statement(), 1..4), 1..12),
    ) {
        let mut world = World::new();
        let checks: Vec<_> = asked
            .iter()
            .map(|asked| match asked.clone() {
                Asked::Rows(query) => follow(&mut world, query),
                Asked::Ids(query) => follow(&mut world, query),
                Asked::Count(query) => follow(&mut world, query),
            })
            .collect();
        for commit in &commits {
            for sql in commit {
                let changes = world.changes(sql);
                world.live.invalidate(&changes);
            }
            world.live.refresh(&world.db);
            world.live.check_invariants();
            world.live.check_cells(&world.db);
            for (check, asked) in checks.iter().zip(&asked) {
                assert!(check(&world), "{asked:?} after {commit:?}");
            }
        }
        drop(checks);
        assert_eq!((world.live.node_count(), world.live.index_entries()), (0, 0));
    }
}
