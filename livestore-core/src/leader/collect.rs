//! Collecting the state files of schemas that nobody uses any more.
//!
//! Two versions of an app take turns for a while after a deployment, so a state stays until it has not been opened for
//! a week. Whatever goes wrong here is no reason not to open the store.

use std::time::Duration;

use web_time::SystemTime;

use crate::{
    eventlog::{EventLog, LogError},
    platform::{Storage, StorageRefused},
};

/// How long an unused state is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// The name of a schema's state file.
pub(super) fn state_file(schema: u64) -> String {
    format!("state-{schema:016x}.db")
}

/// The schema of a state file.
fn schema_of(file: &str) -> Option<u64> {
    let digits = file.strip_prefix("state-")?.strip_suffix(".db")?;
    u64::from_str_radix(digits, 16).ok().filter(|schema| state_file(*schema) == file)
}

#[derive(Debug, thiserror::Error)]
enum NotCollected {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Storage(#[from] StorageRefused),
}

/// Notes that the state of `schema` is in use, and deletes those of other schemas that have been unused for too long.
pub(super) fn collect(storage: &Storage, log: &EventLog, schema: u64) {
    if let Err(error) = try_collect(storage, log, schema, wall_clock()) {
        tracing::warn!(%error, "old states could not be collected");
    }
}

fn try_collect(
    storage: &Storage,
    log: &EventLog,
    schema: u64,
    now: Duration,
) -> Result<(), NotCollected> {
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    log.note_state(schema, now_ms)?;
    for file in storage.databases()? {
        let Some(other) = schema_of(&file).filter(|other| *other != schema) else { continue };
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

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{schema_of, state_file};

    #[test]
    fn only_our_own_names_are_state_files() {
        for schema in [0, 1, 0xabc, u64::MAX] {
            assert_eq!(schema_of(&state_file(schema)), Some(schema));
        }
        for other in [
            "eventlog.db",
            "state-.db",
            "state-1.db",
            "state-00000000000000zz.db",
            "state-000000000000ABCD.db",
            "x",
        ] {
            assert_eq!(schema_of(other), None, "{other}");
        }
    }
}
