//! From a change of the engine to observers that know: what arrives is taken in, a round refreshes, callbacks are
//! called.
//!
//! Everything here happens on the thread that caused it, unless one thread takes turns (see `turn`): then the others
//! only say that there is something to show.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::Ordering,
};

use livestore_sync::ToSession;

use super::{
    any::{Shared, now},
    callbacks::Panic,
    engine::Engine,
    gate::{Inside, Reentered},
    rounds::{Asks, Run},
};
use crate::graph::NodeId;

impl Shared {
    /// Takes a message of the leader.
    pub(super) fn receive(&self, message: ToSession) {
        if self.inbox.put(now(), message) {
            self.act();
        }
    }

    /// Looks at the machine's time-outs.
    pub(super) fn tick(&self) {
        self.act();
    }

    /// Takes in what has arrived, sends what is to be sent, and settles.
    fn act(&self) {
        let waits = match self.enter() {
            Ok(mut engine) => {
                if self.inbox.is_mine() || self.inbox.is_overdue(now()) {
                    self.take_in(&mut engine);
                }
                self.flush(&mut engine);
                engine.live.is_stale()
            }
            // Frames and timers never arrive on a thread that is inside the engine.
            Err(error) => {
                return tracing::error!(%error, "BUG: the platform called back into the engine");
            }
        };
        self.settle_news(waits);
    }

    /// Applies the messages that wait, in the order of their arrival.
    pub(super) fn take_in(&self, engine: &mut Engine) {
        let messages = self.inbox.take();
        if !messages.is_empty() {
            self.update_status(|status| status.trouble = None);
        }
        for message in messages {
            self.look_for_rejections(&message);
            engine.receive(now(), message);
        }
    }

    /// This thread's turn: takes in what waits, refreshes, and tells.
    pub(super) fn take_turn(&self) {
        self.inbox.begin_turn();
        match self.enter() {
            Ok(mut engine) => {
                self.take_in(&mut engine);
                self.flush(&mut engine);
                let run = self.rounds.begin(Asks::News);
                self.refresh_and_tell(engine, run);
            }
            // Whoever is inside settles afterwards, on this very thread.
            Err(Reentered) => self.inbox.want(),
        }
    }

    /// Tells what has become of the status, and whatever else there is to tell.
    pub(super) fn settle(&self) {
        self.settle_news(false);
    }

    /// Refreshes the graph after something has arrived and tells who follows what changed; again while observers
    /// commit. `waits` says whether there is anything in the graph to refresh.
    fn settle_news(&self, waits: bool) {
        self.tell_progress();
        if self.inbox.is_mine() {
            self.tell(self.rounds.begin(Asks::News), None);
        } else if waits || self.status_changed.load(Ordering::Relaxed) {
            self.inbox.want();
        }
    }

    /// The same after a change that this thread has made in `engine`.
    pub(super) fn settle_own(&self, engine: Inside<'_, Engine>) {
        if self.inbox.is_mine() {
            let run = self.rounds.begin(Asks::Own);
            if run.is_none() && self.rounds.is_ahead() {
                self.announce(engine);
            } else {
                self.refresh_and_tell(engine, run);
            }
        } else {
            self.rounds.leave_to_another();
            drop(engine);
            self.inbox.want();
        }
    }

    /// Says what reads differently on this thread from now on, before a round tells it.
    fn announce(&self, mut engine: Inside<'_, Engine>) {
        let stale = engine.live.take_stale();
        drop(engine);
        let mut panicked = None;
        if !stale.is_empty() {
            (self.notify_within)(&mut || panicked = self.stale.call(&stale));
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    fn refresh_and_tell(&self, mut engine: Inside<'_, Engine>, run: Option<Run<'_>>) {
        // Before the lock is let go: else another thread's round could take these changes, and tell them only after
        // this thread has gone on.
        let changed = run.is_some().then(|| self.show(&mut engine));
        drop(engine);
        self.tell(run, changed);
    }

    /// Brings the cells up to where the database is; says which changed.
    fn show(&self, engine: &mut Engine) -> Vec<NodeId> {
        let changed = engine.refresh();
        self.rounds.shown();
        changed
    }

    fn tell(&self, run: Option<Run<'_>>, mut refreshed: Option<Vec<NodeId>>) {
        let Some(run) = run else { return };
        let mut panicked = None;
        let settled = run.run(|| {
            let changed = match refreshed.take().map_or_else(|| self.refresh(), Ok) {
                Ok(changed) => changed,
                // A materializer or computed function asked for it: who runs it settles afterwards.
                Err(Reentered) => return,
            };
            let status_changed = self.status_changed.swap(false, Ordering::Relaxed);
            if !changed.is_empty() || status_changed {
                let panic = self.call(&changed, status_changed);
                panicked = panicked.take().or(panic);
            }
        });
        if !settled {
            tracing::error!(
                store = %self.id,
                "observers commit on every change: gave up after 1000 rounds; make the commit depend on a value that settles"
            );
        }
        // Only now, when all the others know what there was to know.
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    /// Calls the observers of what changed, each, even if one panics; that is handed back.
    fn call(&self, changed: &[NodeId], status_changed: bool) -> Option<Panic> {
        let mut panicked = None;
        (self.notify_within)(&mut || {
            let panic = self.queries.call(changed);
            panicked = panicked.take().or(panic);
            if status_changed {
                let panic = self.statuses.call(&[()]);
                panicked = panicked.take().or(panic);
            }
        });
        panicked
    }

    /// A round's refresh that is not the first one. None while a batch is open: whoever ends it asks again.
    fn refresh(&self) -> Result<Vec<NodeId>, Reentered> {
        let mut engine = self.enter()?;
        if !self.inbox.is_mine() {
            // Since this round was asked for, another thread has begun to take turns.
            drop(engine);
            self.inbox.want();
            return Ok(Vec::new());
        }
        if self.rounds.is_batching() {
            return Ok(Vec::new());
        }
        Ok(self.show(&mut engine))
    }

    pub(super) fn batch<R>(&self, changes: impl FnOnce() -> R) -> R {
        let (mut changes, mut result) = (Some(changes), None);
        let mut run = || {
            let Some(changes) = changes.take() else { return };
            let batch = self.rounds.batch();
            result = Some(catch_unwind(AssertUnwindSafe(changes)));
            drop(batch);
            // Also after a panic: what was committed before it is committed.
            if let Ok(engine) = self.enter() {
                self.settle_own(engine);
            }
        };
        // The framework's observers, too, run after all of it.
        (self.notify_within)(&mut run);
        // Should the framework not have called it.
        run();
        let result = result.expect("BUG: it has run");
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
