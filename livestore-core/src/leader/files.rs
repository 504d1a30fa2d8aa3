//! What a store's databases are called, and which of them are in use.
//!
//! A store has one log, and beside it a state for each schema. A damaged log that is set aside stays where it is, with
//! its states: the next log, with states of its own, has a number in its name, and the greatest one is in use. So nothing
//! is moved or copied, and a crash leaves either the old log in use or the new one.

/// The databases that belong to one log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Files {
    /// Which log of this store it is, from 1.
    generation: u32,
}

impl Files {
    /// Those in use, where these databases are.
    pub(super) fn in_use(names: &[String]) -> Self {
        let newest = names.iter().filter_map(|name| generation_of(name)).max();
        Self { generation: newest.unwrap_or(1) }
    }

    /// Those that are used once these are set aside.
    pub(super) fn next(self) -> Self {
        Self { generation: self.generation.saturating_add(1) }
    }

    /// The log's name.
    pub(super) fn log(self) -> String {
        match self.generation {
            1 => "eventlog.db".to_owned(),
            generation => format!("eventlog-{generation}.db"),
        }
    }

    /// The name of a schema's state.
    pub(super) fn state(self, schema: u64) -> String {
        match self.generation {
            1 => format!("state-{schema:016x}.db"),
            generation => format!("state-{schema:016x}-{generation}.db"),
        }
    }

    /// Whose state would be in this file.
    pub(super) fn schema_of(self, file: &str) -> Option<u64> {
        let digits = file.strip_prefix("state-")?.get(..16)?;
        u64::from_str_radix(digits, 16).ok().filter(|schema| self.state(*schema) == file)
    }

    /// The logs that were set aside.
    pub(super) fn set_aside(self, names: &[String]) -> impl Iterator<Item = &String> {
        names
            .iter()
            .filter(move |name| generation_of(name).is_some_and(|old| old < self.generation))
    }
}

/// Whether a log would be in this file.
pub(super) fn is_log(file: &str) -> bool {
    generation_of(file).is_some()
}

fn generation_of(file: &str) -> Option<u32> {
    let generation = match file.strip_prefix("eventlog")?.strip_suffix(".db")? {
        "" => 1,
        number => number.strip_prefix('-')?.parse().ok()?,
    };
    (Files { generation }.log() == file).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::{Files, is_log};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn only_our_own_names_are_state_files() {
        let (first, second) = (Files { generation: 1 }, Files { generation: 2 });
        for schema in [0, 1, 0xabc, u64::MAX] {
            for (files, others) in [(first, second), (second, first)] {
                assert_eq!(files.schema_of(&files.state(schema)), Some(schema));
                assert_eq!(others.schema_of(&files.state(schema)), None);
            }
        }
        for other in [
            "eventlog.db",
            "state-.db",
            "state-1.db",
            "state-00000000000000zz.db",
            "state-000000000000ABCD.db",
            "state-000000000000abcd-1.db",
            "state-ääääääääääääääää.db",
            "x",
        ] {
            assert_eq!(first.schema_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_log_is_in_use_and_older_ones_are_set_aside() {
        let check = |there: &[&str], in_use: &str, set_aside: &[&str]| {
            let there = names(there);
            let files = Files::in_use(&there);
            assert_eq!(files.log(), in_use, "{there:?}");
            assert_eq!(files.set_aside(&there).collect::<Vec<_>>(), set_aside, "{there:?}");
        };
        check(&[], "eventlog.db", &[]);
        check(&["eventlog.db", "state-0000000000000001.db"], "eventlog.db", &[]);
        check(&["eventlog-2.db", "eventlog.db"], "eventlog-2.db", &["eventlog.db"]);
        check(
            &["eventlog-10.db", "eventlog-9.db", "eventlog.db"],
            "eventlog-10.db",
            &["eventlog-9.db", "eventlog.db"],
        );
        check(&["eventlog-1.db", "eventlog-02.db", "eventlog-x.db"], "eventlog.db", &[]);
        assert_eq!(Files::in_use(&names(&["eventlog-2.db"])).next().log(), "eventlog-3.db");
        assert!(is_log("eventlog.db") && is_log("eventlog-2.db") && !is_log("eventlog-1.db"));
    }
}
