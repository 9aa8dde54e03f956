use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use crate::bridge::store::{Answer, Entry, LaneId, LaneKind, MemoryStore, Request, SEALED};
use crate::bridge::world::{Fate, World};
use crate::bridge::{BridgeConfig, Worker, WorkerStep};
use crate::id::AccountId;
use crate::seed::Seed;
use crate::time::{Mono, Now};

#[test]
fn a_message_opens_a_conversation_and_is_sent() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "m1");
    world.accept("ada", "m2", "m2");
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["m1", "m2"]);
    world.check().unwrap();
}

#[test]
fn the_last_result_and_the_release_share_a_commit() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m0", "m0");
    world.settle();
    let commits = |world: &World| world.instances[0].worker.counters().committed;
    let before = commits(&world);
    world.accept("ada", "m1", "m1");
    world.run();
    assert_eq!(commits(&world) - before, 2, "one of the message's lane, one of its status");
    world.post_all();
    world.run();
    let (before, delivered) = (commits(&world), world.channel.delivered.len());
    world.cloud.agent_says("c1", "a1");
    world.post_all();
    world.run();
    assert_eq!(world.channel.delivered.len(), delivered + 1);
    assert_eq!(
        commits(&world) - before,
        2,
        "one of the conversation, one of the consumer's receipt"
    );
}

#[test]
fn news_during_a_claim_lead_to_another() {
    let hour = Duration::from_secs(3600);
    let config = BridgeConfig::new().poll(hour, hour);
    let mut worker = Worker::new(config, Seed::from_bytes([7; 16]));
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let claim = |worker: &mut Worker| match worker.poll(now) {
        WorkerStep::Ask(number, Request::Claim { .. }) => Some(number),
        _ => None,
    };
    let first = claim(&mut worker).unwrap();
    // The store has answered, and the answer is under way.
    worker.appended();
    worker.handle(first, Some(Answer::Claimed(Vec::new())), now);
    let second = claim(&mut worker).unwrap();
    worker.handle(second, Some(Answer::Claimed(Vec::new())), now);
    assert_eq!(claim(&mut worker), None);
}

#[test]
fn a_lane_with_something_sealed_is_left_alone() {
    let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([7; 16]));
    let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut store = MemoryStore::default();
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::new(account, LaneKind::Consumer, "ada");
    let body = [SEALED, b"..."].concat();
    store.perform(Request::Append(vec![Entry { lane: lane.clone(), body }]), now.mono());
    let before = store.entries();
    for _ in 0..1000 {
        match worker.poll(now) {
            WorkerStep::Ask(number, request) => {
                let answer = store.perform(request, now.mono());
                worker.handle(number, Some(answer), now);
            }
            WorkerStep::Wait(until) => now = now.later(until.since(now.mono())),
            other => panic!("{other:?}"),
        }
    }
    assert!(worker.counters().unreadable > 1);
    assert_eq!((worker.counters().committed, store.entries(), worker.lanes()), (0, before, 0));
}

/// How long after an append by another program the lane is claimed, if the store takes `trip` for a request and its answer. The
/// worker has worked on `before` lanes, and has been idle for a while.
fn found_after(idle: Duration, trip: Duration, before: usize) -> Duration {
    let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([7; 16]));
    let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut store = MemoryStore::default();
    let account = AccountId::new("91827364").unwrap();
    let append = |store: &mut MemoryStore, key: &str, at: Mono| {
        let lane = LaneId::new(account.clone(), LaneKind::Consumer, key);
        store.perform(Request::Append(vec![Entry { lane, body: b"{}".to_vec() }]), at);
    };
    for number in 0..before {
        append(&mut store, &format!("c{number}"), now.mono());
    }
    // While it works on the others, it looks for no more.
    let busy = trip * (before as u32 + 1) * 2;
    let appended_at = now.mono() + busy + idle;
    let mut is_appended = false;
    loop {
        let step = worker.poll(now);
        let next = match &step {
            WorkerStep::Ask(..) => now.mono() + trip / 2,
            WorkerStep::Wait(until) => *until,
            other => panic!("{other:?}"),
        };
        if !is_appended && next > appended_at {
            append(&mut store, "late", appended_at);
            is_appended = true;
        }
        now = now.later(next.since(now.mono()));
        if let WorkerStep::Ask(number, request) = step {
            let answer = store.perform(request, now.mono());
            let has_it = |answer: &Answer| matches!(answer, Answer::Claimed(all) if all.iter().any(|one| one.lane.key() == "late"));
            if has_it(&answer) {
                return now.mono().since(appended_at);
            }
            now = now.later(trip / 2);
            worker.handle(number, Some(answer), now);
        }
    }
}

#[test]
fn an_append_is_found_after_long_idleness() {
    let (trip, hours) = (Duration::from_millis(4), Duration::from_secs(3 * 3600));
    let late = found_after(hours + Duration::from_millis(17), trip, 3);
    assert!(late <= Duration::from_millis(250) + trip, "{late:?}");
}

/// A script of choices decides in which order everything ends. When nothing is under way, the only worker must wake
/// no later than the first lane is due: it looks for others' appends but once an hour.
fn wakes_in_time(script: &[u16]) -> Result<(), String> {
    let hour = Duration::from_secs(3600);
    let mut world = World::new(1, BridgeConfig::new().poll(hour, hour));
    for (count, choice) in script.iter().enumerate() {
        let (action, detail) = (choice % 8, usize::from(choice / 8));
        match action {
            0 => {
                let consumer = ["ada", "bob"][detail % 2];
                world.accept(consumer, &format!("m{count}"), &format!("m{count}"));
                world.instances[0].worker.appended();
            }
            1 => {
                let open = world.open_conversations();
                if let Some(conversation) = open.get(detail % open.len().max(1)) {
                    world.cloud.agent_says(conversation, &format!("a{count}"));
                }
            }
            2 => {
                world.post_all();
                world.instances[0].worker.appended();
            }
            3 => world.channel.is_out = detail % 4 == 0,
            // What is under way ends in time: later than that, a lane is found by looking.
            4 if world.instances[0].under_way.is_empty() => {
                world.advance(Duration::from_millis(10 << (detail % 12)));
            }
            _ => {
                let under_way = world.instances[0].under_way.len();
                world.finish(0, detail % under_way.max(1), Fate::Done);
            }
        }
        let wake = world.poll(0).unwrap_or(Mono::NEVER);
        let due = world.store.next_due().unwrap_or(Mono::NEVER);
        if world.instances[0].under_way.is_empty() && wake > due {
            return Err(format!("due at {due:?}, and the worker sleeps until {wake:?}"));
        }
    }
    Ok(())
}

/// A script of choices decides what happens next.
fn run(script: &[u16], instances: usize) -> Result<(), String> {
    let mut world = World::new(instances, BridgeConfig::new());
    let mut count = 0;
    for choice in script {
        let (action, detail) = (choice % 16, usize::from(choice / 16));
        let at = detail % instances;
        let rest = detail / instances;
        let fate = match rest % 7 {
            0 => Fate::AnswerLost,
            1 => Fate::RequestLost,
            2 => Fate::Late,
            _ => Fate::Done,
        };
        match action {
            0 | 1 => {
                count += 1;
                let consumer = ["ada", "bob"][detail % 2];
                world.accept(consumer, &format!("m{count}"), &format!("m{count}"));
            }
            2 => {
                let open = world.open_conversations();
                if let Some(conversation) = open.get(detail % open.len().max(1)) {
                    count += 1;
                    world.cloud.agent_says(conversation, &format!("a{count}"));
                }
            }
            3 if detail % 4 == 0 => {
                let open = world.open_conversations();
                if let Some(conversation) = open.get(rest % open.len().max(1)) {
                    world.cloud.close(conversation);
                }
            }
            4 if detail % 2 == 0 => world.crash(at),
            4 | 3 => world.arrive(detail % world.orphans().max(1)),
            5 => world.advance(Duration::from_millis(10 << (detail % 12))),
            6 => world.post(0, fate),
            7 if detail % 3 > 0 => world.post(rest / 7 % 3, fate),
            7 => world.repeat(["ada", "bob"][rest % 2], rest / 2),
            8..=10 => {
                world.poll(at);
            }
            _ => {
                let under_way = world.instances[at].under_way.len();
                world.finish(at, rest / 7 % under_way.max(1), fate);
                world.poll(at);
            }
        }
    }
    world.settle();
    world.check()
}

proptest! {
    #[test]
    fn an_append_of_another_program_is_found_within_250_ms(
        idle in 0..90_000_u64, trip in 2..400_u64, before in 0..4_usize,
    ) {
        let trip = Duration::from_millis(trip);
        let late = found_after(Duration::from_millis(idle), trip, before);
        prop_assert!(late <= Duration::from_millis(250) + trip, "{late:?} with a trip of {trip:?}");
    }

    #[test]
    fn a_due_lane_is_not_slept_through(script in prop::collection::vec(any::<u16>(), 0..200)) {
        prop_assert_eq!(wakes_in_time(&script), Ok(()));
    }

    #[test]
    fn one_worker_loses_and_doubles_nothing(script in prop::collection::vec(any::<u16>(), 0..150)) {
        prop_assert_eq!(run(&script, 1), Ok(()));
    }

    #[test]
    fn two_workers_lose_and_double_nothing(script in prop::collection::vec(any::<u16>(), 0..150)) {
        prop_assert_eq!(run(&script, 2), Ok(()));
    }
}

#[test]
fn a_program_that_stops_gives_back_a_late_claim() {
    let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([7; 16]));
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut store = MemoryStore::default();
    let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
    store.perform(Request::Append(vec![Entry { lane, body: b"{}".to_vec() }]), now.mono());
    let WorkerStep::Ask(number, claim) = worker.poll(now) else { panic!() };
    worker.stop();
    assert!(matches!(worker.poll(now), WorkerStep::Wait(_)));
    let claimed = store.perform(claim, now.mono());
    worker.handle(number, Some(claimed), now);
    let WorkerStep::Ask(number, release) = worker.poll(now) else { panic!() };
    let released = store.perform(release, now.mono());
    worker.handle(number, Some(released), now);
    assert!(matches!(worker.poll(now), WorkerStep::Stopped));
    assert_eq!(store.next_due(), Some(now.mono()), "whoever comes has it at once");
}
