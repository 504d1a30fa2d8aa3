//! Which todos show: the filter is the address's hash, so links, reload and the back button all work.

use leptos::prelude::*;

use livestore_leptos::Predicate;

use crate::schema::Todo;

/// One of the three views of TodoMVC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filter {
    /// `#/`, and any address that is none of the others.
    All,
    /// `#/active`
    Active,
    /// `#/completed`
    Completed,
}

impl Filter {
    /// The three, in the order in which they are shown.
    pub(crate) const EACH: [Self; 3] = [Self::All, Self::Active, Self::Completed];

    /// The filter that a hash names.
    fn from_hash(hash: &str) -> Self {
        Self::EACH.into_iter().find(|filter| filter.hash() == hash).unwrap_or(Self::All)
    }

    /// The hash that names this filter.
    pub(crate) fn hash(self) -> &'static str {
        match self {
            Self::All => "#/",
            Self::Active => "#/active",
            Self::Completed => "#/completed",
        }
    }

    /// What its link says.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Active => "Active",
            Self::Completed => "Completed",
        }
    }

    /// The todos it shows.
    pub(crate) fn predicate(self) -> Predicate<Todo> {
        match self {
            Self::All => Predicate::all(),
            Self::Active => Todo::COMPLETED.eq(false),
            Self::Completed => Todo::COMPLETED.eq(true),
        }
    }
}

/// The filter that the address names, now and after every change.
pub(crate) fn use_filter() -> ReadSignal<Filter> {
    let in_address = || Filter::from_hash(&window().location().hash().unwrap_or_default());
    let (filter, set_filter) = signal(in_address());
    let listener =
        window_event_listener(leptos::ev::hashchange, move |_| set_filter.set(in_address()));
    on_cleanup(move || listener.remove());
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_its_filter_and_any_other_names_all() {
        for filter in Filter::EACH {
            assert_eq!(Filter::from_hash(filter.hash()), filter);
        }
        for hash in ["", "#", "#/nothing", "#/Active", "active"] {
            assert_eq!(Filter::from_hash(hash), Filter::All, "{hash:?}");
        }
    }
}
