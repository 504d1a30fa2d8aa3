//! A schema with two lanes, and commits for it.

use std::num::NonZeroU64;

use livestore_sync::{Args, ClientId, Commit, Event, EventId, Lane, SessionId, TabId};

use crate::{
    Value,
    schema::{
        ColumnDef, DefaultDef, EventDef, IndexDef, MaterializeError, SchemaDef, SqlType, TableDef,
        Writes,
    },
    sqlite::Db,
    state::State,
};

const fn column(name: &'static str, sql_type: SqlType) -> ColumnDef {
    ColumnDef { name, sql_type, nullable: false, default: None }
}

static TODOS: TableDef = TableDef {
    name: "todos",
    lane: Lane::Synced,
    columns: &[
        column("id", SqlType::Text),
        column("text", SqlType::Text),
        ColumnDef {
            name: "done",
            sql_type: SqlType::Integer,
            nullable: false,
            default: Some(DefaultDef::Integer(0)),
        },
        ColumnDef { name: "weight", sql_type: SqlType::Real, nullable: true, default: None },
    ],
    primary_key: &["id"],
    indexes: &[IndexDef { columns: &["done"], unique: false }],
};

static COUNTERS: TableDef = TableDef {
    name: "counters",
    lane: Lane::Synced,
    columns: &[column("id", SqlType::Integer), column("n", SqlType::Integer)],
    primary_key: &["id"],
    indexes: &[],
};

static DRAFTS: TableDef = TableDef {
    name: "drafts",
    lane: Lane::ClientOnly,
    columns: &[
        column("place", SqlType::Text),
        column("part", SqlType::Integer),
        column("body", SqlType::Blob),
    ],
    primary_key: &["place", "part"],
    indexes: &[IndexDef { columns: &["body"], unique: true }],
};

/// Runs the argument, a JSON list of SQL statements; `?1` is the author's `n`.
fn run_sql(args: &str, writes: &mut Writes<'_>) -> Result<(), MaterializeError> {
    let statements: Vec<String> = serde_json::from_str(args).map_err(|error| {
        MaterializeError::Decode { event: "v1.Ran".to_owned(), reason: error.to_string() }
    })?;
    statements.iter().try_for_each(|sql| writes.execute(sql, ()))
}

/// The same, but goes on after an error.
fn run_sql_carelessly(args: &str, writes: &mut Writes<'_>) -> Result<(), MaterializeError> {
    let statements: Vec<String> = serde_json::from_str(args).unwrap_or_default();
    statements.iter().for_each(|sql| drop(writes.execute(sql, ())));
    Ok(())
}

fn panics(_: &str, writes: &mut Writes<'_>) -> Result<(), MaterializeError> {
    writes.execute("DELETE FROM todos", ())?;
    panic!("on purpose");
}

const fn event(
    name: &'static str,
    lane: Lane,
    materialize: crate::schema::MaterializeFn,
) -> EventDef {
    EventDef { name, lane, materialize }
}

static EVENTS: [EventDef; 4] = [
    event("v1.Ran", Lane::Synced, run_sql),
    event("v1.RanCarelessly", Lane::Synced, run_sql_carelessly),
    event("v1.RanHere", Lane::ClientOnly, run_sql),
    event("v1.Panicked", Lane::Synced, panics),
];

static LATER_EVENTS: [EventDef; 1] = [event("v2.Ran", Lane::Synced, run_sql)];

fn leak(events: &[&[EventDef]], version: u32) -> &'static SchemaDef {
    let schema = SchemaDef::new(&[&TODOS, &COUNTERS, &DRAFTS], events, &[], version).unwrap();
    Box::leak(Box::new(schema))
}

/// The schema; with a version of the materializers, and perhaps knowing `v2.Ran`.
pub(super) fn schema(version: u32) -> &'static SchemaDef {
    leak(&[&EVENTS], version)
}

pub(super) fn later_schema() -> &'static SchemaDef {
    leak(&[&EVENTS, &LATER_EVENTS], 1)
}

pub(super) fn state() -> State {
    State::create(Db::open_in_memory().unwrap(), schema(1)).unwrap()
}

/// A commit of one event for each list of statements.
pub(super) fn commit(name: &str, first_n: u64, events: &[&[&str]]) -> Commit {
    let lane = if name == "v1.RanHere" { Lane::ClientOnly } else { Lane::Synced };
    let events = events.iter().zip(first_n..).map(|(statements, n)| Event {
        id: EventId {
            client: ClientId(1),
            session: SessionId { tab: TabId(2), open: 3 },
            n: NonZeroU64::new(n).unwrap(),
        },
        name: name.into(),
        args: Args::parse(&serde_json::to_string(statements).unwrap()).unwrap(),
    });
    Commit::new(lane, events.collect()).unwrap()
}

pub(super) fn ran(first_n: u64, statements: &[&str]) -> Commit {
    commit("v1.Ran", first_n, &[statements])
}

pub(super) const INSERT: &str = "INSERT INTO todos (id, text, weight) VALUES ('a', 'milk', 0.5)";

/// The rows of a query, as text.
pub(super) fn rows(state: &State, sql: &str) -> Vec<String> {
    let text = |row: &rusqlite::Row<'_>| {
        let values = (0..row.as_ref().column_count()).map(|i| Ok(Value::from(row.get_ref(i)?)));
        Ok(format!("{:?}", values.collect::<rusqlite::Result<Vec<_>>>()?))
    };
    state.db().query(sql, &[], text).unwrap()
}
