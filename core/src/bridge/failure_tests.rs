//! What follows when requests of a consumer's lane fail: receipts, clicks, and what LivePerson asks for.

use std::time::Duration;

use super::world::{Fate, UnderWay, World};
use super::{BridgeConfig, FailureReason, Inbound, Opening, Outgoing, Progress};
use crate::error::{Delivery, Error, ErrorKind};

/// A world in which a conversation is open, and everything is told.
fn open() -> World {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

fn is_receipt(step: &UnderWay) -> bool {
    matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Receipt(_)))
}

fn is_text(step: &UnderWay) -> bool {
    matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)))
}

/// A world whose consumer's click is under way, at this place.
fn clicked() -> (World, usize) {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue"]);
    world.go_on();
    world.accept("ada", "m2", "1");
    let at = world.run_until(is_receipt).unwrap();
    (world, at)
}

fn clicks(world: &World) -> usize {
    let receipts = &world.cloud.conversations["c1"].receipts;
    receipts.iter().filter(|one| *one == "ACTION").count()
}

fn go_on_for_minutes(world: &mut World) {
    world.go_on();
    for _ in 0..3 {
        world.advance(Duration::from_secs(61));
        world.go_on();
    }
}

#[test]
fn a_click_whose_answer_is_lost_is_not_sent_again() {
    let (mut world, at) = clicked();
    world.finish(0, at, Fate::AnswerLost);
    go_on_for_minutes(&mut world);
    assert_eq!(clicks(&world), 1);
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "I take Blue"]);
}

#[test]
fn a_click_before_a_crash_is_not_sent_again() {
    let (mut world, at) = clicked();
    let UnderWay::Call(_, outgoing, _) = world.instances[0].under_way.remove(at).unwrap() else {
        panic!()
    };
    world.cloud.perform(&outgoing).unwrap();
    world.crash(0);
    go_on_for_minutes(&mut world);
    assert_eq!(clicks(&world), 1);
    // Nobody knows whether the text was sent: it is reported, and not sent.
    let unconfirmed = Progress::Failed(FailureReason::Unconfirmed);
    assert!(world.channel.statuses.contains(&("m2".to_owned(), unconfirmed)));
}

#[test]
fn a_receipt_is_tried_four_times_and_messages_go_on() {
    let mut world = open();
    world.cloud.agent_says("c1", "hi");
    world.post_all();
    let mut tries = 0;
    while tries < 20
        && let Some(at) = world.run_until(is_receipt)
    {
        world.finish(0, at, Fate::RequestLost);
        world.run();
        world.advance(Duration::from_secs(301));
        tries += 1;
    }
    assert_eq!(tries, 4);
    world.accept("ada", "m2", "next");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "next"]);
}

#[test]
fn liveperson_may_ask_for_five_minutes_at_most() {
    for (asked, early, late) in [(100, 99, 2), (86_400, 299, 2)] {
        let mut world = open();
        world.accept("ada", "m2", "next");
        let at = world.run_until(is_text).unwrap();
        let UnderWay::Call(number, ..) = world.instances[0].under_way.remove(at).unwrap() else {
            panic!()
        };
        let error = Error::new(ErrorKind::RateLimited, "slow down")
            .with_delivery(Delivery::Rejected)
            .with_retry_after(Duration::from_secs(asked));
        let now = world.now;
        world.instances[0].worker.called(number, Err(error), now);
        world.run();
        world.advance(Duration::from_secs(early));
        assert_eq!(world.run_until(is_text), None, "{asked}");
        world.advance(Duration::from_secs(late));
        assert!(world.run_until(is_text).is_some(), "{asked}");
    }
}

#[test]
fn a_long_text_of_emoji_fits_in_its_parts() {
    let mut world = open();
    for (id, letter) in [("m2", "\u{1f426}"), ("m3", "\u{1}"), ("m4", "\"")] {
        let (long, before) = (letter.repeat(6000), world.cloud.texts_of("ada").len());
        world.hand_in("ada", Inbound::text(id, &long).unwrap());
        // The cloud takes no request that is too long.
        world.go_on();
        assert_eq!(world.cloud.texts_of("ada")[before..].concat(), long);
    }
}

#[test]
fn every_part_of_a_long_text_can_open_a_conversation() {
    let mut world = open();
    let opening = Opening { skill: Some("7".into()), ..Opening::default() };
    let long = Inbound::text("m2", "word ".repeat(2000)).unwrap().opening(opening).unwrap();
    world.hand_in("ada", long);
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::Done);
    let at = world.run_until(is_text).unwrap();
    world.cloud.close("c1");
    world.finish(0, at, Fate::Done);
    world.go_on();
    assert_eq!(world.cloud.conversations["c2"].skill.as_deref(), Some("7"));
}

#[test]
fn a_number_that_is_no_option_may_be_a_title() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["10", "20", "2"]);
    world.go_on();
    for (id, text) in [("m2", "20"), ("m3", "2"), ("m4", "30")] {
        world.accept("ada", id, text);
        world.go_on();
    }
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "I take 20", "I take 20", "30"]);
    assert_eq!(clicks(&world), 2);
}

#[test]
fn a_worker_shows_no_message() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["s3cr3t"]);
    world.accept("ada", "m2", "s3cr3t");
    world.run_until(is_text).unwrap();
    let shown = format!("{:?}", world.instances[0].worker);
    assert!(shown.starts_with("Worker { lanes: "), "{shown}");
    let bytes = format!("{:?}", "s3cr3t".as_bytes());
    assert!(
        !shown.contains("s3cr3t") && !shown.contains(bytes.trim_matches(['[', ']'])),
        "{shown}"
    );
}

/// A world in which two clicks and their texts are accepted, the first click is sent, and the program is dead.
fn two_clicks_and_a_crash() -> World {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    world.go_on();
    world.accept("ada", "m2", "1");
    world.accept("ada", "m3", "2");
    crash_in_a_click(&mut world);
    world
}

/// The next click is sent, and the program dies before it hears of that.
fn crash_in_a_click(world: &mut World) {
    let at = world.run_until(is_receipt).unwrap();
    let UnderWay::Call(_, outgoing, _) = world.instances[0].under_way.remove(at).unwrap() else {
        panic!()
    };
    world.cloud.perform(&outgoing).unwrap();
    world.crash(0);
    world.advance(Duration::from_secs(16));
}

#[test]
fn of_two_clicks_one_that_was_not_sent_is_not_forgotten() {
    let mut world = two_clicks_and_a_crash();
    go_on_for_minutes(&mut world);
    assert_eq!(clicks(&world), 2);
}

#[test]
fn two_clicks_and_two_crashes_are_two_clicks() {
    let mut world = two_clicks_and_a_crash();
    crash_in_a_click(&mut world);
    go_on_for_minutes(&mut world);
    assert_eq!(clicks(&world), 2);
}
