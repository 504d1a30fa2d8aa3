//! Ids for rows.

/// A new unique id for a row: a UUID of version 7, so ids made later sort after ids made earlier.
///
/// Make it where the event is made, never in a materializer: every client has to get the same one.
///
/// ```
/// let (first, second) = (livestore_core::new_id(), livestore_core::new_id());
/// assert_ne!(first, second);
/// assert_eq!(first.len(), 36);
/// ```
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
