//! The consumers' tokens: a bounded cache that evicts the least recently used.

use super::single_flight::SingleFlight;
use crate::api::idp::ConsumerJws;
use crate::id::ExtConsumerId;
use crate::lru_map::LruMap;
use crate::time::Mono;

/// How many entries one call examines for eviction: a bound for its work.
const LOOKED_AT: usize = 32;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Consumers {
    capacity: usize,
    flights: LruMap<ExtConsumerId, SingleFlight<ConsumerJws>>,
}

impl Consumers {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, flights: LruMap::new() }
    }

    /// The entry of `consumer`, created if there is none, and now the most recently used.
    pub(super) fn touch(
        &mut self,
        consumer: &ExtConsumerId,
        now: Mono,
    ) -> &mut SingleFlight<ConsumerJws> {
        if self.flights.len() >= self.capacity && !self.flights.contains(consumer) {
            self.make_room(now);
        }
        self.flights.touch(consumer, SingleFlight::new)
    }

    /// True if its entry meets the condition. The entry is the most recently used then.
    pub(super) fn touch_if(
        &mut self,
        consumer: &ExtConsumerId,
        condition: impl FnOnce(&mut SingleFlight<ConsumerJws>) -> bool,
    ) -> bool {
        self.flights.touch_if(consumer, condition).is_some()
    }

    /// The entry of `consumer`, if there is one; this is no use of it.
    pub(super) fn get_mut(
        &mut self,
        consumer: &ExtConsumerId,
    ) -> Option<&mut SingleFlight<ConsumerJws>> {
        self.flights.get_mut(consumer)
    }

    pub(super) fn get(&self, consumer: &ExtConsumerId) -> Option<&SingleFlight<ConsumerJws>> {
        self.flights.get(consumer)
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Evicts the least recently used entries, but none that is being fetched: such an entry is in use and
    /// moves to the end of the queue. So the cache exceeds its limit by at most the number of fetches in
    /// flight, and shrinks again when they end.
    fn make_room(&mut self, now: Mono) {
        for _ in 0..LOOKED_AT {
            if self.flights.len() < self.capacity {
                return;
            }
            let Some(oldest) = self.flights.oldest().cloned() else { return };
            if self.flights.get(&oldest).is_some_and(|flight| flight.is_in_flight(now)) {
                self.flights.touch(&oldest, SingleFlight::new);
            } else {
                self.flights.pop_oldest();
            }
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

    #[test]
    fn a_fetch_in_flight_is_not_evicted_and_blocks_no_eviction() {
        let who = |lease| crate::connector::single_flight::AcquireRequest {
            min_generation: 0,
            joined: None,
            lease_id: lease,
            deadline: Mono::from_origin(std::time::Duration::from_secs(15)),
            not_before: Mono::ZERO,
        };
        let mut cache = Consumers::new(10);
        for n in 0..20 {
            let flight = cache.touch(&consumer(n), Mono::ZERO);
            flight.acquire(Mono::ZERO, who(n.into()), || crate::policy::Permit::Granted);
        }
        for n in 100..1000 {
            cache.touch(&consumer(n), Mono::ZERO);
        }
        assert!(cache.len() <= 21, "{}", cache.len());
        assert!((0..20).all(|n| cache.get(&consumer(n)).is_some()));
        cache.touch(&consumer(2000), Mono::from_origin(std::time::Duration::from_secs(20)));
        cache.touch(&consumer(2001), Mono::from_origin(std::time::Duration::from_secs(20)));
        assert_eq!(cache.len(), 10);
    }

    #[test]
    fn a_consumer_at_rest_takes_few_bytes() {
        let bytes = size_of::<SingleFlight<ConsumerJws>>();
        assert!(bytes <= 88, "{bytes} bytes: what a fetch alone needs belongs into its progress");
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
                let kept: Vec<_> = cache.flights.keys().cloned().collect();
                let expected: Vec<_> = model.iter().copied().map(consumer).collect();
                prop_assert_eq!(kept, expected);
            }
        }
    }
}
