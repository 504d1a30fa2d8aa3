//! The query builder: the SQL it writes, and what that finds in a database.

mod keys;
mod model;
mod results;
mod selects;

use livestore_core::{ColumnType, Table, Value};
use rusqlite::Connection;

#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(completed), index(text))]
struct Todo {
    #[column(primary_key)]
    id: i64,
    text: String,
    completed: bool,
    due: Option<i64>,
    priority: Priority,
    #[column(json)]
    tags: Vec<String>,
    #[column(unique)]
    code: Option<String>,
    weight: f64,
}

#[derive(ColumnType, Clone, Copy, PartialEq, Debug)]
enum Priority {
    Low,
    High,
}

#[derive(Table, Clone, PartialEq, Debug)]
struct Link {
    #[column(primary_key)]
    from: String,
    #[column(primary_key)]
    to: String,
}

fn todo(id: i64, text: &str, completed: bool, due: Option<i64>) -> Todo {
    let priority = if id % 2 == 0 { Priority::Low } else { Priority::High };
    let code = (id == 1).then(|| "c1".to_owned());
    Todo {
        id,
        text: text.into(),
        completed,
        due,
        priority,
        tags: vec![format!("t{id}")],
        code,
        weight: 0.5,
    }
}

fn rows() -> Vec<Todo> {
    vec![
        todo(1, "milk", false, Some(10)),
        todo(2, "Bread", true, None),
        todo(3, "50% off_", false, Some(30)),
        todo(4, "milk", true, Some(20)),
    ]
}

/// The rows, written by the test's own SQL.
fn database() -> Connection {
    let connection = Connection::open_in_memory().expect("opens");
    for statement in [Todo::DEF.ddl(), Link::DEF.ddl()].concat() {
        connection.execute(&statement, ()).expect(&statement);
    }
    for row in rows() {
        let values = row.to_values().expect("storable");
        connection
            .execute(
                "INSERT INTO todos VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rusqlite::params_from_iter(values),
            )
            .expect("inserts");
    }
    connection
}

fn int(integer: i64) -> Value {
    Value::Integer(integer)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const COLUMNS: &str = r#""id", "text", "completed", "due", "priority", "tags", "code", "weight""#;
