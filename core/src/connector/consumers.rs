//! The consumers' tokens: a bounded cache, the one used longest ago leaving first.

use std::collections::BTreeMap;

use super::slot::Slot;
use crate::api::idp::ConsumerJws;
use crate::id::ExtConsumerId;
use crate::time::Mono;

/// How many entries are looked at to find one that can go: a bound for the work of one call.
const LOOKED_AT: usize = 8;

#[derive(Debug)]
pub(super) struct Consumers {
    capacity: usize,
    entries: BTreeMap<ExtConsumerId, Entry>,
    /// The entries in the order of their last use.
    order: BTreeMap<u64, ExtConsumerId>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    slot: Slot<ConsumerJws>,
    used: u64,
}

impl Consumers {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: BTreeMap::new(), order: BTreeMap::new(), uses: 0 }
    }

    /// The slot of `consumer`, made if there is none, and now the one used last.
    pub(super) fn touch(&mut self, consumer: &ExtConsumerId, now: Mono) -> &mut Slot<ConsumerJws> {
        self.uses += 1;
        let used = self.uses;
        if let Some(entry) = self.entries.get_mut(consumer) {
            self.order.remove(&entry.used);
            entry.used = used;
        } else if self.entries.len() >= self.capacity {
            self.make_room(now);
        }
        self.order.insert(used, consumer.clone());
        let fresh = || Entry { slot: Slot::new(), used };
        &mut self.entries.entry(consumer.clone()).or_insert_with(fresh).slot
    }

    /// The slot of `consumer`, if there is one, without counting as a use.
    pub(super) fn get_mut(&mut self, consumer: &ExtConsumerId) -> Option<&mut Slot<ConsumerJws>> {
        self.entries.get_mut(consumer).map(|entry| &mut entry.slot)
    }

    pub(super) fn get(&self, consumer: &ExtConsumerId) -> Option<&Slot<ConsumerJws>> {
        self.entries.get(consumer).map(|entry| &entry.slot)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Drops the entry used longest ago among those with nothing under way. If all that it looks at
    /// are busy the cache grows: by no more entries than there are calls in progress.
    fn make_room(&mut self, now: Mono) {
        while self.entries.len() >= self.capacity {
            let idle = self.order.iter().take(LOOKED_AT).find_map(|(used, consumer)| {
                let entry = self.entries.get(consumer)?;
                entry.slot.is_idle(now).then(|| (*used, consumer.clone()))
            });
            let Some((used, consumer)) = idle else { return };
            self.order.remove(&used);
            self.entries.remove(&consumer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn consumer(n: u16) -> ExtConsumerId {
        ExtConsumerId::new(format!("c{n}")).unwrap()
    }

    proptest! {
        #[test]
        fn the_most_recently_used_are_kept_and_no_more(
            capacity in 1usize..8, uses in prop::collection::vec(0u16..16, 1..100),
        ) {
            let mut cache = Consumers::new(capacity);
            let mut model: Vec<u16> = Vec::new();
            for n in uses {
                cache.touch(&consumer(n), Mono::ZERO);
                model.retain(|m| *m != n);
                model.push(n);
                if model.len() > capacity {
                    model.remove(0);
                }
                let mut kept: Vec<_> = cache.entries.keys().cloned().collect();
                let mut expected: Vec<_> = model.iter().copied().map(consumer).collect();
                kept.sort();
                expected.sort();
                prop_assert_eq!(kept, expected);
                prop_assert_eq!(cache.order.len(), cache.entries.len());
            }
        }
    }
}
