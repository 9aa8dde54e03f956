//! Laws 2, 6 and 7: commits are whole, consume what was given, and know themselves.

use lp_connector_core::bridge::store::{Holder, Next};

use super::bench::{Bench, SECOND, TERM, cell, entry, lane, record};

pub(super) fn an_answered_commit_is_there_for_everybody(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().through(1).seen(1).record(record(1, "r"))).unwrap();
    let ada = bench.look(&lane("ada")).unwrap();
    assert_eq!(
        (ada.record, ada.summary.entries, ada.summary.held),
        (Some(record(1, "r")), 0, false)
    );
}

pub(super) fn a_commit_happens_as_a_whole(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    let commit = held.commit().through(1).seen(2).record(record(1, "r"));
    let commit = commit.append(entry(&bob, "x")).append(entry(&ada, "c")).append(entry(&bob, "y"));
    let commit = commit.cell(cell("c"), b"1".to_vec()).cell(cell("d"), b"2".to_vec());
    bench.commit(commit).unwrap();
    let claimed = bench.claim();
    assert_eq!(claimed.len(), 2);
    assert_eq!(claimed[0].entries(), [(2, "b"), (3, "c")]);
    assert_eq!(claimed[0].claimed.record, Some(record(1, "r")));
    assert_eq!(claimed[1].entries(), [(1, "x"), (2, "y")]);
    let value = |key| bench.read(key).map(|(_, value)| value);
    assert_eq!((value("c").as_deref(), value("d").as_deref()), (Some("1"), Some("2")));
    // What a commit does not name stays.
    bench.commit(claimed[0].commit().through(2).seen(3)).unwrap();
    assert_eq!(bench.look(&ada).unwrap().record, Some(record(1, "r")));
    assert_eq!(value("c").as_deref(), Some("1"));
}

pub(super) fn each_commit_of_a_request_stands_for_itself(bench: &Bench) {
    bench.append(&[(&lane("ada"), "a"), (&lane("bob"), "b")]);
    let claimed = bench.claim();
    let mut stale = claimed[0].commit().through(1).append(entry(&lane("eve"), "stale"));
    stale.lease.holder = Holder(0);
    let done = bench.commits(vec![
        stale,
        claimed[1].commit().through(1).seen(1),
        claimed[0].commit().through(1).seen(1),
        claimed[1].commit().append(entry(&lane("eve"), "again")),
    ]);
    // The last one has the fence of the second, so it counts as its repetition.
    assert_eq!(done.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(done[1], done[3]);
    bench.nothing_is_due();
}

pub(super) fn of_two_commits_of_a_request_the_last_writes(bench: &Bench) {
    let (one, other) = (cell("c"), cell("d"));
    bench.append(&[(&lane("ada"), "a"), (&lane("bob"), "b")]);
    let claimed = bench.claim();
    let first =
        claimed[0].commit().cell(one.clone(), b"1".to_vec()).cell(one.clone(), b"2".to_vec());
    let first = first.cell(other.clone(), b"1".to_vec());
    let second =
        claimed[1].commit().cell(one.clone(), b"3".to_vec()).cell(other.clone(), Vec::new());
    let mut lost = claimed[0].commit().cell(one, b"4".to_vec()).cell(other, b"4".to_vec());
    lost.lease.holder = Holder(0);
    assert!(bench.commits(vec![first, second, lost])[1].is_some());
    assert_eq!(bench.read("c").map(|(_, value)| value).as_deref(), Some("3"));
    assert_eq!(bench.read("d"), None);
}

pub(super) fn a_removed_lane_begins_anew(bench: &Bench) {
    let ada = lane("ada");
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    let fence = bench.commit(held.commit().record(record(1, "r")).next(Next::Hold(TERM))).unwrap();
    bench.commit(held.commit_under(fence).through(2).seen(2).next(Next::Gone)).unwrap();
    assert_eq!(bench.look(&ada), None);
    bench.wait(SECOND);
    bench.append(&[(&ada, "new")]);
    let held = bench.claim_one();
    assert_eq!(held.entries(), [(1, "new")]);
    assert_eq!((held.claimed.record.clone(), held.claimed.elapsed.as_nanos()), (None, 0));
    // A lane that is removed with an entry for itself is there again.
    let last = held.commit().through(1).seen(1).record(record(1, "r")).next(Next::Gone);
    bench.commit(last.append(entry(&ada, "self"))).unwrap();
    let held = bench.claim_one();
    assert_eq!((held.entries(), held.claimed.record.clone()), (vec![(1, "self")], None));
}

pub(super) fn a_lane_with_entries_is_not_removed(bench: &Bench) {
    let ada = lane("ada");
    bench.append(&[(&ada, "a")]);
    let held = bench.claim_one();
    let fence = bench.commit(held.commit().record(record(1, "r")).next(Next::Hold(TERM))).unwrap();
    bench.append(&[(&ada, "b")]);
    bench.commit(held.commit_under(fence).through(1).seen(1).next(Next::Gone)).unwrap();
    let held = bench.claim_one();
    assert_eq!((held.entries(), held.claimed.record.clone()), (vec![(2, "b")], None));
    // Nor one whose entries were seen.
    bench.commit(held.commit().seen(2).record(record(1, "r")).next(Next::Gone)).unwrap();
    let held = bench.claim_one();
    assert_eq!((held.entries(), held.claimed.record.clone()), (vec![(2, "b")], None));
}

pub(super) fn a_commit_consumes_what_was_given(bench: &Bench) {
    let ada = lane("ada");
    bench.append(&[(&ada, "a"), (&ada, "b"), (&ada, "c")]);
    let held = bench.claim_at_most(1, 2, 1).remove(0);
    bench.append(&[(&ada, "d")]);
    bench.commit(held.commit().through(1).seen(2)).unwrap();
    let held = bench.claim_one();
    assert_eq!(held.entries(), [(2, "b"), (3, "c"), (4, "d")]);
    // A number that is consumed already, and none.
    let mut fence = held.claimed.fence;
    for through in [1, 0] {
        let commit = held.commit_under(fence).through(through).next(Next::Hold(TERM));
        fence = bench.commit(commit).unwrap();
        assert_eq!(bench.look(&ada).unwrap().summary.entries, 3);
    }
}

pub(super) fn a_number_without_an_entry_is_not_consumed(bench: &Bench) {
    let ada = lane("ada");
    for through in [2, 1000, u64::MAX] {
        bench.append(&[(&ada, "a")]);
        let held = bench.claim_one();
        assert_eq!(held.entries().len(), 1);
        bench.commit(held.commit().through(through).seen(held.entries()[0].0)).unwrap();
        bench.append(&[(&ada, "kept")]);
        let held = bench.claim_one();
        assert_eq!(held.entries()[0].1, "kept");
        bench.commit(held.commit().through(held.entries()[0].0).seen(u64::MAX)).unwrap();
        bench.nothing_is_due();
    }
}

pub(super) fn what_came_meanwhile_makes_the_lane_due(bench: &Bench) {
    for (key, next) in
        [("a", Next::Idle), ("b", Next::After(SECOND * 1000)), ("c", Next::Gone), ("d", Next::Idle)]
    {
        let lane = lane(key);
        bench.append(&[(&lane, "1")]);
        let held = bench.claim_one();
        bench.append(&[(&lane, "2")]);
        bench.wait(SECOND);
        bench.commit(held.commit().through(1).seen(1).next(next)).unwrap();
        let summary = bench.look(&lane).unwrap().summary;
        assert_eq!((summary.due_in.map(|due| due.as_nanos()), summary.held), (Some(0), false));
        let held = bench.claim_one();
        assert_eq!(held.entries(), [(2, "2")]);
        bench.commit(held.commit().through(2).seen(2).next(Next::Gone)).unwrap();
    }
    // It is not kept from its holder, who may go on.
    bench.append(&[(&lane("e"), "1")]);
    let held = bench.claim_one();
    bench.append(&[(&lane("e"), "2")]);
    let fence = bench.commit(held.commit().through(1).seen(1).next(Next::Hold(TERM))).unwrap();
    bench.nothing_is_due();
    bench.commit(held.commit_under(fence).seen(1)).unwrap();
    assert_eq!(bench.claim_one().entries(), [(2, "2")]);
}

pub(super) fn what_was_seen_does_not_make_the_lane_due(bench: &Bench) {
    let ada = lane("ada");
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    bench.commit(held.commit().seen(2).next(Next::After(SECOND))).unwrap();
    bench.nothing_is_due();
    bench.wait(SECOND);
    let held = bench.claim_one();
    bench.append(&[(&ada, "c")]);
    // No entry can help before the pause ends.
    bench.commit(held.commit().seen(u64::MAX).next(Next::After(SECOND))).unwrap();
    bench.nothing_is_due();
    bench.wait(SECOND);
    let held = bench.claim_one();
    bench.commit(held.commit().seen(3)).unwrap();
    bench.nothing_is_due();
    // Nor does what is consumed, whether or not the commit says that it was seen.
    let bob = lane("bob");
    bench.append(&[(&bob, "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().through(1).next(Next::After(SECOND))).unwrap();
    bench.nothing_is_due();
}

pub(super) fn a_repeated_commit_knows_itself(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    let commit = held.commit().through(1).seen(2).record(record(1, "r"));
    let commit = commit.append(entry(&bob, "x")).cell(cell("c"), b"1".to_vec());
    let commit = commit.next(Next::Hold(TERM));
    let fence = bench.commit(commit.clone()).unwrap();
    let before = (bench.look(&ada), bench.look(&bob), bench.read("c"));
    for _ in 0..3 {
        assert_eq!(bench.commit(commit.clone()), Some(fence));
    }
    assert_eq!((bench.look(&ada), bench.look(&bob), bench.read("c")), before);
    // The next one is another.
    assert!(bench.commit(held.commit_under(fence).through(2).seen(2)).is_some());
    assert_eq!(bench.look(&ada).unwrap().summary.entries, 0);
    assert_eq!(bench.commit(commit), None);
}

pub(super) fn a_repeated_commit_that_released_knows_itself(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    bench.append(&[(&ada, "a")]);
    let held = bench.claim_one();
    let commit = held.commit().through(1).seen(1).append(entry(&bob, "x"));
    let fence = bench.commit(commit.clone()).unwrap();
    assert_eq!(bench.commit(commit.clone()), Some(fence));
    bench.append(&[(&ada, "b")]);
    assert_eq!(bench.commit(commit), Some(fence));
    assert_eq!(bench.look(&ada).unwrap().summary.entries, 1);
    assert_eq!(bench.look(&bob).unwrap().summary.entries, 1);
}

pub(super) fn a_commit_before_another_claim_is_lost(bench: &Bench) {
    let (ada, bob) = (lane("ada"), lane("bob"));
    bench.append(&[(&ada, "a"), (&ada, "b")]);
    let held = bench.claim_one();
    let commit = held.commit().through(1).seen(1).append(entry(&bob, "x"));
    bench.commit(commit.clone()).unwrap();
    let next = bench.claim();
    assert_eq!(next.len(), 2);
    assert_eq!(bench.commit(commit.clone()), None);
    // The new holder's name under the old fence is nobody's.
    let mut nobodys = commit;
    nobodys.lease.holder = next[0].holder;
    assert_eq!(bench.commit(nobodys), None);
    assert_eq!(bench.look(&bob).unwrap().summary.entries, 1);
}
