use std::time::SystemTime;

use super::*;
use crate::api::ConversationRef;
use crate::bridge::store::{MemoryStore, Request};
use crate::bridge::{BridgeConfig, Called, Inbound, Outgoing, Verdict, WorkerStep, accept};
use crate::id::{ConversationId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::Mono;

/// A worker between two accounts. LivePerson does not answer the first one.
struct World {
    worker: Worker,
    store: MemoryStore,
    now: Now,
    /// The requests under way of each.
    hanging: usize,
    most: [usize; 2],
    sent: usize,
    /// Requests that are answered when there is nothing else to do.
    under_way: Vec<(u64, Outgoing)>,
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

impl World {
    fn new(config: BridgeConfig) -> Self {
        let worker = Worker::new(config, Seed::from_bytes([7; 16]));
        let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
        let store = MemoryStore::default();
        Self { worker, store, now, hanging: 0, most: [0; 2], sent: 0, under_way: Vec::new() }
    }

    fn accept(&mut self, name: &str, consumers: usize) {
        for number in 0..consumers {
            let consumer = ExtConsumerId::new(format!("c{number}")).unwrap();
            let entries = accept(&account(name), &consumer, Inbound::text("1", "Coo?").unwrap());
            self.store.perform(Request::Append(entries), self.now.mono());
        }
        self.worker.appended();
    }

    fn run_until_begun(&mut self) {
        loop {
            match self.worker.poll(self.now) {
                WorkerStep::Ask(number, request) => {
                    let answer = self.store.perform(request, self.now.mono());
                    self.worker.handle(number, Some(answer), self.now);
                }
                WorkerStep::Call(number, _, outgoing) => self.under_way.push((number, outgoing)),
                WorkerStep::Wait(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(self.under_way.len() == 1 && self.worker.lanes() > 1);
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now.later(time).mono();
        while self.now.mono() < end {
            match self.worker.poll(self.now) {
                WorkerStep::Ask(number, request) => {
                    let answer = self.store.perform(request, self.now.mono());
                    self.worker.handle(number, Some(answer), self.now);
                }
                WorkerStep::Call(_, account, _) if account.as_str() == "hangs" => {
                    self.hanging += 1;
                    self.most[0] = self.most[0].max(self.hanging);
                }
                WorkerStep::Call(number, _, outgoing) => self.under_way.push((number, outgoing)),
                WorkerStep::Wait(_) if !self.under_way.is_empty() => {
                    self.most[1] = self.most[1].max(self.under_way.len());
                    let (number, outgoing) = self.under_way.remove(0);
                    let to = |consumer: &str| {
                        let consumer = ExtConsumerId::new(consumer).unwrap();
                        ConversationRef::new(consumer, ConversationId::new("5f0c").unwrap())
                    };
                    let called = match outgoing {
                        Outgoing::Identify(_) => Called::Identified(None),
                        Outgoing::Open(_) => Called::Opened(to("c0")),
                        _ => {
                            self.sent += 1;
                            Called::Published(Some(0))
                        }
                    };
                    self.worker.called(number, Ok(called), self.now);
                }
                WorkerStep::Deliver(number, _) => {
                    self.worker.delivered(number, &Verdict::Taken, self.now);
                }
                WorkerStep::Wait(until) => {
                    let pause = until.since(self.now.mono()).max(Duration::from_millis(1));
                    self.now = self.now.later(pause.min(end.since(self.now.mono())));
                }
                WorkerStep::Stopped => return,
            }
        }
    }
}

fn config() -> BridgeConfig {
    let config = BridgeConfig::new().max_effects(8).max_lanes(32);
    config.attempt_timeout(Duration::from_secs(60))
}

#[test]
fn an_account_that_hangs_leaves_room_to_the_others() {
    // Fewer lanes than it may hold, and far more.
    for consumers in [6, 12, 300] {
        let mut world = World::new(config().or_equal_shares(2));
        world.accept("hangs", consumers);
        world.run_for(Duration::from_secs(1));
        world.accept("works", 20);
        world.run_for(Duration::from_secs(10));
        assert_eq!((world.most, world.sent), ([4, 4], 20), "{consumers}");
    }
}

#[test]
fn one_account_has_all_places() {
    for config in [config(), config().or_equal_shares(1), config().or_equal_shares(0)] {
        let mut world = World::new(config);
        world.accept("hangs", 20);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.most[0], 8);
    }
    let mut world = World::new(config().max_effects_of_account(2).or_equal_shares(2));
    world.accept("hangs", 20);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.most[0], 2);
}

#[test]
fn lanes_that_wait_go_on_and_are_released() {
    let mut world = World::new(BridgeConfig::new().max_effects(1));
    world.accept("works", 50);
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.most, world.sent), ([0, 1], 50));
    // More come, and one of them begins.
    world.accept("others", 20);
    world.run_until_begun();
    world.worker.stop();
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.worker.lanes(), 0);
}

#[test]
fn as_many_lanes_as_its_share_wait_in_the_program() {
    // Half of four places, and of eight lanes. Those beyond it are put off, and no others.
    for consumers in [4, 5, 7] {
        let mut world = World::new(config().max_effects(4).max_lanes(8).or_equal_shares(2));
        world.accept("hangs", consumers);
        world.accept("works", 1);
        world.run_for(Duration::from_millis(500));
        let found = (world.hanging, world.sent, world.worker.lanes());
        assert_eq!(found, (2, 1, 4), "{consumers}");
    }
}
