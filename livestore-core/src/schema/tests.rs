//! The derives: what they make of structs and enums, seen from an app.

use std::collections::BTreeMap;

use livestore_core::{
    ClientDocument, Column, ColumnType, DefaultDef, DocumentOwner, EncodeError, EncodedCommit,
    Event, EventSet, HasDocument, HasTable, Json, Materialize, MaterializeError, Schema, SchemaDef,
    SchemaError, SqlType, Table, Writes,
};
use livestore_sync::Lane;
use serde::{Deserialize, Serialize};

use crate::testing::test;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(completed), unique(list, text))]
struct Todo {
    #[column(primary_key)]
    id: TodoId,
    #[column(rename = "list_id")]
    list: String,
    text: String,
    #[column(default = false)]
    completed: bool,
    deleted_at: Option<i64>,
    #[column(default = "low")]
    priority: Priority,
    #[column(json)]
    tags: Vec<String>,
    #[column(json)]
    place: Option<Place>,
    #[column(unique)]
    r#type: Option<String>,
    #[column(default = -1.5)]
    weight: f64,
}

#[derive(ColumnType, Clone, PartialEq, Debug)]
struct TodoId(String);

#[derive(ColumnType, Clone, Copy, PartialEq, Debug)]
enum Priority {
    #[column(rename = "low")]
    Low,
    High,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Place {
    name: String,
}

#[derive(Table, Clone, PartialEq, Debug)]
#[table(client_only)]
struct OpenWindow {
    #[column(primary_key)]
    tab: i64,
    #[column(primary_key)]
    slot: u8,
}

#[derive(Event, Clone, PartialEq, Debug)]
enum TodoEvent {
    #[event(name = "v1.TodoCreated")]
    Created {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(rename = "w", default)]
        weight: f64,
    },
    #[event(name = "v1.TodosCleared")]
    Cleared,
    #[event(name = "v1.TodoMoved")]
    Moved(Moved),
    #[event(name = "v1.Counted")]
    Counted {
        #[serde(with = "livestore_core::as_string")]
        big: u64,
        #[serde(with = "livestore_core::as_string", default)]
        maybe: Option<i128>,
    },
    #[event(name = "v1.Touched")]
    Touched {},
    #[event(name = "v1.Renamed")]
    #[serde(rename_all = "camelCase")]
    Renamed { new_name: String, by: BTreeMap<String, i64> },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Moved {
    id: String,
    to: i64,
}

#[derive(Event, Clone, PartialEq, Debug)]
#[event(client_only)]
enum WindowEvent {
    #[event(name = "v1.WindowOpened")]
    Opened { tab: i64 },
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Default, Debug)]
struct UiState {
    draft: String,
}

#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Default, Debug)]
#[document(name = "theme", owner = "client")]
struct Theme(String);

#[derive(Schema)]
#[schema(
    tables(Todo, OpenWindow),
    events(TodoEvent, WindowEvent),
    documents(UiState, Theme),
    materializers = 2
)]
struct App;

impl Materialize for TodoEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

impl Materialize for WindowEvent {
    fn materialize(&self, _: &mut Writes<'_>) -> Result<(), MaterializeError> {
        Err("not today".into())
    }
}

#[test]
fn a_struct_becomes_a_table() {
    let def = Todo::DEF;
    assert_eq!((def.name, def.lane, def.primary_key), ("todos", Lane::Synced, ["id"].as_slice()));
    let check = |name: &str, sql_type: SqlType, nullable: bool, default: Option<DefaultDef>| {
        let column = def.column(name).expect(name);
        assert_eq!(
            (column.sql_type, column.nullable, column.default),
            (sql_type, nullable, default),
            "{name}"
        );
    };
    check("id", SqlType::Text, false, None);
    check("list_id", SqlType::Text, false, None);
    check("completed", SqlType::Integer, false, Some(DefaultDef::Integer(0)));
    check("deleted_at", SqlType::Integer, true, None);
    check("priority", SqlType::Text, false, Some(DefaultDef::Text("low")));
    check("tags", SqlType::Text, false, None);
    check("place", SqlType::Text, true, None);
    check("type", SqlType::Text, true, None);
    check("weight", SqlType::Real, false, Some(DefaultDef::Real(-1.5)));
    let indexes: Vec<_> = def.indexes.iter().map(|index| (index.columns, index.unique)).collect();
    let expected: [(&[&str], bool); 3] =
        [(&["type"], true), (&["completed"], false), (&["list_id", "text"], true)];
    assert_eq!(indexes, expected);
    assert_eq!((OpenWindow::DEF.name, OpenWindow::DEF.lane), ("open_window", Lane::ClientOnly));
    assert_eq!(OpenWindow::DEF.primary_key, ["tab", "slot"]);
}

#[test]
fn fields_become_typed_columns() {
    let _: Column<Todo, TodoId> = Todo::ID;
    let _: Column<Todo, Option<i64>> = Todo::DELETED_AT;
    let _: Column<Todo, Json<Vec<String>>> = Todo::TAGS;
    let _: Column<Todo, Option<Json<Place>>> = Todo::PLACE;
    assert_eq!((Todo::LIST.name(), Todo::TYPE.name()), ("list_id", "type"));
    // What values a column takes, by type.
    let id = TodoId("a".into());
    let _ = (Todo::ID.eq(&id), Todo::ID.eq(id), Todo::TEXT.eq("x"), Todo::TEXT.eq(String::new()));
    let _ = (Todo::DELETED_AT.eq(None), Todo::DELETED_AT.eq(5), Todo::DELETED_AT.eq(Some(5)));
    let _ = (OpenWindow::SLOT.eq(5), Todo::TYPE.eq("a"), Todo::PRIORITY.ne(Priority::Low));
    let _ = (Todo::TAGS.set(vec!["a".to_owned()]), Todo::PLACE.set(None), Todo::WEIGHT.gt(1.5));
}

#[test]
fn the_ddl_is_strict_and_keyed() {
    let check = |def: &livestore_core::TableDef, expected: &[&str]| assert_eq!(def.ddl(), expected);
    check(
        OpenWindow::DEF,
        &[
            r#"CREATE TABLE "open_window" ("tab" INTEGER NOT NULL, "slot" INTEGER NOT NULL, PRIMARY KEY ("tab", "slot")) STRICT, WITHOUT ROWID"#,
        ],
    );
    check(
        Todo::DEF,
        &[
            r#"CREATE TABLE "todos" ("id" TEXT NOT NULL, "list_id" TEXT NOT NULL, "text" TEXT NOT NULL, "completed" INTEGER NOT NULL DEFAULT (0), "deleted_at" INTEGER, "priority" TEXT NOT NULL DEFAULT 'low', "tags" TEXT NOT NULL, "place" TEXT, "type" TEXT, "weight" REAL NOT NULL DEFAULT (-1.5), PRIMARY KEY ("id")) STRICT, WITHOUT ROWID"#,
            r#"CREATE UNIQUE INDEX "todos(type) unique" ON "todos" ("type")"#,
            r#"CREATE INDEX "todos(completed)" ON "todos" ("completed")"#,
            r#"CREATE UNIQUE INDEX "todos(list_id,text) unique" ON "todos" ("list_id", "text")"#,
        ],
    );
}

#[test]
fn an_event_is_its_name_and_canonical_arguments_and_comes_back() {
    let check = |event: TodoEvent, name: &str, args: &str| {
        let encoded = event.encode().expect(name);
        assert_eq!((encoded.name, encoded.args.as_str(), encoded.lane), (name, args, Lane::Synced));
        assert_eq!(TodoEvent::decode(name, args), Some(Ok(event)));
    };
    let created = |note: Option<&str>, weight| TodoEvent::Created {
        id: "a".into(),
        note: note.map(Into::into),
        weight,
    };
    check(created(None, 1.5), "v1.TodoCreated", r#"{"id":"a","w":1.5}"#);
    check(created(Some("n"), 2.0), "v1.TodoCreated", r#"{"id":"a","note":"n","w":2}"#);
    check(TodoEvent::Cleared, "v1.TodosCleared", "null");
    check(
        TodoEvent::Moved(Moved { id: "a".into(), to: -3 }),
        "v1.TodoMoved",
        r#"{"id":"a","to":-3}"#,
    );
    check(TodoEvent::Touched {}, "v1.Touched", "{}");
    check(
        TodoEvent::Counted { big: u64::MAX, maybe: None },
        "v1.Counted",
        r#"{"big":"18446744073709551615","maybe":null}"#,
    );
    check(
        TodoEvent::Counted { big: 1, maybe: Some(i128::MIN) },
        "v1.Counted",
        r#"{"big":"1","maybe":"-170141183460469231731687303715884105728"}"#,
    );
    check(
        TodoEvent::Renamed { new_name: "b".into(), by: [("z".into(), 1), ("a".into(), 2)].into() },
        "v1.Renamed",
        r#"{"by":{"a":2,"z":1},"newName":"b"}"#,
    );
    let opened = WindowEvent::Opened { tab: 1 }.encode().expect("encodes");
    assert_eq!((opened.lane, opened.args.as_str()), (Lane::ClientOnly, r#"{"tab":1}"#));
}

#[test]
fn arguments_are_read_tolerantly() {
    let check = |name: &str, args: &str, expected: TodoEvent| {
        assert_eq!(TodoEvent::decode(name, args), Some(Ok(expected)), "{name} {args}");
    };
    check("v1.TodosCleared", "null", TodoEvent::Cleared);
    check("v1.TodosCleared", "{}", TodoEvent::Cleared);
    check("v1.TodosCleared", r#"{"later":1}"#, TodoEvent::Cleared);
    check("v1.Touched", "null", TodoEvent::Touched {});
    check("v1.Counted", r#"{"big":7}"#, TodoEvent::Counted { big: 7, maybe: None });
    check(
        "v1.TodoMoved",
        r#"{"id":"a","to":1,"later":true}"#,
        TodoEvent::Moved(Moved { id: "a".into(), to: 1 }),
    );
    assert_eq!(TodoEvent::decode("v9.Unknown", "null"), None);
    for (name, args) in
        [("v1.TodoMoved", "null"), ("v1.TodoCreated", "{}"), ("v1.Counted", r#"{"big":"x"}"#)]
    {
        let error = TodoEvent::decode(name, args).expect(name).expect_err(name);
        assert!(
            matches!(&error, MaterializeError::Decode { event, .. } if event == name),
            "{error}"
        );
    }
}

#[test]
fn what_json_would_change_is_refused() {
    let check = |event: TodoEvent, expected: EncodeError| assert_eq!(event.encode(), Err(expected));
    let created = |weight| TodoEvent::Created { id: String::new(), note: None, weight };
    let not_finite = |number: &str| EncodeError::NotFinite {
        event: "v1.TodoCreated",
        field: "w".into(),
        number: number.into(),
    };
    check(created(f64::NAN), not_finite("NaN"));
    check(created(f64::INFINITY), not_finite("inf"));
    check(created(f64::NEG_INFINITY), not_finite("-inf"));
    let moved = |to| TodoEvent::Moved(Moved { id: String::new(), to });
    let inexact = |event, field: &str, number: i64| EncodeError::InexactInteger {
        event,
        field: field.into(),
        number: number.to_string(),
    };
    check(moved(1 << 53), inexact("v1.TodoMoved", "to", 1 << 53));
    check(moved(i64::MIN), inexact("v1.TodoMoved", "to", i64::MIN));
    let told = inexact("v1.TodoMoved", "to", 1 << 53).to_string();
    assert!(told.contains("::as_string") && !told.contains("livestore_core"), "{told}");
    let renamed = |n| TodoEvent::Renamed { new_name: String::new(), by: [("x".into(), n)].into() };
    check(renamed(-(1 << 53)), inexact("v1.Renamed", "by.x", -(1 << 53)));
    assert!(moved((1 << 53) - 1).encode().is_ok());
    assert!(moved(-((1 << 53) - 1)).encode().is_ok());
    let large = TodoEvent::Created { id: "x".repeat(880_000), note: None, weight: 0.0 };
    assert!(matches!(large.encode(), Err(EncodeError::Args { event: "v1.TodoCreated", .. })));
}

#[test]
fn a_commit_takes_events_of_the_schema_in_many_shapes() {
    let check = |commit: Result<EncodedCommit, EncodeError>, names: &[&str]| {
        let commit = commit.expect("a commit");
        assert_eq!(commit.events().iter().map(|event| event.name).collect::<Vec<_>>(), names);
    };
    let cleared = || TodoEvent::Cleared;
    let opened = || WindowEvent::Opened { tab: 1 };
    check(EncodedCommit::new::<App>(cleared()), &["v1.TodosCleared"]);
    check(
        EncodedCommit::new::<App>(vec![cleared(), TodoEvent::Touched {}]),
        &["v1.TodosCleared", "v1.Touched"],
    );
    check(EncodedCommit::new::<App>([opened(), opened()]), &["v1.WindowOpened"; 2]);
    check(
        EncodedCommit::new::<App>((cleared(), vec![cleared()], [cleared()])),
        &["v1.TodosCleared"; 3],
    );
    check(EncodedCommit::new::<App>(Some(cleared())), &["v1.TodosCleared"]);
    assert_eq!(EncodedCommit::new::<App>(Vec::<TodoEvent>::new()), Err(EncodeError::Empty));
    let mixed =
        EncodeError::MixedLanes { synced: "v1.TodosCleared", client_only: "v1.WindowOpened" };
    assert_eq!(EncodedCommit::new::<App>((cleared(), opened())), Err(mixed.clone()));
    assert_eq!(EncodedCommit::new::<App>((opened(), cleared())), Err(mixed));
}

fn has<T: Table, D: ClientDocument, S: HasTable<T> + HasDocument<D>>() -> &'static SchemaDef {
    S::def().expect("a valid schema")
}

#[test]
fn a_schema_finds_its_parts_by_name() {
    let def = has::<Todo, UiState, App>();
    assert_eq!(def.tables().len(), 2);
    assert_eq!(def.event("v1.WindowOpened").map(|event| event.lane), Some(Lane::ClientOnly));
    assert!(def.event("v1.Gone").is_none());
    assert_eq!(def.table("todos").map(|table| table.columns.len()), Some(10));
    assert_eq!(def.document("ui_state").map(|document| document.owner), Some(DocumentOwner::Tab));
    assert_eq!(def.document("theme").map(|document| document.owner), Some(DocumentOwner::Client));
    assert!(std::ptr::eq(def, App::def().expect("a valid schema")));
}

#[test]
fn the_hash_names_the_definitions_whatever_their_order() {
    let (todo, window) = (Todo::DEF, OpenWindow::DEF);
    let (events, documents) = ([TodoEvent::DEFS, WindowEvent::DEFS], [UiState::DEF, Theme::DEF]);
    let hash = |tables: &[&'static _], events: &[_], documents: &[_], materializers| {
        SchemaDef::new(tables, events, documents, materializers).expect("valid").hash()
    };
    let app = App::def().expect("valid").hash();
    assert_eq!(app, hash(&[window, todo], &[events[1], events[0]], &[Theme::DEF, UiState::DEF], 2));
    let others = [
        hash(&[todo, window], &events, &documents, 3),
        hash(&[todo], &events, &documents, 2),
        hash(&[todo, window], &[events[0]], &documents, 2),
        hash(&[todo, window], &events, &[UiState::DEF], 2),
    ];
    assert!(!others.contains(&app));
    // A stored number: it may only change together with the canonical form's own version.
    assert_eq!(hash(&[window], &[], &[], 0), 13_220_406_357_248_513_623);
}

#[test]
fn what_contradicts_itself_is_a_typed_error() {
    use livestore_core::{ColumnDef, EventDef, IndexDef, TableDef};
    const ID: ColumnDef =
        ColumnDef { name: "id", sql_type: SqlType::Text, nullable: false, default: None };
    const GOOD: TableDef = TableDef {
        name: "t",
        lane: Lane::Synced,
        columns: &[ID],
        primary_key: &["id"],
        indexes: &[],
    };
    const EVENT: EventDef =
        EventDef { name: "v1.E", lane: Lane::Synced, materialize: |_, _| Ok(()) };
    let tables = |tables: &[&'static TableDef], expected: SchemaError| {
        assert_eq!(SchemaDef::new(tables, &[], &[], 0).map(|_| ()), Err(expected));
    };
    tables(&[&GOOD, &GOOD], SchemaError::DuplicateTable("t".into()));
    tables(&[&GOOD, &TableDef { name: "T", ..GOOD }], SchemaError::DuplicateTable("T".into()));
    for name in ["", "1a", "a b", "sqlite_x", "livestore_x", "a\"b"] {
        let table = Box::leak(Box::new(TableDef {
            name: Box::leak(name.to_owned().into_boxed_str()),
            ..GOOD
        }));
        tables(&[table], SchemaError::InvalidName(name.into()));
    }
    let missing = |place, column: &str| SchemaError::MissingColumn {
        table: "t".into(),
        place,
        column: column.into(),
    };
    tables(&[&TableDef { primary_key: &[], ..GOOD }], missing("the primary key", ""));
    tables(&[&TableDef { primary_key: &["no"], ..GOOD }], missing("the primary key", "no"));
    const NO: IndexDef = IndexDef { columns: &["no"], unique: false };
    tables(&[&TableDef { indexes: &[NO], ..GOOD }], missing("an index", "no"));
    const BY_ID: IndexDef = IndexDef { columns: &["id"], unique: false };
    tables(
        &[&TableDef { indexes: &[BY_ID, BY_ID], ..GOOD }],
        SchemaError::DuplicateIndex { table: "t".into(), index: "t(id)".into() },
    );
    tables(
        &[&TableDef { columns: &[ID, ColumnDef { name: "ID", ..ID }], ..GOOD }],
        SchemaError::DuplicateColumn { table: "t".into(), column: "ID".into() },
    );
    tables(
        &[&TableDef { columns: &[ColumnDef { nullable: true, ..ID }], ..GOOD }],
        SchemaError::NullableKey { table: "t".into(), column: "id".into() },
    );
    assert_eq!(
        SchemaDef::new(&[], &[&[EVENT], &[EVENT]], &[], 0).map(|_| ()),
        Err(SchemaError::DuplicateEvent("v1.E".into()))
    );
    assert_eq!(
        SchemaDef::new(&[], &[], &[UiState::DEF, UiState::DEF], 0).map(|_| ()),
        Err(SchemaError::DuplicateDocument("ui_state".into()))
    );
}

#[test]
fn a_document_is_json_that_never_fails_to_load() {
    let check =
        |json: &str, draft: &str| assert_eq!(UiState::from_json(json).draft, draft, "{json}");
    check(r#"{"draft":"milk"}"#, "milk");
    check("{}", "");
    check("7", "");
    assert_eq!(UiState { draft: "milk".into() }.to_json().as_deref(), Ok(r#"{"draft":"milk"}"#));
    assert_eq!(Theme("dark".into()).to_json().as_deref(), Ok(r#""dark""#));
    assert_eq!(Theme::from_json(r#""dark""#), Theme("dark".into()));
}
