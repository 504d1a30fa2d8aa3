//! The derives of livestore: `Table`, `ColumnType`, `Event`, `ClientDocument` and `Schema`.
//!
//! They write what a reader would write by hand: data in constants and impls of the traits of `livestore-core`. All
//! judgement that needs no syntax is made there. Every error points at the tokens that cause it and says what helps.

mod column_type;
mod document;
mod event;
mod krate;
mod schema;
mod table;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

fn expand(
    input: TokenStream,
    derive: fn(&DeriveInput) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct the row of a table.
///
/// On the struct, all optional: `#[table(name = "todos", client_only, index(a, b), unique(a, b))]`. The name is by
/// default the type's in snake case. `client_only` tables are written by client-only events, all others by synced ones.
///
/// On fields: `#[column(primary_key)]` (several make a composite key), `default = …`, `rename = "…"`, `unique`, `json`
/// (any serde type, stored as JSON). An `Option` may be `NULL`.
///
/// Each field becomes a constant such as `Todo::DELETED_AT`, from which queries and updates are built.
#[proc_macro_derive(Table, attributes(table, column))]
pub fn table(input: TokenStream) -> TokenStream {
    expand(input, table::derive)
}

/// Makes a newtype, or an enum without fields, a type that columns can have.
///
/// A newtype is stored as what it wraps. An enum is stored as text: the variant's name, or `#[column(rename = "…")]`.
#[proc_macro_derive(ColumnType, attributes(column))]
pub fn column_type(input: TokenStream) -> TokenStream {
    expand(input, column_type::derive)
}

/// Makes each variant of an enum an event.
///
/// On variants: `#[event(name = "v1.TodoCreated")]`, and `client_only` for events that never leave the client (on the
/// enum it holds for all). Arguments are encoded by serde: a variant's fields as a JSON object, a variant around one
/// value as that value, a variant without fields as `null`. `#[serde(…)]` on the fields works as always; the enum
/// itself needs no serde derives.
#[proc_macro_derive(Event, attributes(event, serde))]
pub fn event(input: TokenStream) -> TokenStream {
    expand(input, event::derive)
}

/// Makes a serde type a client document.
///
/// Optional: `#[document(name = "ui", owner = "client")]`. The name is by default the type's in snake case. With
/// `owner = "tab"`, the default, each tab has its own value; with `"client"` all tabs share one.
#[proc_macro_derive(ClientDocument, attributes(document))]
pub fn client_document(input: TokenStream) -> TokenStream {
    expand(input, document::derive)
}

/// Puts tables, events and documents together: the type that a store is generic over.
///
/// `#[schema(tables(Todo), events(TodoEvent), documents(UiState), materializers = 1)]`. Step `materializers` when
/// materializers change what they write, so that state is built anew from the log.
#[proc_macro_derive(Schema, attributes(schema))]
pub fn schema(input: TokenStream) -> TokenStream {
    expand(input, schema::derive)
}
