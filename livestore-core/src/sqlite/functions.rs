//! What is known about SQLite's built-in functions: which are not pure, and which tables are none.

/// Functions whose result changes although no table did, or differs between builds of SQLite.
const IMPURE: [&str; 14] = [
    "changes",
    "current_date",
    "current_time",
    "current_timestamp",
    "last_insert_rowid",
    "load_extension",
    "random",
    "randomblob",
    "sqlite_compileoption_get",
    "sqlite_compileoption_used",
    "sqlite_offset",
    "sqlite_source_id",
    "sqlite_version",
    "total_changes",
];

/// Functions that read the clock when their time is `'now'` or left out.
const DATES: [&str; 7] =
    ["date", "datetime", "julianday", "strftime", "time", "timediff", "unixepoch"];

/// Table-valued functions that compute their rows from their arguments.
const WITHOUT_STORAGE: [&str; 5] =
    ["generate_series", "json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// Whether a function's result depends on more than its arguments and the tables.
pub(super) fn is_impure(function: &str) -> bool {
    IMPURE.iter().any(|name| function.eq_ignore_ascii_case(name))
}

/// Whether a function may read the clock, depending on its arguments.
pub(super) fn is_date(function: &str) -> bool {
    DATES.iter().any(|name| function.eq_ignore_ascii_case(name))
}

/// Whether a text makes a date function read the clock.
pub(super) fn means_now(text: &str) -> bool {
    ["now", "subsec", "subsecond"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text makes a date function ask for the machine's time zone.
pub(super) fn means_here(text: &str) -> bool {
    ["localtime", "utc"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a table is a function that reads nothing stored.
pub(super) fn has_no_storage(table: &str) -> bool {
    WITHOUT_STORAGE.iter().any(|name| table.eq_ignore_ascii_case(name))
}
