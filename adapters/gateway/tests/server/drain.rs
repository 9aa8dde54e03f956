//! How a server stops.

use std::time::Duration;

use lp_connector_sandbox::Agent;

use crate::world::{Ask, World, eventually};

#[test]
fn a_draining_server_takes_notifications_all_the_same() {
    let mut world = World::with(|config| config.drain.delay = Duration::from_secs(2));
    world.begin();
    eventually("the conversation is told", || world.toy.got("conversation.changed").pop());
    let stored = || world.metric("webhooks_total{result=\"stored\"}");
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| world.drain());
        let ready = || world.operations("GET", "/readyz");
        eventually("it is not ready", || (ready().status == 503).then_some(()));
        assert_eq!(ready().json()["draining"], true);
        assert_eq!(world.operations("GET", "/livez").status, 200);
        let before = stored();
        world.agent(Agent::Text("Coo?".to_owned(), Vec::new()));
        eventually("the notification is stored", || (stored() > before).then_some(()));
        assert_eq!(world.metric("webhooks_total{result=\"unavailable\"}"), 0.0);
        world.says("second", "Coo!");
        // Unsigned ones get the same answer as ever.
        let webhooks = format!("http://{}/lp", world.addresses().webhooks);
        assert_eq!(Ask::default().send("POST", &webhooks).status, 401);
        assert!(draining.join().unwrap(), "it ends in time");
    });
    let closed = std::net::TcpStream::connect(world.addresses().gateways);
    assert!(closed.is_err(), "the listener is closed");
    // The store has it all.
    world.start(|_| {});
    eventually("it is delivered", || (world.toy.texts() == ["Coo?"]).then_some(()));
    eventually("it is sent", || world.sent().contains(&"Coo!".to_owned()).then_some(()));
}

#[test]
fn what_has_begun_is_ended_before_the_server_stops() {
    let world = World::new();
    world.begin();
    *world.toy.pause.lock().unwrap() = Duration::from_millis(300);
    world.agent(Agent::Text("Coo?".to_owned(), Vec::new()));
    eventually("it is under way", || world.toy.is_busy_with("message.created").then_some(()));
    assert!(world.drain());
    assert_eq!(world.toy.texts(), ["Coo?"]);
}

#[test]
fn a_delivery_that_goes_on_is_not_drained_in_time() {
    let world = World::with(|config| {
        config.drain.timeout = Duration::from_millis(500);
        config.gateways[0].deliver.timeout = Duration::from_secs(60);
    });
    *world.toy.pause.lock().unwrap() = Duration::from_secs(3600);
    world.says("first", "Hello");
    let is_busy = || world.toy.is_busy_with("conversation.changed");
    eventually("a delivery is under way", || is_busy().then_some(()));
    assert!(!world.drain(), "the listeners are closed, and the delivery has not ended");
}

#[test]
fn a_second_signal_cuts_the_drain_short() {
    let world = World::with(|config| config.drain.delay = Duration::from_secs(3600));
    assert!(!world.drain_cut_short());
}
