//! What is told for logs and metrics.

use std::time::Duration;

use super::store::Request;
use super::world::{Fate, UnderWay, World};
use super::{
    BridgeConfig, BridgeEvent, BridgeEventKind, Inbound, Outgoing, Resolution, Unsettled, adopt,
    resolve,
};
use crate::id::{AccountId, ConversationId, ExtConsumerId};

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").unwrap()
}

fn pass(world: &mut World, time: Duration) {
    for _ in 0..10 {
        world.advance(time / 10);
        world.go_on();
    }
}

/// A world in which a conversation is open, and everything is told.
fn open(config: BridgeConfig) -> World {
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.events();
    world
}

fn shown(event: &BridgeEvent) -> String {
    match &event.kind {
        BridgeEventKind::Message { message, outcome, .. } => {
            format!("{message} {}", outcome.name())
        }
        BridgeEventKind::Conversation { conversation, outcome } => {
            format!("{conversation} {}", outcome.name())
        }
        BridgeEventKind::Delivery { content, attempt, outcome, .. } => {
            format!("{} {attempt} {}", content.name(), outcome.name())
        }
        BridgeEventKind::OrderAnomaly { anomaly, .. } => format!("anomaly {}", anomaly.name()),
        BridgeEventKind::DeadLetter { dead_letter, reason } => {
            format!("dead {dead_letter} {}", reason.name())
        }
        BridgeEventKind::TakenOver(kind) => format!("{kind} taken over"),
        BridgeEventKind::CommitLost(kind) => format!("{kind} lost"),
    }
}

/// What was told, but for statuses and changes of the conversation.
fn told(world: &mut World) -> Vec<String> {
    let events = world.events().into_iter().map(|event| shown(&event));
    events.filter(|event| !event.starts_with("status") && !event.starts_with("changed")).collect()
}

fn is_call(step: &UnderWay) -> bool {
    matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)))
}

#[test]
fn messages_and_deliveries_are_told_once() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.cloud.agent_says("c1", "Good morning");
    world.go_on();
    let events: Vec<String> = world.events().iter().map(shown).collect();
    let expected = ["c1 opened", "m1 sent", "status 1 taken", "changed 1 taken", "message 1 taken"];
    assert_eq!(events, expected);
}

#[test]
fn a_private_note_reaches_no_channel() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.cloud.agent_notes("c1", "psst");
    world.cloud.agent_says("c1", "Good morning");
    world.go_on();
    let texts: Vec<&str> = world.channel.delivered.iter().map(|(_, text, _)| &**text).collect();
    assert_eq!(texts, ["Good morning"]);
    let events: Vec<String> = world.events().iter().map(shown).collect();
    let taken = |event: &&String| event.starts_with("message") || event.starts_with("dead");
    assert_eq!(events.iter().filter(taken).collect::<Vec<_>>(), ["message 1 taken"]);
}

#[test]
fn events_name_the_consumer_and_hold_no_text() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "a private word");
    world.go_on();
    world.cloud.agent_says("c1", "a private word");
    world.go_on();
    let events = world.events();
    assert!(events.iter().all(|event| event.consumer == Some(ada()) && event.account == account()));
    assert!(!format!("{events:?}").contains("private"));
}

#[test]
fn the_time_that_things_took_is_told() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.advance(Duration::from_secs(7));
    world.run();
    world.post_all();
    world.run();
    world.cloud.agent_says("c1", "Good morning");
    world.post_all();
    world.advance(Duration::from_secs(11));
    world.channel.is_out = true;
    world.run();
    world.channel.is_out = false;
    pass(&mut world, Duration::from_secs(20));
    let took = |events: &[BridgeEvent], name: &str| {
        let found = events.iter().find(|event| shown(event) == name).unwrap();
        match found.kind {
            BridgeEventKind::Message { after, .. } | BridgeEventKind::Delivery { after, .. } => {
                after
            }
            _ => None,
        }
    };
    let events = world.events();
    assert_eq!(took(&events, "m1 sent"), Some(Duration::from_secs(7)));
    assert_eq!(took(&events, "message 1 outage"), None);
    let taken = took(&events, "message 2 taken").unwrap();
    assert!(taken >= Duration::from_secs(12) && taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn what_becomes_of_an_unconfirmed_message_is_told() {
    let minute = Duration::from_secs(61);
    for (policy, fate, expected) in [
        (Unsettled::Report, Fate::RequestLost, &["m2 unconfirmed", "m2 reported"][..]),
        (Unsettled::Resend, Fate::RequestLost, &["m2 unconfirmed", "m2 resent", "m2 sent"]),
        (Unsettled::Report, Fate::AnswerLost, &["m2 unconfirmed", "m2 settled_sent", "m2 sent"]),
    ] {
        let mut world = open(BridgeConfig::new().unsettled(policy));
        world.accept("ada", "m2", "two");
        let at = world.run_until(is_call).unwrap();
        world.finish(0, at, fate);
        world.run();
        if fate == Fate::AnswerLost {
            world.go_on();
        } else {
            world.advance(minute);
            world.run();
        }
        assert_eq!(told(&mut world), expected, "{policy:?} {fate:?}");
    }
    let mut world = open(BridgeConfig::new());
    world.accept("ada", "m2", "two");
    let at = world.run_until(is_call).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.run();
    world.advance(Duration::from_secs(35));
    world.cloud.agent_says("c1", "still there?");
    world.go_on();
    let expected = ["m2 unconfirmed", "message 1 taken", "m2 settled_absent", "m2 sent"];
    assert_eq!(told(&mut world), expected);
}

#[test]
fn an_operators_decision_is_told() {
    for (resolution, expected) in [
        (Resolution::Sent, &["m2 sent"][..]),
        (Resolution::Drop, &["m2 failed"]),
        (Resolution::Resend, &["m2 resent", "m2 sent"]),
    ] {
        let mut world = open(BridgeConfig::new().unsettled(Unsettled::Hold));
        world.accept("ada", "m2", "two");
        let at = world.run_until(is_call).unwrap();
        world.finish(0, at, Fate::RequestLost);
        world.run();
        world.advance(Duration::from_secs(61));
        world.run();
        assert_eq!(told(&mut world), ["m2 unconfirmed"]);
        world.append(vec![resolve(&account(), &ada(), "m2", resolution)]);
        world.run();
        assert_eq!(told(&mut world), expected, "{resolution:?}");
    }
}

#[test]
fn a_message_that_fails_is_told_with_its_reason() {
    let mut world = open(BridgeConfig::new());
    world.hand_in("ada", Inbound::answer("m2", "c1:c1:1", 1).unwrap());
    world.hand_in("ada", Inbound::text("m1", "another").unwrap());
    world.go_on();
    let reasons = world.events().into_iter().filter_map(|event| match event.kind {
        BridgeEventKind::Message { outcome: super::MessageOutcome::Failed(reason), .. } => {
            Some(reason.name())
        }
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["unknown_option", "id_reused"]);
}

#[test]
fn a_conversation_is_opened_closed_and_opened_anew() {
    let mut world = open(BridgeConfig::new());
    // Before the notification of the close: a message finds it closed.
    world.cloud.close("c1");
    world.accept("ada", "m2", "again");
    world.go_on();
    assert_eq!(told(&mut world), ["c1 closed", "c2 reopened", "m2 sent"]);
    // After it.
    world.cloud.close("c2");
    world.go_on();
    world.accept("ada", "m3", "again");
    world.go_on();
    assert_eq!(told(&mut world), ["c2 closed", "c3 opened", "m3 sent"]);
    world.hand_in("ada", Inbound::close("m4", false).unwrap());
    world.go_on();
    assert_eq!(told(&mut world), ["c3 closed", "m4 sent"]);
}

#[test]
fn an_adopted_conversation_is_told() {
    let mut world = World::new(1, BridgeConfig::new());
    world.cloud.open_for("ada");
    world.post_all();
    world.run();
    world.accept("ada", "m1", "hello");
    world.go_on();
    assert_eq!(told(&mut world), ["c1 adopted", "m1 sent"]);
}

#[test]
fn an_operator_adopts_a_conversation() {
    let mut world = World::new(1, BridgeConfig::new());
    // Nothing leads to it.
    world.cloud.open_for("nameless");
    world.accept("nameless", "m1", "hello");
    world.go_on();
    assert_eq!(world.cloud.texts_of("nameless"), Vec::<String>::new());
    let nameless = ExtConsumerId::new("nameless").unwrap();
    let conversation = ConversationId::new("c1").unwrap();
    world.append(vec![adopt(&account(), &nameless, conversation.clone())]);
    world.go_on();
    assert_eq!(world.cloud.texts_of("nameless"), ["hello"]);
    world.cloud.agent_says("c1", "there you are");
    world.go_on();
    assert_eq!(world.channel.delivered.len(), 1);
    assert_eq!(told(&mut world), ["c1 adopted", "m1 sent", "message 1 taken"]);
    // Once more changes nothing.
    world.append(vec![adopt(&account(), &nameless, conversation)]);
    world.go_on();
    assert_eq!(told(&mut world), Vec::<String>::new());
}

#[test]
fn another_consumers_conversation_is_not_given_away() {
    let mut world = open(BridgeConfig::new());
    let eve = ExtConsumerId::new("eve").unwrap();
    world.append(vec![adopt(&account(), &eve, ConversationId::new("c1").unwrap())]);
    world.go_on();
    world.cloud.agent_says("c1", "for ada alone");
    world.go_on();
    let to: Vec<_> = world.channel.consumers.iter().map(String::as_str).collect();
    assert!(!to.contains(&"eve"), "{to:?}");
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn what_the_channel_made_of_a_delivery_is_told() {
    let mut world = open(BridgeConfig::new().give_up_after(Duration::from_secs(8)));
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "one");
    pass(&mut world, Duration::from_secs(20));
    let refused = ["message 1 refused", "message 2 refused", "message 3 refused"];
    assert_eq!(told(&mut world), [&refused[..], &["dead c1:c1:1 refused"]].concat());
    (world.channel.refuses, world.channel.is_out) = (false, true);
    world.cloud.agent_says("c1", "two");
    pass(&mut world, Duration::from_secs(60));
    let events = told(&mut world);
    assert_eq!(events[0], "message 1 outage");
    assert_eq!(events[events.len() - 2], "message 3 expired");
    assert!(events[events.len() - 1].ends_with("expired"), "{events:?}");
    world.channel.is_out = false;
    world.channel.paused = Some(Duration::from_secs(1));
    world.cloud.agent_says("c1", "three");
    world.post_all();
    world.run();
    world.channel.paused = None;
    pass(&mut world, Duration::from_secs(20));
    let expected = ["message 1 paused", "anomaly after_gap", "message 1 taken"];
    assert_eq!(told(&mut world), expected);
}

#[test]
fn a_status_that_is_not_taken_is_told() {
    let mut world = World::new(1, BridgeConfig::new().give_up_after(Duration::from_secs(8)));
    world.channel.is_out = true;
    world.accept("ada", "m1", "hello");
    world.run();
    for _ in 0..10 {
        world.advance(Duration::from_secs(6));
        world.run();
    }
    let events: Vec<String> = world.events().iter().map(shown).collect();
    let statuses: Vec<_> = events.iter().filter(|event| event.starts_with("status")).collect();
    assert_eq!(statuses, ["status 1 outage", "status 2 outage", "status 3 expired"]);
}

#[test]
fn a_gap_and_what_is_late_are_told() {
    let mut world = open(BridgeConfig::new());
    world.cloud.agent_says("c1", "one");
    let one = world.cloud.to_post.pop_back().unwrap();
    world.cloud.agent_says("c1", "two");
    world.go_on();
    pass(&mut world, Duration::from_secs(5));
    world.cloud.to_post.push_back(one);
    world.go_on();
    let expected = ["anomaly after_gap", "message 1 taken", "anomaly late", "message 1 taken"];
    assert_eq!(told(&mut world), expected);
}

#[test]
fn a_lane_that_changes_hands_is_told() {
    let mut world = open(BridgeConfig::new());
    world.cloud.agent_says("c1", "one");
    world.post_all();
    let is_delivery = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    world.run_until(is_delivery).unwrap();
    // It freezes beyond its term, and that of a claim that was under way.
    for _ in 0..2 {
        world.advance(Duration::from_secs(16));
        world.go_on();
    }
    let events = told(&mut world);
    let expected = [
        "conversation lost",
        "conversation taken over",
        "conversation lost",
        "conversation taken over",
        "anomaly possibly_repeated",
        "message 1 taken",
    ];
    assert_eq!(events, expected);
}

#[test]
fn what_is_not_committed_is_not_told() {
    let is_commit = |step: &UnderWay| matches!(step, UnderWay::Ask(_, Request::Commit(_)));
    for (fate, expected) in
        [(Fate::AnswerLost, &["m2 sent"][..]), (Fate::RequestLost, &["m2 sent"])]
    {
        let mut world = open(BridgeConfig::new());
        world.accept("ada", "m2", "two");
        let at = world.run_until(is_call).unwrap();
        world.finish(0, at, Fate::Done);
        let at = world.run_until(is_commit).unwrap();
        assert_eq!(told(&mut world), Vec::<String>::new());
        world.finish(0, at, fate);
        assert_eq!(told(&mut world), Vec::<String>::new());
        world.advance(Duration::from_secs(1));
        world.run();
        assert_eq!(told(&mut world), expected, "{fate:?}");
    }
}

#[test]
fn a_dead_letter_that_comes_twice_is_told_once() {
    let mut world = open(BridgeConfig::new());
    for _ in 0..2 {
        world.cloud.to_post.push_back(b"not JSON".to_vec());
        world.go_on();
    }
    let events = told(&mut world);
    assert!(matches!(&*events, [one] if one.ends_with("unreadable")), "{events:?}");
}

#[test]
fn events_that_nobody_takes_are_bounded() {
    let mut world = open(BridgeConfig::new());
    for number in 0..5000 {
        world.accept("ada", &format!("n{number}"), "again");
        if number % 50 == 0 {
            world.run();
        }
    }
    world.run();
    let forgotten = world.instances[0].worker.counters().forgotten_events;
    let events = world.events();
    assert_eq!(events.len(), 4096);
    assert!(forgotten > 900, "{forgotten}");
    let newest = events.iter().any(|event| shown(event) == "n4999 sent");
    assert!(newest, "the oldest are forgotten");
}
