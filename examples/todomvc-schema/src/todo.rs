//! The table, and what the components ask of it. Queries are data: writing one down runs nothing.

use livestore_core::{IntoQuery, Predicate, Query, Select, Table};

/// One entry of the list.
#[derive(Table, Clone, PartialEq, Debug)]
#[table(name = "todos", index(completed))]
pub struct Todo {
    /// Ids ascend with time, so their order is the list's.
    #[column(primary_key)]
    pub id: String,
    /// What is to be done.
    pub text: String,
    /// Whether it is done.
    #[column(default = false)]
    pub completed: bool,
    /// What the next version of the app will have.
    #[cfg(feature = "extra-column")]
    pub note: Option<String>,
}

impl Todo {
    pub(crate) fn new(id: &str, text: &str) -> Self {
        Self {
            id: id.to_owned(),
            text: text.to_owned(),
            completed: false,
            #[cfg(feature = "extra-column")]
            note: None,
        }
    }

    /// The one that has this id, or none.
    pub fn by_id(id: &str) -> Select<Self> {
        Self::query().filter(Self::ID.eq(id))
    }

    /// How many there are.
    pub fn total() -> Query<u64> {
        Self::query().count()
    }

    /// How many are still to be done.
    pub fn left() -> Query<u64> {
        Self::query().filter(Self::COMPLETED.eq(false)).count()
    }

    /// How many are done.
    pub fn done() -> Query<u64> {
        Self::query().filter(Self::COMPLETED.eq(true)).count()
    }
}

/// One of the three views of TodoMVC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Filter {
    /// `#/`, and any address that is none of the others.
    #[default]
    All,
    /// `#/active`
    Active,
    /// `#/completed`
    Completed,
}

impl Filter {
    /// The three, in the order in which they are shown.
    pub const EACH: [Self; 3] = [Self::All, Self::Active, Self::Completed];

    /// The ids of the todos it shows, in the list's order. Only the ids: a todo that changes does not change this list.
    pub fn ids(self) -> impl IntoQuery<Output = Vec<String>> + use<> {
        Todo::query().filter(self.predicate()).order_by(Todo::ID.asc()).columns(Todo::ID)
    }

    fn predicate(self) -> Predicate<Todo> {
        match self {
            Self::All => Predicate::all(),
            Self::Active => Todo::COMPLETED.eq(false),
            Self::Completed => Todo::COMPLETED.eq(true),
        }
    }

    /// What its link says.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Active => "Active",
            Self::Completed => "Completed",
        }
    }

    /// The hash of the address that names it.
    pub fn hash(self) -> &'static str {
        match self {
            Self::All => "#/",
            Self::Active => "#/active",
            Self::Completed => "#/completed",
        }
    }

    /// The filter that a hash names.
    pub fn from_hash(hash: &str) -> Self {
        Self::EACH.into_iter().find(|filter| filter.hash() == hash).unwrap_or_default()
    }
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
