//! What is left of a consumer who is forgotten.

use std::time::Duration;

use super::entry::{StatusEntry, StatusForget, entry};
use super::status::Status;
use super::store::{Answer, CellId, Entry, LaneId, LaneKind, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{BridgeConfig, Forgetting, Outgoing, Progress};
use crate::id::{AccountId, ExtConsumerId};
use crate::time::Timestamp;

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn lanes(world: &mut World) -> Vec<String> {
    let mut names = Vec::new();
    for kind in LaneKind::ALL {
        let what = Listed::Lanes { account: None, kind: *kind };
        let list = Request::List { what, after: None, limit: 1000 };
        let now = world.now.mono();
        let Answer::Listed(listed) = world.store.perform(list, now) else { panic!() };
        let name = |key: &str| format!("{kind} {key}");
        names.extend(listed.iter().map(|lane| name(lane.summary.lane.key())));
    }
    names
}

fn forget(world: &mut World, consumer: &str) {
    let consumer = ExtConsumerId::new(consumer).unwrap();
    let mut forgetting = Forgetting::new(account(), consumer);
    while let Some(request) = forgetting.request() {
        let now = world.now.mono();
        forgetting.handle(world.store.perform(request, now));
    }
    world.append(forgetting.into_entries());
}

/// Ada has had several conversations, one message of an agent that was refused, and Bob has one conversation.
fn busy() -> World {
    busy_after(0)
}

/// The same, with so many conversations of others before.
fn busy_after(others: usize) -> World {
    let mut world = World::new(1, BridgeConfig::new().refused_tries(1));
    for number in 0..others {
        world.cloud.open_for(&format!("eve{number}"));
        if number % 100 == 99 {
            world.go_on();
        }
    }
    for (number, consumer) in ["ada", "ada", "ada", "ada", "ada", "ada", "bob"].iter().enumerate() {
        world.accept(consumer, &format!("m{number}"), "hello");
        world.go_on();
        let conversation = format!("c{}", others + number + 1);
        world.channel.refuses = number == 1;
        world.cloud.agent_says(&conversation, "a private word");
        world.go_on();
        world.channel.refuses = false;
        if number < 5 {
            world.cloud.close(&conversation);
            world.go_on();
        }
    }
    world
}

#[test]
fn every_lane_of_a_consumer_goes() {
    let mut world = busy();
    let before = lanes(&mut world);
    assert_eq!(before.iter().filter(|name| name.starts_with("dead_letter")).count(), 1);
    assert_eq!(before.len(), 2 + 7 + 1, "{before:?}");
    forget(&mut world, "ada");
    world.go_on();
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7"]);
    // Bob's goes on.
    world.cloud.agent_says("c7", "still there?");
    world.go_on();
    assert_eq!(world.channel.delivered.last().unwrap().1, "still there?");
}

#[test]
fn what_waits_for_a_channel_that_is_out_goes_too() {
    let mut world = busy();
    world.channel.is_out = true;
    world.cloud.agent_says("c6", "a private word");
    world.accept("ada", "m9", "nine");
    world.go_on();
    let waiting = lanes(&mut world);
    assert!(waiting.contains(&"status ada".to_owned()), "{waiting:?}");
    let tries = world.channel.offered.len();
    forget(&mut world, "ada");
    for _ in 0..5 {
        world.advance(Duration::from_secs(2));
        world.go_on();
    }
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7"]);
    assert!(world.channel.offered.len() <= tries + 1, "nothing of hers is offered any more");
}

#[test]
fn what_is_unconfirmed_is_settled_first() {
    let mut world = busy();
    world.accept("ada", "m9", "nine");
    let is_text = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.run();
    forget(&mut world, "ada");
    world.run();
    assert!(lanes(&mut world).contains(&"consumer ada".to_owned()));
    world.go_on(); // its echo comes
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7"]);
    assert!(world.channel.statuses.contains(&("m9".to_owned(), Progress::Sent)));
}

#[test]
fn what_is_accepted_after_it_is_sent() {
    for is_unconfirmed in [false, true] {
        let mut world = busy();
        world.cloud.close("c6");
        world.go_on();
        if is_unconfirmed {
            world.accept("ada", "m8", "eight");
            let is_text = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
            let at = world.run_until(is_text).unwrap();
            world.finish(0, at, Fate::AnswerLost);
        }
        forget(&mut world, "ada");
        world.accept("ada", "m9", "nine");
        let is_open = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
        if let Some(at) = world.run_until(is_open) {
            // The lane pauses with the message in its record.
            world.finish(0, at, Fate::RequestLost);
        }
        world.go_on();
        world.advance(Duration::from_secs(2));
        world.go_on();
        if is_unconfirmed {
            // Its conversation is forgotten while it is open: the next one is opened once it is closed.
            world.cloud.close("c8");
            world.advance(Duration::from_secs(300));
        }
        world.go_on();
        assert_eq!(world.cloud.texts_of("ada").last().unwrap(), "nine", "{is_unconfirmed}");
        assert!(world.channel.statuses.contains(&("m9".to_owned(), Progress::Sent)));
    }
}

#[test]
fn more_conversations_than_a_page_are_looked_at() {
    let mut world = busy_after(600);
    forget(&mut world, "ada");
    world.go_on();
    let left = lanes(&mut world);
    assert!(!left.iter().any(|name| name.contains("ada") || name.starts_with("dead_letter")));
    assert_eq!(left.len(), 2 + 600);
}

#[test]
fn what_came_before_is_not_delivered_any_more() {
    let mut world = busy();
    world.cloud.agent_says("c4", "a late word");
    world.post_all();
    forget(&mut world, "ada");
    world.go_on();
    assert!(!world.channel.delivered.iter().any(|(_, text, _)| text == "a late word"));
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7"]);
}

#[test]
fn nothing_leads_to_a_consumer_after_the_retention() {
    for is_forgotten in [false, true] {
        let mut world = World::new(1, BridgeConfig::new());
        world.accept("ada", "m1", "hello");
        world.go_on();
        // A client keeps her token for other programs.
        let cell = CellId { account: account(), key: "consumer_jws:ada".to_owned() };
        let swap = Request::Swap { cell, seen: 0, value: b"token".to_vec(), life: None };
        assert_eq!(world.store.perform(swap, world.now.mono()), Answer::Swapped(true));
        let is_there = |world: &World| {
            let text = world.store.describe(world.now.mono());
            let leads = [":lp-ada", "consumer_jws:ada"];
            text.lines().any(|line| leads.iter().any(|name| line.contains(name)))
        };
        assert!(is_there(&world));
        if is_forgotten {
            forget(&mut world, "ada");
        } else {
            world.advance(Duration::from_secs(7 * 24 * 3600 + 1));
        }
        world.go_on();
        assert!(!lanes(&mut world).contains(&"consumer ada".to_owned()));
        assert!(!is_there(&world), "{is_forgotten}");
        // Another message opens another conversation, or finds the one that is open.
        world.cloud.close("c1");
        world.go_on();
        world.accept("ada", "m2", "again");
        world.go_on();
        assert_eq!(world.cloud.texts_of("ada"), ["hello", "again"]);
    }
}

#[test]
fn what_could_not_be_read_of_a_conversation_goes_too() {
    let mut world = busy();
    // The consumer's lane knows the last one, and not the first one any more.
    for conversation in ["c1", "c6"] {
        let lane = LaneId::new(account(), LaneKind::Conversation, conversation);
        world.append(vec![Entry { lane, body: b"a private word".to_vec() }]);
    }
    world.go_on();
    let letters = lanes(&mut world).into_iter().filter(|name| name.starts_with("dead_letter"));
    assert_eq!(letters.count(), 3);
    forget(&mut world, "ada");
    world.go_on();
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7"]);
}

#[test]
fn letters_of_consumers_lanes_go_with_their_own_consumer() {
    let mut world = busy();
    let mut letters = Vec::new();
    for consumer in ["bob", "ada"] {
        let before = lanes(&mut world);
        let lane = LaneId::new(account(), LaneKind::Consumer, consumer);
        world.append(vec![Entry { lane, body: b"a private word".to_vec() }]);
        world.go_on();
        letters.extend(lanes(&mut world).into_iter().filter(|name| !before.contains(name)));
    }
    let [of_bob, _] = &letters[..] else { panic!("{letters:?}") };
    forget(&mut world, "ada");
    world.go_on();
    assert_eq!(lanes(&mut world), ["consumer bob", "conversation c7", of_bob.as_str()]);
}

#[test]
fn a_page_that_is_not_full_is_the_last_one() {
    let mut world = busy();
    let mut forgetting = Forgetting::new(account(), ExtConsumerId::new("ada").unwrap());
    let mut requests = 0;
    while let Some(request) = forgetting.request() {
        requests += 1;
        let now = world.now.mono();
        forgetting.handle(world.store.perform(request, now));
    }
    assert_eq!(requests, 3, "her own lane, the conversations, the dead letters");
}

#[test]
fn a_forgotten_status_leaves_no_tries_to_the_next() {
    let lane = LaneId::status(&account(), &ExtConsumerId::new("ada").unwrap());
    let mut world = World::new(1, BridgeConfig::new());
    let at = Timestamp::from_system_time(world.now.wall());
    let sent = |id: &str| {
        let status = Status::new(id, Progress::Sent, None);
        entry(lane.clone(), &StatusEntry { status, at })
    };
    world.channel.is_out = true;
    world.append(vec![sent("m1")]);
    world.run();
    world.append(vec![entry(lane.clone(), &StatusForget { forget: true }), sent("m2")]);
    world.run();
    let tries: Vec<_> = world.channel.offered.iter().map(|(_, n, again)| (*n, *again)).collect();
    assert_eq!(tries, [(1, false), (1, false)]);
}
