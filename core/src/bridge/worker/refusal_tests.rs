//! A lane whose record a store refuses, beside others.

use std::time::Duration;

use crate::bridge::store::{
    Answer, Entry, LaneDetails, LaneId, LaneKind, Listed, MAX_VALUE_BYTES, Request,
};
use crate::bridge::world::{Fate, UnderWay, World};
use crate::bridge::{BridgeConfig, DeadLetterSummary, FailureReason, Inbound, Outgoing, Progress};
use crate::id::{AccountId, ExtConsumerId};
use crate::webhook::Order;

/// An entry with a text in place of `Coo`, so that the whole has this size.
fn sized(lane: LaneId, body: &str, size: usize) -> Entry {
    let filler = "x".repeat(size - body.len() + "Coo".len());
    Entry { lane, body: body.replace("Coo", &filler).into_bytes() }
}

fn accepted(consumer: &str, id: &str, size: usize) -> Entry {
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::consumer(&account, &ExtConsumerId::new(consumer).unwrap());
    let body = format!(r#"{{"t":"accepted","id":"{id}","content":{{"text":"Coo"}}}}"#);
    sized(lane, &body, size)
}

fn said(conversation: &str, sequence: u64, size: usize) -> Entry {
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::new(account, LaneKind::Conversation, conversation);
    let message = serde_json::json!({"sequence": sequence, "serverTimestamp": 1_700_000_000_000_u64,
        "originatorId": "a9", "originatorMetadata": {"id": "a9", "role": "ASSIGNED_AGENT"},
        "dialogId": conversation, "conversationId": conversation,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "Coo"}});
    let body = serde_json::json!({"t": "changes", "changes": [{"message": message}]}).to_string();
    sized(lane, &body, size)
}

/// The ids and reasons of the dead letters.
fn letters(world: &mut World) -> Vec<(String, &'static str)> {
    let what = Listed::Lanes { account: None, kind: LaneKind::DeadLetter };
    let list = Request::List { what, after: None, limit: 100 };
    let Answer::Listed(lanes) = world.store.perform(list, world.now.mono()) else { panic!() };
    let of = |lane: &LaneDetails| {
        let letter = DeadLetterSummary::of(lane).unwrap();
        (letter.id, letter.reason.name())
    };
    lanes.iter().map(of).collect()
}

#[test]
fn a_message_too_large_fails_and_holds_nobody_up() {
    let mut world = World::new(1, BridgeConfig::new());
    world.append(vec![accepted("ada", "m1", MAX_VALUE_BYTES)]);
    world.accept("ada", "m2", "two");
    world.accept("bob", "m1", "one");
    world.go_on();
    let failed =
        |(id, progress): &(String, Progress)| id == "m1" && matches!(progress, Progress::Failed(_));
    assert_eq!(world.channel.statuses.iter().filter(|status| failed(status)).count(), 1);
    assert_eq!(world.cloud.texts_of("ada"), ["two"]);
    assert_eq!(world.cloud.texts_of("bob"), ["one"]);
    assert_eq!(world.instances[0].worker.counters().lost, 0);
}

#[test]
fn a_delivery_too_large_is_set_aside_and_holds_nobody_up() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.accept("bob", "m1", "hello");
    world.go_on();
    world.channel.is_out = true;
    world.append(vec![said("c1", 1, MAX_VALUE_BYTES)]);
    world.cloud.agent_says("c2", "for bob");
    world.go_on();
    world.channel.is_out = false;
    world.advance(Duration::from_secs(60));
    world.go_on();
    world.append(vec![said("c1", 2, 400)]);
    world.go_on();
    let delivered: Vec<_> =
        world.channel.delivered.iter().map(|(id, _, order)| (id.as_str(), *order)).collect();
    assert_eq!(delivered, [("c2:c2:1", Order::InOrder), ("c1:c1:2", Order::AfterGap)]);
    assert_eq!(letters(&mut world), [("c1:c1:1".to_owned(), "too_large")]);
    assert_eq!(world.instances[0].worker.counters().lost, 0);
}

#[test]
fn large_messages_wait_in_the_store() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m0", "zero");
    let is_text = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    // With an opening as no version takes it any more: every member counts.
    for number in 1..=60 {
        let body = format!(
            r#"{{"t":"accepted","id":"m{number}","content":{{"text":"{number}"}},"open":{{"first_name":"Coo"}}}}"#
        );
        let lane = accepted("ada", "", 100).lane;
        world.append(vec![sized(lane, &body, 200_000)]);
    }
    world.run();
    let (bytes, entries) = world.store.largest();
    assert!(bytes < 600_000 && entries > 50, "{bytes} bytes, {entries} entries");
    world.post_all();
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada").len(), 61);
}

#[test]
fn large_deliveries_wait_in_the_store() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m0", "zero");
    world.go_on();
    world.channel.is_out = true;
    for sequence in 1..=60 {
        world.append(vec![said("c1", sequence, 200_000)]);
    }
    for _ in 0..5 {
        world.go_on();
        world.advance(Duration::from_secs(60));
    }
    let (bytes, entries) = world.store.largest();
    assert!(bytes < 3_000_000 && entries > 40, "{bytes} bytes, {entries} entries");
    world.channel.is_out = false;
    world.advance(Duration::from_secs(300));
    world.go_on();
    let sequences: Vec<_> = world.channel.delivered.iter().map(|(id, ..)| id.clone()).collect();
    let wanted: Vec<_> = (1..=60).map(|sequence| format!("c1:c1:{sequence}")).collect();
    assert_eq!(sequences, wanted);
}

#[test]
fn options_too_large_for_a_record_are_not_offered() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m0", "zero");
    world.go_on();
    let large = "x".repeat(70_000);
    world.cloud.agent_offers("c1", &["Blue", &large, "Grey"]);
    world.go_on();
    let (bytes, _) = world.store.largest();
    assert!(bytes < 20_000, "{bytes}");
    world.accept("ada", "m1", "1");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["zero", "I take Blue"]);
}

#[test]
fn what_is_held_has_a_limit_in_bytes() {
    let mut world = World::new(1, BridgeConfig::new());
    for n in 0..100 {
        world.append(vec![accepted(&format!("c{n}"), "m1", 2 << 20)]);
    }
    // LivePerson hangs: the store alone answers.
    let asks = |step: &UnderWay| matches!(step, UnderWay::Ask(..));
    for _ in 0..1000 {
        world.poll(0);
        let Some(at) = world.instances[0].under_way.iter().position(asks) else { break };
        world.finish(0, at, Fate::Done);
    }
    assert!(!world.instances[0].under_way.iter().any(asks));
    let lanes = world.instances[0].worker.lanes();
    assert!((32..=40).contains(&lanes), "64 MiB, and the last claim's 16: {lanes}");
}

#[test]
fn what_a_refused_commit_would_have_told_is_told() {
    let mut world = World::new(1, BridgeConfig::new());
    world.hand_in("ada", Inbound::answer("m0", "c9:c9:1", 1).unwrap());
    world.append(vec![accepted("ada", "m1", MAX_VALUE_BYTES)]);
    world.go_on();
    let unknown = ("m0".to_owned(), Progress::Failed(FailureReason::UnknownOption));
    assert!(world.channel.statuses.contains(&unknown), "{:?}", world.channel.statuses);
    // Its cell leads from LivePerson's id to the consumer.
    assert!(world.store.describe(world.now.mono()).contains("consumer:lp-ada"));
}

#[test]
fn a_message_of_nobody_too_large_is_set_aside() {
    let mut world = World::new(1, BridgeConfig::new());
    world.append(vec![said("c9", 1, MAX_VALUE_BYTES)]);
    world.go_on();
    assert_eq!(letters(&mut world), [("c9:c9:1".to_owned(), "no_consumer")]);
    assert_eq!(world.instances[0].worker.counters().lost, 0);
}

#[test]
fn a_message_too_large_behind_a_gap_is_set_aside() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    // The one before it is missing: it waits, and no record has room for it.
    world.append(vec![said("c1", 2, MAX_VALUE_BYTES)]);
    world.go_on();
    assert_eq!(letters(&mut world), [("c1:c1:2".to_owned(), "too_large")]);
    world.append(vec![said("c1", 3, 400)]);
    world.go_on();
    let delivered: Vec<_> =
        world.channel.delivered.iter().map(|(id, _, order)| (id.as_str(), *order)).collect();
    assert_eq!(delivered, [("c1:c1:3", Order::AfterGap)]);
    assert_eq!(world.instances[0].worker.counters().lost, 0);
}
