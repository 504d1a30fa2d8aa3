//! What can happen among clients and a backend.

use super::Cluster;
use crate::{
    action::{Action, Weather},
    rng::Rng,
};

/// One step of a run. Indices wrap around what there is; an action that finds nothing does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterAction {
    /// Something happens at a client.
    Client {
        /// Which.
        client: u8,
        /// What. (`Settle` is the cluster's.)
        action: Action,
    },
    /// A request reaches the backend.
    Ask {
        /// Whose.
        client: u8,
        /// Which of those on the way; 0 is the oldest.
        message: u8,
    },
    /// An answer reaches its client.
    Answer {
        /// Whose.
        client: u8,
        /// Which of those on the way.
        message: u8,
    },
    /// A request or an answer gets lost.
    Lose {
        /// Whose.
        client: u8,
        /// A request, else an answer.
        request: bool,
        /// Which of those on the way.
        message: u8,
    },
    /// A request or an answer is repeated.
    Repeat {
        /// Whose.
        client: u8,
        /// A request, else an answer.
        request: bool,
        /// Which of those on the way.
        message: u8,
    },
    /// A client's network goes, or comes back.
    Partition {
        /// Whose.
        client: u8,
        /// Its connection breaks; else frames just don't arrive.
        breaks: bool,
    },
    /// A client's clock is set.
    SetClock {
        /// Whose.
        client: u8,
        /// By so many milliseconds.
        ms: i32,
    },
    /// A client's leader stops talking to the backend, or goes on.
    Pause {
        /// Whose.
        client: u8,
        /// Stops.
        paused: bool,
    },
    /// A client is told that its network has changed.
    Retry {
        /// Whose.
        client: u8,
    },
    /// Every connection to the backend ends; it comes back, or stays away.
    Restart {
        /// Comes back.
        up: bool,
    },
    /// The backend is copied.
    BackUp,
    /// The backend's log is replaced by the copy.
    Restore,
    /// Another backend stands in its place.
    Replace {
        /// An empty one; else it has the copy's log.
        empty: bool,
    },
    /// A peer that gives its events no ids writes one.
    WriteForeign {
        /// Which event.
        what: u16,
    },
    /// A peer writes an event under the name of a client's session.
    Forge {
        /// Whose.
        client: u8,
        /// Which session, and which of its numbers: all told by the bits.
        what: u16,
    },
    /// All heals, and the cluster comes to rest.
    Settle,
}

/// How rough a run is.
#[derive(Clone, Debug)]
pub struct ClusterWeather {
    client: Weather,
    lose: u32,
    reorder: u32,
    partition: u32,
    disaster: u32,
    forge: u32,
}

impl ClusterWeather {
    /// The mixture that `rng` chooses.
    pub fn choose(rng: &mut Rng) -> Self {
        Self {
            client: Weather::choose(rng),
            lose: rng.below(3) * 2,
            reorder: rng.below(3) * 10,
            partition: rng.below(4),
            disaster: rng.below(3),
            forge: rng.below(3),
        }
    }

    /// The next action.
    pub fn next(&self, rng: &mut Rng, cluster: &Cluster) -> ClusterAction {
        let client = u8::try_from(rng.below(256)).unwrap_or(0);
        let at = usize::from(client) % cluster.clients().len();
        let (requests, answers) = cluster.on_the_way(at);
        if requests + answers > 0 && rng.chance(35) {
            return self.frame(rng, client, requests, answers);
        }
        match rng.below(1000) {
            0..=5 if rng.chance(self.partition * 33) => {
                ClusterAction::Partition { client, breaks: rng.chance(70) }
            }
            6..=8 if rng.chance(self.disaster * 50) => {
                ClusterAction::Replace { empty: rng.chance(50) }
            }
            9..=13 if rng.chance(self.disaster * 50) => ClusterAction::Restore,
            14..=17 => ClusterAction::BackUp,
            18..=22 => ClusterAction::Restart { up: rng.chance(80) },
            23..=35 => {
                ClusterAction::WriteForeign { what: u16::try_from(rng.below(1 << 16)).unwrap_or(0) }
            }
            44..=53 if rng.chance(self.forge * 50) => ClusterAction::Forge {
                client,
                what: u16::try_from(rng.below(1 << 16)).unwrap_or(0),
            },
            36..=38 => {
                let ms = if rng.chance(50) { 3_600_000 } else { -2500 };
                ClusterAction::SetClock { client, ms }
            }
            39..=41 => ClusterAction::Pause { client, paused: rng.chance(30) },
            42 | 43 => ClusterAction::Settle,
            54 | 55 => ClusterAction::Retry { client },
            _ => {
                let world = &cluster.clients()[at].world;
                let action = self.client.next(rng, world.leads(), world.links().len());
                match action {
                    Action::Settle => ClusterAction::Settle,
                    action => ClusterAction::Client { client, action },
                }
            }
        }
    }

    fn frame(&self, rng: &mut Rng, client: u8, requests: usize, answers: usize) -> ClusterAction {
        let request = answers == 0 || (requests > 0 && rng.chance(50));
        let message = if rng.chance(self.reorder) { 1 + u8::from(rng.chance(50)) } else { 0 };
        match rng.below(100) {
            roll if roll < self.lose => ClusterAction::Lose { client, request, message },
            roll if roll < self.lose + 2 => ClusterAction::Repeat { client, request, message },
            _ if request => ClusterAction::Ask { client, message },
            _ => ClusterAction::Answer { client, message },
        }
    }
}
