//! Whether a compiled statement reads the clock, or the machine's time zone, through a date function.
//!
//! The authorizer names functions but not their arguments, so the program is asked: a date function without a time, or
//! with the literal `'now'`, reads the clock. What can't be told apart counts as reading it. Bound values are the
//! caller's to check, with [`means_now`] and [`means_here`]; a *stored* `'now'` is beyond this.

use super::{functions, read_set::Instruction};
use crate::value::Value;

/// What the date functions of a program depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Dates {
    /// There are none.
    Unused,
    /// On their arguments only, as far as those are literals; parameters may still bring in clock or time zone.
    Given,
    /// On the time zone of the machine: `'localtime'` or `'utc'` among the literals.
    Here(String),
    /// On the clock, in this function.
    Now(String),
}

/// Whether one of these bound values makes a date function read the clock.
pub(super) fn means_now(values: &[Value]) -> bool {
    texts(values).any(functions::means_now)
}

/// Whether one of these bound values makes a date function ask for the time zone.
pub(super) fn means_here(values: &[Value]) -> bool {
    texts(values).any(functions::means_here)
}

/// What date functions read as text.
fn texts(values: &[Value]) -> impl Iterator<Item = &str> {
    values.iter().filter_map(|value| match value {
        Value::Text(text) => Some(text.as_str()),
        Value::Blob(bytes) => std::str::from_utf8(bytes).ok(),
        Value::Null | Value::Integer(_) | Value::Real(_) => None,
    })
}

/// What a program's date functions depend on.
pub(super) fn dates(program: &[Instruction]) -> Dates {
    let mut dates = Dates::Unused;
    for (at, step) in program.iter().enumerate() {
        if !matches!(step.opcode.as_str(), "Function" | "PureFunc") {
            continue;
        }
        let function = step.p4.as_deref().and_then(|text| text.split('(').next()).unwrap_or("");
        if !functions::is_date(function) {
            continue;
        }
        // The arguments stand in consecutive registers from P2, which is 0 if there are none.
        let place = i64::from(function.eq_ignore_ascii_case("strftime"));
        let time = step.p2 + place;
        let given = step.p2 != 0 && is_given(program, at, time, place);
        let now = literals(program).any(|(text, register)| {
            text.eq_ignore_ascii_case("now") || (register == time && functions::means_now(text))
        });
        if now || !given {
            return Dates::Now(function.to_owned());
        }
        let here = literals(program).any(|(text, _)| functions::means_here(text));
        dates = if here { Dates::Here(function.to_owned()) } else { Dates::Given };
    }
    dates
}

/// Whether the function at this address has an argument in this place, which is in this register. An argument that is
/// no constant is computed before the function runs; what writes to the register later uses it for something else.
fn is_given(program: &[Instruction], at: usize, register: i64, place: i64) -> bool {
    let is_constant = program[at].p1 & (1 << place) != 0;
    let before = if is_constant { program } else { &program[..at] };
    before.iter().any(|step| writes(step, register))
}

/// The literal texts of a program and the registers they are put into.
fn literals(program: &[Instruction]) -> impl Iterator<Item = (&str, i64)> {
    program
        .iter()
        .filter(|step| matches!(step.opcode.as_str(), "String8" | "String"))
        .filter_map(|step| Some((step.p4.as_deref()?, step.p2)))
}

/// Whether an instruction puts a value into a register.
fn writes(step: &Instruction, register: i64) -> bool {
    match step.opcode.as_str() {
        "String8" | "String" | "Null" | "Variable" | "Integer" | "Int64" | "Real" | "Blob"
        | "SCopy" | "IntCopy" | "Rowid" | "IdxRowid" | "Not" | "BitNot" => step.p2 == register,
        "Copy" => (step.p2..=step.p2 + step.p3).contains(&register),
        "Column" | "VColumn" | "Function" | "PureFunc" | "Add" | "Subtract" | "Multiply"
        | "Divide" | "Remainder" | "Concat" | "And" | "Or" | "BitAnd" | "BitOr" => {
            step.p3 == register
        }
        _ => false,
    }
}
