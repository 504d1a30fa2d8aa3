//! Our extensions of the protocol, and the frame that grants them.

use serde::{Deserialize, Serialize};

use super::limits::WireLimits;

/// What we speak beyond LiveStore's protocol. Asked for in the address; counts only once the server has said so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Extensions {
    /// An event that will never be taken is named, with the reason; whatever else fails may work another time.
    pub rejection: bool,
    /// A push says where its commits end, and keeps each of them together.
    pub commits: bool,
    /// Batches and pages larger than [`super::BATCH_EVENTS`].
    pub batches: bool,
}

impl Extensions {
    /// All that this version knows.
    pub const ALL: Self = Self { rejection: true, commits: true, batches: true };

    /// None: LiveStore's own protocol.
    pub const NONE: Self = Self { rejection: false, commits: false, batches: false };

    const NAMES: [&str; 3] = ["rejection", "commits", "batches"];

    fn flags(&mut self) -> [&mut bool; 3] {
        [&mut self.rejection, &mut self.commits, &mut self.batches]
    }

    /// Those that both sides know.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self {
            rejection: self.rejection && other.rejection,
            commits: self.commits && other.commits,
            batches: self.batches && other.batches,
        }
    }

    /// Reads names; those it doesn't know are of a later version and count as not asked for.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut extensions = Self::NONE;
        for name in names {
            for (known, flag) in Self::NAMES.iter().zip(extensions.flags()) {
                *flag |= *known == name;
            }
        }
        extensions
    }

    /// The names, for the wire.
    pub fn names(mut self) -> Vec<&'static str> {
        let flags = self.flags();
        Self::NAMES
            .into_iter()
            .zip(flags)
            .filter(|(_, flag)| **flag)
            .map(|(name, _)| name)
            .collect()
    }
}

/// The first frame of our server to a client that asked for extensions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hello {
    /// Welcome.
    Granted {
        /// Which extensions count from now on.
        extensions: Extensions,
        /// How much the server takes.
        limits: WireLimits,
    },
    /// This client may not use this store. A browser can't see the status of a failed upgrade, so a frame says it.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// [`Hello`] as JSON.
#[derive(Serialize, Deserialize)]
#[serde(tag = "_tag")]
pub(super) enum WireHello {
    #[serde(rename = "Livestore.Hello", rename_all = "camelCase")]
    Granted { extensions: Vec<String>, batch_events: u64, frame_bytes: u64, args_bytes: u64 },
    #[serde(rename = "Livestore.Refused")]
    Refused { reason: String },
}

impl WireHello {
    pub(super) const GRANTED: &str = "Livestore.Hello";
    pub(super) const REFUSED: &str = "Livestore.Refused";
}

impl From<&Hello> for WireHello {
    fn from(hello: &Hello) -> Self {
        match hello {
            Hello::Granted { extensions, limits } => Self::Granted {
                extensions: extensions.names().into_iter().map(str::to_owned).collect(),
                batch_events: limits.batch_events as u64,
                frame_bytes: limits.frame_bytes as u64,
                args_bytes: limits.args_bytes as u64,
            },
            Hello::Refused { reason } => Self::Refused { reason: reason.clone() },
        }
    }
}

impl From<WireHello> for Hello {
    fn from(hello: WireHello) -> Self {
        let limit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        match hello {
            WireHello::Granted { extensions, batch_events, frame_bytes, args_bytes } => {
                Self::Granted {
                    extensions: Extensions::from_names(extensions.iter().map(String::as_str)),
                    limits: WireLimits {
                        batch_events: limit(batch_events),
                        frame_bytes: limit(frame_bytes),
                        args_bytes: limit(args_bytes),
                    },
                }
            }
            WireHello::Refused { reason } => Self::Refused { reason },
        }
    }
}
