//! Closing: what the leader does not have yet is journaled, or where there is no journal, posted.

use std::time::Duration;

use livestore_sync::{Journal, Push, Session, ToLeader};

use super::any::{Shared, now};
use crate::platform::sleep;

/// How often a shutdown looks whether the leader has everything.
const LOOK: Duration = Duration::from_millis(5);

impl Shared {
    /// Takes no more commits, waits for the leader, says good-bye.
    pub(super) async fn shutdown(&self, patience: Duration) {
        let deadline = now() + patience;
        if let Ok(mut engine) = self.enter() {
            engine.stop_taking();
        }
        while now() < deadline {
            let settled = self.enter().is_ok_and(|engine| engine.session.is_settled());
            if settled {
                break;
            }
            sleep(LOOK).await;
        }
        self.close();
    }

    /// Ends the link. What the leader does not have yet is journaled; without a journal (natively) all of it is posted,
    /// as a leader takes what was posted before it was told to stop.
    fn close(&self) {
        let Ok(mut engine) = self.enter() else { return };
        if engine.close()
            && let Some(journal) = engine.session.journal()
            && !self.write_journal(&journal)
        {
            self.connection.post(&last_push(&engine.session, journal));
        }
        self.connection.post(&engine.session.leave());
        self.connection.end();
    }
}

/// All that the leader has not acknowledged, however much it is; it drops what it has already.
fn last_push(session: &Session, journal: Journal) -> ToLeader {
    ToLeader::Push(Push {
        from: session.id(),
        author: journal.author,
        fence: session.fence(),
        parent: session.upstream(),
        acknowledged: journal.acknowledged,
        commits: journal.commits,
    })
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
