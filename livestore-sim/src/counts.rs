//! What a run has met.

/// How often a run met what it is there to meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Messages that arrived.
    pub messages: u64,
    /// Commits that returned Ok.
    pub commits: u64,
    /// Commits that went to quarantine.
    pub refused: u64,
    /// Merges that rolled something back.
    pub rebases: u64,
    /// Roll-backs of a leader's log.
    pub leader_rebases: u64,
    /// Backends that were taken for what they had been before they lost something.
    pub mistaken: u64,
    /// Snapshots loaded.
    pub loads: u64,
    /// Sessions that folded the log from its start.
    pub resets: u64,
    /// Journals adopted.
    pub adoptions: u64,
    /// Leaders.
    pub leaders: u64,
    /// Power losses that took a part of the log.
    pub power_losses: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.commits += other.commits;
        self.refused += other.refused;
        self.rebases += other.rebases;
        self.leader_rebases += other.leader_rebases;
        self.mistaken += other.mistaken;
        self.loads += other.loads;
        self.resets += other.resets;
        self.adoptions += other.adoptions;
        self.leaders += other.leaders;
        self.power_losses += other.power_losses;
    }
}
