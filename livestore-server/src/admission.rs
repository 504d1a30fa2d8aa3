//! Whether a push is taken: the whole batch is judged before any of it is stored.
//!
//! A client that was granted `rejection` may rely on it: an event that will never be taken is named, and every other
//! failure passes, so that no commit is blamed for a full disk.

use std::{sync::Arc, time::Instant};

use livestore_sync::{
    Args, StoreId,
    wire::{ConfirmedEvent, EVENT_BYTES, Extensions, Failure, Push, WireLimits},
};

use crate::{
    hooks::{Identity, PushAttempt, Verdict},
    log::AppendError,
    metrics::PushOutcome,
    server::Shared,
};

/// The deepest arguments that every peer's parser takes.
const MAX_DEPTH: usize = 127;

/// Who pushes, and by which rules.
#[derive(Clone, Debug)]
pub(crate) struct Pusher {
    pub(crate) store: StoreId,
    pub(crate) identity: Identity,
    pub(crate) extensions: Extensions,
    pub(crate) limits: WireLimits,
}

/// Judges and appends. When it says yes, the log has the batch, on the disk.
pub(crate) async fn admit(shared: &Shared, pusher: &Pusher, push: Push) -> Result<(), Failure> {
    match judge(shared, pusher, push).await {
        Ok(()) => {
            shared.metrics.count_push(PushOutcome::Accepted);
            Ok(())
        }
        Err(NotTaken(outcome, failure)) => {
            shared.metrics.count_push(outcome);
            Err(failure)
        }
    }
}

/// What operators and the client are told of a push that was not taken.
struct NotTaken(PushOutcome, Failure);

impl NotTaken {
    /// It is the server's failure, not the push's.
    fn failed(store: &StoreId, reason: &str) -> Self {
        tracing::error!(%store, reason, "a push could not be taken");
        Self(PushOutcome::Failed, Failure::Unknown(reason.into()))
    }
}

impl From<Failure> for NotTaken {
    fn from(failure: Failure) -> Self {
        let outcome = match &failure {
            Failure::ServerAhead { .. } => PushOutcome::Ahead,
            Failure::Rejected { .. } => PushOutcome::Rejected,
            _ => PushOutcome::Refused,
        };
        Self(outcome, failure)
    }
}

async fn judge(shared: &Shared, pusher: &Pusher, push: Push) -> Result<(), NotTaken> {
    let Some(parent) = push.batch.first().map(|event| event.parent) else { return Ok(()) };
    if let Some(received) = push.backend {
        let head = shared.log.head(&pusher.store).await;
        let head = head.map_err(|error| NotTaken::failed(&pusher.store, &error.to_string()))?;
        if head.backend != received {
            return Err(Failure::BackendIdMismatch { expected: head.backend, received }.into());
        }
    }
    check_batch(&push.batch, pusher.limits)?;
    let ends = commit_ends(&push.batch, push.commits.filter(|_| pusher.extensions.commits))?;
    let events: Arc<[ConfirmedEvent]> = push.batch.into();
    let fault = first_fault(&events);
    // Only what may be taken is worth asking about: the whole commits before an event that no log can hold.
    let asked = match &fault {
        None => Arc::clone(&events),
        Some(fault) => events[..whole_commits(&ends, fault.index)].into(),
    };
    let Some(rejected) = ask(shared, pusher, asked).await?.or(fault) else {
        return append(shared, &pusher.store, parent, events).await;
    };
    if !pusher.extensions.rejection {
        // A plain peer has no word for it, and could not tell which of its events are in.
        return Err(Failure::Unknown(rejected.reason).into());
    }
    let kept = whole_commits(&ends, rejected.index);
    if kept > 0 {
        append(shared, &pusher.store, parent, events[..kept].into()).await?;
    }
    let number = parent + 1 + rejected.index as u64;
    let head = parent + kept as u64;
    Err(Failure::Rejected { number, reason: rejected.reason, head }.into())
}

/// An event that is not taken, now or ever.
struct Rejected {
    index: usize,
    reason: Arc<str>,
}

/// How many events the whole commits before event `index` have.
fn whole_commits(ends: &[usize], index: usize) -> usize {
    ends.iter().copied().take_while(|end| *end <= index).last().unwrap_or(0)
}

/// What the app rejects of these events.
async fn ask(
    shared: &Shared,
    pusher: &Pusher,
    events: Arc<[ConfirmedEvent]>,
) -> Result<Option<Rejected>, NotTaken> {
    if events.is_empty() {
        return Ok(None);
    }
    let (store, count) = (&pusher.store, events.len());
    let attempt = PushAttempt { identity: pusher.identity.clone(), store: store.clone(), events };
    match shared.hooks.on_push(attempt, shared.limits.hook).await {
        Ok(Verdict::Accept) => Ok(None),
        Ok(Verdict::Reject { index, reason }) if index < count => {
            Ok(Some(Rejected { index, reason: reason.into() }))
        }
        Ok(Verdict::Reject { .. }) => {
            Err(NotTaken::failed(store, "the server's hook refused an event that is not there"))
        }
        Err(failed) => Err(NotTaken::failed(store, &failed.to_string())),
    }
}

async fn append(
    shared: &Shared,
    store: &StoreId,
    parent: u64,
    events: Arc<[ConfirmedEvent]>,
) -> Result<(), NotTaken> {
    let started = Instant::now();
    let count = events.len() as u64;
    match shared.log.append(store, parent, events).await {
        Ok(()) => {
            shared.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
            shared.metrics.events_in.inc_by(count);
            Ok(())
        }
        Err(AppendError::NotAtHead { head }) => {
            Err(Failure::ServerAhead { head, provided: parent }.into())
        }
        Err(AppendError::Log(error)) => Err(NotTaken::failed(store, &error.to_string())),
    }
}

fn check_batch(batch: &[ConfirmedEvent], limits: WireLimits) -> Result<(), Failure> {
    let refuse = |reason: String| Err(Failure::Unknown(reason.into()));
    if batch.len() > limits.batch_events {
        return refuse(format!(
            "{} events in one push: the limit is {}",
            batch.len(),
            limits.batch_events
        ));
    }
    let mut before = batch.first().map_or(0, |event| event.parent);
    for event in batch {
        let number = event.number;
        if event.parent != before || number != before + 1 {
            return refuse(format!(
                "event {number} with parent {} does not follow {before}",
                event.parent
            ));
        }
        before = number;
    }
    Ok(())
}

/// The first event that could not be handed out again, and why.
fn first_fault(batch: &[ConfirmedEvent]) -> Option<Rejected> {
    batch.iter().enumerate().find_map(|(index, event)| {
        let reason = fault(event)?;
        Some(Rejected { index, reason: format!("event {} {reason}", event.number).into() })
    })
}

fn fault(event: &ConfirmedEvent) -> Option<String> {
    let args = event.args.as_str();
    if args.len() > Args::MAX_BYTES {
        let most = Args::MAX_BYTES;
        return Some(format!("has arguments of {} bytes: the limit is {most}", args.len()));
    }
    if event.bytes() > EVENT_BYTES {
        return Some(format!("has {} bytes: the limit is {EVENT_BYTES}", event.bytes()));
    }
    (depth(args) > MAX_DEPTH).then(|| format!("has arguments nested deeper than {MAX_DEPTH}"))
}

/// How deep valid JSON is nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Where each commit of the batch ends; one that says nothing of commits is one.
fn commit_ends(batch: &[ConfirmedEvent], sizes: Option<Vec<usize>>) -> Result<Vec<usize>, Failure> {
    let sizes = sizes.unwrap_or_else(|| vec![batch.len()]);
    let mut ends = Vec::with_capacity(sizes.len());
    let mut end = 0_usize;
    for size in sizes {
        end = end.saturating_add(size);
        if size == 0 || end > batch.len() {
            return Err(Failure::Unknown("the commits of the push are not its events".into()));
        }
        ends.push(end);
    }
    if end != batch.len() {
        return Err(Failure::Unknown("the commits of the push are not its events".into()));
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn depth_counts_brackets_outside_of_text() {
        let check = |json: &str, expected: usize| assert_eq!(depth(json), expected, "{json}");
        check("null", 0);
        check("[]", 1);
        check(r#"{"a":[1,{"b":2}],"c":[]}"#, 3);
        check(r#"["[[[","\"[[", "\\"]"#, 1);
        check(&"[".repeat(500), 500);
    }
}
