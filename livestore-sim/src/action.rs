//! What can happen in a world. Every choice is a plain number, so a list of actions replays with any of them left out.

use crate::{model::Schema, nodes::Fate, rng::Rng};

/// One step of a run. Indices wrap around what there is; an action that finds nothing does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A tab opens the store.
    Open {
        /// Which tab.
        tab: u8,
        /// Its version of the app.
        schema: Schema,
    },
    /// A session commits.
    Commit {
        /// Which session.
        session: u8,
        /// Client-only events instead of synced ones.
        client_only: bool,
        /// Which event, how many of them, on which row: all told by the bits.
        what: u16,
    },
    /// A session sets a document.
    SetDocument {
        /// Which session.
        session: u8,
        /// The client's document instead of the tab's.
        shared: bool,
        /// The value.
        value: u16,
    },
    /// A page hides: its session writes its journal.
    Hide {
        /// Which session.
        session: u8,
    },
    /// A page goes, with its journal written.
    Close {
        /// Which session.
        session: u8,
        /// It still says good-bye.
        leave: bool,
    },
    /// A page is killed before it can write its journal.
    Kill {
        /// Which session.
        session: u8,
    },
    /// A page reloads: writes its journal, and the new page takes it.
    Reload {
        /// Which session.
        session: u8,
        /// Its version of the app afterwards.
        schema: Schema,
    },
    /// A session takes the journal of a dead one.
    Adopt {
        /// Which session.
        session: u8,
        /// Which journal.
        journal: u8,
    },
    /// A page in the background is frozen, and hears nothing; or a frozen one goes on.
    Freeze {
        /// Which session.
        session: u8,
    },
    /// A session's in-memory state is damaged.
    Damage {
        /// Which session.
        session: u8,
    },
    /// A message arrives.
    Deliver {
        /// Which of those on the way; 0 is the oldest.
        message: u8,
    },
    /// A message gets lost.
    Lose {
        /// Which of those on the way.
        message: u8,
    },
    /// A message is repeated.
    Repeat {
        /// Which of those on the way.
        message: u8,
    },
    /// A worker starts to lead, if nobody does.
    Lead {
        /// Its version of the app.
        schema: Schema,
    },
    /// The leader writes a group.
    Write {
        /// And what happens to it.
        fate: Fate,
    },
    /// The leader goes: hand-over.
    StepDown {
        /// It writes what waits before it goes.
        drains: bool,
    },
    /// The leader is killed.
    KillLeader,
    /// The power fails, and the log loses its last transactions.
    PowerLoss {
        /// How many.
        transactions: u8,
        /// The pages survive: the log was on another machine's disk, or was restored from a copy.
        survivors: bool,
    },
    /// Time passes.
    Wait {
        /// How many milliseconds.
        ms: u16,
    },
    /// All links heal, and the world comes to rest.
    Settle,
}

/// How rough a run is; each seed has its own mixture.
#[derive(Clone, Debug)]
pub struct Weather {
    lose: u32,
    reorder: u32,
    kill: u32,
    power: u32,
    new_app: u32,
}

impl Weather {
    /// The mixture that `rng` chooses.
    pub fn choose(rng: &mut Rng) -> Self {
        Self {
            lose: rng.below(3) * 3,
            reorder: rng.below(3) * 30,
            kill: 1 + rng.below(3) * 2,
            power: rng.below(3),
            new_app: rng.below(3) * 30,
        }
    }

    /// The next action, given whether somebody leads and how many messages are on the way.
    pub fn next(&self, rng: &mut Rng, leads: bool, on_the_way: usize) -> Action {
        let byte = |rng: &mut Rng| u8::try_from(rng.below(256)).unwrap_or(0);
        let schema =
            |rng: &mut Rng| if rng.chance(self.new_app) { Schema::New } else { Schema::Old };
        if !leads && rng.chance(20) {
            return Action::Lead { schema: schema(rng) };
        }
        if on_the_way > 0 && rng.chance(55) {
            let message = if rng.chance(self.reorder) { byte(rng) } else { 0 };
            return match rng.below(100) {
                roll if roll < self.lose => Action::Lose { message },
                roll if roll < self.lose + 2 => Action::Repeat { message },
                _ => Action::Deliver { message },
            };
        }
        let session = byte(rng);
        match rng.below(100) {
            0..=36 => Action::Commit {
                session,
                client_only: rng.chance(25),
                what: u16::try_from(rng.below(1 << 16)).unwrap_or(0),
            },
            37..=59 => Action::Write { fate: Self::fate(rng) },
            60..=73 => {
                let ms = if rng.chance(70) { rng.below(300) } else { rng.below(6000) };
                Action::Wait { ms: u16::try_from(ms).unwrap_or(0) }
            }
            74..=79 => Action::SetDocument {
                session,
                shared: rng.chance(60),
                value: u16::try_from(rng.below(1000)).unwrap_or(0),
            },
            80..=84 => Action::Open { tab: byte(rng) % 5, schema: schema(rng) },
            85..=87 => Action::Adopt { session, journal: byte(rng) },
            88 | 89 => Action::Hide { session },
            90 => Action::Freeze { session },
            _ if !rng.chance(self.kill * 12) => Action::Wait { ms: 20 },
            _ => self.disaster(rng, session),
        }
    }

    fn fate(rng: &mut Rng) -> Fate {
        match rng.below(100) {
            0 => Fate::DiesBeforeLog,
            1 => Fate::DiesBeforeState,
            2 => Fate::DiesBeforeWord,
            3 | 4 => Fate::StorageRefuses,
            _ => Fate::Lives,
        }
    }

    fn disaster(&self, rng: &mut Rng, session: u8) -> Action {
        let schema = if rng.chance(self.new_app) { Schema::New } else { Schema::Old };
        match rng.below(20) {
            0..=3 => Action::Reload { session, schema },
            4 | 5 => Action::Close { session, leave: rng.chance(50) },
            6 | 7 => Action::Kill { session },
            8 => Action::Damage { session },
            9..=11 => Action::StepDown { drains: rng.chance(50) },
            12 | 13 => Action::KillLeader,
            14..=18 if rng.chance(self.power * 40) => Action::PowerLoss {
                transactions: u8::try_from(rng.below(8)).unwrap_or(0),
                survivors: rng.chance(70),
            },
            14..=18 => Action::Lose { message: session },
            _ => Action::Settle,
        }
    }
}
