//! How a request ended, in the shape that each generation understands.
//!
//! A failure's cause is an object from one generation, an array from the other, and the first nests causes in
//! `Sequential` and `Parallel`. Reading looks for the first typed error in all of them, without recursion.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request_id::Generation;

/// How a request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A pull has no more pages.
    PullDone,
    /// The log has what was pushed.
    Pushed,
    /// The answer to a ping over HTTP.
    Pong,
    /// It failed.
    Failed(Failure),
}

/// Why a request failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The log goes on after the push's parent: pull first.
    #[error("the backend is ahead: its head is {head}, the push's parent {provided}")]
    ServerAhead {
        /// The backend's head.
        head: u64,
        /// The parent of the batch's first event.
        provided: u64,
    },
    /// Another backend than the one that the client knows.
    #[error("the backend is {expected}, not {received}")]
    BackendIdMismatch {
        /// The server's.
        expected: Arc<str>,
        /// The client's.
        received: Arc<str>,
    },
    /// An event was refused; only a client that was granted [`super::Extensions::rejection`] is told so.
    #[error("event {number} was refused: {reason}")]
    Rejected {
        /// The number that the refused event would have got.
        number: u64,
        /// Why, for people.
        reason: Arc<str>,
        /// The head of the log now: the commits before the refused one are in it.
        head: u64,
    },
    /// Anything else that the server says no to.
    #[error("{0}")]
    Unknown(Arc<str>),
    /// The server could not understand the request.
    #[error("the server did not understand: {0}")]
    Defect(Arc<str>),
    /// The client took its request back, or the server went.
    #[error("interrupted")]
    Interrupted,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "_tag")]
enum WireError {
    #[serde(rename = "ServerAheadError", rename_all = "camelCase")]
    ServerAhead { minimum_expected_num: u64, provided_num: u64 },
    #[serde(rename = "BackendIdMismatchError")]
    BackendIdMismatch { expected: Arc<str>, received: Arc<str> },
    #[serde(rename = "Livestore.RejectedError", rename_all = "camelCase")]
    Rejected { seq_num: u64, reason: Arc<str>, head: u64 },
}

impl Exit {
    pub(super) fn to_json(&self, generation: Generation) -> Value {
        match (self, generation) {
            (Self::PullDone, Generation::V3) => json!({"_tag": "Success"}),
            (Self::PullDone, Generation::V4) => json!({"_tag": "Success", "value": null}),
            (Self::Pushed, _) => json!({"_tag": "Success", "value": {}}),
            (Self::Pong, _) => json!({"_tag": "Success", "value": {"_tag": "SyncMessage.Pong"}}),
            (Self::Failed(failure), Generation::V3) => {
                json!({"_tag": "Failure", "cause": failure.cause()})
            }
            (Self::Failed(failure), Generation::V4) => {
                json!({"_tag": "Failure", "cause": [failure.cause()]})
            }
        }
    }

    /// `None` when it is no exit at all. A success says by itself what it is the end of only to its asker.
    pub(super) fn from_json(exit: &Value) -> Option<Self> {
        match (exit.get("_tag")?.as_str()?, exit.get("value")) {
            ("Success", None | Some(Value::Null)) => Some(Self::PullDone),
            ("Success", Some(value)) if value.get("_tag").is_some() => Some(Self::Pong),
            ("Success", Some(_)) => Some(Self::Pushed),
            ("Failure", _) => Some(Self::Failed(Failure::from_cause(exit.get("cause")?))),
            _ => None,
        }
    }
}

impl Failure {
    fn cause(&self) -> Value {
        let typed = |error: &WireError| json!({"_tag": "Fail", "error": error});
        match self {
            Self::ServerAhead { head, provided } => typed(&WireError::ServerAhead {
                minimum_expected_num: *head,
                provided_num: *provided,
            }),
            Self::BackendIdMismatch { expected, received } => {
                typed(&WireError::BackendIdMismatch {
                    expected: Arc::clone(expected),
                    received: Arc::clone(received),
                })
            }
            Self::Rejected { number, reason, head } => typed(&WireError::Rejected {
                seq_num: *number,
                reason: Arc::clone(reason),
                head: *head,
            }),
            Self::Unknown(message) => json!({"_tag": "Fail", "error": {
                "_tag": "UnknownError",
                "cause": {"name": "Error", "message": message},
            }}),
            Self::Defect(message) => json!({"_tag": "Die", "defect": message}),
            Self::Interrupted => {
                json!({"_tag": "Interrupt", "fiberId": {"_tag": "None"}})
            }
        }
    }

    fn from_cause(cause: &Value) -> Self {
        let mut defect = None;
        let mut waiting = vec![cause];
        while let Some(cause) = waiting.pop() {
            if let Value::Array(causes) = cause {
                waiting.extend(causes.iter().rev());
                continue;
            }
            match cause.get("_tag").and_then(Value::as_str) {
                Some("Fail") => {
                    return Self::from_error(cause.get("error").unwrap_or(&Value::Null));
                }
                Some("Die") => {
                    let value = cause.get("defect").unwrap_or(&Value::Null);
                    defect.get_or_insert_with(|| Self::Defect(text_of(value)));
                }
                Some("Sequential" | "Parallel") => {
                    // Popped from the end, so the left one is looked at first.
                    waiting.extend([cause.get("right"), cause.get("left")].into_iter().flatten());
                }
                _ => {}
            }
        }
        defect.unwrap_or(Self::Interrupted)
    }

    fn from_error(error: &Value) -> Self {
        match WireError::deserialize(error) {
            Ok(WireError::ServerAhead { minimum_expected_num, provided_num }) => {
                Self::ServerAhead { head: minimum_expected_num, provided: provided_num }
            }
            Ok(WireError::BackendIdMismatch { expected, received }) => {
                Self::BackendIdMismatch { expected, received }
            }
            Ok(WireError::Rejected { seq_num, reason, head }) => {
                Self::Rejected { number: seq_num, reason, head }
            }
            Err(_) => Self::Unknown(text_of(error.get("cause").unwrap_or(error))),
        }
    }
}

/// The message in a JavaScript error, wherever it stands, cut to what a log line can hold.
pub(super) fn text_of(value: &Value) -> Arc<str> {
    const LONGEST: usize = 1_000;
    let message = value.get("message").and_then(Value::as_str).or_else(|| value.as_str());
    let text = message.map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(LONGEST).collect::<String>().into()
}
