//! The single steps of a worker: what it asks for and begins, how much at a time, and when again.

use std::time::SystemTime;

use super::*;
use crate::bridge::store::{Claimed, Entry, MemoryStore};

const START: Now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);

fn worker(config: BridgeConfig) -> Worker {
    Worker::new(config, Seed::from_bytes([7; 16]))
}

fn lane(kind: LaneKind, key: &str) -> LaneId {
    LaneId::new(AccountId::new("91827364").unwrap(), kind, key)
}

fn append(store: &mut MemoryStore, lane: LaneId, body: &[u8]) {
    store.perform(Request::Append(vec![Entry { lane, body: body.to_vec() }]), Mono::ZERO);
}

/// A store in which something is to be reported to the channel of each of these consumers.
fn statuses_of(consumers: &[&str]) -> MemoryStore {
    let mut store = MemoryStore::default();
    let sent = br#"{"status":{"message":"m1","progress":"sent"},"at":1700000000000}"#;
    for consumer in consumers {
        append(&mut store, lane(LaneKind::Status, consumer), sent);
    }
    store
}

/// The worker asks for lanes at one time, and hears of them at another.
fn claim(worker: &mut Worker, store: &mut MemoryStore, asked: Now, answered: Now) {
    let WorkerStep::Ask(number, request) = worker.poll(asked) else { panic!("it asks nothing") };
    let answer = store.perform(request, asked.mono());
    assert!(matches!(answer, Answer::Claimed(_)), "{answer:?}");
    worker.handle(number, Some(answer), answered);
}

/// Runs the worker until it waits. What it hands the channel is under way: the numbers, and the consumers.
fn deliveries(worker: &mut Worker, store: &mut MemoryStore, now: Now) -> Vec<(u64, String)> {
    let mut begun = Vec::new();
    loop {
        match worker.poll(now) {
            WorkerStep::Ask(number, request) => {
                let answer = store.perform(request, now.mono());
                worker.handle(number, Some(answer), now);
            }
            WorkerStep::Deliver(number, delivery) => {
                begun.push((number, delivery.consumer.to_string()));
            }
            WorkerStep::Wait(_) => return begun,
            other => panic!("{other:?}"),
        }
    }
}

/// Until when the worker waits.
fn waits(worker: &mut Worker, now: Now) -> Mono {
    let WorkerStep::Wait(until) = worker.poll(now) else { panic!("it does not wait") };
    until
}

#[test]
fn an_effect_begins_if_11_s_of_the_term_are_left() {
    for (late, begins) in [(4_000_000_000, true), (4_000_000_001, false)] {
        let (mut worker, mut store) = (worker(BridgeConfig::new()), statuses_of(&["ada"]));
        let now = START.later(Duration::from_nanos(late));
        claim(&mut worker, &mut store, START, now);
        match worker.poll(now) {
            WorkerStep::Deliver(..) => assert!(begins, "{late}"),
            WorkerStep::Ask(_, Request::Extend { .. }) => assert!(!begins, "{late}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_extension_without_its_answer_is_asked_again() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), statuses_of(&["ada"]));
    let now = START.later(Duration::from_secs(5));
    claim(&mut worker, &mut store, START, now);
    let WorkerStep::Ask(number, Request::Extend { .. }) = worker.poll(now) else { panic!() };
    // The store answers, and not about this lane.
    worker.handle(number, Some(Answer::Extended(Vec::new())), now);
    let step = worker.poll(now.later(Duration::from_millis(250)));
    assert!(matches!(step, WorkerStep::Ask(_, Request::Extend { .. })), "{step:?}");
}

#[test]
fn a_commit_without_its_answer_is_asked_again() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), MemoryStore::default());
    // An entry that cannot be read is not delivered.
    append(&mut store, lane(LaneKind::Status, "ada"), b"{}");
    claim(&mut worker, &mut store, START, START);
    let WorkerStep::Ask(number, Request::Commit(_)) = worker.poll(START) else { panic!() };
    worker.handle(number, Some(Answer::Committed(Vec::new())), START);
    let step = worker.poll(START.later(Duration::from_millis(250)));
    assert!(matches!(step, WorkerStep::Ask(_, Request::Commit(_))), "{step:?}");
}

#[test]
fn a_request_has_64_commits_at_most() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), MemoryStore::default());
    for number in 0..70 {
        append(&mut store, lane(LaneKind::Status, &format!("c{number}")), b"{}");
    }
    claim(&mut worker, &mut store, START, START);
    let mut sizes = Vec::new();
    while let WorkerStep::Ask(_, Request::Commit(commits)) = worker.poll(START) {
        sizes.push(commits.len());
    }
    assert_eq!(sizes, [64, 6]);
}

#[test]
fn nothing_is_claimed_while_64_mib_are_held() {
    for (bytes, claims) in [((64 << 20) - 1, true), (64 << 20, false)] {
        let mut worker = worker(BridgeConfig::new());
        let WorkerStep::Ask(number, Request::Claim { .. }) = worker.poll(START) else { panic!() };
        let claimed = Claimed {
            lane: lane(LaneKind::Status, "ada"),
            fence: Fence(1),
            taken_over: false,
            elapsed: Duration::ZERO,
            record: None,
            entries: vec![(1, vec![0; bytes])],
            more: false,
        };
        worker.handle(number, Some(Answer::Claimed(vec![claimed])), START);
        assert!(matches!(worker.poll(START), WorkerStep::Ask(_, Request::Commit(_))));
        let is_claim = matches!(worker.poll(START), WorkerStep::Ask(_, Request::Claim { .. }));
        assert_eq!(is_claim, claims, "{bytes}");
    }
}

#[test]
fn the_lanes_of_each_kind_are_counted() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), statuses_of(&["ada"]));
    for consumer in ["ada", "bob"] {
        append(&mut store, lane(LaneKind::Consumer, consumer), b"{}");
    }
    claim(&mut worker, &mut store, START, START);
    let counts: Vec<_> = LaneKind::ALL.iter().map(|kind| worker.lanes_of(*kind)).collect();
    assert_eq!((counts, worker.lanes()), (vec![2, 0, 1, 0], 3));
}

#[test]
fn a_lane_that_waited_past_its_term_begins_once() {
    let config = BridgeConfig::new().max_effects(1);
    let (mut worker, mut store) = (worker(config), statuses_of(&["ada", "bob"]));
    let hung = deliveries(&mut worker, &mut store, START);
    assert_eq!(hung.iter().map(|(_, consumer)| consumer).collect::<Vec<_>>(), ["ada"]);
    // Both are claimed anew before the delivery ends that the other one waits for.
    let now = START.later(Duration::from_secs(15));
    claim(&mut worker, &mut store, now, now);
    worker.delivered(hung[0].0, &Verdict::Taken, now);
    let mut reported = Vec::new();
    for _ in 0..4 {
        for (number, consumer) in deliveries(&mut worker, &mut store, now) {
            worker.delivered(number, &Verdict::Taken, now);
            reported.push(consumer);
        }
    }
    assert_eq!((reported, worker.lanes()), (vec!["bob".to_owned(), "ada".to_owned()], 0));
}

#[test]
fn it_wakes_for_a_claim_only_if_it_may_ask_for_one() {
    let term = START.mono() + Duration::from_secs(15);
    let mut claiming = worker(BridgeConfig::new());
    assert!(matches!(claiming.poll(START), WorkerStep::Ask(_, Request::Claim { .. })));
    assert_eq!(waits(&mut claiming, START), Mono::NEVER);

    let (mut full, mut store) = (worker(BridgeConfig::new().max_lanes(1)), statuses_of(&["ada"]));
    claim(&mut full, &mut store, START, START);
    assert!(matches!(full.poll(START), WorkerStep::Deliver(..)));
    assert_eq!(waits(&mut full, START), term);

    let (mut stopping, mut store) = (worker(BridgeConfig::new()), statuses_of(&["ada"]));
    claim(&mut stopping, &mut store, START, START);
    assert!(matches!(stopping.poll(START), WorkerStep::Deliver(..)));
    stopping.stop();
    assert_eq!(waits(&mut stopping, START), term);
}

#[test]
fn a_commit_that_is_asked_again_is_waited_for() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), MemoryStore::default());
    append(&mut store, lane(LaneKind::Status, "ada"), b"{}");
    claim(&mut worker, &mut store, START, START);
    let WorkerStep::Ask(number, Request::Commit(_)) = worker.poll(START) else { panic!() };
    worker.handle(number, None, START);
    assert!(matches!(worker.poll(START), WorkerStep::Ask(_, Request::Claim { .. })));
    let again = START.later(Duration::from_millis(250));
    assert_eq!(waits(&mut worker, START), again.mono());
    assert!(matches!(worker.poll(again), WorkerStep::Ask(_, Request::Commit(_))));
    assert_eq!(waits(&mut worker, again), START.mono() + Duration::from_secs(15));
}

#[test]
fn a_late_answer_does_not_end_a_later_lease() {
    let (mut worker, mut store) = (worker(BridgeConfig::new()), MemoryStore::default());
    append(&mut store, lane(LaneKind::Status, "ada"), b"{}");
    claim(&mut worker, &mut store, START, START);
    let WorkerStep::Ask(late, Request::Commit(_)) = worker.poll(START) else { panic!() };
    // It comes too late, and so does its answer: the lane has been claimed anew.
    let now = START.later(Duration::from_secs(15));
    claim(&mut worker, &mut store, now, now);
    worker.handle(late, Some(Answer::Committed(vec![None])), now);
    let counters = worker.counters();
    assert_eq!((counters.claimed, counters.taken_over, counters.lost), (2, 1, 1));
    assert_eq!(worker.lanes(), 1);
    assert!(matches!(worker.poll(now), WorkerStep::Ask(_, Request::Commit(_))));
}
