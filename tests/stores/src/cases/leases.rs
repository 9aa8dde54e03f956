//! Laws 3, 4 and 8: terms, fences and durations.

use std::time::Duration;

use lp_connector_core::bridge::store::{Fence, Holder, Lease, Next};

use super::bench::{Bench, MOMENT, SECOND, TERM, cell, entry, lane, record};

pub(super) fn no_lane_is_given_before_its_term_ends(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    assert!(!held.claimed.taken_over);
    bench.wait(TERM - MOMENT);
    bench.nothing_is_due();
    bench.wait(MOMENT);
    let next = bench.claim_one();
    assert!(next.claimed.taken_over);
    assert_eq!(next.entries(), [(1, "a")]);
}

pub(super) fn an_extension_is_a_term_from_now(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.wait(SECOND * 10);
    assert!(bench.extend(held.lease(), TERM));
    bench.wait(TERM - MOMENT);
    bench.nothing_is_due();
    // A shorter one counts too.
    assert!(bench.extend(held.lease(), SECOND));
    bench.wait(SECOND);
    assert!(bench.claim_one().claimed.taken_over);
}

pub(super) fn a_hold_is_a_term_from_now(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a"), (&lane("ada"), "b")]);
    let held = bench.claim_one();
    bench.wait(SECOND * 10);
    bench.commit(held.commit().through(1).next(Next::Hold(TERM))).unwrap();
    bench.wait(TERM - MOMENT);
    bench.nothing_is_due();
    bench.wait(MOMENT);
    let next = bench.claim_one();
    assert_eq!((next.claimed.taken_over, next.entries()), (true, vec![(2, "b")]));
}

pub(super) fn an_entry_does_not_end_a_term(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.append(&[(&lane("ada"), "b")]);
    bench.nothing_is_due();
    bench.wait(TERM - MOMENT);
    bench.nothing_is_due();
    let held_on = held.commit().through(1).seen(1).next(Next::Hold(TERM));
    bench.commit(held_on).unwrap();
    bench.append(&[(&lane("ada"), "c")]);
    bench.nothing_is_due();
}

pub(super) fn a_released_lane_is_not_taken_over(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit()).unwrap();
    assert!(!bench.claim_one().claimed.taken_over);
}

pub(super) fn a_pause_ends_when_it_says(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().seen(1).next(Next::After(SECOND))).unwrap();
    bench.wait(SECOND - MOMENT);
    bench.nothing_is_due();
    bench.wait(MOMENT);
    let held = bench.claim_one();
    // An entry ends a pause.
    bench.commit(held.commit().seen(1).next(Next::After(SECOND))).unwrap();
    bench.append(&[(&lane("ada"), "b")]);
    assert_eq!(bench.claim_one().entries(), [(1, "a"), (2, "b")]);
}

pub(super) fn an_idle_lane_waits_for_an_entry(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().through(1).seen(1).record(record(1, "r"))).unwrap();
    bench.wait(Duration::from_secs(1_000_000));
    bench.nothing_is_due();
    bench.append(&[(&lane("ada"), "b")]);
    let held = bench.claim_one();
    assert_eq!(held.claimed.record, Some(record(1, "r")));
    // To repeat an entry does not put it off.
    bench.commit(held.commit().seen(2)).unwrap();
    bench.append(&[(&lane("ada"), "c")]);
    bench.wait(SECOND);
    bench.append(&[(&lane("ada"), "d")]);
    let overdue = bench.look(&lane("ada")).unwrap().summary.overdue;
    assert_eq!(overdue, SECOND);
}

pub(super) fn a_late_holder_may_commit_while_nobody_came(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.wait(TERM * 2);
    assert!(bench.extend(held.lease(), SECOND));
    bench.wait(SECOND * 2);
    assert!(bench.commit(held.commit().through(1).seen(1)).is_some());
    bench.nothing_is_due();
}

pub(super) fn a_newer_record_waits_for_who_can_read_it(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().record(record(3, "new"))).unwrap();
    for speaks in [0, 1, 2] {
        assert!(bench.claim_at_most(100, 100, speaks).is_empty());
    }
    bench.append(&[(&lane("bob"), "b")]);
    let old = bench.claim_at_most(1, 100, 2);
    assert_eq!(old[0].claimed.lane, lane("bob"));
    let new = bench.claim_at_most(1, 100, 3);
    assert_eq!(new[0].claimed.record, Some(record(3, "new")));
    bench.commit(new[0].commit().seen(1).record(record(u16::MAX, "newest"))).unwrap();
    bench.append(&[(&lane("ada"), "b")]);
    assert!(bench.claim_at_most(1, 100, u16::MAX - 1).is_empty());
    assert_eq!(bench.claim_at_most(1, 100, u16::MAX).len(), 1);
}

pub(super) fn fences_grow_over_all_lanes(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a"), (&lane("bob"), "b")]);
    let mut fences = Vec::new();
    for _ in 0..3 {
        let claimed = bench.claim();
        assert_eq!(claimed.len(), 2);
        fences.extend(claimed.iter().map(|held| held.claimed.fence));
        for held in &claimed {
            let fence = bench.commit(held.commit().next(Next::Hold(TERM))).unwrap();
            fences.push(fence);
            fences.push(bench.commit(held.commit_under(fence)).unwrap());
        }
    }
    assert!(fences.is_sorted_by(|one, next| one < next), "{fences:?}");
    assert!(fences[0] > Fence(0));
}

pub(super) fn a_removed_lane_never_has_a_fence_twice(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    let last = bench.commit(held.commit().through(1).seen(1).next(Next::Gone)).unwrap();
    bench.append(&[(&lane("ada"), "a")]);
    let anew = bench.claim_one();
    assert!(anew.claimed.fence > last);
    assert_eq!(bench.commit(held.commit().through(1)), None);
    assert_eq!(bench.commit(held.commit_under(last).through(1)), None);
    assert_eq!(bench.look(&lane("ada")).unwrap().summary.entries, 1);
}

/// A commit that would change everything.
fn everything(lease: Lease) -> lp_connector_core::bridge::store::Commit {
    lp_connector_core::bridge::store::Commit::new(lease.lane, lease.fence, lease.holder)
        .through(1)
        .seen(1)
        .record(record(1, "stale"))
        .append(entry(&lane("bob"), "stale"))
        .cell(cell("c"), b"stale".to_vec())
        .next(Next::Gone)
}

fn changes_nothing(bench: &Bench, lease: Lease) {
    let before = bench.look(&lane("ada"));
    assert_eq!(bench.commit(everything(lease.clone())), None, "the commit is lost");
    assert!(!bench.extend(lease, TERM * 9), "the extension is lost");
    assert_eq!(bench.look(&lane("ada")), before);
    assert_eq!(bench.look(&lane("bob")), None);
    assert_eq!(bench.read("c"), None);
}

pub(super) fn a_stale_fence_changes_nothing(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    let second = bench.commit(held.commit().next(Next::Hold(TERM))).unwrap();
    let third = bench.commit(held.commit_under(second).next(Next::Hold(TERM))).unwrap();
    changes_nothing(bench, held.lease());
    for wrong in [0, third.0 + 1, u64::MAX] {
        changes_nothing(bench, Lease { fence: Fence(wrong), ..held.lease() });
    }
    assert!(bench.commit(everything(Lease { fence: third, ..held.lease() })).is_some());
    // A lane that was never there.
    let nowhere = Lease { lane: lane("eve"), ..held.lease() };
    assert_eq!(bench.commit(everything(nowhere.clone())), None);
    assert!(!bench.extend(nowhere, TERM));
    assert_eq!(bench.look(&lane("eve")), None);
}

pub(super) fn another_holder_changes_nothing(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    changes_nothing(bench, Lease { holder: Holder(held.holder.0 ^ (1 << 127)), ..held.lease() });
    changes_nothing(bench, Lease { holder: Holder(held.holder.0 ^ 1), ..held.lease() });
    bench.wait(TERM);
    let next = bench.claim_one();
    changes_nothing(bench, held.lease());
    changes_nothing(bench, Lease { fence: next.claimed.fence, ..held.lease() });
    assert!(bench.commit(everything(next.lease())).is_some());
}

pub(super) fn a_released_lane_takes_no_commit(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    let fence = bench.commit(held.commit().seen(1)).unwrap();
    changes_nothing(bench, Lease { fence, ..held.lease() });
}

pub(super) fn a_stale_extension_changes_nothing(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    let fence = bench.commit(held.commit().next(Next::Hold(TERM))).unwrap();
    assert!(!bench.extend(held.lease(), TERM * 9));
    assert!(!bench.extend(Lease { fence, holder: Holder(0), ..held.lease() }, TERM * 9));
    bench.wait(TERM);
    assert!(bench.claim_one().claimed.taken_over);
}

pub(super) fn elapsed_is_the_time_since_the_last_commit(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    bench.wait(SECOND);
    let held = bench.claim_one();
    assert_eq!(held.claimed.elapsed, Duration::ZERO);
    bench.wait(SECOND);
    bench.commit(held.commit()).unwrap();
    bench.wait(SECOND * 2 + MOMENT);
    let held = bench.claim_one();
    assert_eq!(held.claimed.elapsed, SECOND * 2 + MOMENT);
    // A holder that says nothing is no commit.
    bench.wait(TERM);
    assert_eq!(bench.claim_one().claimed.elapsed, SECOND * 2 + MOMENT + TERM);
}
