//! The promises: a sentence each, and the function that checks it.

pub mod documents;
pub mod errors;
pub mod lifetime;
pub mod queries;
pub mod renders;
pub mod stores;
pub mod sync;

/// What a binding promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The test's name.
    pub name: &'static str,
    /// The promise.
    pub sentence: &'static str,
}

/// Lists the promises once: for the table, and for each binding's tests.
macro_rules! promises {
    ($dollar:tt $($group:ident { $($name:ident: $sentence:literal,)+ })+) => {
        /// All promises, in the order of the table.
        pub const PROMISES: &[Promise] =
            &[$($(Promise { name: stringify!($name), sentence: $sentence },)+)+];

        /// Makes one test of every promise, for the binding whose app is named: `conformance!(MyApp);`
        #[macro_export]
        macro_rules! conformance {
            ($dollar app:ty) => {
                $(mod $group {
                    use super::*;
                    $(#[test] fn $name() {
                        $dollar crate::$group::$name(&$dollar crate::start::<$dollar app>());
                    })+
                })+
            };
        }
    };
}

promises! { $
    queries {
        initial_value: "The first render shows the value that is there.",
        update: "A commit renders who reads what it changed, once, however many events it has.",
        fresh_read: "A read right after a commit sees it, before anything is rendered.",
        equal_queries_share: "Components that follow equal queries share one result: the very same rows, one node.",
        no_glitch: "No render sees one query before a commit and another after it.",
        closure_follows: "When a signal that a query's closure reads changes, the new query is shown, in one render.",
        closure_equal: "A closure that returns an equal query renders nothing.",
        closure_equal_value: "A closure that returns another query with an equal value renders nothing.",
        chain_is_fresh: "A read through a chain of closures is fresh at once, and queries that were left are not followed.",
        another_thread: "What another thread commits is rendered.",
    }
    renders {
        cut_off: "A commit renders who reads the row, column or table it touched, and nobody else.",
        equal_value: "A query that runs again and gives an equal value renders nothing.",
        one_of_a_thousand: "A commit that touches one of 1,000 rows renders one row component.",
        another_table: "A commit to another table renders none of 1,000 rows.",
    }
    documents {
        document_is_a_signal: "A document is read and written like a signal; an equal value renders nothing.",
        batch_is_one_moment: "What an event handler reads inside a batch is of one moment, through closures too.",
        document_and_rows: "A commit and a document's change made together are one render, of one consistent pair.",
    }
    errors {
        failing_query: "A failing query shows its error in the nearest boundary and keeps its last value.",
        try_query: "`try_use_query` hands the error to the component, and the boundary shows nothing.",
        refused_commit: "A commit that is refused, made in an event handler, reaches the nearest boundary.",
    }
    lifetime {
        unread_is_not_followed: "A query that nobody has read is not followed.",
        unmounted_is_forgotten: "What an unmounted component followed is forgotten at once.",
        unmounted_while_told: "A component that is unmounted while a commit is being told does no harm and leaves nothing.",
        dead_handles: "An event handler that outlives its component commits nothing and does not panic.",
    }
    stores {
        two_stores: "Two stores are found by their schemas, and a query reads the nearest or the one it is given.",
        reload: "What was persisted is there when the store is opened again, documents too.",
    }
    sync {
        sync_status: "`use_sync_status` follows commits, the backend's word for them, and other clients' commits.",
        network_status: "`use_network_status` follows the backend's going and coming, and the app's pausing.",
        rejections: "A commit that the backend refuses is taken back, and is in `use_rejections` until it is dismissed.",
        rebase_is_one_render: "When pending commits move behind another client's, that is one render, of the result.",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::PROMISES;

    #[test]
    fn the_table_beside_this_crate_is_of_these_promises() {
        let mut table = String::from(
            "# What every binding promises\n\n\
             Each line is a test that runs natively for both bindings (`tests/conformance.rs` of each). Written by\n\
             `UPDATE=1 cargo test -p livestore-conformance`.\n\n\
             | test | promise | Leptos | Dioxus |\n|---|---|---|---|\n",
        );
        for promise in PROMISES {
            writeln!(table, "| `{}` | {} | ✓ | ✓ |", promise.name, promise.sentence)
                .expect("a string");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROMISES.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &table).expect("the table is written");
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            table,
            "run it with UPDATE=1"
        );
    }
}
