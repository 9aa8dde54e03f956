//! What a status lane makes of entries that it cannot read, and when it commits.

use std::time::Duration;

use super::entry::{StatusEntry, entry};
use super::lane::outage_pause;
use super::status::Status;
use super::store::{Entry, LaneId, LaneKind};
use super::world::{Fate, UnderWay, World};
use super::{BridgeConfig, Progress};
use crate::id::{AccountId, ExtConsumerId};
use crate::time::Timestamp;

fn lane() -> LaneId {
    LaneId::status(&AccountId::new("91827364").unwrap(), &ExtConsumerId::new("ada").unwrap())
}

fn sent(id: &str) -> Entry {
    let at = Timestamp::from_millis(1_700_000_000_000);
    entry(lane(), &StatusEntry { status: Status::new(id, Progress::Sent, None), at })
}

fn unreadable() -> Entry {
    Entry { lane: lane(), body: b"{}".to_vec() }
}

fn reported(world: &World) -> Vec<&str> {
    world.channel.statuses.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn a_status_that_cannot_be_read_takes_no_other_along() {
    let mut world = World::new(1, BridgeConfig::new());
    world.channel.is_out = true;
    world.append(vec![sent("m1"), unreadable(), sent("m2")]);
    world.run();
    world.channel.is_out = false;
    world.advance(outage_pause(&lane(), 1));
    world.run();
    assert_eq!((reported(&world), world.store.entries()), (vec!["m1", "m2"], 0));
}

/// Ten lanes of a channel that is out come back at ten instants.
#[test]
fn lanes_of_a_channel_that_was_out_come_back_in_turn() {
    let mut world = World::new(1, BridgeConfig::new());
    world.channel.is_out = true;
    let lanes: Vec<_> = (0..10)
        .map(|n| LaneId::new(lane().account().clone(), LaneKind::Status, n.to_string()))
        .collect();
    world.append(lanes.iter().map(|lane| Entry { lane: lane.clone(), ..sent("m1") }).collect());
    world.run();
    let mut pauses: Vec<_> = lanes.iter().map(|lane| outage_pause(lane, 1)).collect();
    pauses.sort();
    let mut passed = Duration::ZERO;
    for (before, pause) in pauses.into_iter().enumerate() {
        world.advance(pause - passed - Duration::from_nanos(1));
        world.run();
        assert_eq!(world.channel.offered.len(), 10 + before);
        world.advance(Duration::from_nanos(1));
        world.run();
        passed = pause;
    }
    assert_eq!(world.channel.offered.len(), 20);
}

#[test]
fn a_status_that_cannot_be_read_does_not_stay() {
    let mut world = World::new(1, BridgeConfig::new());
    world.append(vec![unreadable()]);
    world.run();
    assert_eq!((reported(&world), world.store.entries()), (vec![], 0));
}

#[test]
fn a_status_is_committed_before_the_next_is_told() {
    let is_delivery = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    let mut world = World::new(1, BridgeConfig::new());
    world.append(vec![sent("m1"), sent("m2")]);
    let at = world.run_until(is_delivery).unwrap();
    world.finish(0, at, Fate::Done);
    world.run_until(is_delivery).unwrap();
    // The program dies while the channel has the second one.
    world.crash(0);
    world.advance(Duration::from_secs(16));
    world.run();
    let tries: Vec<_> = world.channel.offered.iter().map(|(_, n, again)| (*n, *again)).collect();
    assert_eq!(tries, [(1, false), (1, true)]);
    assert_eq!(reported(&world), ["m1", "m2"]);
}
