//! Deliveries: signed, in order, and again until they are taken.

use std::time::{Duration, SystemTime};

use lp_connector_gateway::signature::SigningKeys;
use lp_connector_sandbox::Agent;
use serde_json::json;

use crate::world::{Ask, SECRET, TOKEN, World, eventually};

/// The date of a time.
fn day(at: SystemTime) -> String {
    humantime::format_rfc3339(at).to_string()[..10].to_owned()
}

fn text(text: &str) -> Agent {
    Agent::Text(text.to_owned(), Vec::new())
}

#[test]
fn every_try_is_signed_anew_over_the_bytes_that_are_sent() {
    let world = World::new();
    world.begin();
    world.toy.answer(|_, tries| if tries == 1 { 503 } else { 204 });
    world.agent(text("Coo \u{1f426} \"quoted\""));
    eventually("it is taken", || (world.toy.texts().len() == 1).then_some(()));
    let keys = SigningKeys::new([SECRET]).unwrap();
    let tries = world.toy.got("message.created");
    for (index, one) in tries.iter().enumerate() {
        let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let stamp: u64 = one.header("webhook-timestamp").parse().unwrap();
        let signature = one.header("webhook-signature");
        assert!(keys.verify(one.id(), stamp, &one.raw, signature, stamp), "{one:?}");
        assert!(seconds(one.at).abs_diff(stamp) <= 1, "the time of this try");
        assert_eq!(one.header("lp-bridge-attempt"), (index + 1).to_string());
        assert_eq!(one.header("webhook-id"), one.id());
        assert_eq!(one.header("content-type"), "application/json; charset=utf-8");
        assert!(one.header("user-agent").starts_with("lp-connector-bridge/"));
    }
    let [first, second] = &tries[..] else { panic!("{tries:?}") };
    assert_eq!(first.id(), second.id());
    let mut repeated = first.body.clone();
    repeated["possibly_repeated"] = json!(true);
    assert_eq!(second.body, repeated, "nothing else differs");
}

#[test]
fn an_event_of_yesterday_is_signed_with_todays_time() {
    let world = World::new();
    world.begin();
    world.agent_at(Duration::from_secs(24 * 3600), text("Coo?"));
    eventually("it is taken", || (world.toy.texts().len() == 1).then_some(()));
    let one = world.toy.got("message.created").remove(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let stamp: u64 = one.header("webhook-timestamp").parse().unwrap();
    assert!(now.abs_diff(stamp) < 60, "{stamp}");
    let told = one.body["timestamp"].as_str().unwrap();
    let today = day(SystemTime::now());
    assert!(!told.starts_with(&today), "the body has the event's time: {told}");
}

#[test]
fn messages_of_a_conversation_come_one_at_a_time_in_order() {
    let world = World::new();
    world.begin();
    *world.toy.pause.lock().unwrap() = Duration::from_millis(20);
    let texts: Vec<String> = (0..10).map(|n| format!("message {n}")).collect();
    texts.iter().for_each(|one| world.agent(text(one)));
    eventually("all are taken", || (world.toy.texts().len() == 10).then_some(()));
    assert_eq!(world.toy.texts(), texts);
    assert!(world.toy.overlaps.lock().unwrap().is_empty(), "two under way at once");
}

#[test]
fn a_message_that_is_refused_makes_room_for_the_next_one() {
    let world = World::with(|config| config.gateways[0].deliver.refused_tries = 1);
    world.begin();
    world.toy.answer(|body, _| if body["data"]["text"] == "bad" { 422 } else { 204 });
    world.agent(text("bad"));
    world.agent(text("good"));
    eventually("the next one is taken", || (world.toy.texts() == ["good"]).then_some(()));
    let good = world.toy.got("message.created").pop().unwrap();
    assert_eq!(good.body["order"], "after_gap");
    let refused = "deliveries_total{gateway=\"sms\",type=\"message.created\",outcome=\"refused\"}";
    assert_eq!(world.metric(refused), 1.0);
}

#[test]
fn a_wrong_url_costs_no_message() {
    let world = World::with(|config| config.gateways[0].deliver.refused_tries = 1);
    world.begin();
    world.toy.answer(|body, tries| match body["data"]["text"].as_str() {
        Some("first") if tries == 1 => 404,
        _ => 204,
    });
    world.agent(text("first"));
    world.agent(text("second"));
    eventually("both are taken", || (world.toy.texts() == ["first", "second"]).then_some(()));
    let misconfigured =
        "deliveries_total{gateway=\"sms\",type=\"message.created\",outcome=\"misconfigured\"}";
    assert_eq!(world.metric(misconfigured), 1.0);
    let second = world.toy.got("message.created").pop().unwrap();
    assert_eq!(second.body["order"], "in_order");
}

#[test]
fn a_type_that_is_not_chosen_counts_as_taken() {
    use lp_connector_gateway::server::DeliveryType;
    let world = World::with(|config| {
        config.gateways[0].deliver.types = vec![DeliveryType::MessageStatus];
    });
    world.begin();
    world.agent(text("unseen"));
    eventually("the agent gets a receipt", || {
        let accepted = world.cloud.with(|cloud| {
            cloud.messages().iter().any(|one| one.event["type"] == "AcceptStatusEvent")
        });
        accepted.then_some(())
    });
    let status = || world.toy.statuses("first").first().cloned();
    assert_eq!(eventually("the type that is chosen comes", status), "sent");
    assert!(world.toy.got("message.created").is_empty());
    assert!(world.toy.got("conversation.changed").is_empty());
}

#[test]
fn a_ping_takes_a_place_among_the_deliveries() {
    let world = World::with(|config| {
        let gateway = &mut config.gateways[0];
        gateway.deliver.concurrency = 1;
        gateway.deliver.url = gateway.deliver.url.replace("/bridge", "/slow");
    });
    let (sender, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (world, sender) = (&world, sender.clone());
            scope.spawn(move || {
                let ping = Ask::with_token(TOKEN).send("POST", &world.url("/v1/ping"));
                sender.send(ping).unwrap();
            });
        }
        assert_eq!(answers.recv().unwrap().problem(), (429, "too-many".to_owned()));
        world.toy.gate.add_permits(1);
        assert_eq!(answers.recv().unwrap().status, 200);
    });
}
