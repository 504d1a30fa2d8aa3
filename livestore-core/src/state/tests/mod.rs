//! Tests of the state: literal cases over a small schema, written without the derives.

mod apply;
mod files;
mod fixture;
