//! Queries: typed, immutable, bound; data that can be compared, cached and run on any connection.

mod error;
mod params;

pub use error::{QueryError, SqlError};
pub use params::Params;
