//! Closing: what the leader does not have yet is journaled, or where there is no journal, posted.

use std::{ops::Deref, sync::Arc, time::Duration};

use super::{
    any::{Shared, now},
    status::Durability,
};
use crate::platform::sleep;

/// How often a shutdown looks whether the leader has everything.
const LOOK: Duration = Duration::from_millis(5);

/// What the app's handles share. The store ends with it, on the thread that drops the last handle, though another one
/// may be in the middle of delivering a message: whoever opens the store next finds all that this one leaves behind.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Shared>);

impl Deref for Handle {
    type Target = Arc<Shared>;

    fn deref(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    /// Takes no more commits, waits for the leader, says good-bye.
    pub(super) async fn shutdown(&self, patience: Duration) {
        let deadline = now() + patience;
        if let Ok(mut engine) = self.enter() {
            engine.stop_taking();
        }
        while now() < deadline {
            let settled = self.enter().is_ok_and(|mut engine| {
                // The thread that takes turns may be this one.
                self.take_in(&mut engine);
                self.flush(&mut engine);
                engine.session.is_settled()
            });
            if settled {
                break;
            }
            sleep(LOOK).await;
        }
        self.close();
    }

    /// Ends the link. What the leader does not have yet is journaled for the next opening; what was posted to it, it
    /// still takes.
    pub(super) fn close(&self) {
        let Ok(mut engine) = self.enter() else { return };
        self.take_in(&mut engine);
        if engine.close()
            && !self.journal_last(&engine)
            && self.status().durability() != Durability::InMemory
        {
            tracing::error!(store = %self.id, "what the leader does not have is lost: no journal could be written");
        }
        self.connection.post(engine.session.leave());
        self.connection.end();
        self.questions.close();
        drop(engine);
        // Who waits for a turn hears that there will be none.
        self.inbox.want();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
