//! What has changed, as a ring with positions to go on from.

use std::collections::{BTreeMap, VecDeque};

/// A bounded log of what has changed. A reader holds a position and asks for what came after it; the log
/// holds nothing for the reader.
///
/// An entry names a thing that changed, not what it is now: a reader looks at the thing when it reads. So a
/// thing that changes again before any reader has been given a position is not entered twice.
///
/// ```
/// use lp_connector_sandbox::EventLog;
///
/// let mut log = EventLog::new(100);
/// let start = log.position();
/// log.push("faults");
/// log.push("tokens");
/// log.push("faults");
/// assert_eq!(log.after(start), Some(vec![&"faults", &"tokens"]));
/// let end = log.position();
/// assert_eq!(log.after(end), Some(vec![]));
/// assert_eq!(log.after(end + 1), None);
/// ```
#[derive(Clone, Debug)]
pub struct EventLog<T> {
    capacity: usize,
    entries: VecDeque<T>,
    /// How many entries were ever made: the position of the newest one.
    made: u64,
    /// The entries that no reader has passed.
    unread: BTreeMap<T, u64>,
}

impl<T: Ord + Clone> EventLog<T> {
    /// A log of at most so many entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: VecDeque::new(), made: 0, unread: BTreeMap::new() }
    }

    /// Enters a change.
    pub fn push(&mut self, changed: T) {
        if self.unread.contains_key(&changed) {
            return;
        }
        self.made += 1;
        self.unread.insert(changed.clone(), self.made);
        self.entries.push_back(changed);
        while self.entries.len() > self.capacity {
            let position = self.first();
            if let Some(oldest) = self.entries.pop_front()
                && self.unread.get(&oldest) == Some(&position)
            {
                self.unread.remove(&oldest);
            }
        }
    }

    /// The position behind the newest entry, for a reader that has seen all of it.
    pub fn position(&mut self) -> u64 {
        self.unread.clear();
        self.made
    }

    /// Whether there is anything after a position.
    #[must_use]
    pub fn has_news(&self, after: u64) -> bool {
        after < self.made
    }

    /// What has changed after a position, oldest first: each thing once, where it changed last. `None` if the
    /// position is not one of this log, or its entries are gone: the reader must look at everything anew.
    #[must_use]
    pub fn after(&self, position: u64) -> Option<Vec<&T>> {
        if position > self.made || position + 1 < self.first() {
            return None;
        }
        let skip = usize::try_from(position + 1 - self.first()).ok()?;
        let mut seen = std::collections::BTreeSet::new();
        let newest_first = self.entries.iter().skip(skip).rev();
        let mut changed: Vec<&T> = newest_first.filter(|one| seen.insert(*one)).collect();
        changed.reverse();
        Some(changed)
    }

    /// The position of the oldest entry that is kept.
    fn first(&self) -> u64 {
        self.made + 1 - self.entries.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A log that forgets nothing and joins nothing.
    #[derive(Default)]
    struct Naive {
        changes: Vec<u8>,
        /// The reader: how far it is in `changes`, and its position in the log.
        reader: (usize, u64),
    }

    impl Naive {
        /// The things that changed since the reader looked, by their last change.
        fn expected(&self) -> Vec<u8> {
            let mut found: Vec<u8> = Vec::new();
            for change in self.changes.iter().skip(self.reader.0) {
                found.retain(|one| one != change);
                found.push(*change);
            }
            found
        }
    }

    proptest! {
        #[test]
        fn a_reader_gets_each_change_or_learns_that_it_is_late(
            capacity in 1usize..12,
            steps in prop::collection::vec((0u8..6, prop::bool::weighted(0.2)), 0..80),
        ) {
            let (mut log, mut naive) = (EventLog::new(capacity), Naive::default());
            for (change, reads) in steps {
                log.push(change);
                naive.changes.push(change);
                prop_assert!(log.entries.len() <= capacity);
                prop_assert!(log.unread.len() <= capacity);
                if !reads {
                    continue;
                }
                let mut expected = naive.expected();
                match log.after(naive.reader.1) {
                    Some(found) => {
                        let mut found: Vec<u8> = found.into_iter().copied().collect();
                        found.sort_unstable();
                        expected.sort_unstable();
                        prop_assert_eq!(found, expected);
                    }
                    // Only where more has changed than there is room for.
                    None => prop_assert!(naive.changes.len() - naive.reader.0 > capacity),
                }
                naive.reader = (naive.changes.len(), log.position());
            }
        }

        #[test]
        fn positions_of_several_readers_hold(
            steps in prop::collection::vec((0u8..4, 0usize..4), 0..60),
        ) {
            let mut log = EventLog::new(1000);
            let mut readers: Vec<(usize, u64)> = vec![(0, 0); 3];
            let mut changes = Vec::new();
            for (change, reader) in steps {
                log.push(change);
                changes.push(change);
                if let Some((seen, position)) = readers.get_mut(reader) {
                    let mut found: Vec<u8> =
                        log.after(*position).unwrap().into_iter().copied().collect();
                    let mut expected: Vec<u8> = changes[*seen..].to_vec();
                    expected.sort_unstable();
                    expected.dedup();
                    found.sort_unstable();
                    prop_assert_eq!(found, expected);
                    (*seen, *position) = (changes.len(), log.position());
                }
            }
        }
    }

    #[test]
    fn a_position_of_another_log_is_unknown() {
        let mut log = EventLog::new(2);
        assert_eq!(log.after(0), Some(vec![]));
        assert_eq!(log.after(1), None);
        assert_eq!(log.after(u64::MAX), None);
        for change in 0..3 {
            log.push(change);
        }
        assert_eq!(log.after(0), None);
        assert_eq!(log.after(1), Some(vec![&1, &2]));
    }
}
