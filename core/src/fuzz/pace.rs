//! What else paces requests: a rate per second, many consumers at one rate, the keep-alive.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

use crate::id::ExtConsumerId;
use crate::policy::{CircuitPolicy, KeepAlive, Poll, RateLimiter, RatePolicy, RetryPolicy};
use crate::time::Mono;

#[derive(Arbitrary, Debug)]
struct Pace {
    per_second: u8,
    /// From 0xff00 on, more consumers than a limiter remembers: rare, as it takes time.
    others: u16,
    every: Option<u16>,
    /// What was sent at which millisecond (true), and what time it is (false).
    events: Vec<(bool, u16)>,
}

/// Reads what the script of the target `policy` leaves of the input.
pub(super) fn pace(input: &mut Unstructured<'_>) {
    assert_eq!(RetryPolicy::default(), RetryPolicy::documented());
    assert_eq!(CircuitPolicy::default(), CircuitPolicy::documented());
    let Ok(pace) = Pace::arbitrary(input) else { return };
    per_second(u32::from(pace.per_second % 64));
    if pace.others >= 0xff00 {
        many_consumers(1000 + u64::from(pace.others & 0xff));
    }
    keep_alive(pace.every, &pace.events);
}

/// One second's worth goes at once, and no more; a second later as many again.
fn per_second(requests: u32) {
    let least = requests.max(1);
    let every = Duration::from_secs(1) / least;
    let policy = RatePolicy::per_second(requests);
    assert_eq!(policy, RatePolicy::new(least, every));
    let mut limiter = RateLimiter::new(policy);
    let mut waiter = 0;
    for now in [Mono::ZERO, Mono::from_origin(Duration::from_secs(1))] {
        for _ in 0..least {
            waiter += 1;
            assert_eq!(limiter.acquire(now, waiter, &mut None, &None), Poll::Ready);
        }
        if now == Mono::ZERO {
            let mut round = None;
            let next = limiter.acquire(now, 0, &mut round, &None);
            assert_eq!(next, Poll::NotBefore(now + every), "more than a second's worth");
            limiter.cancel(0, round.expect("it waits"));
        }
    }
}

/// However many consumers go meanwhile, none that waits is forgotten: its next request queues behind its others.
fn many_consumers(others: u64) {
    let mut limiter = RateLimiter::new(RatePolicy::new(1, Duration::from_secs(1)));
    let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
    let key = |name: &str| Some(ExtConsumerId::new(name).expect("a good id"));
    let (one, mut rounds) = (key("one"), [None; 3]);
    assert_eq!(limiter.acquire(at(0), others + 1, &mut None, &one), Poll::Ready);
    let [first, second, third] = &mut rounds;
    for (waiter, round) in [(others + 2, &mut *first), (others + 3, &mut *second)] {
        assert!(matches!(limiter.acquire(at(0), waiter, round, &one), Poll::NotBefore(_)));
    }
    for other in 1..=others {
        let turn = limiter.acquire(at(other), other, &mut None, &key(&format!("o{other}")));
        assert_eq!(turn, Poll::Ready, "who comes for the first time goes first");
    }
    let turn = limiter.acquire(at(others), others + 4, third, &one);
    assert!(matches!(turn, Poll::NotBefore(_)), "it is before those that wait");
    assert!(first < second && second < third, "{rounds:?}");
}

/// A keep-alive is due so long after the last that was sent, in whatever order it was reported.
fn keep_alive(every: Option<u16>, events: &[(bool, u16)]) {
    let at = |ms: u16| Mono::from_origin(Duration::from_millis(ms.into()));
    let (mut keep_alive, mut interval) = (KeepAlive::new(Mono::ZERO), Duration::from_secs(30));
    if let Some(ms) = every {
        keep_alive = keep_alive.every(Duration::from_millis(ms.into()));
        interval = Duration::from_millis(u64::from(ms.max(1000)));
    }
    let mut last = Mono::ZERO;
    for (is_sent, ms) in events.iter().take(64) {
        let now = at(*ms);
        if *is_sent {
            keep_alive.sent(now);
            last = last.max(now);
        }
        let next = last + interval;
        assert_eq!((keep_alive.next(), keep_alive.is_due(now)), (next, now >= next));
        assert!(keep_alive.is_due(next), "not when it says");
    }
}
