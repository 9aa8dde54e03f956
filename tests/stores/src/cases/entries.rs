//! Law 5: entries come in order, without gaps.

use std::collections::BTreeMap;

use lp_connector_core::bridge::store::{
    Answer, Entry, LaneId, LaneKind, MAX_CLAIM_BYTES, MAX_VALUE_BYTES, Next, Request,
    StoreErrorKind,
};
use lp_connector_core::id::AccountId;

use super::bench::{Bench, SECOND, account, lane};

pub(super) fn an_answered_append_is_there_for_everybody(bench: &Bench) {
    bench.append(&[(&lane("ada"), "hello")]);
    let held = bench.claim_one();
    assert_eq!(held.claimed.lane, lane("ada"));
    assert_eq!(held.entries(), [(1, "hello")]);
    assert_eq!((held.claimed.record.clone(), held.claimed.more), (None, false));
}

pub(super) fn an_append_comes_once(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    assert_eq!(bench.look(&lane("ada")).unwrap().summary.entries, 1);
}

pub(super) fn entries_come_in_the_order_of_their_appends(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    bench.append(&[(&ada, "a1"), (&bob, "b1"), (&ada, "a2")]);
    bench.append(&[(&bob, "b2")]);
    bench.append(&[(&ada, "")]);
    let claimed = bench.claim();
    let entries: Vec<_> = claimed.iter().map(|held| held.entries()).collect();
    assert_eq!(entries, [vec![(1, "a1"), (2, "a2"), (3, "")], vec![(1, "b1"), (2, "b2")]]);
}

pub(super) fn numbers_go_on_without_gaps(bench: &Bench) {
    let ada = lane("ada");
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    bench.append(&[(&ada, "c")]);
    bench.commit(held.commit().through(2).seen(2)).unwrap();
    let held = bench.claim_one();
    assert_eq!(held.entries(), [(3, "c")]);
    // Empty again, and on.
    bench.commit(held.commit().through(3).seen(3)).unwrap();
    bench.append(&[(&ada, "d"), (&ada, "e")]);
    assert_eq!(bench.claim_one().entries(), [(4, "d"), (5, "e")]);
}

pub(super) fn a_claim_gives_no_more_than_it_is_asked_for(bench: &Bench) {
    for key in ["a", "b", "c"] {
        bench.append(&[(&lane(key), "1"), (&lane(key), "2"), (&lane(key), "3")]);
        bench.wait(SECOND);
    }
    let claimed = bench.claim_at_most(2, 2, 1);
    assert_eq!(claimed.len(), 2);
    for held in &claimed {
        assert_eq!((held.entries(), held.claimed.more), (vec![(1, "1"), (2, "2")], true));
    }
    let rest = bench.claim_at_most(100, 3, 1);
    assert_eq!(rest.len(), 1);
    assert_eq!((rest[0].entries().len(), rest[0].claimed.more), (3, false));
    assert!(bench.claim_at_most(0, 3, 1).is_empty());
}

pub(super) fn a_claim_gives_a_bounded_number_of_bytes(bench: &Bench) {
    let large = |lane: &LaneId| Entry { lane: lane.clone(), body: vec![7; MAX_CLAIM_BYTES / 2] };
    let (ada, bob) = (lane("ada"), lane("bob"));
    for lane in [&ada, &bob] {
        for _ in 0..3 {
            bench.first().perform(Request::Append(vec![large(lane)])).unwrap();
        }
        bench.wait(SECOND);
    }
    let mut given: BTreeMap<LaneId, Vec<u64>> = BTreeMap::new();
    let mut claims = 0;
    loop {
        let claimed = bench.claim();
        if claimed.is_empty() {
            break;
        }
        claims += 1;
        let entries = claimed.iter().flat_map(|held| &held.claimed.entries);
        assert!(entries.map(|(_, body)| body.len()).sum::<usize>() <= MAX_CLAIM_BYTES);
        for held in &claimed {
            let numbers = given.entry(held.claimed.lane.clone()).or_default();
            // However large it is, the first is given.
            assert!(!held.claimed.entries.is_empty());
            numbers.extend(held.claimed.entries.iter().map(|(number, _)| *number));
            let last = numbers.last().copied().unwrap_or_default();
            assert_eq!(held.claimed.more, last < 3);
            bench.commit(held.commit().through(last).seen(last)).unwrap();
        }
    }
    // A store may give less at a time than it may.
    assert!(claims >= 3, "{claims}");
    assert_eq!(given, BTreeMap::from([(ada, vec![1, 2, 3]), (bob, vec![1, 2, 3])]));
}

/// A word that counts at once may stand behind a file.
pub(super) fn a_large_entry_hides_none_behind_it(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    let sizes = [400_000, 1, 500_000, 2];
    for lane in [&ada, &bob] {
        let entries = sizes.map(|size| Entry { lane: lane.clone(), body: vec![7; size] });
        bench.first().perform(Request::Append(entries.into())).unwrap();
        bench.wait(SECOND);
    }
    let mut given = 0;
    while given < 2 {
        let claimed = bench.claim();
        assert!(!claimed.is_empty());
        given += claimed.len();
        for held in claimed {
            let entries: Vec<_> =
                held.claimed.entries.iter().map(|(number, body)| (*number, body.len())).collect();
            assert_eq!(entries, [(1, 400_000), (2, 1), (3, 500_000), (4, 2)]);
            assert!(!held.claimed.more);
        }
    }
    for at_most in [1, 3] {
        let lane = lane(&format!("cut at {at_most}"));
        let entries = sizes.map(|size| Entry { lane: lane.clone(), body: vec![7; size] });
        bench.first().perform(Request::Append(entries.into())).unwrap();
        let held = bench.claim_at_most(1, at_most, 1).remove(0);
        assert_eq!((held.claimed.entries.len(), held.claimed.more), (at_most, true));
    }
}

pub(super) fn the_longest_due_comes_first(bench: &Bench) {
    for key in ["c", "a", "b"] {
        bench.append(&[(&lane(key), "1")]);
        bench.wait(SECOND);
    }
    let first = bench.claim_at_most(1, 1, 1).remove(0);
    assert_eq!(first.claimed.lane, lane("c"));
    bench.commit(first.commit().seen(1).next(Next::After(SECOND))).unwrap();
    let order: Vec<_> = bench.claim().into_iter().map(|held| held.claimed.lane).collect();
    assert_eq!(order, [lane("a"), lane("b")]);
}

pub(super) fn lanes_are_apart_by_account_kind_and_key(bench: &Bench) {
    let other = AccountId::new("le1234").unwrap();
    let mut lanes: Vec<_> = LaneKind::ALL
        .iter()
        .flat_map(|kind| {
            [&account(), &other].map(|account| LaneId::new(account.clone(), *kind, "ada"))
        })
        .chain(["Ada", "ada ", "ad\u{e4}", "a'; DROP TABLE lp_lane; --", ""].map(lane))
        .collect();
    lanes.sort();
    for lane in &lanes {
        bench.append(&[(lane, &format!("for {lane:?}"))]);
    }
    let claimed = bench.claim();
    assert_eq!(claimed.iter().map(|held| held.claimed.lane.clone()).collect::<Vec<_>>(), lanes);
    for held in &claimed {
        assert_eq!(held.entries(), [(1, format!("for {:?}", held.claimed.lane).as_str())]);
    }
}

pub(super) fn nothing_asked_is_nothing_done(bench: &Bench) {
    let ask = |request| bench.first().perform(request).unwrap();
    assert_eq!(ask(Request::Append(Vec::new())), Answer::Appended);
    assert_eq!(ask(Request::Commit(Vec::new())), Answer::Committed(Vec::new()));
    assert_eq!(ask(Request::Read(Vec::new())), Answer::Cells(Vec::new()));
    let extend = Request::Extend { leases: Vec::new(), term: SECOND };
    assert_eq!(ask(extend), Answer::Extended(Vec::new()));
    bench.nothing_is_due();
}

pub(super) fn a_value_over_the_limit_is_refused(bench: &Bench) {
    let entry = |size| Entry { lane: lane("ada"), body: vec![7; size] };
    let over = Request::Append(vec![entry(1), entry(MAX_VALUE_BYTES + 1)]);
    let error = bench.first().perform(over).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    bench.nothing_is_due();
    bench.first().perform(Request::Append(vec![entry(MAX_VALUE_BYTES)])).unwrap();
    assert_eq!(bench.claim_one().claimed.entries, [(1, vec![7; MAX_VALUE_BYTES])]);
}
