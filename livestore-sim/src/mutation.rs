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
    /// A leader's rebase forgets to apply the last pending commit again.
    LeaderDropsPending,
    /// A leader's roll-back undoes the oldest commit first.
    LeaderUndoOrder,
    /// A merge writes the log and forgets the cursor.
    ForgetCursor,
    /// A commit that a backend refused is rolled back and not kept.
    ForgetQuarantine,
    /// A refused commit that the backend turns out to have stays in quarantine.
    KeepArrived,
    /// A session drops its undo records when its leader has a commit, not when the backend has it.
    ForgetUndoEarly,
    /// A rebase is sent without the roll-back, as if the log had only grown.
    RebaseAsAdvance,
    /// The wire loses the events' ids: they come back as somebody else's.
    LoseIds,
    /// A backend appends whatever its head is.
    IgnoreParent,
    /// Whatever a backend brings under a session's name counts as pushed by it.
    BelieveNames,
    /// A restarted client takes the backend for the one it knew.
    TrustBackend,
}
