//! Tests of the state: literal cases over a small schema, written without the derives.

mod apply;
mod disk;
mod files;
mod fixture;
