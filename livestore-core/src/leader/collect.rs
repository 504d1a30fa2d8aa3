//! Collecting what nobody uses any more: the state files of other schemas, the documents of tabs that are gone.
//!
//! Two versions of an app take turns for a while after a deployment, so a state stays until for a week it was not opened
//! and no session of its schema was there. A leader notes the schemas of its sessions when they attach, and twice a day
//! while they stay. Whatever goes wrong here is no reason not to open the store.

use std::time::Duration;

use livestore_sync::TabId;
use web_time::SystemTime;

use super::files::Files;
use crate::{
    eventlog::{EventLog, LogError},
    platform::{Storage, StorageRefused},
};

/// How long an unused state is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);
const DAY: Duration = Duration::from_hours(24);
/// How often a session that stays is noted again.
pub(super) const NOTED_EVERY: Duration = Duration::from_hours(12);

#[derive(Debug, thiserror::Error)]
enum NotCollected {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Storage(#[from] StorageRefused),
}

/// Notes that the state of `schema` is in use, deletes those of other schemas that have been unused for too long, and
/// the documents of tabs that have been gone for too long.
pub(super) fn collect(storage: &Storage, files: Files, log: &mut EventLog, schema: u64) {
    let now = wall_clock();
    if let Err(error) = try_collect(storage, files, log, schema, now) {
        tracing::warn!(%error, "old states could not be collected");
    }
    let date = i64::try_from(now.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    if let Err(error) = log.collect_documents(date) {
        tracing::warn!(%error, "old documents could not be collected");
    }
}

/// Notes that a session of this tab and schema is there.
pub(super) fn note_session(log: &EventLog, tab: TabId, schema: u64) {
    let now_ms = u64::try_from(wall_clock().as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = log.note_tab(tab).and_then(|()| log.touch_state(schema, now_ms)) {
        tracing::warn!(%error, "a session was not noted");
    }
}

fn try_collect(
    storage: &Storage,
    files: Files,
    log: &EventLog,
    schema: u64,
    now: Duration,
) -> Result<(), NotCollected> {
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    log.note_state(schema, now_ms)?;
    for file in storage.databases()? {
        let Some(other) = files.schema_of(&file).filter(|other| *other != schema) else { continue };
        match log.state_opened(other)? {
            // A clock that was set back makes it younger, never older.
            Some(opened) if now.saturating_sub(Duration::from_millis(opened)) > KEPT => {
                storage.delete_database(&file)?;
                log.forget_state(other)?;
                tracing::info!(file, "deleted the state of a schema that is not used any more");
            }
            Some(_) => {}
            None => log.note_state(other, now_ms)?,
        }
    }
    Ok(())
}

pub(super) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
