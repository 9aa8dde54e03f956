//! Messages, from the gateway to the agent and back.

use lp_connector_sandbox::Agent;
use serde_json::json;

use crate::world::{ADA, World, eventually};

#[test]
fn a_message_goes_out_and_an_answer_comes_back() {
    let world = World::new();
    let body = json!({"id": "SM1", "consumer": ADA, "text": "Where is my parcel?"});
    let answer = world.post("/v1/messages", &body);
    assert_eq!(answer.status, 202, "{answer:?}");
    let accepted = json!({"id": "SM1", "consumer": ADA, "status": "accepted", "repeated": false});
    assert_eq!(answer.json(), accepted);
    eventually("it is sent", || (world.sent() == ["Where is my parcel?"]).then_some(()));
    world.agent(Agent::Text("At home?".to_owned(), Vec::new()));
    eventually("it is delivered", || (world.toy.texts() == ["At home?"]).then_some(()));
    let delivery = world.toy.got("message.created").remove(0);
    assert_eq!(delivery.body["consumer"], ADA);
    assert_eq!(delivery.body["gateway"], "sms");
    assert_eq!(delivery.header("webhook-id"), delivery.id());
    assert_eq!(delivery.header("lp-bridge-attempt"), "1");
    let status = || world.toy.statuses("SM1").first().cloned();
    assert_eq!(eventually("its status is told", status), "sent");
}

#[test]
fn a_message_is_accepted_only_once_the_store_has_it() {
    let world = World::new();
    let body = json!({"id": "SM1", "consumer": ADA, "text": "Coo?"});
    world.store.unplug(true);
    let refused = world.post("/v1/messages", &body);
    assert_eq!(refused.problem(), (503, "store-unavailable".to_owned()));
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(world.metric("store_up"), 0.0);
    assert_eq!(world.operations("GET", "/livez").status, 200);
    world.store.unplug(false);
    let accepted = world.post("/v1/messages", &body);
    assert_eq!((accepted.status, &accepted.json()["repeated"]), (202, &json!(false)));
    eventually("it is sent", || (world.sent() == ["Coo?"]).then_some(()));
}

#[test]
fn an_instance_without_its_store_is_not_ready() {
    let world = World::new();
    let ready = || world.operations("GET", "/readyz");
    world.store.unplug(true);
    eventually("it is not ready", || (ready().status == 503).then_some(()));
    let parts = json!({"ready": false, "started": true, "draining": false, "store": false});
    assert_eq!(ready().json(), parts);
    assert_eq!(world.operations("GET", "/livez").status, 200);
    world.store.unplug(false);
    eventually("it is ready again", || (ready().status == 200).then_some(()));
}
