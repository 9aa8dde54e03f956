//! Each kind of value that a bridge keeps in a store, read and written again: for fuzz targets.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{ConsumerEntry, ConversationEntry, DeadLetterEntry, StatusEntry, StatusForget};
use super::store::{LaneKind, Record};
use super::{consumer, conversation, dead_letter, instances, share, status_lane};

/// Where a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// It is the record of such a lane.
    Record(LaneKind),
    /// It is an entry of such a lane.
    Entry(LaneKind),
    /// It is the list of programs, in its cell.
    Instances,
    /// It is a shared token, in its cell.
    Token,
}

/// A kind of value.
pub(crate) struct Stored {
    pub(crate) place: Place,
    /// What this program reads, as it writes it. `None`: it is not read.
    pub(crate) rewritten: fn(&Record) -> Option<Record>,
}

/// All kinds. What is new comes last: the number of a kind never changes.
pub(crate) const ALL: [Stored; 11] = [
    Stored { place: Place::Record(LaneKind::Consumer), rewritten: consumer::rewritten },
    Stored { place: Place::Record(LaneKind::Conversation), rewritten: conversation::rewritten },
    Stored { place: Place::Record(LaneKind::Status), rewritten: status_lane::rewritten },
    Stored { place: Place::Record(LaneKind::DeadLetter), rewritten: dead_letter::rewritten },
    Stored { place: Place::Entry(LaneKind::Consumer), rewritten: entry::<ConsumerEntry> },
    Stored { place: Place::Entry(LaneKind::Conversation), rewritten: entry::<ConversationEntry> },
    Stored { place: Place::Entry(LaneKind::Status), rewritten: entry::<StatusEntry> },
    Stored { place: Place::Entry(LaneKind::Status), rewritten: entry::<StatusForget> },
    Stored { place: Place::Entry(LaneKind::DeadLetter), rewritten: entry::<DeadLetterEntry> },
    Stored { place: Place::Instances, rewritten: instances::rewritten },
    Stored { place: Place::Token, rewritten: share::rewritten },
];

/// Entries have no version.
fn entry<T: Serialize + DeserializeOwned>(record: &Record) -> Option<Record> {
    let value: T = serde_json::from_slice(&record.body).ok()?;
    Some(Record { version: record.version, body: serde_json::to_vec(&value).unwrap_or_default() })
}
