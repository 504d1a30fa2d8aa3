//! Tests of the SQLite layer: its promises, with literal cases and against models.

mod basics;
mod choices;
mod random_reads;
mod random_undo;
mod reads;
