//! What a store tells of itself, for operators.

use std::time::Duration;

use super::MemoryStore;
use crate::time::Mono;

/// No more due lanes than these are counted: to count a long queue would slow it down.
pub const MAX_COUNTED: u64 = 10_000;

/// What an operator wants to know of a store: see [`Store::facts`](super::Store::facts). What a store cannot tell is
/// `None`, zero, or missing from a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct StoreFacts {
    /// How long the lane has been due that has been due for the longest time. Zero: none is due. It grows while the
    /// bridges are down, or too slow.
    pub oldest_due: Duration,
    /// The lanes that are due: [`MAX_COUNTED`] at most.
    pub due_lanes: u64,
    /// The age of the oldest snapshot that somebody holds. While it is held, nothing that was deleted since can be
    /// cleaned up, and the store grows slower.
    pub oldest_snapshot: Option<Duration>,
    /// The transactions that gave way to another one, and were repeated, since this program opened the store.
    pub repeated: u64,
    /// The parts of the store: tables, or files.
    pub parts: Vec<StorePart>,
    /// The standby servers that follow this one.
    pub standbys: Vec<Standby>,
}

impl StoreFacts {
    /// The size of all parts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }
}

/// A part of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct StorePart {
    /// Its name, such as `lp_entry`, or `journal`. It is one of a few.
    pub name: &'static str,
    /// Its size in bytes, with its indexes.
    pub bytes: u64,
    /// The rows, or pages, that were deleted and are still there, as far as the engine knows.
    pub dead: u64,
}

/// A server that follows the one that the store is on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct Standby {
    /// The name that it gives.
    pub name: String,
    /// How far it is, in the engine's words: `streaming`, `catchup`. `None`: the user of the store may not see it.
    pub state: Option<String>,
    /// Whether commits wait for it, in the engine's words: `sync`, `quorum`, `potential`, `async`.
    pub sync: Option<String>,
    /// The bytes that it has not written to its disk yet.
    pub behind: Option<u64>,
}

impl MemoryStore {
    /// What there is to know at this time of the store's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lp_connector_core::bridge::store::{Entry, LaneId, LaneKind, MemoryStore, Request};
    /// use lp_connector_core::id::AccountId;
    /// use lp_connector_core::time::Mono;
    ///
    /// let mut store = MemoryStore::default();
    /// let lane = LaneId::new(AccountId::new("91827364")?, LaneKind::Consumer, "ada");
    /// store.perform(Request::Append(vec![Entry { lane, body: vec![1] }]), Mono::ZERO);
    /// let facts = store.facts(Mono::from_origin(Duration::from_secs(3)));
    /// assert_eq!((facts.due_lanes, facts.oldest_due), (1, Duration::from_secs(3)));
    /// # Ok::<(), lp_connector_core::id::InvalidId>(())
    /// ```
    #[must_use]
    pub fn facts(&self, now: Mono) -> StoreFacts {
        let due: Vec<Mono> = self.dues().filter(|due| *due <= now).collect();
        let oldest = due.iter().min().map_or(Duration::ZERO, |due| now.since(*due));
        let counted = u64::try_from(due.len()).unwrap_or(MAX_COUNTED).min(MAX_COUNTED);
        StoreFacts { oldest_due: oldest, due_lanes: counted, ..StoreFacts::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::store::{Entry, LaneId, LaneKind, Request};
    use crate::id::AccountId;

    #[test]
    fn the_bytes_of_all_parts_are_added_up() {
        let part = |bytes| StorePart { name: "journal", bytes, dead: 3 };
        let bytes = |sizes: &[u64]| {
            let parts = sizes.iter().copied().map(part).collect();
            StoreFacts { parts, ..StoreFacts::default() }.bytes()
        };
        assert_eq!(bytes(&[8_192, 40_960]), 49_152);
        assert_eq!(bytes(&[u64::MAX, 4_096]), u64::MAX);
    }

    #[test]
    fn a_lane_is_counted_from_when_it_is_due() {
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut store = MemoryStore::default();
        for (key, due) in [("ada", 2), ("bob", 5), ("eve", 6)] {
            let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, key);
            store.perform(Request::Append(vec![Entry { lane, body: vec![1] }]), at(due));
        }
        let told = |now| {
            let facts = store.facts(at(now));
            (facts.due_lanes, facts.oldest_due)
        };
        assert_eq!(told(1), (0, Duration::ZERO));
        assert_eq!(told(5), (2, Duration::from_secs(3)));
    }
}
