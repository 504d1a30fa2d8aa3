//! Tests of the SQLite layer: its promises, with literal cases and against models.

mod basics;
mod reads;
