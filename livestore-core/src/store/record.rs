//! A journal's records as bytes: the number of their format, then the content in postcard.
//!
//! A journal outlives the version of the app that wrote it: a page that is reloaded at a deployment leaves its commits to
//! the next version. So its format is its own, and does not change when the link's protocol does. Whoever changes what
//! postcard makes of a [`Journal`] steps [`FORMAT`] and goes on reading the formats before it; a test here has the bytes.

use livestore_sync::Journal;

/// The format that is written; the first one. (It follows the protocol's number of the time when a journal was a frame.)
const FORMAT: u32 = 2;

/// Bytes that are no journal's record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum InvalidRecord {
    /// Of a format that this version does not know.
    #[error("it has format {0}, this version knows format {FORMAT}")]
    OtherFormat(u32),
    /// Not a record.
    #[error("it is no journal: {0}")]
    Malformed(String),
}

/// Encodes a record.
///
/// # Errors
/// [`InvalidRecord::Malformed`] when postcard refuses, which no journal of ours makes it do.
pub(crate) fn to_record(journal: &Journal) -> Result<Vec<u8>, InvalidRecord> {
    postcard::to_extend(journal, FORMAT.to_le_bytes().to_vec())
        .map_err(|error| InvalidRecord::Malformed(error.to_string()))
}

/// Decodes a record.
///
/// # Errors
/// [`InvalidRecord`] for another format, and for bytes that are none.
pub(crate) fn from_record(record: &[u8]) -> Result<Journal, InvalidRecord> {
    let (format, journal) = record
        .split_first_chunk::<4>()
        .ok_or_else(|| InvalidRecord::Malformed("it is shorter than its header".to_owned()))?;
    match u32::from_le_bytes(*format) {
        FORMAT => postcard::from_bytes(journal)
            .map_err(|error| InvalidRecord::Malformed(error.to_string())),
        other => Err(InvalidRecord::OtherFormat(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use livestore_sync::{
        Args, ClientId, Commit, Document, DocumentKey, DocumentOwner, Event, EventId, Journal,
        Lane, SessionId, TabId,
    };

    use super::{InvalidRecord, from_record, to_record};
    use crate::testing::test;

    fn journal() -> Journal {
        let author = SessionId { tab: TabId(0xabcd), open: 7 };
        let event = |n: u64| Event {
            id: EventId { client: ClientId(300), session: author, n: NonZeroU64::new(n).unwrap() },
            name: "v1.Added".into(),
            args: Args::parse(r#"{"text":"ü","n":1}"#).unwrap(),
        };
        let commit = Commit::new(Lane::Synced, vec![event(5), event(6)]).unwrap();
        let key = DocumentKey { owner: DocumentOwner::Client, name: "Draft".into() };
        let document = Document { key, json: "{}".into() };
        Journal { author, acknowledged: 4, commits: vec![commit], documents: vec![document] }
    }

    /// What the first version of this format wrote.
    const WRITTEN: &str = "02000000cdd7020704010002ac02cdd70207050876312e4164646564137b226e223a312c22746578\
        74223a22c3bc227dac02cdd70207060876312e4164646564137b226e223a312c2274657874223a22\
        c3bc227d0101054472616674027b7d";

    #[test]
    fn what_an_earlier_version_left_is_read() {
        let hex: String =
            to_record(&journal()).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, WRITTEN, "step FORMAT, and go on reading what this was");
    }

    #[test]
    fn what_is_no_record_of_this_format_is_a_typed_error() {
        let record = to_record(&journal()).unwrap();
        assert_eq!(from_record(&record), Ok(journal()));
        let mut newer = record.clone();
        newer[0] += 1;
        assert_eq!(from_record(&newer), Err(InvalidRecord::OtherFormat(u32::from(newer[0]))));
        for cut in 0..record.len() {
            assert!(from_record(&record[..cut]).is_err(), "cut at {cut}");
        }
    }
}
