//! The faults that are added to a sandbox: numbered, switched on and off, counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Endpoint;
use crate::fault::{Fault, FaultKind, Requests};
use crate::random::Random;
use crate::saved;

/// The most faults.
pub(crate) const MAX_FAULTS: usize = 1000;

/// A fault that was added to a sandbox, with its counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActiveFault {
    /// Its number, from 1. No number returns.
    pub number: u64,
    /// The fault.
    #[serde(with = "saved::text")]
    pub fault: Fault,
    /// Whether it is on. While it is off, it neither counts requests nor applies.
    pub on: bool,
    /// How many requests to its endpoint came while it was on.
    pub counted: u64,
    /// How many of them it applied to.
    pub applied: u64,
    /// When it applied last, as the time since the Unix epoch.
    pub last: Option<Duration>,
    random: Random,
}

impl ActiveFault {
    /// How many requests it can apply to; `None` if there is no limit.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        match self.fault.requests {
            Requests::Range(first, last) => Some(last - first + 1),
            Requests::All | Requests::Share(_) => None,
        }
    }
}

/// What the faults do to one request: every fault that matches it applies.
#[derive(Clone, Default, Debug)]
pub(crate) struct Matched {
    pub(crate) kinds: Vec<FaultKind>,
    pub(crate) numbers: Vec<u64>,
}

impl Matched {
    pub(crate) fn has(&self, kind: &FaultKind) -> bool {
        self.kinds.contains(kind)
    }

    /// The sum of the delays.
    pub(crate) fn delay(&self) -> Duration {
        let delays = self.kinds.iter().map(|kind| match kind {
            FaultKind::Delay(pause) => *pause,
            _ => Duration::ZERO,
        });
        delays.fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// The faults of a sandbox, in the order in which they were added.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Faults {
    all: Vec<ActiveFault>,
    added: u64,
}

impl Faults {
    pub(crate) fn all(&self) -> &[ActiveFault] {
        &self.all
    }

    /// Adds a fault. Returns its number; `None` if there are too many.
    pub(crate) fn add(&mut self, fault: Fault) -> Option<u64> {
        if self.all.len() >= MAX_FAULTS {
            return None;
        }
        self.added += 1;
        let random = Random::new(self.all.len() as u64);
        let number = self.added;
        let new =
            ActiveFault { number, fault, on: true, counted: 0, applied: 0, last: None, random };
        self.all.push(new);
        Some(number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&ActiveFault> {
        self.all.iter().find(|active| active.number == number)
    }

    /// Switches a fault on or off. Returns whether there is such a fault.
    pub(crate) fn switch(&mut self, number: u64, on: bool) -> bool {
        let found = self.all.iter_mut().find(|active| active.number == number);
        found.map(|active| active.on = on).is_some()
    }

    pub(crate) fn switch_all_off(&mut self) {
        for active in &mut self.all {
            active.on = false;
        }
    }

    /// Removes a fault. Returns whether there was such a fault.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let before = self.all.len();
        self.all.retain(|active| active.number != number);
        self.all.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    /// Counts a request, and says which faults apply to it.
    pub(crate) fn matched(&mut self, now: Duration, endpoint: Endpoint) -> Matched {
        let mut matched = Matched::default();
        let here = |active: &&mut ActiveFault| active.on && active.fault.endpoint == endpoint;
        for active in self.all.iter_mut().filter(here) {
            active.counted += 1;
            if active.fault.applies_to(active.counted, &mut active.random) {
                active.applied += 1;
                active.last = Some(now);
                matched.kinds.push(active.fault.kind.clone());
                matched.numbers.push(active.number);
            }
        }
        matched
    }

    /// Whether an endpoint has faults that are on.
    pub(crate) fn is_on(&self, endpoint: Endpoint) -> bool {
        self.all.iter().any(|active| active.on && active.fault.endpoint == endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for text in texts {
            faults.add(text.parse().unwrap());
        }
        faults
    }

    #[test]
    fn every_fault_that_matches_applies() {
        let mut faults = faults(&["webhook=duplicate", "webhook=reorder", "send=503"]);
        let matched = faults.matched(Duration::ZERO, Endpoint::Webhook);
        assert_eq!(matched.kinds, [FaultKind::Duplicate, FaultKind::Reorder]);
        assert_eq!(matched.numbers, [1, 2]);
    }

    #[test]
    fn delays_add_up() {
        let mut faults = faults(&["send=delay:2s", "send=delay:30ms"]);
        let matched = faults.matched(Duration::ZERO, Endpoint::Send);
        assert_eq!(matched.delay(), Duration::from_millis(2030));
    }

    #[test]
    fn a_fault_that_is_off_neither_counts_nor_applies() {
        let mut faults = faults(&["send:2=503"]);
        let apply = |faults: &mut Faults| faults.matched(Duration::from_secs(9), Endpoint::Send);
        assert!(apply(&mut faults).numbers.is_empty());
        assert!(faults.switch(1, false));
        assert!(apply(&mut faults).numbers.is_empty());
        assert!(faults.switch(1, true));
        assert_eq!(apply(&mut faults).numbers, [1]);
        let fault = faults.get(1).unwrap();
        assert_eq!((fault.counted, fault.applied, fault.limit()), (2, 1, Some(1)));
        assert_eq!(fault.last, Some(Duration::from_secs(9)));
        assert!(!faults.switch(2, true));
    }

    #[test]
    fn a_number_does_not_return() {
        let mut faults = faults(&["send=503"]);
        assert!(faults.remove(1) && !faults.remove(1));
        assert_eq!(faults.add("send=503".parse().unwrap()), Some(2));
        faults.clear();
        assert_eq!(faults.add("send=503".parse().unwrap()), Some(3));
    }

    #[test]
    fn there_are_at_most_a_thousand() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS {
            assert!(faults.add("send=503".parse().unwrap()).is_some());
        }
        assert_eq!(faults.add("send=503".parse().unwrap()), None);
    }
}
