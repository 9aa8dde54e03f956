//! Handlers that outlast their time, on a virtual clock.

use std::time::SystemTime;

use lp_connector_core::api::ConversationRef;
use lp_connector_core::bridge::store::{Kept, MemoryStore, Request};
use lp_connector_core::bridge::{
    BridgeConfig, Called, DeliveryContent, FailureReason, Inbound, Progress, Status, accept,
};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::seed::Seed;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// The store takes no record with this text in it.
const UNSTORABLE: &str = "Coo-ee";

fn is_refused(request: &Request) -> bool {
    let Request::Commit(commits) = request else { return false };
    commits.iter().any(|commit| match &commit.record {
        Kept::New(record) => String::from_utf8_lossy(&record.body).contains(UNSTORABLE),
        Kept::Same => false,
    })
}

/// An engine over a store, and a LivePerson that takes everything. What is delivered is the status of a message.
struct World {
    engine: Engine,
    store: MemoryStore,
    now: Now,
}

impl World {
    /// With a message from each of so many consumers.
    fn new(consumers: usize) -> Self {
        // Nothing but the handlers wakes the loop early.
        let hour = Duration::from_secs(3600);
        let config = BridgeConfig::new().poll(Duration::from_secs(1), hour);
        let worker = Worker::new(config, Seed::from_bytes([7; 16]));
        let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
        let mut membership = Membership::new(Seed::from_bytes([8; 16]), LIMIT);
        membership.leave(now.mono());
        let engine = Engine::new(worker, membership, LIMIT);
        let mut world = Self { engine, store: MemoryStore::default(), now };
        world.accept("91827364", consumers);
        world
    }

    fn accept(&mut self, account: &str, consumers: usize) {
        let account = AccountId::new(account).unwrap();
        for number in 0..consumers {
            let consumer = ExtConsumerId::new(format!("ada{number}")).unwrap();
            let entries = accept(&account, &consumer, Inbound::text("1", "Coo?").unwrap());
            self.store.perform(Request::Append(entries), self.now.mono());
        }
        self.engine.appended();
    }

    /// Runs until a delivery is to be begun, or nothing is to be done before the instant.
    fn run(&mut self) -> Result<Job<Delivery>, Mono> {
        loop {
            match self.engine.poll(self.now) {
                Step::Ask(number, request) if is_refused(&request) => {
                    self.engine.refused(number, self.now);
                }
                Step::Ask(number, request) => {
                    let answer = self.store.perform(request, self.now.mono());
                    self.engine.answered(number, Some(answer), self.now);
                }
                Step::Call(job) => {
                    let to = |consumer: &str| {
                        let consumer = ExtConsumerId::new(consumer).unwrap();
                        ConversationRef::new(consumer, ConversationId::new("5f0c").unwrap())
                    };
                    let called = match job.what.1 {
                        Outgoing::Identify(_) => Called::Identified(None),
                        Outgoing::Open(_) => Called::Opened(to("ada")),
                        Outgoing::Close(_) | Outgoing::Put(_) => Called::Done,
                        _ => Called::Published(Some(0)),
                    };
                    self.engine.called(job.number, Ok(called), self.now);
                }
                Step::Deliver(job) => return Ok(job),
                Step::Typing(_) | Step::Stopped => panic!("nobody types, and nobody stops it"),
                Step::Wait(until) => return Err(until),
            }
        }
    }

    /// The deliveries that are begun within this time.
    fn begun_within(&mut self, time: Duration) -> Vec<Job<Delivery>> {
        let end = self.now.later(time);
        let mut begun = Vec::new();
        loop {
            match self.run() {
                Ok(job) => begun.push(job),
                Err(until) if until > end.mono() => {
                    self.now = end;
                    return begun;
                }
                Err(until) => {
                    let pause = until.since(self.now.mono()).max(Duration::from_millis(1));
                    self.now = self.now.later(pause);
                }
            }
        }
    }
}

#[test]
fn the_loop_wakes_when_a_handler_is_out_of_time() {
    let mut world = World::new(1);
    let [job] = &*world.begun_within(Duration::from_secs(1)) else { panic!("one") };
    while world.now.mono() < job.deadline {
        let Err(until) = world.run() else { panic!("it is under way") };
        assert!(until <= job.deadline, "{until:?}");
        world.now = world.now.later(until.since(world.now.mono()).max(Duration::from_millis(1)));
    }
}

#[test]
fn a_handler_at_work_is_not_joined_by_a_second() {
    let mut world = World::new(1);
    let [job] = &*world.begun_within(Duration::from_secs(1)) else { panic!("one") };
    assert!(world.begun_within(Duration::from_secs(100)).is_empty());
    // In the end it took the message, which is not repeated.
    world.engine.delivered(job.number, Verdict::Taken, world.now);
    assert!(world.begun_within(Duration::from_secs(1000)).is_empty());
    assert_eq!(world.store.entries(), 0);
    assert!(world.engine.late.is_empty());
}

#[test]
fn what_a_late_handler_did_not_take_comes_again() {
    for verdict in [Verdict::Broken, Verdict::Outage(None), Verdict::Refused(String::new())] {
        let mut world = World::new(1);
        let [job] = &*world.begun_within(Duration::from_secs(1)) else { panic!("one") };
        world.begun_within(Duration::from_secs(100));
        world.engine.delivered(job.number, verdict, world.now);
        let again = world.begun_within(Duration::from_secs(1000));
        assert!(again.first().is_some_and(|again| again.what.id == job.what.id));
    }
}

#[test]
fn handlers_that_hang_are_bounded() {
    let mut world = World::new(2 * MAX_AT_WORK);
    let begun = world.begun_within(Duration::from_secs(1000));
    assert_eq!(begun.len(), MAX_AT_WORK);
    for job in begun {
        world.engine.delivered(job.number, Verdict::Taken, world.now);
    }
    // Then the others have their turn.
    let mut others = 0;
    for _ in 0..1000 {
        for job in world.begun_within(Duration::from_secs(1)) {
            others += 1;
            world.engine.delivered(job.number, Verdict::Taken, world.now);
        }
    }
    assert_eq!((others, world.store.entries()), (MAX_AT_WORK, 0));
}

#[test]
fn handlers_that_hang_stop_no_other_account() {
    let mut world = World::new(2 * MAX_AT_WORK);
    assert_eq!(world.begun_within(Duration::from_secs(1000)).len(), MAX_AT_WORK);
    world.accept("le2", 2);
    let begun = world.begun_within(LIMIT / 2);
    let accounts: Vec<_> = begun.iter().map(|job| job.what.account.as_str()).collect();
    assert_eq!(accounts, ["le2", "le2"]);
}

#[test]
fn what_1024_late_handlers_took_is_remembered() {
    for (remembered, comes_again) in [(1023, false), (1024, true)] {
        let mut world = World::new(1);
        let [job] = &*world.begun_within(Duration::from_secs(1)) else { panic!("one") };
        world.begun_within(Duration::from_secs(100));
        world.engine.late = (0..remembered).map(|number| format!("5f0c:5f0c:{number}")).collect();
        world.engine.delivered(job.number, Verdict::Taken, world.now);
        let again = world.begun_within(Duration::from_secs(1000));
        assert_eq!(!again.is_empty(), comes_again, "{remembered}");
    }
}

#[test]
fn a_message_that_the_store_never_takes_fails() {
    let mut world = World::new(0);
    let account = AccountId::new("91827364").unwrap();
    let consumer = ExtConsumerId::new("ada").unwrap();
    let message = Inbound::text("SM9f3", UNSTORABLE).unwrap();
    let entries = accept(&account, &consumer, message);
    world.store.perform(Request::Append(entries), world.now.mono());
    world.engine.appended();
    let [job] = &*world.begun_within(Duration::from_secs(5)) else { panic!("one") };
    let reason = FailureReason::Refused("the store cannot keep it".to_owned());
    let failed = Status::new("SM9f3", Progress::Failed(reason), None);
    assert_eq!(job.what.content, DeliveryContent::Status(failed));
}

fn typing(number: usize) -> Typing {
    Typing {
        id: format!("t:{number}"),
        account: AccountId::new("91827364").unwrap(),
        consumer: ExtConsumerId::new("ada").unwrap(),
        conversation: ConversationId::new("5f0c").unwrap(),
        is_typing: true,
    }
}

#[test]
fn typing_is_passed_on_however_often_it_was_before() {
    let mut world = World::new(0);
    for number in 0..3 * MAX_TYPING {
        world.engine.push_typing(typing(number));
        assert!(matches!(world.engine.poll(world.now), Step::Typing(_)), "{number}");
        world.engine.typing_passed_on();
    }
}

#[test]
fn typing_is_bounded_to_16_under_way_and_16_that_wait() {
    let mut world = World::new(0);
    let push = |world: &mut World| (0..20).for_each(|at| world.engine.push_typing(typing(at)));
    let begun = |world: &mut World| {
        let mut count = 0;
        while let Step::Typing(_) = world.engine.poll(world.now) {
            count += 1;
        }
        count
    };
    let pass_on = |world: &mut World| (0..16).for_each(|_| world.engine.typing_passed_on());
    push(&mut world);
    assert_eq!(begun(&mut world), 16);
    push(&mut world);
    assert_eq!(begun(&mut world), 0);
    pass_on(&mut world);
    assert_eq!(begun(&mut world), 16);
    pass_on(&mut world);
    assert_eq!(begun(&mut world), 0);
}
