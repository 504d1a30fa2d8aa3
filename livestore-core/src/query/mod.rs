//! Queries: typed, immutable, bound; data that can be compared, cached and run on any connection.
//!
//! A [`Select`] is built from a table's [`Column`]s and becomes a [`Query`] by `all`, `first`, `one`, `count` or
//! `exists`. SQL text comes from the schema's own names only; every value is a parameter.

mod column;
mod decode;
mod error;
mod params;
mod predicate;
mod prepared;
mod projection;
mod raw;
mod select;
mod writes;

#[cfg(test)]
mod tests;

pub use column::{Assignment, Assignments, Column, IntoOrder, Order, escape_like};
pub use error::{QueryError, SqlError};
pub use params::Params;
pub use predicate::{KeyFilter, Predicate};
pub use prepared::{IntoQuery, Query, QueryId};
pub use projection::{Projection, WholeRow};
pub use raw::{RawSelect, raw};
pub use select::Select;
