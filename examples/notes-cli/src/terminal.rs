//! Lines for people and for pipes.
//!
//! What other clients have written may hold anything, so nothing of it reaches a terminal as a control character.

use std::io::{self, Write};

/// A line of what was asked for.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", printable(line))?;
    out.flush()
}

/// A line of what is in the way.
pub(crate) fn complain(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(io::stderr(), "notes: {}", printable(line));
}

fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(printable("buy milk, é 日"), "buy milk, é 日");
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{9b}d\u{7f}"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}"
        );
    }
}
