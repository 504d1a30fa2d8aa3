//! [`Turns`]: one thread at a time sees the store move only when it says so.
//!
//! Natively the leader's messages arrive on a thread of the link, and other threads commit. By default whoever brings
//! a change refreshes the graph, there and then; a thread that renders meanwhile could read one value from before and
//! the next from after. A thread that takes turns can't: what arrives waits for it, and the cells of live queries are
//! filled, and callbacks called, on that thread only: in its turns, and by its own changes. Between two turns, all it
//! reads of what it follows is of one moment.
//!
//! # Who may call what from where
//! | | on the thread that takes turns | on another thread |
//! |---|---|---|
//! | `commit`, documents, signals | applied, refreshed and told before it returns | applied before it returns; the turn that follows refreshes and tells |
//! | reads of live values | as of the last turn, or of a change of its own after it | after its own changes at once, else as of the last turn |
//! | `query`, the first `live` of a query | the database as it is: commits of other threads are in it at once | the same |
//! | callbacks (`subscribe`, `on_change`, `on_status`) | are called here | never |
//! | receipts | as ever | as ever |
//!
//! So only a commit of another thread can show early, and only in what is followed for the first time just then; the
//! turn that follows brings all else along. A thread that must have several values of one moment and takes no turns
//! asks for one: a `computed` of them, or one query.
//!
//! # Invariants
//! 1. Messages are applied in the order of their arrival, whoever applies them, and each once.
//! 2. No message waits forever: it is taken by the next turn; if that is too late ([`PATIENCE`], [`MOST_WAITING`]), by
//!    the thread that finds it waiting, which refreshes nothing; when nobody takes turns any more, by the next tick;
//!    by the end of the store.
//! 3. The thread that takes turns is woken for everything that there is to show.
//!
//! In a browser there is one thread: nothing waits, and a turn finds nothing to do.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    marker::PhantomData,
    rc::Rc,
    sync::Mutex,
    task::{Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use livestore_sync::ToSession;

use super::{
    any::{AnyStore, WeakStore},
    connection::locked,
    local,
};

/// How long a message waits for a turn before another thread applies it, so that receipts and the link go on while the
/// thread that takes turns is busy.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many messages wait for a turn at most.
const MOST_WAITING: usize = 256;

/// A thread's claim on a store: changes reach its live queries in its turns only. Made by
/// [`AnyStore::turns`](super::AnyStore::turns), stays on its thread; dropping it ends the claim. It does not keep the
/// store open.
///
/// A UI runs it as a task of its event loop:
///
/// ```
/// # use livestore_core::{AnyStore, Turns};
/// # fn spawn(task: impl Future<Output = ()> + 'static) {}
/// # fn provider(store: &AnyStore) {
/// let turns = store.turns();
/// // What the framework has to run a future on this thread: `dioxus::prelude::spawn`, `spawn_local`, …
/// spawn(async move {
///     while turns.wanted().await {
///         turns.take();
///     }
/// });
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the turns"]
pub struct Turns {
    store: WeakStore,
    number: u64,
    _here: PhantomData<Rc<()>>,
}

impl AnyStore {
    /// From now on this thread takes turns: what arrives from the leader, and what other threads commit, shows in its
    /// live queries, and is told to all who subscribed, only when it calls [`Turns::take`].
    ///
    /// Several `Turns` of one thread share its turns. If another thread asks, that one takes them from now on, and
    /// [`Turns::wanted`] of the earlier ones is false.
    pub fn turns(&self) -> Turns {
        // A refresh that is under way on another thread ends before.
        let _inside = self.0.enter();
        let number = self.0.inbox.claim();
        Turns { store: self.downgrade(), number, _here: PhantomData }
    }
}

impl Turns {
    /// Waits until there is something to take. False when there never will be: the store is gone, or another thread
    /// takes its turns.
    ///
    /// Whoever wakes the task may do so on any thread.
    pub async fn wanted(&self) -> bool {
        poll_fn(|cx| match self.store.upgrade() {
            Some(store) => store.0.inbox.poll_wanted(self.number, cx.waker()),
            None => Poll::Ready(false),
        })
        .await
    }

    /// Applies what has arrived, refreshes the live queries once, and calls the callbacks of those that changed. Does
    /// nothing if there is nothing to do, or if another thread takes the turns now.
    pub fn take(&self) {
        let Some(store) = self.store.upgrade() else { return };
        if store.0.inbox.is_mine() {
            store.0.take_turn();
            local::deliver();
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        if let Some(store) = self.store.upgrade() {
            // What still waits is taken by the next tick.
            store.0.inbox.release(self.number);
        }
    }
}

/// The leader's messages that wait to be applied, and who takes turns.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<(Duration, ToSession)>,
    claims: u64,
    claim: Option<Claim>,
}

#[derive(Debug)]
struct Claim {
    thread: ThreadId,
    /// There is something to show.
    wanted: bool,
    /// Of each of the thread's `Turns`.
    wakers: BTreeMap<u64, Option<Waker>>,
}

impl Claim {
    fn is_mine(&self) -> bool {
        self.thread == thread::current().id()
    }
}

impl State {
    fn is_mine(&self) -> bool {
        self.claim.as_ref().is_none_or(Claim::is_mine)
    }

    fn wakers(&mut self) -> Vec<Waker> {
        let claim = self.claim.iter_mut().flat_map(|claim| claim.wakers.values_mut());
        claim.filter_map(Option::take).collect()
    }
}

impl Inbox {
    /// Puts a message in line. True when the caller is to apply what waits: nobody else will in time.
    pub(super) fn put(&self, now: Duration, message: ToSession) -> bool {
        let mut state = locked(&self.0);
        state.messages.push_back((now, message));
        if state.is_mine() {
            return true;
        }
        let full = state.messages.len() >= MOST_WAITING;
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        full
    }

    /// All that waits. Called under the engine's lock, so that the order is kept.
    pub(super) fn take(&self) -> Vec<ToSession> {
        locked(&self.0).messages.drain(..).map(|(_, message)| message).collect()
    }

    /// Whether this thread may refresh and tell: it takes the turns, or nobody does.
    pub(super) fn is_mine(&self) -> bool {
        locked(&self.0).is_mine()
    }

    /// Whether messages have waited too long for a turn, or are too many.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        let state = locked(&self.0);
        state.messages.len() >= MOST_WAITING
            || state.messages.front().is_some_and(|(came, _)| now >= *came + PATIENCE)
    }

    /// Says that there is something to show.
    pub(super) fn want(&self) {
        let mut state = locked(&self.0);
        if let Some(claim) = &mut state.claim {
            claim.wanted = true;
        }
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What is wanted from here on is for another turn.
    pub(super) fn begin_turn(&self) {
        if let Some(claim) = &mut locked(&self.0).claim {
            claim.wanted = false;
        }
    }

    fn claim(&self) -> u64 {
        let mut state = locked(&self.0);
        state.claims += 1;
        let number = state.claims;
        let thread = thread::current().id();
        let earlier = match &mut state.claim {
            Some(claim) if claim.is_mine() => {
                claim.wakers.insert(number, None);
                None
            }
            claim => {
                let wakers = BTreeMap::from([(number, None)]);
                // Wanted, as something may have been left to the thread before.
                claim.replace(Claim { thread, wanted: true, wakers })
            }
        };
        drop(state);
        // They find that they are no longer asked.
        let wakers = earlier.into_iter().flat_map(|claim| claim.wakers.into_values().flatten());
        wakers.for_each(Waker::wake);
        number
    }

    fn release(&self, number: u64) {
        let mut state = locked(&self.0);
        if let Some(claim) = &mut state.claim {
            let waker = claim.wakers.remove(&number).flatten();
            if claim.wakers.is_empty() {
                state.claim = None;
            }
            drop(state);
            drop(waker);
        }
    }

    fn poll_wanted(&self, number: u64, waker: &Waker) -> Poll<bool> {
        let mut state = locked(&self.0);
        let waits = !state.messages.is_empty();
        let Some(claim) = &mut state.claim else { return Poll::Ready(false) };
        let Some(slot) = claim.wakers.get_mut(&number) else { return Poll::Ready(false) };
        if waits || claim.wanted {
            return Poll::Ready(true);
        }
        *slot = Some(waker.clone());
        Poll::Pending
    }
}
