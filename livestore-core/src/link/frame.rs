//! Frames: a protocol number, then a message in postcard.

use livestore_sync::{PROTOCOL, ToLeader, ToSession};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    backend::{BackendWish, PayloadAnswer, PayloadQuestion},
    boot::LeaderReport,
    question::{Answer, Question},
};

/// Everything a session sends to its leader: the sync machine's messages, and questions beside them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum ForLeader {
    /// For the leader machine.
    Sync(ToLeader),
    /// For the leader's driver.
    Ask(Question),
    /// What the app wants of the connection to the backend.
    Backend(BackendWish),
    /// Who this is.
    Payload(PayloadAnswer),
}

/// Everything a leader sends to sessions: the sync machine's messages, how its opening goes, answers.
#[allow(
    clippy::large_enum_variant,
    reason = "made, handed on and dropped one by one; smaller on wasm32"
)]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum ForSession {
    /// For the session machine.
    Sync(ToSession),
    /// For the boot status.
    Report(LeaderReport),
    /// For whoever asked.
    Answer(Answer),
    /// For the app's function that says who this is.
    AskPayload(PayloadQuestion),
}

/// Bytes that are no frame of this protocol.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// From a version of livestore that speaks another protocol.
    #[error("the other side speaks protocol {0}, this one {PROTOCOL}")]
    OtherProtocol(u32),
    /// Not a frame.
    #[error("not a frame: {0}")]
    Malformed(String),
}

/// Encodes a message.
///
/// # Errors
/// [`FrameError::Malformed`] when postcard refuses, which no message of ours makes it do.
pub(crate) fn to_frame(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    postcard::to_extend(message, PROTOCOL.to_le_bytes().to_vec())
        .map_err(|error| FrameError::Malformed(error.to_string()))
}

/// Decodes a frame.
///
/// # Errors
/// [`FrameError`] for another protocol, and for bytes that are no frame.
pub(crate) fn from_frame<M: DeserializeOwned>(frame: &[u8]) -> Result<M, FrameError> {
    let (protocol, message) = frame
        .split_first_chunk::<4>()
        .ok_or_else(|| FrameError::Malformed("it is shorter than its header".into()))?;
    let protocol = u32::from_le_bytes(*protocol);
    if protocol != PROTOCOL {
        return Err(FrameError::OtherProtocol(protocol));
    }
    postcard::from_bytes(message).map_err(|error| FrameError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use livestore_sync::{PROTOCOL, SessionId, TabId, ToLeader};

    use super::{FrameError, from_frame, to_frame};

    #[test]
    fn what_is_no_frame_of_this_protocol_is_a_typed_error() {
        let leave = ToLeader::Leave { from: SessionId { tab: TabId(1), open: 2 } };
        let frame = to_frame(&leave).expect("a message encodes");
        assert_eq!(from_frame::<ToLeader>(&frame), Ok(leave));

        let mut newer = frame.clone();
        newer[0] += 1;
        assert_eq!(from_frame::<ToLeader>(&newer), Err(FrameError::OtherProtocol(PROTOCOL + 1)));
        for cut in 0..frame.len() {
            assert!(from_frame::<ToLeader>(&frame[..cut]).is_err(), "cut at {cut}");
        }
        let garbage = [PROTOCOL.to_le_bytes().as_slice(), &[255, 255]].concat();
        assert!(matches!(from_frame::<ToLeader>(&garbage), Err(FrameError::Malformed(_))));
    }
}
