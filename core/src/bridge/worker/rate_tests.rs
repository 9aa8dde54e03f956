use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::api::ConversationRef;
use crate::bridge::store::{MemoryStore, Request};
use crate::bridge::{
    BridgeConfig, Called, Inbound, Membership, MembershipStep, Outgoing, Verdict, WorkerStep,
    accept,
};
use crate::id::{ConversationId, ExtConsumerId};
use crate::seed::Seed;

const SECOND: Duration = Duration::from_secs(1);

struct Program {
    worker: Worker,
    membership: Membership,
    is_frozen: bool,
}

/// Programs on one store, and a LivePerson that takes everything at once.
struct World {
    store: MemoryStore,
    now: Now,
    programs: Vec<Program>,
    started: u8,
    config: BridgeConfig,
    /// When each request began.
    begun: Vec<Mono>,
    sent: usize,
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

impl World {
    fn new(rate: u32) -> Self {
        Self {
            store: MemoryStore::default(),
            now: Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH),
            programs: Vec::new(),
            started: 0,
            config: BridgeConfig::new().rate(rate),
            begun: Vec::new(),
            sent: 0,
        }
    }

    fn start(&mut self) {
        self.started += 1;
        let seed = Seed::from_bytes([self.started; 16]);
        let worker = Worker::new(self.config.clone(), seed);
        let membership = Membership::new(seed, SECOND * 2);
        self.programs.push(Program { worker, membership, is_frozen: false });
    }

    fn accept(&mut self, consumers: std::ops::Range<usize>) {
        for number in consumers {
            let consumer = ExtConsumerId::new(format!("c{number}")).unwrap();
            let entries = accept(&account(), &consumer, Inbound::text("1", "Coo?").unwrap());
            self.store.perform(Request::Append(entries), self.now.mono());
        }
    }

    /// Everything that one program can do now.
    fn run(&mut self, at: usize) {
        let Program { worker, membership, is_frozen } = &mut self.programs[at];
        if *is_frozen {
            return;
        }
        let now = self.now;
        while let MembershipStep::Ask(number, request) = membership.poll(0, now.mono()) {
            let answer = self.store.perform(request, now.mono());
            membership.handle(number, Some(answer), now.mono());
        }
        worker.set_share(membership.share(now.mono()), now);
        loop {
            match worker.poll(now) {
                WorkerStep::Ask(number, request) => {
                    let answer = self.store.perform(request, now.mono());
                    worker.handle(number, Some(answer), now);
                }
                WorkerStep::Call(number, _, outgoing) => {
                    self.begun.push(now.mono());
                    let to = |consumer: &str| {
                        let consumer = ExtConsumerId::new(consumer).unwrap();
                        ConversationRef::new(consumer, ConversationId::new("5f0c").unwrap())
                    };
                    let called = match outgoing {
                        Outgoing::Identify(_) => Called::Identified(None),
                        Outgoing::Open(_) => Called::Opened(to("c0")),
                        Outgoing::Close(_) | Outgoing::Put(_) => Called::Done,
                        _ => {
                            self.sent += 1;
                            Called::Published(Some(0))
                        }
                    };
                    worker.called(number, Ok(called), now);
                }
                WorkerStep::Deliver(number, _) => worker.delivered(number, &Verdict::Taken, now),
                WorkerStep::Wait(_) | WorkerStep::Stopped => return,
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now.later(time).mono();
        while self.now.mono() < end {
            (0..self.programs.len()).for_each(|at| self.run(at));
            self.now = self.now.later(Duration::from_millis(20));
        }
    }

    /// No stretch of time has more requests than the rate allows, a second's worth, and one of each program that ever was.
    fn check(&self, rate: u32) -> Result<(), String> {
        let more = rate as usize + usize::from(self.started);
        for (first, from) in self.begun.iter().enumerate() {
            for (last, to) in self.begun.iter().enumerate().skip(first) {
                let allowed = to.since(*from).as_secs_f64() * f64::from(rate);
                let count = last - first + 1;
                if count as f64 > allowed + more as f64 + 1e-6 {
                    return Err(format!("{count} requests in {:?}", to.since(*from)));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn a_backlog_is_sent_at_the_rate() {
    let mut world = World::new(20);
    world.start();
    world.accept(0..300);
    world.run_for(SECOND * 46);
    // Three requests for each: who it is, a conversation, the message.
    assert_eq!(world.sent, 300, "{} requests", world.begun.len());
    assert_eq!(world.begun.len(), 900);
    world.check(20).unwrap();
    let counters = world.programs[0].worker.counters();
    assert_eq!((counters.lost, counters.taken_over), (0, 0), "no lane waits beyond its term");
    assert!(counters.committed < 3000, "{} commits for 900 requests", counters.committed);
}

#[test]
fn several_programs_send_no_more_than_one() {
    let mut world = World::new(20);
    for _ in 0..4 {
        world.start();
    }
    world.accept(0..300);
    world.run_for(SECOND * 60);
    assert_eq!(world.sent, 300, "{} requests", world.begun.len());
    world.check(20).unwrap();
    let lost: u64 = world.programs.iter().map(|one| one.worker.counters().lost).sum();
    assert_eq!(lost, 0);
}

#[test]
fn a_low_rate_is_kept_too() {
    // Of eight, each may send once in eight seconds.
    for programs in [4, 8] {
        let mut world = World::new(1);
        for _ in 0..programs {
            world.start();
        }
        world.accept(0..20);
        world.run_for(SECOND * 60);
        world.check(1).unwrap();
        let begun = world.begun.len();
        assert!(begun >= 30, "{begun} requests of {programs} programs in 60 s");
    }
}

#[test]
fn without_a_rate_nothing_waits() {
    let mut world = World::new(1);
    world.config = BridgeConfig::new();
    world.start();
    world.accept(0..200);
    world.run_for(SECOND);
    assert_eq!(world.sent, 200);
}

#[test]
fn a_program_that_stops_gives_back_what_waits() {
    let mut world = World::new(1);
    world.start();
    world.accept(0..20);
    // Half a second before the next request.
    world.run_for(SECOND * 7 / 2);
    world.programs[0].worker.stop();
    world.run(0);
    assert_eq!(world.programs[0].worker.lanes(), 0);
    let now = world.now;
    assert!(matches!(world.programs[0].worker.poll(now), WorkerStep::Stopped));
}

#[test]
fn whoever_has_just_sent_is_not_forgotten() {
    let mut rate = Rate::new(1);
    let (now, account) = (Mono::ZERO, |n: usize| AccountId::new(format!("le{n}")).unwrap());
    rate.spend(&account(0), now);
    for n in 1..2 * MAX_ACCOUNTS {
        rate.credits.account(&account(n), now);
        assert!(rate.credits.accounts.len() <= MAX_ACCOUNTS);
    }
    assert_eq!(rate.credits.next(&account(0), 0, now), now + SECOND);
    assert_eq!(rate.credits.next(&account(1), 0, now), now);
}

#[test]
fn lanes_are_released_one_after_the_other_for_a_minute_at_most() {
    for per_second in [1, 4] {
        let (mut rate, now) = (Rate::new(per_second), Mono::ZERO + SECOND * 1000);
        let pauses: Vec<_> = (0..300).map(|_| rate.pause(&account(), now)).collect();
        let turn = |n: u32| (SECOND + SECOND * n / per_second).min(SECOND * 60);
        assert_eq!(pauses, (0..300).map(turn).collect::<Vec<_>>());
    }
}

#[test]
fn programs_that_let_others_go_first_look_at_different_times() {
    let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([7; 16]));
    for (due, second) in [(12_000, 13), (12_400, 13), (12_999, 13), (13_000, 14)] {
        let due = Mono::from_origin(Duration::from_millis(due));
        let mut millis = std::collections::BTreeSet::new();
        for n in 0..20_000 {
            worker.seed = Seed::from_bytes([7; 16]).derive(n);
            let looks = worker.after_others(due).since(Mono::ZERO + SECOND * second);
            millis.insert(looks.as_millis());
        }
        assert_eq!(millis, (300..1000).collect());
    }
}

#[test]
fn one_lane_is_held_unless_its_turn_never_comes() {
    // With an eighth of one request a second, the turns come after 8, 16 and 24 s.
    for (millionths, held) in [(125_000, 1), (0, 0)] {
        let mut world = World::new(1);
        world.start();
        world.accept(0..3);
        let (now, worker) = (world.now, &mut world.programs[0].worker);
        worker.set_share(millionths, now);
        worker.rate.as_mut().unwrap().spend(&account(), now.mono());
        loop {
            match worker.poll(now) {
                WorkerStep::Ask(number, request) => {
                    let answer = world.store.perform(request, now.mono());
                    worker.handle(number, Some(answer), now);
                }
                WorkerStep::Deliver(number, _) => worker.delivered(number, &Verdict::Taken, now),
                WorkerStep::Wait(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(worker.lanes(), held, "{millionths}");
    }
}

#[test]
fn a_claim_waits_while_the_next_turn_is_more_than_4_s_off() {
    let now = Mono::ZERO + SECOND * 1000;
    let (least, most) = (Duration::from_millis(25), Duration::from_millis(240));
    // One request a second either way: each lane that waits puts the next one off by a second.
    for (per_second, millionths, pause) in [(1, 1_000_000, 240), (2, 500_000, 480)] {
        for (waiting, pause) in [(0, None), (3, None), (4, Some(Duration::from_millis(pause)))] {
            let config = BridgeConfig::new().rate(per_second).poll(least, most);
            let mut worker = Worker::new(config, Seed::from_bytes([7; 16]));
            let rate = worker.rate.as_mut().unwrap();
            rate.credits.set_share(millionths, now);
            rate.spend(&account(), now);
            let lane = LaneId::consumer(&account(), &ExtConsumerId::new("c0").unwrap());
            rate.waiting.extend(std::iter::repeat_n(lane, waiting));
            assert_eq!(worker.throttled_pause(now), pause, "{millionths} {waiting}");
        }
    }
}

#[test]
fn another_account_takes_no_credit_away() {
    let (mut rate, other) = (Rate::new(4), AccountId::new("le2").unwrap());
    rate.spend(&account(), Mono::ZERO);
    let now = Mono::ZERO + SECOND * 10;
    rate.credits.account(&other, now);
    // Four requests after a while, and one for who is new.
    assert_eq!(rate.credits.next(&account(), 3, now), now);
    assert_eq!(rate.credits.next(&other, 1, now), now + Duration::from_millis(250));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_comes_and_goes_the_rate_is_kept(
        rate in 1..40_u32,
        script in prop::collection::vec((0..12_u8, any::<u8>(), 0..4000_u64), 1..40),
    ) {
        let mut world = World::new(rate);
        let mut accepted = 0;
        for (action, detail, pause) in script {
            let at = usize::from(detail) % world.programs.len().max(1);
            match action {
                0 | 1 if world.programs.len() < 6 => world.start(),
                _ if world.programs.is_empty() => world.start(),
                2 => drop(world.programs.remove(at)),
                3 => world.programs[at].membership.leave(world.now.mono()),
                4 => world.programs[at].is_frozen ^= true,
                5 => {
                    world.accept(accepted..accepted + usize::from(detail));
                    accepted += usize::from(detail);
                }
                _ => world.run_for(Duration::from_millis(pause)),
            }
        }
        prop_assert_eq!(world.check(rate), Ok(()));
    }
}
