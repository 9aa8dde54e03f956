//! A rate limiter with fair queueing: bursts are spread over time, and no consumer's burst holds up the
//! others.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::ExtConsumerId;
use crate::time::Mono;

/// The rate of requests to a service ([protocol.md 11](crate::protocol#11): "smooth bursts").
/// LivePerson documents no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RatePolicy {
    every: Duration,
    burst: u32,
}

/// The shortest interval: a million requests a second.
const SHORTEST: Duration = Duration::from_micros(1);

impl RatePolicy {
    /// Allows `burst` requests at once (at least 1), and then one every `every`.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { every: every.max(SHORTEST), burst: burst.max(1) }
    }

    /// Allows this many requests per second (at least 1), and one second's worth at once.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        let requests = requests.max(1);
        Self::new(requests, Duration::from_secs(1) / requests)
    }
}

/// A waiter that is this late is skipped until it polls again.
const LATE: Duration = Duration::from_millis(50);

/// A waiter that is this late is removed.
const GRACE: Duration = Duration::from_secs(1);

/// Keys without waiters are dropped above this number.
const MAX_KEYS: usize = 1024;

/// The consumer whose request it is: fairness is among these.
type Key = Option<ExtConsumerId>;

/// The rate limiter of one service, fair among keys.
///
/// Each key's requests are numbered in rounds (start-time fair queueing): one of each key goes before
/// the second of any.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter {
    policy: RatePolicy,
    /// The time until which the sent requests are accounted for.
    paid_until: Mono,
    round: u64,
    last_round: BTreeMap<Key, u64>,
    /// By round, then by arrival.
    waiting: BTreeMap<(u64, u64), Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The time at which it should poll again.
    due: Mono,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Poll {
    /// It may be sent now.
    Ready,
    /// Poll again at this instant.
    NotBefore(Mono),
}

impl RateLimiter {
    pub(crate) fn new(policy: RatePolicy) -> Self {
        Self {
            policy,
            paid_until: Mono::ZERO,
            round: 0,
            last_round: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Requests a slot for this waiter. A waiter keeps its id, which no other has, and
    /// passes the `round` that an earlier call left there.
    pub(crate) fn acquire(
        &mut self,
        now: Mono,
        waiter: u64,
        round: &mut Option<u64>,
        key: &Key,
    ) -> Poll {
        self.waiting.retain(|(_, other), waiting| *other == waiter || waiting.due + GRACE >= now);
        let place = match *round {
            Some(round) => (round, waiter),
            None => {
                let last = self.last_round.get(key).copied().unwrap_or(0);
                let mine = last.saturating_add(1).max(self.round);
                self.last_round.insert(key.clone(), mine);
                *round = Some(mine);
                (mine, waiter)
            }
        };
        let here = |waiting: &Waiting| waiting.due + LATE >= now;
        let before = self.waiting.range(..place).filter(|(_, waiting)| here(waiting)).count();
        let at = self.free_after(now, before);
        if at <= now {
            self.waiting.remove(&place);
            self.round = self.round.max(place.0);
            self.paid_until = self.paid_until.max(now) + self.policy.every;
            *round = None;
            if self.last_round.len() > MAX_KEYS {
                let round = self.round;
                self.last_round.retain(|_, last| *last > round);
            }
            return Poll::Ready;
        }
        self.waiting.insert(place, Waiting { due: at });
        Poll::NotBefore(at)
    }

    /// Removes a waiter.
    pub(crate) fn cancel(&mut self, waiter: u64, round: u64) {
        self.waiting.remove(&(round, waiter));
    }

    /// The time of the slot of a waiter with this many before it.
    fn free_after(&self, now: Mono, before: usize) -> Mono {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        // Unused slots are kept, up to a burst.
        let credit = self.policy.every.saturating_mul(self.policy.burst - 1);
        let paid = self.paid_until.max(now) + self.policy.every.saturating_mul(before);
        Mono::from_origin(paid.since(Mono::from_origin(credit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> Key {
        Some(ExtConsumerId::new(format!("c{n}")).unwrap())
    }

    /// Polls all waiters to the end; returns who went when.
    fn play(policy: RatePolicy, callers: &[(u64, u8)]) -> Vec<(Mono, usize)> {
        let mut rate = RateLimiter::new(policy);
        let mut next: Vec<_> = callers
            .iter()
            .map(|(at, _)| Some(Mono::from_origin(Duration::from_millis(*at))))
            .collect();
        let mut rounds = vec![None; callers.len()];
        let mut went = Vec::new();
        for _ in 0..100_000 {
            let due = next.iter().enumerate().filter_map(|(n, at)| Some(((*at)?, n))).min();
            let Some((now, n)) = due else { return went };
            match rate.acquire(now, n as u64, &mut rounds[n], &key(callers[n].1)) {
                Poll::Ready => {
                    next[n] = None;
                    went.push((now, n));
                }
                Poll::NotBefore(at) => {
                    assert!(at > now, "waits until a time in the past");
                    next[n] = Some(at);
                }
            }
        }
        panic!("it never ends");
    }

    proptest! {
        #[test]
        fn no_more_go_than_the_rate_allows_and_all_go(
            callers in prop::collection::vec((0u64..2000, 0u8..4), 1..60),
            burst in 1u32..6, every in 1u64..200,
        ) {
            let every = Duration::from_millis(every);
            let went = play(RatePolicy::new(burst, every), &callers);
            prop_assert_eq!(went.len(), callers.len());
            for first in 0..went.len() {
                let last = first + burst as usize;
                if let (Some(a), Some(b)) = (went.get(first), went.get(last)) {
                    prop_assert!(b.0.since(a.0) >= every, "{:?}", went);
                }
            }
        }

        #[test]
        fn nobody_waits_when_the_rate_allows(
            gaps in prop::collection::vec(200u64..1000, 1..30),
        ) {
            let mut at = 0;
            let callers: Vec<_> = gaps.iter().map(|gap| { at += gap; (at, 0) }).collect();
            let went = play(RatePolicy::new(1, Duration::from_millis(200)), &callers);
            for (when, n) in went {
                prop_assert_eq!(when, Mono::from_origin(Duration::from_millis(callers[n].0)));
            }
        }
    }

    #[test]
    fn one_burst_does_not_delay_another_consumer() {
        let mut callers = vec![(0, 0); 50];
        callers.push((1, 1));
        let went = play(RatePolicy::new(1, Duration::from_millis(100)), &callers);
        let place = went.iter().position(|(_, n)| *n == 50).unwrap();
        assert!(place <= 2, "the other consumer's one request went as number {place}");
    }

    #[test]
    fn a_waiter_that_is_gone_delays_nobody() {
        let mut rate = RateLimiter::new(RatePolicy::new(1, Duration::from_millis(100)));
        let at = |ms| Mono::from_origin(Duration::from_millis(ms));
        let (mut a, mut gone, mut b) = (None, None, None);
        assert_eq!(rate.acquire(at(0), 1, &mut a, &None), Poll::Ready);
        assert_eq!(rate.acquire(at(0), 2, &mut gone, &None), Poll::NotBefore(at(100)));
        assert_eq!(rate.acquire(at(0), 3, &mut b, &None), Poll::NotBefore(at(200)));
        assert_eq!(rate.acquire(at(200), 3, &mut b, &None), Poll::Ready, "it is not there");
        let mut c = None;
        assert_eq!(rate.acquire(at(5000), 4, &mut c, &None), Poll::Ready);
        assert!(rate.waiting.is_empty());
    }

    #[test]
    fn keys_without_waiters_are_dropped() {
        let mut rate = RateLimiter::new(RatePolicy::new(1, Duration::from_millis(1)));
        for n in 0..5000u64 {
            let key = Some(ExtConsumerId::new(format!("c{n}")).unwrap());
            let now = Mono::from_origin(Duration::from_millis(n * 10));
            assert_eq!(rate.acquire(now, n, &mut None, &key), Poll::Ready);
        }
        assert!(rate.last_round.len() <= MAX_KEYS + 1);
    }

    #[test]
    fn requests_per_second_become_an_interval() {
        let policy = RatePolicy::per_second(4);
        assert_eq!((policy.burst, policy.every), (4, Duration::from_millis(250)));
        assert_eq!(RatePolicy::per_second(0), RatePolicy::per_second(1));
    }

    #[test]
    fn a_cancelled_waiter_gives_up_its_place() {
        let mut rate = RateLimiter::new(RatePolicy::new(1, Duration::from_secs(10)));
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut rounds = [None; 3];
        assert!(matches!(rate.acquire(at(0), 0, &mut rounds[0], &key(0)), Poll::Ready));
        assert!(
            matches!(rate.acquire(at(1), 1, &mut rounds[1], &key(1)), Poll::NotBefore(then) if then == at(10))
        );
        assert!(
            matches!(rate.acquire(at(1), 2, &mut rounds[2], &key(2)), Poll::NotBefore(then) if then == at(20))
        );
        rate.cancel(1, rounds[1].unwrap());
        assert!(
            matches!(rate.acquire(at(2), 2, &mut rounds[2], &key(2)), Poll::NotBefore(then) if then == at(10))
        );
    }

    #[test]
    fn a_key_that_was_served_waits_behind_others() {
        // As many flows as are remembered, those two not counted, and none.
        for others in [0, MAX_KEYS as u64 - 1] {
            let mut rate = RateLimiter::new(RatePolicy::new(1, Duration::from_millis(10)));
            let at = |turn| Mono::from_origin(Duration::from_millis(10 * turn));
            let named = |name: String| Some(ExtConsumerId::new(name).unwrap());
            for n in 0..others {
                assert_eq!(rate.acquire(at(n), n, &mut None, &named(format!("o{n}"))), Poll::Ready);
            }
            let (now, next) = (at(others), at(others + 1));
            assert_eq!(rate.acquire(now, 5001, &mut None, &key(1)), Poll::Ready);
            let (mut again, mut first) = (None, None);
            assert_eq!(rate.acquire(now, 5002, &mut again, &key(1)), Poll::NotBefore(next));
            assert_eq!(rate.acquire(now, 5003, &mut first, &key(2)), Poll::NotBefore(next));
            assert_eq!(rate.acquire(next, 5003, &mut first, &key(2)), Poll::Ready, "{others}");
        }
    }

    #[test]
    fn a_key_with_waiters_is_never_dropped() {
        let mut rate = RateLimiter::new(RatePolicy::new(1, Duration::from_secs(1)));
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let many = MAX_KEYS as u64 + 10;
        let named = |name: String| Some(ExtConsumerId::new(name).unwrap());
        let (mut second, mut third, mut fourth) = (None, None, None);
        assert_eq!(rate.acquire(at(0), 5001, &mut None, &key(1)), Poll::Ready);
        for (waiter, round) in [(5002, &mut second), (5003, &mut third)] {
            assert!(matches!(rate.acquire(at(0), waiter, round, &key(1)), Poll::NotBefore(_)));
        }
        // Meanwhile so many others go that keys are dropped.
        for n in 1..=many {
            assert_eq!(rate.acquire(at(n), n, &mut None, &named(format!("o{n}"))), Poll::Ready);
        }
        assert!(rate.last_round.len() < MAX_KEYS, "no key was dropped");
        let turn = rate.acquire(at(many), 5004, &mut fourth, &key(1));
        assert!(fourth > third, "{turn:?}");
    }

    #[test]
    fn a_whole_burst_goes_at_once_and_again_after_a_rest() {
        let mut rate = RateLimiter::new(RatePolicy::new(5, Duration::from_millis(100)));
        let at = |ms| Mono::from_origin(Duration::from_millis(ms));
        for now in [0, 5000] {
            for waiter in now..now + 5 {
                assert_eq!(
                    rate.acquire(at(now), waiter, &mut None, &None),
                    Poll::Ready,
                    "{waiter}"
                );
            }
            let sixth = rate.acquire(at(now), now + 5, &mut None, &None);
            assert_eq!(sixth, Poll::NotBefore(at(now + 100)));
        }
    }
}
