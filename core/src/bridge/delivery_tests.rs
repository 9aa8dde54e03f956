//! What a channel is given of gaps, of options that nobody saw, and of states that name nobody.

use std::time::Duration;

use super::BridgeConfig;
use super::store::{Answer, LaneKind, Listed, Request};
use super::world::World;
use crate::webhook::Order;

/// A world in which a conversation is open, and everything is told.
fn with(config: BridgeConfig) -> World {
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

/// The ids of the dead letters.
fn letters(world: &mut World) -> Vec<String> {
    let what = Listed::Lanes { account: None, kind: LaneKind::DeadLetter };
    let list = Request::List { what, after: None, limit: 100 };
    let now = world.now.mono();
    let Answer::Listed(listed) = world.store.perform(list, now) else { panic!() };
    listed.into_iter().map(|lane| lane.summary.lane.key().to_owned()).collect()
}

#[test]
fn options_that_nobody_saw_cannot_be_chosen() {
    let mut world = with(BridgeConfig::new().refused_tries(1));
    world.channel.refuses = true;
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    world.go_on();
    assert_eq!(letters(&mut world), ["c1:c1:1"]);
    world.channel.refuses = false;
    world.accept("ada", "m2", "2");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "2"]);
}

#[test]
fn a_state_without_a_consumer_unnames_nobody() {
    let mut world = with(BridgeConfig::new());
    world.cloud.open_for("ada");
    world.cloud.tell_state("c2");
    let state = String::from_utf8(world.cloud.to_post.pop_back().unwrap()).unwrap();
    world.cloud.to_post.push_back(state.replace("participants", "others").into_bytes());
    world.cloud.agent_says("c2", "for ada");
    world.post_all();
    world.go_on();
    let delivered: Vec<_> = world.channel.delivered.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(delivered, ["c2:c2:0"]);
}

#[test]
fn a_gap_of_one_dialog_is_not_told_in_another() {
    let mut world = with(BridgeConfig::new());
    world.cloud.agent_says("c1", "never there");
    world.cloud.to_post.pop_back();
    world.cloud.agent_reads("c1", &[0]);
    world.go_on();
    world.advance(Duration::from_secs(3));
    world.go_on();
    world.cloud.agent_says("c1", "two");
    let two = world.cloud.to_post.pop_back().unwrap();
    let mut survey: serde_json::Value = serde_json::from_slice(&two).unwrap();
    let change = &mut survey["body"]["changes"][0];
    (change["dialogId"], change["sequence"]) = ("survey-1".into(), 0.into());
    change["event"]["message"] = "How was it?".into();
    world.cloud.to_post.extend([survey.to_string().into_bytes(), two]);
    world.go_on();
    let orders: Vec<_> =
        world.channel.delivered.iter().map(|(_, text, order)| (text.as_str(), *order)).collect();
    assert_eq!(orders, [("How was it?", Order::InOrder), ("two", Order::AfterGap)]);
}
