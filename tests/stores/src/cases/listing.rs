//! What people see.

use std::time::Duration;

use lp_connector_core::bridge::store::{LaneDetails, LaneId, LaneKind, Listed, Next};
use lp_connector_core::id::AccountId;

use super::bench::{Bench, SECOND, TERM, account, lane, record};

fn names(listed: &[LaneDetails]) -> Vec<LaneId> {
    listed.iter().map(|details| details.summary.lane.clone()).collect()
}

pub(super) fn a_list_has_an_order_and_a_limit(bench: &Bench) {
    let other = AccountId::new("le1234").unwrap();
    let far = LaneId::new(other.clone(), LaneKind::Consumer, "a");
    let conversation = LaneId::new(account(), LaneKind::Conversation, "b");
    for lane in [&far, &lane("c"), &conversation, &lane("b"), &lane("a")] {
        bench.append(&[(lane, "1")]);
        bench.wait(SECOND);
    }
    let consumers = Listed::Lanes { account: None, kind: LaneKind::Consumer };
    let all = bench.list(consumers.clone(), None, 100);
    assert_eq!(names(&all), [lane("a"), lane("b"), lane("c"), far.clone()]);
    assert!(all.iter().all(|details| details.entries.is_empty()));
    assert_eq!(names(&bench.list(consumers.clone(), None, 2)), [lane("a"), lane("b")]);
    let rest = bench.list(consumers.clone(), Some(&lane("b")), 100);
    assert_eq!(names(&rest), [lane("c"), far.clone()]);
    // What it starts after need not be there.
    assert_eq!(names(&bench.list(consumers.clone(), Some(&lane("bb")), 1)), [lane("c")]);
    assert!(bench.list(consumers.clone(), Some(&far), 100).is_empty());
    assert!(bench.list(consumers, None, 0).is_empty());
    let of_account = Listed::Lanes { account: Some(other), kind: LaneKind::Consumer };
    assert_eq!(names(&bench.list(of_account, None, 100)), [far]);
    let conversations = Listed::Lanes { account: Some(account()), kind: LaneKind::Conversation };
    assert_eq!(names(&bench.list(conversations, None, 100)), [conversation]);
}

pub(super) fn a_lane_is_listed_with_its_entries(bench: &Bench) {
    let ada = lane("ada");
    assert_eq!(bench.look(&ada), None);
    bench.append(&[(&ada, "a"), (&ada, "four"), (&ada, "")]);
    let held = bench.claim_one();
    let next = Next::After(SECOND);
    bench.commit(held.commit().through(1).seen(3).record(record(1, "r")).next(next)).unwrap();
    let details = bench.look(&ada).unwrap();
    assert_eq!(details.entries, [(2, 4), (3, 0)]);
    assert_eq!((details.summary.entries, details.record), (2, Some(record(1, "r"))));
    let one = bench.list(Listed::Lane(ada.clone()), Some(&ada), 1);
    assert_eq!((one[0].entries.clone(), one[0].summary.entries), (vec![(2, 4)], 2));
}

pub(super) fn a_list_tells_durations(bench: &Bench) {
    let ada = lane("ada");
    let times = || {
        let summary = bench.look(&ada).unwrap().summary;
        (summary.held, summary.due_in, summary.overdue)
    };
    bench.append(&[(&ada, "a")]);
    bench.wait(SECOND);
    assert_eq!(times(), (false, Some(Duration::ZERO), SECOND));
    let held = bench.claim_one();
    bench.wait(SECOND);
    assert_eq!(times(), (true, Some(TERM - SECOND), Duration::ZERO));
    bench.wait(TERM);
    assert_eq!(times(), (true, Some(Duration::ZERO), SECOND));
    bench.commit(held.commit().seen(1).next(Next::After(SECOND * 3))).unwrap();
    bench.wait(SECOND);
    assert_eq!(times(), (false, Some(SECOND * 2), Duration::ZERO));
    bench.wait(SECOND * 2);
    let held = bench.claim_one();
    bench.commit(held.commit().seen(1)).unwrap();
    bench.wait(SECOND);
    assert_eq!(times(), (false, None, Duration::ZERO));
}

pub(super) fn a_list_changes_nothing(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let before = bench.look(&lane("ada"));
    for kind in LaneKind::ALL {
        bench.list(Listed::Lanes { account: None, kind: *kind }, None, 100);
    }
    assert_eq!(bench.look(&lane("ada")), before);
    let held = bench.claim_one();
    bench.look(&lane("ada"));
    assert!(bench.commit(held.commit().through(1)).is_some());
}

pub(super) fn the_facts_tell_what_is_due(bench: &Bench) {
    let due = |bench: &Bench| {
        let facts = bench.facts();
        (facts.due_lanes, facts.oldest_due)
    };
    assert_eq!(due(bench), (0, Duration::ZERO));
    bench.append(&[(&lane("ada"), "1"), (&lane("ada"), "2")]);
    bench.wait(SECOND * 2);
    bench.append(&[(&lane("bob"), "1")]);
    assert_eq!(due(bench), (2, SECOND * 2));
    let held = bench.claim_at_most(1, 9, 1).remove(0);
    bench.wait(SECOND);
    assert_eq!(due(bench), (1, SECOND), "who is held is not due");
    bench.commit(held.commit().through(2).seen(2).next(Next::After(SECOND * 5)));
    bench.wait(SECOND * 6);
    assert_eq!(due(bench), (2, SECOND * 7));
    // A holder that is silent for its term.
    assert_eq!(bench.claim().len(), 2);
    assert_eq!(due(bench), (0, Duration::ZERO));
    bench.wait(TERM + SECOND);
    assert_eq!(due(bench), (2, SECOND));
}
