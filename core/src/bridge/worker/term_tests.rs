//! How long a lane is held, with a store that takes its time.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::*;
use crate::api::ConversationRef;
use crate::bridge::store::MemoryStore;
use crate::bridge::{Called, Inbound, accept};
use crate::id::ConversationId;

/// What LivePerson makes of a request: everything is as it should be.
fn called(outgoing: &Outgoing) -> Called {
    match outgoing {
        Outgoing::Identify(_) => Called::Identified(None),
        Outgoing::Open(_) => {
            let consumer = ExtConsumerId::new("ada").unwrap();
            let conversation = ConversationId::new("5f0c").unwrap();
            Called::Opened(ConversationRef::new(consumer, conversation))
        }
        _ => Called::Published(Some(0)),
    }
}

/// Claims, commits and extensions alike: the store's term begins when it performs the request, and that is later.
#[test]
fn a_term_counts_from_before_its_request() {
    let (term, trip) = (Duration::from_secs(60), Duration::from_secs(2));
    // One call at a time, each so long that the other lane needs another term before its own.
    let (config, call) = (BridgeConfig::new().term(term).max_effects(1), Duration::from_secs(50));
    let mut worker = Worker::new(config, Seed::from_bytes([7; 16]));
    let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut store = MemoryStore::default();
    let account = AccountId::new("91827364").unwrap();
    for consumer in ["ada", "bob"] {
        let consumer = ExtConsumerId::new(consumer).unwrap();
        let entries = accept(&account, &consumer, Inbound::text("1", "Coo?").unwrap());
        store.perform(Request::Append(entries), now.mono());
    }
    let ends = |worker: &Worker| -> BTreeMap<LaneId, Mono> {
        worker.lanes.iter().map(|(id, held)| (id.clone(), held.held_until)).collect()
    };
    let (mut under_way, mut renewed_by) = (None, BTreeSet::new());
    for _ in 0..100 {
        match worker.poll(now) {
            WorkerStep::Ask(number, request) => {
                let (asked_at, verb, before) = (now.mono(), request.verb(), ends(&worker));
                let answer = store.perform(request, asked_at);
                now = now.later(trip);
                worker.handle(number, Some(answer), now);
                for (id, end) in ends(&worker) {
                    if before.get(&id) != Some(&end) {
                        assert_eq!(end, asked_at + term, "{verb}");
                        renewed_by.insert(verb);
                    }
                }
            }
            WorkerStep::Call(number, _, outgoing) => {
                under_way = Some((now.mono() + call, number, called(&outgoing)));
            }
            WorkerStep::Deliver(number, _) => worker.delivered(number, &Verdict::Taken, now),
            WorkerStep::Wait(until) => match under_way.take_if(|(end, ..)| *end <= until) {
                Some((end, number, called)) => {
                    now = now.later(end.since(now.mono()));
                    worker.called(number, Ok(called), now);
                }
                None => now = now.later(until.since(now.mono())),
            },
            WorkerStep::Stopped => panic!("nobody stops it"),
        }
    }
    assert_eq!(renewed_by, BTreeSet::from(["claim", "commit", "extend"]));
    assert_eq!(worker.counters().lost, 0);
}
