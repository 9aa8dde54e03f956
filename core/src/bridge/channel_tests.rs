//! A channel that is paused, refuses, or does not answer, and settings of its own.

use std::time::Duration;

use super::store::{Answer, LaneKind, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{AcceptOn, BridgeConfig, ChannelReceipt, ConsumerSettings, Opening, report};
use crate::id::{AccountId, ExtConsumerId};

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

/// A world in which a conversation of this consumer is open, and everything is told.
fn open(consumer: &str, config: BridgeConfig) -> World {
    let mut world = World::new(1, config);
    world.accept(consumer, "m1", "hello");
    world.go_on();
    world.channel.offered.clear();
    world
}

/// Lets time pass in steps, as the lanes come due.
fn pass(world: &mut World, time: Duration) {
    for _ in 0..10 {
        world.advance(time / 10);
        world.run();
    }
}

fn dead_letters(world: &mut World) -> usize {
    let what = Listed::Lanes { account: None, kind: LaneKind::DeadLetter };
    let list = Request::List { what, after: None, limit: 100 };
    let Answer::Listed(listed) = world.store.perform(list, world.now.mono()) else { panic!() };
    listed.len()
}

/// The statuses of the receipts for the agent's messages.
fn told(world: &World) -> Vec<String> {
    world.cloud.conversations["c1"].receipts.clone()
}

#[test]
fn a_pause_is_no_try_and_gives_nothing_up() {
    let config = BridgeConfig::new().give_up_after(Duration::from_secs(600));
    let mut world = open("ada", config);
    world.channel.is_out = true;
    world.cloud.agent_says("c1", "one");
    world.cloud.agent_says("c1", "two");
    world.go_on();
    pass(&mut world, Duration::from_secs(100));
    world.channel.paused = Some(Duration::from_secs(60));
    pass(&mut world, Duration::from_secs(120)); // the next try
    pass(&mut world, Duration::from_secs(7200));
    let before = world.channel.offered.len();
    assert!(before > 10, "a pause is looked at again: {before}");
    let tries: Vec<u32> = world.channel.offered.iter().map(|(_, attempt, _)| *attempt).collect();
    let last = *tries.last().unwrap();
    assert!(tries[before - 5..].iter().all(|attempt| *attempt == last), "{tries:?}");
    // The outage goes on where it was.
    world.channel.paused = None;
    pass(&mut world, Duration::from_secs(330));
    assert_eq!(dead_letters(&mut world), 0);
    world.channel.is_out = false;
    pass(&mut world, Duration::from_secs(3000));
    let texts: Vec<_> = world.channel.delivered.iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(dead_letters(&mut world), 0);
}

#[test]
fn what_is_not_tried_expires_and_counts_no_try() {
    let mut world = open("ada", BridgeConfig::new().give_up_after(Duration::from_secs(600)));
    world.channel.not_tried = Some(Duration::from_secs(60));
    world.cloud.agent_says("c1", "one");
    world.cloud.agent_says("c1", "two");
    world.go_on();
    for _ in 0..8 {
        pass(&mut world, Duration::from_secs(61));
    }
    assert!(world.channel.offered.len() > 5);
    assert!(
        world.channel.offered.iter().all(|(_, attempt, again)| (*attempt, *again) == (1, false))
    );
    world.crash(0);
    world.channel.offered.clear();
    for _ in 0..5 {
        pass(&mut world, Duration::from_secs(61));
    }
    assert_eq!(dead_letters(&mut world), 1);
    world.channel.not_tried = None;
    pass(&mut world, Duration::from_secs(61));
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn a_pause_outlives_the_program() {
    let mut world = open("ada", BridgeConfig::new().give_up_after(Duration::from_secs(60)));
    world.channel.is_out = true;
    world.cloud.agent_says("c1", "one");
    world.go_on();
    world.channel.paused = Some(Duration::from_secs(30));
    pass(&mut world, Duration::from_secs(30));
    world.crash(0);
    world.advance(Duration::from_secs(3600));
    world.channel.paused = None;
    world.run();
    assert_eq!(dead_letters(&mut world), 0);
    world.channel.is_out = false;
    pass(&mut world, Duration::from_secs(600));
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn tries_are_numbered() {
    let mut world = open("ada", BridgeConfig::new());
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "one");
    world.go_on();
    pass(&mut world, Duration::from_secs(20));
    // What refuses a message does not have it.
    let expected = [1, 2, 3].map(|attempt| ("c1:c1:1".to_owned(), attempt, false));
    assert_eq!(world.channel.offered, expected);
    (world.channel.refuses, world.channel.is_out) = (false, true);
    world.channel.offered.clear();
    world.cloud.agent_says("c1", "two");
    world.go_on();
    pass(&mut world, Duration::from_secs(5));
    let tries: Vec<_> = world.channel.offered.iter().map(|(_, n, again)| (*n, *again)).collect();
    assert_eq!(tries[..2], [(1, false), (2, true)]);
}

#[test]
fn a_delivery_of_a_dead_program_is_possibly_repeated() {
    let is_delivery = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    for fate in [Fate::Done, Fate::AnswerLost] {
        let mut world = open("ada", BridgeConfig::new());
        for text in ["one", "two"] {
            world.cloud.agent_says("c1", text);
        }
        world.post_all();
        let at = world.run_until(is_delivery).unwrap();
        if fate == Fate::Done {
            world.finish(0, at, fate); // and dies before that is committed
            world.channel.offered.clear();
        }
        world.crash(0);
        world.advance(Duration::from_secs(16));
        world.go_on();
        let tries: Vec<_> =
            world.channel.offered.iter().map(|(id, n, again)| (id.as_str(), *n, *again)).collect();
        assert_eq!(tries, [("c1:c1:1", 1, true), ("c1:c1:2", 1, false)], "{fate:?}");
    }
}

#[test]
fn what_was_delivered_is_durable_before_the_next_is() {
    let is_delivery = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    let mut world = open("ada", BridgeConfig::new());
    for text in ["one", "two"] {
        world.cloud.agent_says("c1", text);
    }
    world.post_all();
    let at = world.run_until(is_delivery).unwrap();
    world.finish(0, at, Fate::Done);
    world.run_until(is_delivery).unwrap();
    world.crash(0);
    world.channel.offered.clear();
    world.advance(Duration::from_secs(16));
    world.go_on();
    assert_eq!(world.channel.offered, [("c1:c1:2".to_owned(), 1, true)]);
}

#[test]
fn a_status_of_a_dead_program_is_possibly_repeated() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    let is_delivery = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    world.run_until(is_delivery).unwrap();
    world.crash(0);
    world.advance(Duration::from_secs(16));
    world.run();
    let again = world.channel.offered.iter().map(|(_, n, again)| (*n, *again));
    assert_eq!(again.collect::<Vec<_>>(), [(1, true)]);
}

#[test]
fn each_channel_has_its_own_settings() {
    let opening = Opening { skill: Some("7".into()), ..Opening::default() };
    let sms = ConsumerSettings::new()
        .answers_by_number(false)
        .refused_tries(1)
        .nack(false)
        .opening(opening);
    let config = BridgeConfig::new().for_consumers("sms:", sms);
    for (consumer, skill, answer, tries, nack) in [
        ("sms:ada", Some("7"), "1", 1, &[][..]),
        ("chat:ada", None, "I take Blue", 3, &["NACK"][..]),
    ] {
        let mut world = open(consumer, config.clone());
        assert_eq!(world.cloud.conversations["c1"].skill.as_deref(), skill, "{consumer}");
        world.cloud.agent_offers("c1", &["Blue"]);
        world.go_on();
        world.accept(consumer, "m2", "1");
        world.go_on();
        assert_eq!(world.cloud.texts_of(consumer).last().unwrap(), answer);
        world.channel.refuses = true;
        world.channel.offered.clear();
        world.cloud.agent_says("c1", "one");
        world.go_on();
        pass(&mut world, Duration::from_secs(20));
        world.go_on();
        assert_eq!((world.channel.offered.len(), dead_letters(&mut world)), (tries, 1));
        let told: Vec<_> = told(&world).into_iter().filter(|one| one == "NACK").collect();
        assert_eq!(told, nack, "{consumer}");
    }
}

#[test]
fn a_channel_gives_up_in_its_own_time() {
    let short = ConsumerSettings::new().give_up_after(Duration::from_secs(60));
    let config = BridgeConfig::new().for_consumers("sms:", short);
    for (consumer, expected) in [("sms:ada", 1), ("chat:ada", 0)] {
        let mut world = open(consumer, config.clone());
        world.channel.is_out = true;
        world.cloud.agent_says("c1", "one");
        world.go_on();
        pass(&mut world, Duration::from_secs(300));
        assert_eq!(dead_letters(&mut world), expected, "{consumer}");
    }
}

#[test]
fn a_message_is_accepted_once() {
    for (when, taken, delivered) in [
        (AcceptOn::Taken, &["ACCEPT"][..], &["ACCEPT"][..]),
        (AcceptOn::Delivered, &[], &["ACCEPT"]),
    ] {
        let settings = ConsumerSettings::new().accept_on(when);
        let mut world = open("sms:ada", BridgeConfig::new().for_consumers("sms:", settings));
        world.cloud.agent_says("c1", "one");
        world.go_on();
        assert_eq!(told(&world), taken, "{when:?}");
        let ada = ExtConsumerId::new("sms:ada").unwrap();
        for (receipt, read) in
            [(ChannelReceipt::Delivered, None), (ChannelReceipt::Read, Some("READ"))]
        {
            world.append(report(&account(), &ada, &["c1:c1:1"], receipt).unwrap());
            world.go_on();
            let expected: Vec<_> = delivered.iter().copied().chain(read).collect();
            assert_eq!(told(&world), expected, "{when:?}");
        }
    }
}

#[test]
fn a_failure_that_the_channel_reports_is_told_if_wanted() {
    for (yes, expected) in [(true, &["ACCEPT", "NACK"][..]), (false, &["ACCEPT"])] {
        let mut world = open("ada", BridgeConfig::new().nack(yes));
        world.cloud.agent_says("c1", "one");
        world.go_on();
        let ada = ExtConsumerId::new("ada").unwrap();
        world.append(report(&account(), &ada, &["c1:c1:1"], ChannelReceipt::Failed).unwrap());
        world.go_on();
        assert_eq!(told(&world), expected);
    }
}

#[test]
fn what_the_channel_reports_is_told_once_and_upwards() {
    use ChannelReceipt::{Delivered, Failed, Read};
    for (reports, expected) in [
        (&[Delivered, Delivered][..], &["ACCEPT"][..]),
        (&[Delivered, Read, Delivered, Read], &["ACCEPT", "READ"]),
        (&[Read, Delivered, Failed], &["READ"]),
        (&[Delivered, Failed], &["ACCEPT"]),
        (&[Failed, Failed], &["NACK"]),
        (&[Failed, Delivered, Read], &["NACK"]),
    ] {
        let mut world = open("ada", BridgeConfig::new().accept_on(AcceptOn::Delivered));
        world.cloud.agent_says("c1", "one");
        world.go_on();
        let ada = ExtConsumerId::new("ada").unwrap();
        for receipt in reports {
            world.append(report(&account(), &ada, &["c1:c1:1"], *receipt).unwrap());
            world.go_on();
        }
        assert_eq!(told(&world), expected, "{reports:?}");
    }
}

#[test]
fn what_is_known_of_receipts_is_bounded() {
    let mut world = open("ada", BridgeConfig::new());
    let ada = ExtConsumerId::new("ada").unwrap();
    let mut bytes = Vec::new();
    for hundred in 0..9 {
        let ids: Vec<String> =
            (0..100).map(|one| format!("c1:c1:{}", 100 * hundred + one)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.append(report(&account(), &ada, &ids, ChannelReceipt::Read).unwrap());
        world.go_on();
        bytes.push(world.store.largest().0);
    }
    assert!(bytes[8] < bytes[3] + 200, "{bytes:?}");
}

#[test]
fn a_doubt_outlives_a_claim_that_made_no_try() {
    let mut world = open("ada", BridgeConfig::new());
    world.cloud.agent_says("c1", "one");
    world.post_all();
    world.run_until(|step| matches!(step, UnderWay::Deliver(..))).unwrap();
    world.crash(0);
    world.channel.not_tried = Some(Duration::from_secs(20));
    world.advance(Duration::from_secs(16));
    world.go_on();
    world.channel.not_tried = None;
    world.advance(Duration::from_secs(21));
    world.go_on();
    let own = world.channel.offered.iter().filter(|(id, ..)| id == "c1:c1:1");
    let tries: Vec<_> = own.map(|(_, number, again)| (*number, *again)).collect();
    assert_eq!(tries, [(1, true), (1, true)]);
}
