//! One single flight, driven by hand: who gets what, and when.

use super::*;
use crate::error::ErrorKind;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn at(seconds: u64) -> Mono {
    Mono::from_origin(secs(seconds))
}

fn error(what: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, what)
}

/// A request with no conditions, whose fetch would be lost after ten seconds.
fn who(lease: u64, now: Mono) -> AcquireRequest {
    AcquireRequest {
        min_generation: 0,
        joined: None,
        lease_id: lease,
        deadline: now + secs(10),
        not_before: Mono::ZERO,
    }
}

fn acquire(flight: &mut SingleFlight<u8>, now: Mono, who: AcquireRequest) -> Acquire {
    flight.acquire(now, who, || Permit::Granted)
}

fn lease(flight: &mut SingleFlight<u8>, now: Mono, who: AcquireRequest) -> Lease {
    match acquire(flight, now, who) {
        Acquire::Fetch(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// A value stored at 100 s, to be refreshed from 190 s on and used until 200 s.
fn cached() -> SingleFlight<u8> {
    let mut flight = SingleFlight::new();
    let first = lease(&mut flight, at(100), who(1, at(100)));
    flight.store(at(100), first, 7, at(190), at(200));
    assert_eq!(flight.value(at(100)), Some(&7));
    flight
}

#[test]
fn a_value_is_ready_until_its_refresh_is_due() {
    let mut flight = cached();
    for (now, least, ready) in [
        (100, 0, Some(1)),
        (100, 1, Some(1)),
        (100, 2, None), // the call saw this one rejected
        (189, 0, Some(1)),
        (190, 0, None),
        (200, 0, None),
    ] {
        assert_eq!(flight.wants_fetch(at(now), least), ready.is_none(), "at {now}, {least}");
    }
}

#[test]
fn a_value_is_used_until_its_expiry_and_not_at_it() {
    let mut flight = cached();
    assert_eq!((flight.value(at(199)), flight.remaining(at(199))), (Some(&7), secs(1)));
    assert_eq!((flight.value(at(200)), flight.remaining(at(200))), (None, secs(0)));
    assert_eq!(flight.remaining(at(150)), secs(50));
    let ahead = lease(&mut flight, at(199), who(2, at(199)));
    assert!(ahead.refresh_ahead);
    assert!(matches!(acquire(&mut flight, at(199), who(3, at(199))), Acquire::Cached));
    flight.refresh.release(at(199), ahead);
    assert!(!lease(&mut flight, at(200), who(4, at(200))).refresh_ahead);
}

/// Else a late rejection of the first value would take the second one away.
#[test]
fn a_rejected_value_keeps_its_generation() {
    let mut flight = cached();
    flight.invalidate(2);
    assert!(!flight.is_rejected(), "that is not the value's generation");
    flight.invalidate(1);
    assert_eq!((flight.is_rejected(), flight.generation()), (true, 1));
    let next = AcquireRequest { min_generation: 2, ..who(2, at(150)) };
    let second = lease(&mut flight, at(150), next);
    flight.store(at(150), second, 8, at(190), at(200));
    assert_eq!((flight.value(at(150)), flight.generation()), (Some(&8), 2));
    flight.invalidate(1);
    assert_eq!((flight.value(at(150)), flight.is_rejected()), (Some(&8), false));
}

#[test]
fn a_refresh_ahead_needs_its_time_and_permission() {
    let mut flight = cached();
    let not_before = |second| AcquireRequest { not_before: at(second), ..who(2, at(190)) };
    assert!(matches!(acquire(&mut flight, at(189), not_before(0)), Acquire::Cached));
    assert!(matches!(acquire(&mut flight, at(190), not_before(191)), Acquire::Cached));
    assert!(lease(&mut flight, at(190), not_before(190)).refresh_ahead);
}

#[test]
fn a_failed_round_fails_its_waiters_and_no_other() {
    let mut flight = SingleFlight::new();
    for (round, now) in [(1, at(0)), (2, at(100)), (3, at(200))] {
        let holder = lease(&mut flight, now, who(round, now));
        assert_eq!(flight.refresh.round(), round);
        assert!(flight.refresh.last().is_none(), "what the round before met is not this one's");
        let waits = acquire(&mut flight, now, who(9, now));
        assert!(matches!(waits, Acquire::Wait { round: of, pausing: false, .. } if of == round));
        flight.refresh.back_off(now, holder, secs(5), &error("first"));
        assert_eq!(
            flight.refresh.last().map(ToString::to_string),
            Some(error("first").to_string())
        );

        let again = now + secs(5);
        let holder = lease(&mut flight, again, who(round, again));
        assert_eq!((flight.refresh.round(), flight.refresh.failures()), (round, 1));
        flight.refresh.fail(again, holder, secs(0), &error("last"));
        let joined = AcquireRequest { joined: Some(round), ..who(9, again) };
        assert!(matches!(acquire(&mut flight, again, joined), Acquire::Failed(_)));
    }
    let now = at(300);
    let later = AcquireRequest { joined: Some(4), ..who(4, now) };
    assert!(matches!(acquire(&mut flight, now, later), Acquire::Fetch(_)));
}

#[test]
fn a_failed_refresh_ahead_counts_once_the_value_expired() {
    for (now, paused) in [(199, false), (200, true), (205, true)] {
        let mut flight = cached();
        let ahead = lease(&mut flight, at(199), who(2, at(199)));
        let round = flight.refresh.round();
        flight.refresh.defer(at(now), ahead, secs(5), secs(50), &error("no"));
        let next = acquire(&mut flight, at(now), who(3, at(now)));
        if paused {
            let until = at(now + 5);
            assert!(matches!(next, Acquire::Wait { until: to, pausing: true, .. } if to == until));
            assert_eq!((flight.refresh.round(), flight.refresh.failures()), (round + 1, 1));
        } else {
            assert!(matches!(next, Acquire::Cached), "{next:?}");
            assert_eq!((flight.refresh.round(), flight.refresh.failures()), (round, 0));
        }
    }
}

/// Callers with a value go on with it; the others wait, so that those with little time do not fetch one
/// after the other.
#[test]
fn after_a_truncated_fetch_nobody_fetches_for_a_pause() {
    for (now, goes_on) in [(199, true), (200, false), (201, false)] {
        let mut flight = cached();
        let ahead = lease(&mut flight, at(198), who(2, at(198)));
        flight.refresh.deadline_truncated(at(now), ahead, secs(1));
        let next = acquire(&mut flight, at(now), who(3, at(now)));
        if goes_on {
            assert!(matches!(next, Acquire::Cached), "{now}: {next:?}");
        } else {
            assert!(matches!(next, Acquire::Wait { pausing: true, .. }), "{now}: {next:?}");
        }
    }
    // A call saw the value rejected, and acquires another before this one expires.
    let mut flight = cached();
    let rejected = AcquireRequest { min_generation: 2, ..who(2, at(190)) };
    let holder = lease(&mut flight, at(190), rejected);
    assert!(!holder.refresh_ahead);
    flight.refresh.deadline_truncated(at(195), holder, secs(2));
    let next = acquire(&mut flight, at(195), AcquireRequest { lease_id: 3, ..rejected });
    assert!(matches!(next, Acquire::Wait { until, pausing: true, .. } if until == at(197)));
}

/// It has not been polled since the round before: it does not begin a third one.
#[test]
fn a_waiter_of_a_round_before_the_last_has_failed_too() {
    let mut flight = SingleFlight::new();
    for (round, now) in [(1, at(0)), (2, at(100))] {
        let holder = lease(&mut flight, now, who(round, now));
        flight.refresh.fail(now, holder, secs(0), &error("no"));
        for joined in 1..=round {
            let waiter = AcquireRequest { joined: Some(joined), ..who(9, now) };
            assert!(matches!(acquire(&mut flight, now, waiter), Acquire::Failed(_)), "{joined}");
        }
    }
}

#[test]
fn a_round_that_nobody_goes_on_with_ends_after_a_minute() {
    for (later, failures) in [(64, 1), (65, 0), (3000, 0)] {
        let mut flight = SingleFlight::new();
        let holder = lease(&mut flight, at(0), who(1, at(0)));
        flight.refresh.back_off(at(0), holder, secs(5), &error("no"));
        lease(&mut flight, at(later), who(2, at(later)));
        assert_eq!(flight.refresh.failures(), failures, "{later}");
    }
}
