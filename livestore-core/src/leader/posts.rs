//! The leader's outgoing channels.

use std::{cell::RefCell, collections::BTreeMap};

use livestore_sync::SessionId;

use crate::{
    link::{ChannelNames, ForSession, to_frame},
    platform::Channel,
};

/// How many sessions' channels are kept open.
const MOST_CHANNELS: usize = 64;

/// Where a leader posts: a channel for all, and one for each session it has spoken to.
#[derive(Debug)]
pub(super) struct Posts {
    names: ChannelNames,
    all: Option<Channel>,
    each: RefCell<BTreeMap<SessionId, Channel>>,
}

impl Posts {
    pub(super) fn new(names: ChannelNames) -> Self {
        let all = open(&names.sessions());
        Self { names, all, each: RefCell::default() }
    }

    pub(super) fn names(&self) -> &ChannelNames {
        &self.names
    }

    /// To everyone who listens, attached or not.
    pub(super) fn to_all(&self, message: &ForSession) {
        if let (Some(channel), Some(frame)) = (&self.all, encode(message)) {
            post(channel, &frame);
        }
    }

    /// To these sessions.
    pub(super) fn to_sessions(&self, sessions: &[SessionId], message: &ForSession) {
        let Some(frame) = encode(message) else { return };
        for session in sessions {
            let mut each = self.each.borrow_mut();
            if each.len() >= MOST_CHANNELS {
                // Pages that were reloaded never said good-bye. Who is still there gets a new channel.
                each.clear();
            }
            if !each.contains_key(session)
                && let Some(channel) = open(&self.names.session(*session))
            {
                each.insert(*session, channel);
            }
            if let Some(channel) = each.get(session) {
                post(channel, &frame);
            }
        }
    }

    /// Closes a session's channel.
    pub(super) fn forget(&self, session: SessionId) {
        self.each.borrow_mut().remove(&session);
    }
}

// A message that can't be sent is a lost message, which both machines survive: whoever waits asks again.

fn open(name: &str) -> Option<Channel> {
    Channel::open(name, |_frame| {})
        .inspect_err(|error| tracing::error!(%error, name, "no channel"))
        .ok()
}

fn encode(message: &ForSession) -> Option<Vec<u8>> {
    to_frame(message).inspect_err(|error| tracing::error!(%error, "a message was not encoded")).ok()
}

fn post(channel: &Channel, frame: &[u8]) {
    if let Err(error) = channel.post(frame) {
        tracing::error!(%error, "a message was not posted");
    }
}
