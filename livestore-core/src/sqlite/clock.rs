//! Whether a compiled query reads the clock through a date function.
//!
//! The authorizer names functions but not their arguments, so the program is asked: a date function without a time, or
//! with the literal `'now'`, is refused. What can't be told apart is refused too. Bound values are checked later
//! ([`ReadSet::check_parameters`](super::ReadSet::check_parameters)); a *stored* `'now'` is beyond this.

use super::{
    functions,
    read_set::{Instruction, ReadSetError},
};

/// Whether date functions are used at all; an error if one of them reads the clock, or may.
pub(super) fn check(program: &[Instruction]) -> Result<bool, ReadSetError> {
    let mut uses_dates = false;
    for step in program {
        if !matches!(step.opcode.as_str(), "Function" | "PureFunc") {
            continue;
        }
        let function = step.p4.as_deref().and_then(|text| text.split('(').next()).unwrap_or("");
        if !functions::is_date(function) {
            continue;
        }
        uses_dates = true;
        // The arguments stand in consecutive registers from P2, which is 0 if there are none.
        let time = if function.eq_ignore_ascii_case("strftime") { step.p2 + 1 } else { step.p2 };
        let given = step.p2 != 0 && program.iter().any(|other| writes(other, time));
        let now = literals(program).any(|(text, register)| {
            text.eq_ignore_ascii_case("now") || (register == time && functions::means_now(text))
        });
        if now || !given {
            let function = format!("{function}() of the clock");
            return Err(ReadSetError::NonDeterministic { function });
        }
    }
    Ok(uses_dates)
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
