//! The events of an agent that go to the consumer's lane: receipts, and options to choose from.

use serde_json::{Value, json};

use crate::bridge::world::World;
use crate::bridge::{BridgeConfig, Progress};

/// A world in which a conversation is open, and all progress is reported.
fn open() -> World {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

/// Changes the event of the newest notification.
fn change_newest(world: &mut World, change: impl FnOnce(&mut Value)) {
    let newest = world.cloud.to_post.back_mut().unwrap();
    let mut body: Value = serde_json::from_slice(newest).unwrap();
    change(&mut body["body"]["changes"][0]["event"]);
    *newest = body.to_string().into_bytes();
}

#[test]
fn a_receipt_of_the_agent_is_told_if_it_is_known() {
    let mut world = open();
    for status in ["NACK", "ACCEPT", "READ"] {
        world.cloud.agent_reads("c1", &[0]);
        change_newest(&mut world, |event| event["status"] = status.into());
        world.go_on();
    }
    let reported = [Progress::Sent, Progress::Delivered, Progress::Read];
    assert_eq!(world.channel.statuses, reported.map(|progress| ("m1".to_owned(), progress)));
}

#[test]
fn a_number_chooses_a_button_of_rich_content() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    change_newest(&mut world, |event| {
        let buttons = event["quickReplies"]["replies"].take();
        *event = json!({"type":"RichContentEvent",
            "content":{"type":"vertical","elements":buttons}});
    });
    world.go_on();
    assert_eq!(world.channel.delivered[0].1, "[1] Blue\n[2] Grey");
    world.accept("ada", "m2", "2");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "I take Grey"]);
}
