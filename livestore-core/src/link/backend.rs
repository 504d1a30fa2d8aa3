//! What a session and its leader say about the backend, beside what the machines tell each other: who the user is, and
//! what the app wants of the connection.
//!
//! The app's function that says who this is lives on the page's side, so the leader asks for it at every connection. It
//! asks every attached session; the first answer counts. Any of these may get lost: a question that nobody answers is
//! a connection that failed, and is tried again.

use serde::{Deserialize, Serialize};

/// What the app wants of the leader's connection to the backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum BackendWish {
    /// Say nothing to the backend until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Connect anew, without waiting: the network is another one, or there is another token.
    Retry,
}

/// "Who is this?"
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PayloadQuestion {
    /// Which question, for the answer to name.
    pub(crate) number: u64,
}

/// What a backend is told of who this is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PayloadAnswer {
    /// Which question it answers.
    pub(crate) number: u64,
    /// JSON text; none for nobody in particular. Or why the app can't say, for people.
    pub(crate) payload: Result<Option<String>, String>,
}
