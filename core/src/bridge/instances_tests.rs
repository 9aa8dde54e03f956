use proptest::prelude::*;

use super::*;
use crate::bridge::store::{Cell, MemoryStore};

const SECOND: Duration = Duration::from_secs(1);

struct Program {
    membership: Membership,
    /// A request that is under way, and its answer if the store has performed it.
    asked: Option<(u64, Request)>,
    answer: Option<(u64, Option<Answer>)>,
    is_frozen: bool,
}

/// Programs that come and go.
struct World {
    store: MemoryStore,
    now: Mono,
    every: Duration,
    programs: Vec<Program>,
    started: u8,
}

impl World {
    fn new(every: Duration) -> Self {
        let store = MemoryStore::default();
        Self { store, now: Mono::ZERO, every, programs: Vec::new(), started: 0 }
    }

    fn start(&mut self) {
        self.started += 1;
        let membership = Membership::new(Seed::from_bytes([self.started; 16]), self.every);
        self.programs.push(Program { membership, asked: None, answer: None, is_frozen: false });
    }

    /// One thing that a program does. `is_lost`: the request is performed, and the answer does not come.
    fn step(&mut self, at: usize, is_lost: bool) {
        let program = &mut self.programs[at];
        if program.is_frozen {
            return;
        }
        if let Some((number, answer)) = program.answer.take() {
            program.membership.handle(number, answer, self.now);
        } else if let Some((number, request)) = program.asked.take() {
            let answer = self.store.perform(request, self.now);
            program.answer = Some((number, (!is_lost).then_some(answer)));
        } else if let MembershipStep::Ask(number, request) = program.membership.poll(1, self.now) {
            program.asked = Some((number, request));
        } else if matches!(program.membership.state, State::Gone) {
            self.programs.remove(at);
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            for _ in 0..6 {
                for at in (0..self.programs.len()).rev() {
                    self.step(at, false);
                }
            }
            self.now = self.now + Duration::from_millis(50);
        }
    }

    fn shares(&self) -> Vec<u32> {
        self.programs.iter().map(|one| one.membership.share(self.now)).collect()
    }

    fn counts(&self) -> Vec<usize> {
        self.programs.iter().map(|one| one.membership.instances(self.now).len()).collect()
    }
}

#[test]
fn each_program_sees_all_that_live() {
    let mut world = World::new(SECOND * 10);
    world.start();
    world.run_for(SECOND);
    assert_eq!((world.counts(), world.shares()), (vec![1], vec![WHOLE]));
    world.start();
    world.start();
    world.run_for(SECOND * 21);
    assert_eq!(world.counts(), [3, 3, 3]);
    assert_eq!(world.shares(), [333_333, 333_333, 333_333]);
    // One dies: after 30 s and a beat it is not there any more, for nobody.
    world.programs.pop();
    world.run_for(SECOND * 29);
    assert_eq!(world.counts(), [3, 3]);
    world.run_for(SECOND * 22);
    assert_eq!((world.counts(), world.shares()), (vec![2, 2], vec![500_000, 500_000]));
    // One stops: it is gone at once.
    world.programs[1].membership.leave(world.now);
    world.run_for(SECOND);
    assert_eq!(world.programs.len(), 1);
    world.run_for(SECOND * 10);
    assert_eq!((world.counts(), world.shares()), (vec![1], vec![WHOLE]));
    let last = &world.programs[0].membership;
    let answer = world.store.perform(instances_request(), world.now);
    assert_eq!(last.instances_of(&answer, world.now), last.instances(world.now));
    let one = &last.instances(world.now)[0];
    assert!(one.is_self && one.lanes == 1 && one.id == last.id());
    assert_eq!(one.up, world.now.since(Mono::ZERO));
}

#[test]
fn a_newcomer_has_no_share_before_the_others_leave_it_one() {
    let mut world = World::new(SECOND * 2);
    world.start();
    world.run_for(SECOND);
    world.start();
    // It is in the list, and the first one has not looked yet.
    world.run_for(SECOND / 2);
    assert_eq!(world.shares(), [WHOLE, 0]);
    world.run_for(SECOND * 4);
    assert_eq!(world.shares(), [500_000, 500_000]);
}

/// What a program does at a beat: asks, performs and hears of two requests.
const BEAT: usize = 6;

#[test]
fn less_is_in_use_before_it_is_written() {
    let mut world = World::new(SECOND * 2);
    world.start();
    (0..BEAT).for_each(|_| world.step(0, false));
    world.start();
    (0..BEAT).for_each(|_| world.step(1, false));
    world.now = world.now + SECOND * 2;
    // The first one's write has taken effect, and its answer is under way. The second one takes what is free now.
    (0..BEAT - 1).for_each(|_| world.step(0, false));
    (0..BEAT).for_each(|_| world.step(1, false));
    assert_eq!(world.shares(), [500_000, 500_000]);
}

#[test]
fn more_is_in_use_once_it_is_written() {
    let mut world = World::new(SECOND * 2);
    world.start();
    world.start();
    world.run_for(SECOND * 9);
    assert_eq!(world.shares(), [500_000, 500_000]);
    world.programs[1].membership.leave(world.now);
    (0..=BEAT).for_each(|_| world.step(world.programs.len() - 1, false));
    assert_eq!(world.programs.len(), 1);
    world.now = world.now + SECOND * 2;
    // The first one is about to write that it has all, and a newcomer takes its half before that.
    (0..4).for_each(|_| world.step(0, false));
    world.start();
    (0..BEAT).for_each(|_| world.step(1, false));
    assert_eq!(world.shares(), [500_000, 500_000]);
}

#[test]
fn a_program_tells_the_name_of_its_machine() {
    let mut world = World::new(SECOND * 10);
    (0..3).for_each(|_| world.start());
    let name = "é".repeat(MAX_CHARS);
    world.programs[1].membership = world.programs[1].membership.clone().host("loft-1");
    world.programs[2].membership = world.programs[2].membership.clone().host(&format!("{name}x"));
    world.run_for(SECOND * 11);
    for program in &world.programs {
        let all = program.membership.instances(world.now);
        let mut hosts: Vec<_> = all.into_iter().map(|one| one.host).collect();
        hosts.sort();
        assert_eq!(hosts, [None, Some("loft-1".to_owned()), Some(name.clone())]);
    }
}

#[test]
fn who_cannot_write_itself_down_has_no_share() {
    let mut world = World::new(SECOND * 10);
    world.start();
    world.run_for(SECOND);
    world.programs[0].is_frozen = true;
    world.run_for(SECOND * 26);
    assert_eq!(world.shares(), [0], "the others may think that it is dead");
    world.programs[0].is_frozen = false;
    world.run_for(SECOND);
    assert_eq!(world.shares(), [WHOLE]);
}

#[test]
fn what_a_newer_release_adds_stays() {
    let mut world = World::new(SECOND);
    let newer = br#"{"v":1,"all":[{"id":"x","beat":1,"version":"9","up_ms":5,"lanes":2,"share":0,"pod":7}]}"#;
    let swap = Request::Swap { cell: instances_cell(), seen: 0, value: newer.to_vec(), life: None };
    world.store.perform(swap, world.now);
    world.start();
    world.run_for(SECOND * 5);
    let Answer::Cells(cells) = world.store.perform(instances_request(), world.now) else {
        panic!()
    };
    let text = String::from_utf8(cells[0].clone().unwrap().value).unwrap();
    assert!(text.contains(r#""pod":7"#), "{text}");
    // A list of another format is left alone.
    let seen = cells[0].as_ref().unwrap().version;
    let other = br#"{"v":2,"all":[]}"#.to_vec();
    let swap = Request::Swap { cell: instances_cell(), seen, value: other.clone(), life: None };
    world.store.perform(swap, world.now);
    world.run_for(SECOND * 5);
    let Answer::Cells(cells) = world.store.perform(instances_request(), world.now) else {
        panic!()
    };
    assert_eq!(cells[0].as_ref().unwrap().value, other);
}

#[test]
fn a_store_that_is_silent_does_not_keep_a_program_from_leaving() {
    let mut membership = Membership::new(Seed::from_bytes([1; 16]), SECOND * 10);
    assert!(matches!(membership.poll(0, Mono::ZERO), MembershipStep::Ask(..)));
    membership.leave(Mono::ZERO);
    let MembershipStep::Wait(until) = membership.poll(0, Mono::ZERO) else { panic!() };
    assert_eq!(until, Mono::ZERO + LEAVE_TIME);
    assert!(matches!(membership.poll(0, until), MembershipStep::Gone));
}

proptest! {
    #[test]
    fn the_shares_never_sum_up_to_more_than_one(
        every in 1..11_u32,
        script in prop::collection::vec((0..40_u8, any::<u8>(), 0..3000_u64), 1..300),
    ) {
        let mut world = World::new(SECOND * every);
        for (action, detail, pause) in script {
            let at = usize::from(detail) % world.programs.len().max(1);
            match action {
                0 | 1 if world.programs.len() < 6 => world.start(),
                _ if world.programs.is_empty() => world.start(),
                2 => drop(world.programs.remove(at)),
                3 => world.programs[at].membership.leave(world.now),
                4 => world.programs[at].is_frozen = true,
                5 => world.programs[at].is_frozen = false,
                6 => world.now = world.now + Duration::from_millis(pause * 20),
                7 | 8 => world.now = world.now + Duration::from_millis(pause),
                9 => {
                    let time = Duration::from_millis(pause);
                    world.run_for(time);
                }
                _ => world.step(at, action == 10),
            }
            let sum: u32 = world.shares().iter().sum();
            prop_assert!(sum <= WHOLE, "{:?}", world.shares());
        }
        // In the end, all that live have the same, and nothing is left over.
        world.programs.iter_mut().for_each(|one| one.is_frozen = false);
        world.run_for(SECOND * 120);
        let count = world.programs.len();
        prop_assert_eq!(world.counts(), vec![count; count]);
        let equal = WHOLE / u32::try_from(count.max(1)).unwrap();
        prop_assert_eq!(world.shares(), vec![equal; count]);
    }
}

/// Those who start at once try again at different times, and later the more often it was in vain.
#[test]
fn who_writes_in_vain_tries_again_within_bounds_that_grow() {
    for contended in [1, 2, 3, 16, 17, 40] {
        let mut pauses = std::collections::BTreeSet::new();
        for n in 0..=255 {
            let mut one = Membership::new(Seed::from_bytes([n; 16]).derive(n.into()), SECOND);
            let mut now = Mono::ZERO;
            for _ in 0..contended {
                let MembershipStep::Ask(number, _) = one.poll(0, now) else { panic!("it waits") };
                one.handle(number, Some(Answer::Cells(vec![None])), now);
                let MembershipStep::Ask(number, _) = one.poll(0, now) else { panic!("it waits") };
                one.handle(number, Some(Answer::Swapped(false)), now);
                let MembershipStep::Wait(until) = one.poll(0, now) else { panic!("no pause") };
                if contended == one.contended {
                    pauses.insert(until.since(now).as_millis());
                }
                now = until;
            }
        }
        let unit = 20 * u128::from(contended.min(16));
        assert_eq!(pauses, (1..=8).map(|times| times * unit).collect(), "{contended}");
    }
}

#[test]
fn who_leaves_while_it_writes_is_gone_at_once() {
    let mut world = World::new(SECOND * 10);
    (0..2).for_each(|_| world.start());
    world.run_for(SECOND);
    world.now = world.now + SECOND * 10;
    // Its write is under way.
    (0..4).for_each(|_| world.step(1, false));
    world.programs[1].membership.leave(world.now);
    world.run_for(SECOND * 12);
    assert_eq!(world.counts(), [1]);
}

const NANOSECOND: Duration = Duration::from_nanos(1);

fn membership() -> Membership {
    Membership::new(Seed::from_bytes([1; 16]), SECOND * 10)
}

fn listed(id: &str, beat: u64) -> Listed {
    Listed { id: id.to_owned(), beat, version: "9".to_owned(), ..Listed::default() }
}

/// The store's answer while this is the list.
fn answer(all: &[Listed]) -> Answer {
    let value = serde_json::to_vec(&List { v: VERSION, all: all.to_vec() }).unwrap();
    Answer::Cells(vec![Some(Cell { version: 7, value })])
}

/// A beat of a program that finds this list: what it writes.
fn beat(one: &mut Membership, all: &[Listed], now: Mono) -> Vec<Listed> {
    let MembershipStep::Ask(number, Request::Read(_)) = one.poll(1, now) else { panic!() };
    one.handle(number, Some(answer(all)), now);
    let MembershipStep::Ask(number, Request::Swap { value, .. }) = one.poll(1, now) else {
        panic!()
    };
    one.handle(number, Some(Answer::Swapped(true)), now);
    serde_json::from_slice::<List>(&value).unwrap().all
}

#[test]
fn who_shows_no_beat_for_30_s_is_gone() {
    let (mut one, start) = (membership(), Mono::ZERO + SECOND * 5);
    let all = [listed("bob", 4)];
    beat(&mut one, &all, start);
    for (after, lives) in [(SECOND * 30 - NANOSECOND, true), (SECOND * 30, false)] {
        let now = start + after;
        let shown = one.instances(now).iter().any(|other| other.id == "bob");
        let written = beat(&mut one.clone(), &all, now).iter().any(|other| other.id == "bob");
        assert_eq!((shown, written), (lives, lives), "{after:?}");
    }
}

#[test]
fn an_answer_may_show_a_beat_that_was_not_heard_before() {
    let mut one = membership();
    beat(&mut one, &[listed("bob", 4)], Mono::ZERO);
    let silent = |beat: u64| {
        let all = one.instances_of(&answer(&[listed("bob", beat)]), Mono::ZERO + SECOND * 40);
        all.into_iter().find(|other| other.id == "bob").map(|other| other.silent)
    };
    assert_eq!((silent(5), silent(4)), (Some(Duration::ZERO), None));
}

#[test]
fn a_share_is_good_for_less_than_25_s() {
    let (mut one, start) = (membership(), Mono::ZERO + SECOND * 5);
    beat(&mut one, &[], start);
    assert_eq!(one.share(start + (SECOND * 25 - NANOSECOND)), 1_000_000);
    assert_eq!(one.share(start + SECOND * 25), 0);
}

#[test]
fn the_list_has_room_for_256_programs() {
    for (others, share) in [(255, 3_906), (256, 0)] {
        let all: Vec<_> = (0..others).map(|n| listed(&format!("p{n}"), 1)).collect();
        let mut one = membership();
        assert_eq!(beat(&mut one, &all, Mono::ZERO).len(), 256, "{others} others");
        assert_eq!(one.share(Mono::ZERO), share, "{others} others");
    }
}

#[test]
fn a_program_with_a_long_id_or_version_is_not_listed() {
    let (longest, longer) = ("x".repeat(64), "x".repeat(65));
    let all =
        [listed(&longest, 1), listed(&longer, 1), Listed { version: longer, ..listed("bob", 1) }];
    let shown = membership().instances_of(&answer(&all), Mono::ZERO);
    let ids: Vec<_> = shown.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [longest.as_str()]);
}

#[test]
fn what_is_not_answered_within_10_s_is_asked_again() {
    let (mut one, start) = (membership(), Mono::ZERO + SECOND * 5);
    let MembershipStep::Ask(first, _) = one.poll(1, start) else { panic!() };
    let end = start + SECOND * 10;
    for now in [start, start + (SECOND * 10 - NANOSECOND)] {
        assert!(matches!(one.poll(1, now), MembershipStep::Wait(until) if until == end));
    }
    assert!(matches!(one.poll(1, end), MembershipStep::Ask(..)));
    // The first answer comes too late.
    one.handle(first, Some(Answer::Cells(vec![None])), end);
    assert!(matches!(one.poll(1, end), MembershipStep::Wait(_)));
}

#[test]
fn a_store_that_fails_is_asked_again_unless_one_leaves() {
    let (mut one, start) = (membership(), Mono::ZERO + SECOND * 5);
    let MembershipStep::Ask(number, _) = one.poll(1, start) else { panic!() };
    let mut leaver = one.clone();
    one.handle(number, None, start);
    let again = start + SECOND;
    assert!(matches!(one.poll(1, start), MembershipStep::Wait(until) if until == again));
    assert!(matches!(one.poll(1, again), MembershipStep::Ask(..)));
    leaver.leave(start);
    leaver.handle(number, None, start);
    assert!(matches!(leaver.poll(1, start), MembershipStep::Gone));
}

#[test]
fn who_never_wrote_itself_down_leaves_without_a_request() {
    let mut one = membership();
    one.leave(Mono::ZERO);
    assert!(matches!(one.poll(1, Mono::ZERO), MembershipStep::Gone));
}
