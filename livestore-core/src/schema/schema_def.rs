//! [`SchemaDef`]: a whole schema as data, validated when it is built.

use std::collections::{HashMap, HashSet};

use super::{
    def::{DocumentDef, EventDef, TableDef},
    schema_hash::hash,
};

/// An app's tables, events and documents; implemented by `#[derive(Schema)]`.
///
/// ```
/// use livestore_core::{
///     ClientDocument, EncodedCommit, Event, Materialize, MaterializeError, Schema, Table, Writes,
/// };
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Table, Clone, PartialEq, Debug)]
/// #[table(name = "todos", index(completed))]
/// struct Todo {
///     #[column(primary_key)]
///     id: String,
///     text: String,
///     #[column(default = false)]
///     completed: bool,
///     deleted_at: Option<i64>,
/// }
///
/// #[derive(Event, Serialize, Deserialize, Clone)]
/// enum TodoEvent {
///     #[event(name = "v1.TodoCreated")]
///     Created { id: String, text: String },
///     #[event(name = "v1.TodoCompleted")]
///     Completed { id: String },
///     #[event(name = "v1.TodoDeleted")]
///     Deleted { id: String, at: i64 },
/// }
///
/// impl Materialize for TodoEvent {
///     fn materialize(&self, state: &mut Writes<'_>) -> Result<(), MaterializeError> {
///         match self {
///             Self::Created { id, text } => state.insert(Todo {
///                 id: id.clone(),
///                 text: text.clone(),
///                 completed: false,
///                 deleted_at: None,
///             }),
///             Self::Completed { id } => {
///                 state.update(Todo::query().filter(Todo::ID.eq(id)), Todo::COMPLETED.set(true))
///             }
///             Self::Deleted { id, at } => {
///                 state.update(Todo::query().filter(Todo::ID.eq(id)), Todo::DELETED_AT.set(*at))
///             }
///         }
///     }
/// }
///
/// #[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Default)]
/// struct UiState {
///     draft: String,
/// }
///
/// #[derive(Schema)]
/// #[schema(tables(Todo), events(TodoEvent), documents(UiState))]
/// struct App;
///
/// let schema = App::def()?;
/// assert!(schema.event("v1.TodoDeleted").is_some());
/// let commit = EncodedCommit::new::<App>(TodoEvent::Completed { id: "a".into() })?;
/// assert_eq!(commit.events()[0].args.as_str(), r#"{"id":"a"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schema",
    note = "put `#[derive(Schema)]` on it"
)]
pub trait Schema: Sized + Send + Sync + 'static {
    /// The schema as data, built and validated at the first call.
    ///
    /// # Errors
    /// [`SchemaError`] when the app's definitions contradict each other.
    fn def() -> Result<&'static SchemaDef, SchemaError>;
}

/// Definitions that contradict each other.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaError {
    /// Two tables of one name (SQLite doesn't tell case apart).
    #[error("the schema names the table `{0}` twice")]
    DuplicateTable(String),
    /// Two events of one name.
    #[error("the schema names the event `{0}` twice")]
    DuplicateEvent(String),
    /// Two documents of one name.
    #[error("the schema names the document `{0}` twice")]
    DuplicateDocument(String),
    /// Two columns of one name.
    #[error("the table `{table}` names the column `{column}` twice")]
    DuplicateColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Two indexes over the same columns.
    #[error("the table `{table}` has the index `{index}` twice")]
    DuplicateIndex {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// A key or index over a column that doesn't exist, or over none.
    #[error("{place} of the table `{table}` names the column `{column}`, which it doesn't have")]
    MissingColumn {
        /// The table.
        table: String,
        /// The primary key or an index.
        place: &'static str,
        /// The column; empty when none is named.
        column: String,
    },
    /// A key that may be `NULL`.
    #[error(
        "the primary key `{column}` of the table `{table}` may be NULL: a key column can't be an `Option`"
    )]
    NullableKey {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A name that is not ours to give.
    #[error(
        "`{0}` can't name a table or column: use letters, digits and `_`, not first a digit, and neither `sqlite_` nor `livestore_` before a table's name"
    )]
    InvalidName(String),
}

/// A schema as data. It can't hold two tables, events or documents of one name, nor a table without a key.
#[derive(Debug)]
pub struct SchemaDef {
    tables: Vec<&'static TableDef>,
    events: Vec<EventDef>,
    documents: Vec<&'static DocumentDef>,
    event_places: HashMap<&'static str, usize>,
    hash: u64,
}

impl SchemaDef {
    /// Validates definitions. `materializers` is the version the app gives to its materializers' behaviour.
    ///
    /// # Errors
    /// [`SchemaError`] when they contradict each other.
    pub fn new(
        tables: &[&'static TableDef],
        events: &[&[EventDef]],
        documents: &[&'static DocumentDef],
        materializers: u32,
    ) -> Result<Self, SchemaError> {
        let mut names = HashSet::new();
        for table in tables {
            check_table(table)?;
            if !names.insert(table.name.to_ascii_lowercase()) {
                return Err(SchemaError::DuplicateTable(table.name.to_owned()));
            }
        }
        let events: Vec<EventDef> = events.concat();
        let mut event_places = HashMap::new();
        for (place, event) in events.iter().enumerate() {
            if event_places.insert(event.name, place).is_some() {
                return Err(SchemaError::DuplicateEvent(event.name.to_owned()));
            }
        }
        let mut names = HashSet::new();
        for document in documents {
            if !names.insert(document.name) {
                return Err(SchemaError::DuplicateDocument(document.name.to_owned()));
            }
        }
        let (tables, documents) = (tables.to_vec(), documents.to_vec());
        let hash = hash(&tables, &events, &documents, materializers);
        Ok(Self { tables, events, documents, event_places, hash })
    }

    /// The tables, as the app lists them.
    pub fn tables(&self) -> &[&'static TableDef] {
        &self.tables
    }

    /// The events of all event sets.
    pub fn events(&self) -> &[EventDef] {
        &self.events
    }

    /// The client documents.
    pub fn documents(&self) -> &[&'static DocumentDef] {
        &self.documents
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    /// The event of this name.
    pub fn event(&self, name: &str) -> Option<&EventDef> {
        self.event_places.get(name).map(|&place| &self.events[place])
    }

    /// The document of this name.
    pub fn document(&self, name: &str) -> Option<&'static DocumentDef> {
        self.documents.iter().copied().find(|document| document.name == name)
    }

    /// What names the schema: tables, columns, keys, indexes, events, documents and the materializers' version.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The statements that make all tables and indexes.
    pub fn ddl(&self) -> Vec<String> {
        self.tables.iter().flat_map(|table| table.ddl()).collect()
    }
}

fn valid_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check_table(table: &TableDef) -> Result<(), SchemaError> {
    let lower = table.name.to_ascii_lowercase();
    if !valid_name(table.name) || lower.starts_with("sqlite_") || lower.starts_with("livestore_") {
        return Err(SchemaError::InvalidName(table.name.to_owned()));
    }
    let mut names = HashSet::new();
    for column in table.columns {
        if !valid_name(column.name) {
            return Err(SchemaError::InvalidName(column.name.to_owned()));
        }
        if !names.insert(column.name.to_ascii_lowercase()) {
            return Err(SchemaError::DuplicateColumn {
                table: table.name.to_owned(),
                column: column.name.to_owned(),
            });
        }
    }
    check_columns(table, "the primary key", table.primary_key)?;
    for &key in table.primary_key {
        if table.column(key).is_some_and(|column| column.nullable) {
            return Err(SchemaError::NullableKey {
                table: table.name.to_owned(),
                column: key.to_owned(),
            });
        }
    }
    let mut names = HashSet::new();
    for index in table.indexes {
        check_columns(table, "an index", index.columns)?;
        if !names.insert(index.name(table.name)) {
            return Err(SchemaError::DuplicateIndex {
                table: table.name.to_owned(),
                index: index.name(table.name),
            });
        }
    }
    Ok(())
}

fn check_columns(
    table: &TableDef,
    place: &'static str,
    columns: &[&str],
) -> Result<(), SchemaError> {
    let missing = if columns.is_empty() {
        Some("")
    } else {
        columns.iter().copied().find(|&column| table.column(column).is_none())
    };
    match missing {
        None => Ok(()),
        Some(column) => Err(SchemaError::MissingColumn {
            table: table.name.to_owned(),
            place,
            column: column.to_owned(),
        }),
    }
}
