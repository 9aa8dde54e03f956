//! The sequences that were seen, as a bounded set of ranges.

use serde::{Deserialize, Serialize};

/// The most ranges to keep. Each gap that was never filled costs one.
const MAX_RANGES: usize = 512;

/// A set of numbers as sorted ranges. When there are too many, the lowest gap counts as seen: it has
/// been open longest.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(super) struct Seen {
    /// First and last number of each range. Ranges never touch.
    ranges: Vec<(u64, u64)>,
}

impl From<Vec<(u64, u64)>> for Seen {
    fn from(ranges: Vec<(u64, u64)>) -> Self {
        let mut seen = Self::default();
        for (first, last) in ranges {
            seen.insert_range(first, last.max(first));
        }
        seen
    }
}

impl From<Seen> for Vec<(u64, u64)> {
    fn from(seen: Seen) -> Self {
        seen.ranges
    }
}

impl Seen {
    pub(super) fn contains(&self, number: u64) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= number);
        let found = behind.checked_sub(1).and_then(|at| self.ranges.get(at));
        found.is_some_and(|(_, last)| number <= *last)
    }

    pub(super) fn insert(&mut self, number: u64) {
        self.insert_range(number, number);
    }

    fn insert_range(&mut self, mut first: u64, mut last: u64) {
        // A range that overlaps or touches is merged.
        self.ranges.retain(|(other_first, other_last)| {
            let apart =
                *other_last < first.saturating_sub(1) || *other_first > last.saturating_add(1);
            if !apart {
                first = first.min(*other_first);
                last = last.max(*other_last);
            }
            apart
        });
        let place = self.ranges.partition_point(|(other, _)| *other < first);
        self.ranges.insert(place, (first, last));
        if self.ranges.len() > MAX_RANGES {
            let (first, _) = self.ranges.remove(0);
            if let Some(next) = self.ranges.first_mut() {
                next.0 = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_equals_a_plain_set_while_gaps_are_few(
            numbers in prop::collection::vec(0u64..60, 0..60),
        ) {
            let (mut seen, mut model) = (Seen::default(), BTreeSet::new());
            for number in numbers {
                seen.insert(number);
                model.insert(number);
                for n in 0..61 {
                    prop_assert_eq!(seen.contains(n), model.contains(&n), "{}: {:?}", n, seen);
                }
            }
        }

        #[test]
        fn it_is_bounded_and_keeps_every_inserted_number(
            numbers in prop::collection::vec(any::<u64>(), 0..700),
        ) {
            let mut seen = Seen::default();
            for number in &numbers {
                seen.insert(*number);
                prop_assert!(seen.ranges.len() <= MAX_RANGES);
            }
            prop_assert!(numbers.iter().all(|number| seen.contains(*number)));
            let apart = |two: &[(u64, u64)]| two[0].1.saturating_add(1) < two[1].0;
            prop_assert!(seen.ranges.windows(2).all(apart), "{seen:?}");
        }

        #[test]
        fn any_stored_ranges_are_normalised(ranges: Vec<(u64, u64)>) {
            let seen = Seen::from(ranges);
            prop_assert!(seen.ranges.len() <= MAX_RANGES);
            prop_assert!(seen.ranges.iter().all(|(first, last)| first <= last));
        }
    }

    #[test]
    fn the_largest_number_can_be_inserted() {
        let mut seen = Seen::default();
        seen.insert(u64::MAX);
        seen.insert(u64::MAX - 1);
        seen.insert(0);
        assert!(seen.contains(u64::MAX) && !seen.contains(u64::MAX - 2));
        assert_eq!(seen.ranges.len(), 2);
    }

    #[test]
    fn adjacent_numbers_merge_in_any_order() {
        for numbers in [[3, 4, 5], [5, 4, 3], [3, 5, 4]] {
            let mut seen = Seen::default();
            numbers.iter().for_each(|number| seen.insert(*number));
            assert_eq!(seen.ranges, [(3, 5)]);
        }
    }

    #[test]
    fn beyond_the_bound_the_lowest_gap_is_closed() {
        let odd = |n: usize| 2 * n as u64 + 1;
        let mut seen = Seen::default();
        (0..MAX_RANGES).for_each(|n| seen.insert(odd(n)));
        assert!((1..MAX_RANGES).all(|n| !seen.contains(odd(n) - 1)));
        seen.insert(odd(MAX_RANGES));
        assert!(seen.contains(2));
        assert!((2..=MAX_RANGES).all(|n| !seen.contains(odd(n) - 1)));
    }
}
