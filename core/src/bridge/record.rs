//! The versions of the records.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::store::Record;

/// The newest version that this program reads and writes.
///
/// A release that writes a newer version still reads all older ones. A program is never given a record that is
/// newer than it [speaks](super::store::Request::Claim).
pub const RECORD_VERSION: u16 = 1;

/// Writes a record. These types always serialise, as entries do.
pub(super) fn encode<T: Serialize>(value: &T) -> Record {
    Record { version: RECORD_VERSION, body: serde_json::to_vec(value).unwrap_or_default() }
}

/// Reads a record: `None` if it cannot be read.
pub(super) fn decode<T: DeserializeOwned>(record: &Record) -> Option<T> {
    (record.version == RECORD_VERSION).then(|| serde_json::from_slice(&record.body).ok()).flatten()
}
