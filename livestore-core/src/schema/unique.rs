//! Names that are there twice fail the build: the checks that `#[derive(Schema)]` runs in a constant.
//!
//! Constants can't call traits or iterate yet, hence the loops.

use super::def::{DocumentDef, EventDef, TableDef};

/// Fails the build when two tables have one name.
pub(crate) const fn assert_unique_tables(tables: &[&TableDef]) {
    let mut left = 0;
    while left < tables.len() {
        let mut right = left + 1;
        while right < tables.len() {
            if tables[left].name.eq_ignore_ascii_case(tables[right].name) {
                fail("the schema names a table twice: ", tables[left].name);
            }
            right += 1;
        }
        left += 1;
    }
}

/// Fails the build when two documents have one name.
pub(crate) const fn assert_unique_documents(documents: &[&DocumentDef]) {
    let mut left = 0;
    while left < documents.len() {
        let mut right = left + 1;
        while right < documents.len() {
            if same(documents[left].name, documents[right].name) {
                fail("the schema names a document twice: ", documents[left].name);
            }
            right += 1;
        }
        left += 1;
    }
}

/// Fails the build when two events of several sets have one name; within a set the derive looks.
pub(crate) const fn assert_unique_events(sets: &[&[EventDef]]) {
    let mut set = 0;
    while set < sets.len() {
        let mut other = set + 1;
        while other < sets.len() {
            let mut left = 0;
            while left < sets[set].len() {
                let mut right = 0;
                while right < sets[other].len() {
                    if same(sets[set][left].name, sets[other][right].name) {
                        fail("the schema names an event twice: ", sets[set][left].name);
                    }
                    right += 1;
                }
                left += 1;
            }
            other += 1;
        }
        set += 1;
    }
}

/// `==` for strings, which constants can't call yet.
const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut byte = 0;
    while byte < left.len() && byte < right.len() && left[byte] == right[byte] {
        byte += 1;
    }
    byte == left.len() && byte == right.len()
}

/// Panics with both texts; a constant's panic takes one string only.
const fn fail(what: &str, name: &str) -> ! {
    let mut message = [0; 256];
    let mut len = 0;
    let parts = [what.as_bytes(), name.as_bytes()];
    let mut part = 0;
    while part < parts.len() {
        let mut byte = 0;
        while byte < parts[part].len() && len < message.len() {
            message[len] = parts[part][byte];
            len += 1;
            byte += 1;
        }
        part += 1;
    }
    match std::str::from_utf8(message.split_at(len).0) {
        Ok(message) => panic!("{}", message),
        Err(_) => panic!("the schema holds a name twice"),
    }
}
