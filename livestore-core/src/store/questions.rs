//! Questions to the leader, beside the machines: each has a number, and is asked again until its answer has come.

use std::{collections::BTreeMap, pin::pin, sync::Mutex, time::Duration};

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{
    any::{Shared, now},
    connection::locked,
};
use crate::{
    link::{Answer, Ask, Question, Said},
    platform::sleep,
};

/// How long to wait for an answer before the question is asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(2);
/// And in all, before nobody seems to lead.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the leader did not do what it was asked for, or is not known to have done it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAnswered {
    /// No leader has answered for ten seconds.
    #[error("no leader answers")]
    NoLeader,
    /// The leader can't read or write its log.
    #[error("the log can't be used: {0}")]
    Log(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What was asked of the leader and is not answered yet.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    asked: u64,
    closed: bool,
    answers: BTreeMap<u64, oneshot::Sender<Result<Said, String>>>,
    /// Dropped at the end, which those who hold the other end hear.
    ends: Vec<oneshot::Sender<()>>,
}

impl Questions {
    /// Takes an answer.
    pub(super) fn hear(&self, answer: Answer) {
        let asker = locked(&self.0).answers.remove(&answer.number);
        if let Some(asker) = asker {
            // Who asked may have stopped waiting.
            let _ = asker.send(answer.said);
        }
    }

    /// Nobody is answered any more.
    pub(super) fn close(&self) {
        let mut waiting = locked(&self.0);
        waiting.closed = true;
        waiting.answers.clear();
        waiting.ends.clear();
    }

    /// Resolves when nobody is answered any more.
    pub(super) async fn closed(&self) {
        let (end, ended) = oneshot::channel();
        {
            let mut waiting = locked(&self.0);
            if waiting.closed {
                return;
            }
            waiting.ends.retain(|end| !end.is_canceled());
            waiting.ends.push(end);
        }
        // It is dropped, never sent.
        let _ = ended.await;
    }

    /// A number for a question; none once nobody is answered.
    pub(super) fn number(&self) -> Option<u64> {
        let mut waiting = locked(&self.0);
        if waiting.closed {
            return None;
        }
        waiting.asked += 1;
        Some(waiting.asked)
    }

    fn note_asked(&self, number: u64) -> oneshot::Receiver<Result<Said, String>> {
        let (answer, answered) = oneshot::channel();
        locked(&self.0).answers.insert(number, answer);
        answered
    }

    fn forget(&self, number: u64) {
        locked(&self.0).answers.remove(&number);
    }
}

impl Shared {
    /// Sends a question.
    pub(super) fn put(&self, number: u64, ask: Ask) {
        self.connection.ask(Question { from: self.session, number, ask });
    }

    /// Asks the leader until it has answered.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Said, NotAnswered> {
        let deadline = now() + PATIENCE;
        while now() < deadline {
            let number = self.questions.number().ok_or(NotAnswered::Closed)?;
            let answered = self.questions.note_asked(number);
            self.put(number, ask.clone());
            match select(answered, pin!(sleep(AGAIN))).await {
                Either::Left((Ok(said), _)) => return said.map_err(NotAnswered::Log),
                Either::Left((Err(_), _)) => return Err(NotAnswered::Closed),
                Either::Right(_) => self.questions.forget(number),
            }
        }
        Err(NotAnswered::NoLeader)
    }
}
