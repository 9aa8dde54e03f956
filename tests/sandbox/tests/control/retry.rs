//! What is held back because nobody listens, and how it goes out.

use std::time::Duration;

use lp_connector_sandbox::Webhooks;
use lp_connector_sandbox::control::v1;
use serde_json::{Value, json};

use crate::world::{World, endpoint, named, wait_for};

/// An address at which nobody listens.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// The texts of the next posts.
fn texts(posts: &std::sync::mpsc::Receiver<(String, Vec<u8>)>, count: usize) -> Vec<String> {
    let post = |_| {
        let (_, body) = posts.recv_timeout(Duration::from_secs(60)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["body"]["changes"][0]["event"]["message"].as_str().unwrap_or("-").to_owned()
    };
    (0..count).map(post).collect()
}

/// A world whose three texts are held back, and whose next try is far away.
fn held_back() -> World {
    let world = World::new();
    let webhooks = Webhooks::all_at(closed()).retention(Duration::from_secs(3600));
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let mut events = world.control.events(None).unwrap();
    world.say("one");
    // The driver tries, and nobody is there; from then on nothing is tried for 2 s.
    wait_for(&mut events, |event| named(event, "webhooks") && event.data["state"] == "FAILED");
    world.say("two");
    world.say("three");
    world
}

#[test]
fn whoever_asks_sees_what_is_held_back() {
    let world = held_back();
    let control = &world.control;
    let done = control.trigger("text", &json!({"text": "four"})).unwrap();
    let webhooks = control.webhooks().unwrap();
    assert_eq!((webhooks.state.as_str(), webhooks.lost), ("FAILED", 0));
    // One of them may be on its way again.
    assert!(webhooks.held + 1 >= webhooks.waiting && webhooks.waiting >= 4, "{webhooks:?}");
    assert!(done.held + 1 >= webhooks.waiting, "{done:?}");
    let snapshot: v1::Snapshot = control.snapshot().unwrap();
    assert!(snapshot.webhooks.held + 1 >= webhooks.waiting);
}

#[test]
fn a_retry_with_nobody_waiting_answers_zero() {
    let world = World::new();
    assert_eq!(world.control.retry_webhooks().unwrap(), 0, "without webhooks");
    let (url, posts) = endpoint(&[]);
    world.control.set_webhooks(&url).unwrap();
    assert_eq!(world.control.retry_webhooks().unwrap(), 0);
    world.say("one");
    assert_eq!(texts(&posts, 1), ["one"]);
}

#[test]
fn a_listener_that_comes_late_gets_all_after_a_retry() {
    let world = World::new();
    let url = closed();
    let webhooks = Webhooks::all_at(&url).max_retries(5);
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let mut events = world.control.events(None).unwrap();
    world.say("one");
    wait_for(&mut events, |event| named(event, "webhooks") && event.data["held"] == 1);
    let next = world.control.webhooks().unwrap().next.unwrap();
    let (listening, posts) = crate::world::endpoint_at(url.trim_start_matches("http://"), &[]);
    assert_eq!(listening, url);
    assert_eq!(world.control.retry_webhooks().unwrap(), 1);
    assert_eq!(texts(&posts, 1), ["one"]);
    let delivered = wait_for(&mut events, |event| {
        named(event, "notification") && event.data["state"] == "delivered"
    });
    let detail = world.control.notification(delivered.data["n"].as_u64().unwrap()).unwrap();
    assert_eq!(detail.attempts.len(), 2);
    assert!(detail.attempts[1].at < next, "its own time is 30 s after the first");
}

#[test]
fn an_address_that_is_set_gets_what_waits_at_once() {
    let world = held_back();
    let (url, posts) = endpoint(&[]);
    let webhooks = world.control.set_webhooks(&url).unwrap();
    assert_eq!(webhooks.lost, 0);
    assert_eq!(texts(&posts, 3), ["one", "two", "three"]);
    let all = world.control.notifications().unwrap().notifications;
    assert!(all.iter().all(|one| one.url == url), "{all:?}");
}
