//! How long dead letters are kept.

use std::time::Duration;

use super::store::{Answer, Entry, LaneDetails, LaneId, LaneKind, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{BridgeConfig, BridgeEventKind, DeadLetter, ingest_at, replay};
use crate::id::AccountId;
use crate::time::{Mono, Timestamp};
use crate::webhook::Verified;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The end of a life is looked for this long before and after.
const MARGIN: Duration = Duration::from_secs(60);

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

/// What cannot be read, and so cannot be put back.
fn set_aside(world: &mut World) {
    let body = Verified::dangerous_unverified("not JSON");
    let now = Timestamp::from_system_time(world.now.wall());
    world.append(ingest_at(&account(), &body, now).entries);
}

fn lanes(world: &mut World) -> Vec<LaneDetails> {
    let what = Listed::Lanes { account: None, kind: LaneKind::DeadLetter };
    let list = Request::List { what, after: None, limit: 100 };
    let now = world.now.mono();
    let Answer::Listed(listed) = world.store.perform(list, now) else { panic!() };
    listed
}

fn lane(world: &mut World) -> LaneId {
    lanes(world)[0].summary.lane.clone()
}

/// When each letter was set aside.
fn letters(world: &mut World) -> Vec<Option<Timestamp>> {
    lanes(world).iter().map(|lane| DeadLetter::of(lane).unwrap().at()).collect()
}

/// How many events of a new letter were emitted.
fn reported(world: &mut World) -> usize {
    let events = world.events();
    events.iter().filter(|event| matches!(event.kind, BridgeEventKind::DeadLetter { .. })).count()
}

fn advance_to(world: &mut World, until: Mono) {
    let left = until.since(world.now.mono());
    world.advance(left);
}

fn put_back_in_vain(world: &mut World) {
    let id = lane(world);
    world.append(vec![replay(&account(), id.key())]);
}

fn append_unreadable(world: &mut World) {
    let lane = lane(world);
    world.append(vec![Entry { lane, body: b"{}".to_vec() }]);
}

/// The worker has claimed the lane when its program ends.
fn release(world: &mut World) {
    append_unreadable(world);
    let is_claim = |step: &UnderWay| matches!(step, UnderWay::Ask(_, Request::Claim { .. }));
    let claim = world.run_until(is_claim).unwrap();
    world.finish(0, claim, Fate::Done);
    assert_eq!(world.instances[0].worker.lanes(), 1);
    world.instances[0].worker.stop();
    world.run();
    world.crash(0);
}

/// The worker has claimed the lane when its program dies.
fn take_over(world: &mut World) {
    append_unreadable(world);
    let is_commit = |step: &UnderWay| matches!(step, UnderWay::Ask(_, Request::Commit(_)));
    assert!(world.run_until(is_commit).is_some());
    world.crash(0);
    world.advance(MARGIN);
}

/// What is done to a letter.
type Act = fn(&mut World);

#[test]
fn no_commit_of_a_letter_prolongs_its_life() {
    let acts: [(&str, Act); 5] = [
        ("put back", put_back_in_vain),
        ("repeated", set_aside),
        ("unreadable", append_unreadable),
        ("released", release),
        ("taken over", take_over),
    ];
    for (name, act) in acts {
        let mut world = World::new(1, BridgeConfig::new());
        let born = world.now.mono();
        set_aside(&mut world);
        world.go_on();
        let first = letters(&mut world);
        assert_eq!((first.len(), reported(&mut world)), (1, 1), "{name}");
        for days in 1..14 {
            advance_to(&mut world, born + DAY * days);
            act(&mut world);
            world.go_on();
            assert_eq!((letters(&mut world), reported(&mut world)), (first.clone(), 0), "{name}");
        }
        advance_to(&mut world, born + (DAY * 14).saturating_sub(MARGIN));
        world.go_on();
        assert_eq!(letters(&mut world), first, "{name}");
        advance_to(&mut world, born + DAY * 14 + MARGIN);
        world.go_on();
        assert_eq!(lanes(&mut world), [], "{name}");
    }
}

#[test]
fn a_letter_that_comes_at_the_end_of_the_old_one_is_new() {
    let mut world = World::new(1, BridgeConfig::new());
    set_aside(&mut world);
    world.go_on();
    let first = letters(&mut world);
    // No program runs meanwhile.
    world.advance(DAY * 14 + MARGIN);
    let born = world.now.mono();
    set_aside(&mut world);
    world.go_on();
    let second = letters(&mut world);
    assert_eq!((second.len(), reported(&mut world)), (1, 2));
    assert!(second > first, "{first:?} {second:?}");
    advance_to(&mut world, born + (DAY * 14).saturating_sub(MARGIN));
    world.go_on();
    assert_eq!(letters(&mut world), second);
    advance_to(&mut world, born + DAY * 14 + MARGIN);
    world.go_on();
    assert_eq!(lanes(&mut world), []);
}
