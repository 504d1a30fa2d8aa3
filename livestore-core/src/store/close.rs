//! Closing: nothing that was accepted is lost.

use std::time::Duration;

use super::{
    any::{Shared, now},
    open::encode_journal,
};
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

    /// Ends the link. What the leader does not have yet is journaled; what was posted to it already it still takes.
    fn close(&self) {
        let Ok(mut engine) = self.enter() else { return };
        if engine.close()
            && let Some(bytes) = engine.session.journal().as_ref().and_then(encode_journal)
            && let Err(error) = self.connection.journal.write(&bytes)
        {
            tracing::warn!(%error, "commits that no leader has taken end with the store");
        }
        self.connection.post(&engine.session.leave());
        self.connection.end();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
