//! Bugs on purpose, one at a time, in the simulator's own drivers: each must be caught, or the checks are worth
//! nothing.

/// A bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// The leader numbers a group before it knows which of its commits are refused.
    SkipRenumber,
    /// A session's rebase forgets to apply the last pending commit again.
    DropLastPending,
    /// A roll-back undoes the oldest commit first.
    ReorderUndo,
    /// The log is searched for a head by its number, without its hash.
    CompareHeadsByNumber,
    /// A transaction of the log leaves out the last `n` of its first author.
    ForgetLastN,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::SkipRenumber,
        Self::DropLastPending,
        Self::ReorderUndo,
        Self::CompareHeadsByNumber,
        Self::ForgetLastN,
    ];
}
