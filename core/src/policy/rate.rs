//! Smoothing: bursts are spread over time, and no consumer's burst holds up the others.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::ExtConsumerId;
use crate::time::Mono;

/// How many requests go to a service (protocol.md 11: "smooth bursts"). The documents name no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RatePolicy {
    every: Duration,
    burst: u32,
}

/// Nobody asks for more than this many requests per second and means it.
const SHORTEST: Duration = Duration::from_micros(1);

impl RatePolicy {
    /// At most `burst` requests at once (at least 1), and then one `every` so often.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { every: every.max(SHORTEST), burst: burst.max(1) }
    }

    /// At most so many requests per second (at least 1), a second's worth of them at once.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        let requests = requests.max(1);
        Self::new(requests, Duration::from_secs(1) / requests)
    }
}

/// A caller who was told when to come, and is so late, is passed over until it comes.
const LATE: Duration = Duration::from_millis(50);

/// A caller who has not come by then is gone.
const GRACE: Duration = Duration::from_secs(1);

/// Flows are forgotten that are owed nothing, when there are more than these.
const MAX_FLOWS: usize = 1024;

/// In whose name a request is made: each has its turn.
type Flow = Option<ExtConsumerId>;

/// The requests to one service: who waits, and when the next may go.
///
/// Each flow's requests are numbered by rounds (start-time fair queueing): one of each flow goes before
/// the second of any.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    policy: RatePolicy,
    /// Up to when the requests sent so far are paid for.
    paid_until: Mono,
    round: u64,
    last_round: BTreeMap<Flow, u64>,
    /// By round, and then by who came first.
    waiting: BTreeMap<(u64, u64), Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When it was told to come.
    told: Mono,
}

/// Whether a request may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    Now,
    NotBefore(Mono),
}

impl Rate {
    pub(crate) fn new(policy: RatePolicy) -> Self {
        Self {
            policy,
            paid_until: Mono::ZERO,
            round: 0,
            last_round: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Asks for the turn of the request with this `ticket`: the same each time it asks, and nobody
    /// else's. `round` is what an earlier answer to it left there.
    pub(crate) fn ask(
        &mut self,
        now: Mono,
        ticket: u64,
        round: &mut Option<u64>,
        flow: &Flow,
    ) -> Turn {
        self.waiting.retain(|(_, other), waiting| *other == ticket || waiting.told + GRACE >= now);
        let key = match *round {
            Some(round) => (round, ticket),
            None => {
                let last = self.last_round.get(flow).copied().unwrap_or(0);
                let mine = last.saturating_add(1).max(self.round);
                self.last_round.insert(flow.clone(), mine);
                *round = Some(mine);
                (mine, ticket)
            }
        };
        let here = |waiting: &Waiting| waiting.told + LATE >= now;
        let before = self.waiting.range(..key).filter(|(_, waiting)| here(waiting)).count();
        let at = self.free_after(now, before);
        if at <= now {
            self.waiting.remove(&key);
            self.round = self.round.max(key.0);
            self.paid_until = self.paid_until.max(now) + self.policy.every;
            *round = None;
            if self.last_round.len() > MAX_FLOWS {
                let round = self.round;
                self.last_round.retain(|_, last| *last > round);
            }
            return Turn::Now;
        }
        self.waiting.insert(key, Waiting { told: at });
        Turn::NotBefore(at)
    }

    /// A caller goes away.
    pub(crate) fn forget(&mut self, ticket: u64, round: u64) {
        self.waiting.remove(&(round, ticket));
    }

    /// When one may go that has so many before it.
    fn free_after(&self, now: Mono, before: usize) -> Mono {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        // Credit is what was not used since it was paid for, up to a burst.
        let credit = self.policy.every.saturating_mul(self.policy.burst - 1);
        let paid = self.paid_until.max(now) + self.policy.every.saturating_mul(before);
        Mono::from_origin(paid.since(Mono::from_origin(credit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(n: u8) -> Flow {
        Some(ExtConsumerId::new(format!("c{n}")).unwrap())
    }

    /// Lets callers ask until all have had their turn; gives who went when.
    fn play(policy: RatePolicy, callers: &[(u64, u8)]) -> Vec<(Mono, usize)> {
        let mut rate = Rate::new(policy);
        let mut next: Vec<_> = callers
            .iter()
            .map(|(at, _)| Some(Mono::from_origin(Duration::from_millis(*at))))
            .collect();
        let mut rounds = vec![None; callers.len()];
        let mut went = Vec::new();
        for _ in 0..100_000 {
            let due = next.iter().enumerate().filter_map(|(n, at)| Some(((*at)?, n))).min();
            let Some((now, n)) = due else { return went };
            match rate.ask(now, n as u64, &mut rounds[n], &flow(callers[n].1)) {
                Turn::Now => {
                    next[n] = None;
                    went.push((now, n));
                }
                Turn::NotBefore(at) => {
                    assert!(at > now, "told to wait for what has been");
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
        fn a_service_that_is_free_keeps_nobody_waiting(
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
    fn one_consumers_burst_does_not_hold_up_another() {
        let mut callers = vec![(0, 0); 50];
        callers.push((1, 1));
        let went = play(RatePolicy::new(1, Duration::from_millis(100)), &callers);
        let place = went.iter().position(|(_, n)| *n == 50).unwrap();
        assert!(place <= 2, "the other consumer's one request went as number {place}");
    }

    #[test]
    fn who_does_not_come_when_told_holds_nobody_up() {
        let mut rate = Rate::new(RatePolicy::new(1, Duration::from_millis(100)));
        let at = |ms| Mono::from_origin(Duration::from_millis(ms));
        let (mut a, mut gone, mut b) = (None, None, None);
        assert_eq!(rate.ask(at(0), 1, &mut a, &None), Turn::Now);
        assert_eq!(rate.ask(at(0), 2, &mut gone, &None), Turn::NotBefore(at(100)));
        assert_eq!(rate.ask(at(0), 3, &mut b, &None), Turn::NotBefore(at(200)));
        assert_eq!(rate.ask(at(200), 3, &mut b, &None), Turn::Now, "it is not there");
        let mut c = None;
        assert_eq!(rate.ask(at(5000), 4, &mut c, &None), Turn::Now);
        assert!(rate.waiting.is_empty());
    }

    #[test]
    fn flows_are_forgotten_that_are_owed_nothing() {
        let mut rate = Rate::new(RatePolicy::new(1, Duration::from_millis(1)));
        for n in 0..5000u64 {
            let flow = Some(ExtConsumerId::new(format!("c{n}")).unwrap());
            let now = Mono::from_origin(Duration::from_millis(n * 10));
            assert_eq!(rate.ask(now, n, &mut None, &flow), Turn::Now);
        }
        assert!(rate.last_round.len() <= MAX_FLOWS + 1);
    }

    #[test]
    fn so_many_a_second_are_spread_over_it() {
        let policy = RatePolicy::per_second(4);
        assert_eq!((policy.burst, policy.every), (4, Duration::from_millis(250)));
        assert_eq!(RatePolicy::per_second(0), RatePolicy::per_second(1));
    }

    #[test]
    fn who_leaves_gives_their_place_up() {
        let mut rate = Rate::new(RatePolicy::new(1, Duration::from_secs(10)));
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut rounds = [None; 3];
        assert!(matches!(rate.ask(at(0), 0, &mut rounds[0], &flow(0)), Turn::Now));
        assert!(
            matches!(rate.ask(at(1), 1, &mut rounds[1], &flow(1)), Turn::NotBefore(then) if then == at(10))
        );
        assert!(
            matches!(rate.ask(at(1), 2, &mut rounds[2], &flow(2)), Turn::NotBefore(then) if then == at(20))
        );
        rate.forget(1, rounds[1].unwrap());
        assert!(
            matches!(rate.ask(at(2), 2, &mut rounds[2], &flow(2)), Turn::NotBefore(then) if then == at(10))
        );
    }

    #[test]
    fn who_has_just_gone_stands_behind_who_has_not() {
        // As many flows as are remembered, those two not counted, and none.
        for others in [0, MAX_FLOWS as u64 - 1] {
            let mut rate = Rate::new(RatePolicy::new(1, Duration::from_millis(10)));
            let at = |turn| Mono::from_origin(Duration::from_millis(10 * turn));
            let named = |name: String| Some(ExtConsumerId::new(name).unwrap());
            for n in 0..others {
                assert_eq!(rate.ask(at(n), n, &mut None, &named(format!("o{n}"))), Turn::Now);
            }
            let (now, next) = (at(others), at(others + 1));
            assert_eq!(rate.ask(now, 5001, &mut None, &flow(1)), Turn::Now);
            let (mut again, mut first) = (None, None);
            assert_eq!(rate.ask(now, 5002, &mut again, &flow(1)), Turn::NotBefore(next));
            assert_eq!(rate.ask(now, 5003, &mut first, &flow(2)), Turn::NotBefore(next));
            assert_eq!(rate.ask(next, 5003, &mut first, &flow(2)), Turn::Now, "{others}");
        }
    }

    #[test]
    fn of_many_flows_none_is_forgotten_that_still_has_others_waiting() {
        let mut rate = Rate::new(RatePolicy::new(1, Duration::from_secs(1)));
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let many = MAX_FLOWS as u64 + 10;
        let named = |name: String| Some(ExtConsumerId::new(name).unwrap());
        for n in 0..many {
            assert_eq!(rate.ask(at(n), n, &mut None, &named(format!("o{n}"))), Turn::Now);
        }
        let (mut second, mut third, mut fourth) = (None, None, None);
        assert_eq!(rate.ask(at(many), 5001, &mut None, &flow(1)), Turn::Now);
        for (ticket, round) in [(5002, &mut second), (5003, &mut third)] {
            assert!(matches!(rate.ask(at(many), ticket, round, &flow(1)), Turn::NotBefore(_)));
        }
        assert_eq!(rate.ask(at(many + 1), 5004, &mut None, &flow(2)), Turn::Now);
        let (_, third) = (second, third);
        let turn = rate.ask(at(many + 1), 5005, &mut fourth, &flow(1));
        assert!(fourth > third, "{turn:?}");
    }
}
