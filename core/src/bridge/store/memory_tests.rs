//! What the store promises beyond what its drivers do. All of its cases are in `tests/stores`.

use std::time::Duration;

use super::*;
use crate::id::AccountId;
use crate::time::Mono;

fn lane(key: &str) -> LaneId {
    LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, key)
}

fn append(store: &mut MemoryStore, key: &str, bodies: &[&str]) {
    let entries = bodies.iter().map(|body| Entry { lane: lane(key), body: body.as_bytes().into() });
    store.perform(Request::Append(entries.collect()), Mono::ZERO);
}

/// Claims all lanes that are due, for the holder 7.
fn claim(store: &mut MemoryStore, entries: usize) -> Vec<Claimed> {
    let term = Duration::from_secs(15);
    let claim = Request::Claim { holder: Holder(7), lanes: 9, entries, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim, Mono::ZERO) else { panic!() };
    claimed
}

fn numbers(claimed: &Claimed) -> Vec<u64> {
    claimed.entries.iter().map(|(number, _)| *number).collect()
}

fn list(store: &mut MemoryStore, what: Listed, after: Option<LaneId>) -> Vec<LaneDetails> {
    let list = Request::List { what, after, limit: 9 };
    let Answer::Listed(listed) = store.perform(list, Mono::ZERO) else { panic!() };
    listed
}

#[test]
fn a_fence_of_an_earlier_holder_is_no_repeated_commit() {
    let mut store = MemoryStore::default();
    let mut perform = |request| store.perform(request, Mono::ZERO);
    let lane = lane("ada");
    perform(Request::Append(vec![Entry { lane: lane.clone(), body: Vec::new() }]));
    let mut claim = |holder| {
        let term = Duration::from_secs(15);
        let claim = Request::Claim { holder, lanes: 1, entries: 1, term, speaks: 1 };
        let Answer::Claimed(claimed) = perform(claim) else { panic!() };
        let commit = Commit::new(lane.clone(), claimed[0].fence, holder);
        let commits = Request::Commit(vec![commit.clone()]);
        let Answer::Committed(done) = perform(commits) else { panic!() };
        assert!(done[0].is_some());
        commit
    };
    let (first, second) = (claim(Holder(1)), claim(Holder(2)));
    let claim = Request::Claim {
        holder: Holder(3),
        lanes: 1,
        entries: 1,
        term: Duration::from_secs(15),
        speaks: 1,
    };
    perform(claim);
    for fence in [first.lease.fence, second.lease.fence] {
        let commit = Commit::new(lane.clone(), fence, Holder(3));
        assert_eq!(perform(Request::Commit(vec![commit])), Answer::Committed(vec![None]));
    }
}

#[test]
fn the_entries_of_all_lanes_are_counted() {
    let mut store = MemoryStore::default();
    append(&mut store, "ada", &["a", "b"]);
    append(&mut store, "bob", &["c"]);
    assert_eq!(store.entries(), 3);
}

#[test]
fn a_claim_tells_if_the_lane_has_more() {
    for (asked, given, more) in [(2, vec![1, 2], true), (3, vec![1, 2, 3], false)] {
        let mut store = MemoryStore::default();
        append(&mut store, "ada", &["a", "b", "c"]);
        let claimed = claim(&mut store, asked);
        assert_eq!((numbers(&claimed[0]), claimed[0].more), (given, more));
    }
}

#[test]
fn a_full_claim_has_an_entry_of_each_of_its_lanes() {
    let half = "x".repeat(8 * 1024 * 1024);
    let mut store = MemoryStore::default();
    // An entry without bytes: the claim is full with the record, to the byte.
    append(&mut store, "bob", &["", "b"]);
    let held = claim(&mut store, 9).remove(0);
    let record = Record { version: 1, body: half.as_bytes().into() };
    let commit = Commit::new(held.lane, held.fence, Holder(7)).record(record);
    store.perform(Request::Commit(vec![commit]), Mono::ZERO);
    append(&mut store, "ada", &[half.as_str()]);
    append(&mut store, "eve", &["e"]);
    let claimed = claim(&mut store, 9);
    let given: Vec<_> = claimed.iter().map(|one| (one.lane.key(), numbers(one))).collect();
    assert_eq!(given, [("ada", vec![1]), ("bob", vec![1])]);
}

#[test]
fn a_swap_whose_answer_was_lost_is_known_again() {
    let cell = CellId { account: AccountId::new("91827364").unwrap(), key: "c".into() };
    let mut store = MemoryStore::default();
    let mut swap = |seen: u64, value: &str| {
        let value = value.as_bytes().to_vec();
        let swap = Request::Swap { cell: cell.clone(), seen, value, life: None };
        store.perform(swap, Mono::ZERO)
    };
    assert_eq!(swap(0, "one"), Answer::Swapped(true));
    assert_eq!(swap(0, "one"), Answer::Swapped(true));
    assert_eq!(swap(0, "two"), Answer::Swapped(false));
    // Nobody has seen what is not there yet.
    assert_eq!(swap(9, "one"), Answer::Swapped(false));
}

#[test]
fn a_list_starts_after_the_lane_that_it_names() {
    let mut store = MemoryStore::default();
    for key in ["ada", "bob", "eve"] {
        append(&mut store, key, &["a"]);
    }
    let consumers = Listed::Lanes { account: None, kind: LaneKind::Consumer };
    let rest = list(&mut store, consumers, Some(lane("bob")));
    let keys: Vec<_> = rest.iter().map(|one| one.summary.lane.key()).collect();
    assert_eq!(keys, ["eve"]);
}

#[test]
fn a_listed_entry_keeps_its_number() {
    let mut store = MemoryStore::default();
    append(&mut store, "ada", &["a", "b", "four"]);
    let held = claim(&mut store, 9).remove(0);
    let commit = Commit::new(held.lane, held.fence, Holder(7)).through(2);
    store.perform(Request::Commit(vec![commit]), Mono::ZERO);
    let listed = list(&mut store, Listed::Lane(lane("ada")), None);
    assert_eq!(listed[0].entries, [(3, 4)]);
}
