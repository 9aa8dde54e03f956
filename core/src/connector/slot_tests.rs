//! One slot, driven by hand: what a claim is answered with, and when.

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

/// A claimant in nobody's way, whose fetch would be lost after ten seconds.
fn who(lease: u64, now: Mono) -> Claimant {
    Claimant { least: 0, joined: None, lease, deadline: now + secs(10), not_before: Mono::ZERO }
}

fn claim(slot: &mut Slot<u8>, now: Mono, who: Claimant) -> Claim {
    slot.claim(now, who, || Admission::Go)
}

fn grant(slot: &mut Slot<u8>, now: Mono, who: Claimant) -> Grant {
    match claim(slot, now, who) {
        Claim::Fetch(grant) => grant,
        other => panic!("{other:?}"),
    }
}

/// A slot that got a value at 100 s, to be renewed from 190 s on and to be used until 200 s.
fn held() -> Slot<u8> {
    let mut slot = Slot::new();
    let first = grant(&mut slot, at(100), who(1, at(100)));
    assert!(slot.fetched(at(100), first, 7, at(190), at(200)));
    slot
}

#[test]
fn a_value_is_ready_from_its_coming_until_its_renewal_is_due() {
    let mut slot = held();
    for (now, least, ready) in [
        (100, 0, Some(1)),
        (100, 1, Some(1)),
        (100, 2, None), // this one was seen refused
        (189, 0, Some(1)),
        (190, 0, None),
        (200, 0, None),
    ] {
        assert_eq!(slot.ready(at(now), least), ready, "at {now}, {least}");
        assert_eq!(slot.wants_fetch(at(now), least), ready.is_none(), "at {now}, {least}");
    }
}

#[test]
fn a_value_is_used_until_its_end_and_not_at_it() {
    let mut slot = held();
    assert_eq!((slot.value(at(199)), slot.remaining(at(199))), (Some(&7), secs(1)));
    assert_eq!((slot.value(at(200)), slot.remaining(at(200))), (None, secs(0)));
    assert_eq!(slot.remaining(at(150)), secs(50));
    let early = grant(&mut slot, at(199), who(2, at(199)));
    assert!(early.early);
    assert!(matches!(claim(&mut slot, at(199), who(3, at(199))), Claim::Held(1)));
    slot.fetching.release(at(199), early);
    assert!(!grant(&mut slot, at(200), who(4, at(200))).early);
}

#[test]
fn an_early_renewal_needs_its_time_and_leave_to_ask() {
    let mut slot = held();
    let not_before = |second| Claimant { not_before: at(second), ..who(2, at(190)) };
    assert!(matches!(claim(&mut slot, at(189), not_before(0)), Claim::Held(1)));
    assert!(matches!(claim(&mut slot, at(190), not_before(191)), Claim::Held(1)));
    assert!(grant(&mut slot, at(190), not_before(190)).early);
}

#[test]
fn a_round_that_failed_fails_those_who_waited_for_it_and_no_other() {
    let mut slot = Slot::new();
    for (round, now) in [(1, at(0)), (2, at(100)), (3, at(200))] {
        let holder = grant(&mut slot, now, who(round, now));
        assert_eq!(slot.fetching.round(), round);
        assert!(slot.fetching.last().is_none(), "what the round before met is not this one's");
        let waits = claim(&mut slot, now, who(9, now));
        assert!(matches!(waits, Claim::Wait { round: of, pausing: false, .. } if of == round));
        slot.fetching.retry(now, holder, secs(5), &error("first"));
        assert_eq!(slot.fetching.last().map(ToString::to_string), Some(error("first").to_string()));

        let again = now + secs(5);
        let holder = grant(&mut slot, again, who(round, again));
        assert_eq!((slot.fetching.round(), slot.fetching.failures()), (round, 1));
        slot.fetching.fail(again, holder, secs(0), &error("last"));
        let joined = Claimant { joined: Some(round), ..who(9, again) };
        assert!(matches!(claim(&mut slot, again, joined), Claim::Failed(_)));
    }
    let now = at(300);
    let later = Claimant { joined: Some(4), ..who(4, now) };
    assert!(matches!(claim(&mut slot, now, later), Claim::Fetch(_)));
}

#[test]
fn an_early_renewal_that_fails_counts_as_a_try_only_once_the_value_has_ended() {
    for (now, paused) in [(199, false), (200, true), (205, true)] {
        let mut slot = held();
        let early = grant(&mut slot, at(199), who(2, at(199)));
        let round = slot.fetching.round();
        slot.fetching.early_failed(at(now), early, secs(5), secs(50), &error("no"));
        let next = claim(&mut slot, at(now), who(3, at(now)));
        if paused {
            let until = at(now + 5);
            assert!(matches!(next, Claim::Wait { until: to, pausing: true, .. } if to == until));
            assert_eq!((slot.fetching.round(), slot.fetching.failures()), (round + 1, 1));
        } else {
            assert!(matches!(next, Claim::Held(1)), "{next:?}");
            assert_eq!((slot.fetching.round(), slot.fetching.failures()), (round, 0));
        }
    }
}

/// Whoever still has a value goes on with it; everybody else waits, so that those with little time
/// do not ask one after the other.
#[test]
fn after_a_fetch_cut_short_nobody_asks_for_the_length_of_the_pause() {
    for (now, goes_on) in [(199, true), (200, false), (201, false)] {
        let mut slot = held();
        let early = grant(&mut slot, at(198), who(2, at(198)));
        slot.fetching.cut_short(at(now), early, secs(1));
        let next = claim(&mut slot, at(now), who(3, at(now)));
        if goes_on {
            assert!(matches!(next, Claim::Held(1)), "{now}: {next:?}");
        } else {
            assert!(matches!(next, Claim::Wait { pausing: true, .. }), "{now}: {next:?}");
        }
    }
    // Somebody saw the value refused, and asks for another while this one lasts.
    let mut slot = held();
    let refused = Claimant { least: 2, ..who(2, at(190)) };
    let holder = grant(&mut slot, at(190), refused);
    assert!(!holder.early);
    slot.fetching.cut_short(at(195), holder, secs(2));
    let next = claim(&mut slot, at(195), Claimant { lease: 3, ..refused });
    assert!(matches!(next, Claim::Wait { until, pausing: true, .. } if until == at(197)));
}
