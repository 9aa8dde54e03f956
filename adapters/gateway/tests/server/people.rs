//! One consumer, typing, receipts, and pings.

use lp_connector_gateway::server::DeliveryType;
use lp_connector_sandbox::Agent;
use serde_json::{Value, json};

use crate::world::{ADA, Ask, TOKEN, World, eventually};

const ADA_QUERY: &str = "/v1/consumer?consumer=%2B41790000001";

fn consumer(world: &World) -> Value {
    let answer = Ask::with_token(TOKEN).send("GET", &world.url(ADA_QUERY));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Whether LivePerson has an event like this.
fn has(world: &World, kind: &str, member: &str, value: &str) -> Option<()> {
    let is_it = |event: &Value| event["type"] == kind && event[member] == value;
    world.cloud.with(|cloud| cloud.messages().iter().any(|one| is_it(&one.event)).then_some(()))
}

#[test]
fn a_consumer_is_shown_and_forgotten() {
    let world = World::new();
    let nothing = json!({"conversation": null, "queued": 0, "recent": []});
    assert_eq!(consumer(&world), nothing);
    world.begin();
    let known = || Some(consumer(&world)).filter(|one| one["recent"][0]["status"] == "sent");
    let shown = eventually("it is sent", known);
    assert_eq!(shown["conversation"]["state"], "open");
    assert_eq!(shown["recent"][0]["id"], "first");
    let missing = Ask::with_token(TOKEN).send("GET", &world.url("/v1/consumer"));
    assert_eq!(missing.problem(), (422, "invalid".to_owned()));
    let forgotten = Ask::with_token(TOKEN).send("DELETE", &world.url(ADA_QUERY));
    assert_eq!(forgotten.status, 202);
    // LivePerson may still tell of the conversation, which is open there.
    let forgotten = || (consumer(&world)["recent"] == nothing["recent"]).then_some(());
    eventually("it is forgotten", forgotten);
    let accepted = "accepts_total{gateway=\"sms\",kind=\"forget\",result=\"accepted\"}";
    assert_eq!(world.metric(accepted), 1.0);
}

#[test]
fn a_refused_message_is_shown_with_what_refused_it() {
    let world = World::new();
    world.cloud.with(|cloud| cloud.fault("send:1=400".parse().unwrap()));
    world.post("/v1/messages", &json!({"id": "bad", "consumer": ADA, "text": "Coo?"}));
    let failed = || Some(consumer(&world)).filter(|one| one["recent"][0]["status"] == "failed");
    let message = eventually("it is refused", failed)["recent"][0].clone();
    assert_eq!(message["reason"], "refused");
    let detail = message["detail"].as_str().unwrap();
    assert!(detail.contains("400") && !detail.contains("Coo?"), "{detail}");
    world.says("good", "Hello");
    let sent = || Some(consumer(&world)).filter(|one| one["recent"][1]["status"] == "sent");
    assert_eq!(eventually("the next one is sent", sent)["recent"][1]["detail"], Value::Null);
}

#[test]
fn typing_reaches_the_agent_and_ends_with_the_message() {
    let world = World::new();
    let typing =
        |yes: bool| world.post("/v1/typing", &json!({"consumer": ADA, "typing": yes})).status;
    assert_eq!(typing(true), 204, "no conversation is no error");
    world.begin();
    assert_eq!(typing(true), 204);
    eventually("the agent sees it", || has(&world, "ChatStateEvent", "chatState", "COMPOSING"));
    world.says("second", "Coo?");
    eventually("a message ends it", || has(&world, "ChatStateEvent", "chatState", "ACTIVE"));
}

#[test]
fn an_agent_who_types_is_told_of_where_that_is_chosen() {
    let world = World::with(|config| {
        config.gateways[0].deliver.types = DeliveryType::ALL.to_vec();
    });
    world.begin();
    world.agent(Agent::Text("wait".to_owned(), Vec::new()));
    eventually("the consumer is known", || (world.toy.texts() == ["wait"]).then_some(()));
    world.agent(Agent::State("COMPOSING".to_owned()));
    let told = || world.toy.got("typing.changed").pop();
    let told = eventually("it is told", told);
    assert_eq!((&told.body["data"]["typing"], &told.body["consumer"]), (&json!(true), &json!(ADA)));
}

#[test]
fn receipts_of_the_channel_reach_the_agent() {
    let world = World::new();
    world.begin();
    world.agent(Agent::Text("Coo?".to_owned(), Vec::new()));
    let delivery = eventually("it is delivered", || world.toy.got("message.created").pop());
    let report = |messages: Value, status: &str| {
        let body = json!({"consumer": ADA, "messages": messages, "status": status});
        world.post("/v1/receipts", &body)
    };
    assert_eq!(report(json!([delivery.id()]), "read").status, 202);
    eventually("the agent sees it", || has(&world, "AcceptStatusEvent", "status", "READ"));
    for (messages, status) in
        [(json!(["x"]), "read"), (json!([]), "read"), (json!(["5f0c:5f0c:1"]), "burnt")]
    {
        assert_eq!(report(messages, status).problem(), (422, "invalid".to_owned()));
    }
}

#[test]
fn a_conversation_is_closed_in_its_turn() {
    let world = World::new();
    world.begin();
    let body = json!({"id": "C1", "consumer": ADA});
    let first = world.post("/v1/close", &body);
    assert_eq!((first.status, &first.json()["repeated"]), (202, &json!(false)));
    assert_eq!(world.post("/v1/close", &body).json()["repeated"], true);
    let closed = || {
        let changes = world.toy.got("conversation.changed");
        changes.into_iter().find(|one| one.body["data"]["change"] == "closed")
    };
    let closed = eventually("it is closed", closed);
    assert_eq!(closed.body["data"]["state"], "closed");
    assert_eq!(closed.body["data"]["by"], "consumer");
}

#[test]
fn a_ping_says_whether_the_gateway_answers() {
    let world = World::new();
    let ping = || Ask::with_token(TOKEN).send("POST", &world.url("/v1/ping"));
    let answered = ping();
    assert_eq!((answered.status, &answered.json()["status"]), (200, &json!(204)));
    let delivery = world.toy.got("ping").remove(0);
    assert_eq!((&delivery.body["data"], &delivery.body["gateway"]), (&json!({}), &json!("sms")));
    assert!(delivery.body.get("consumer").is_none());
    world.toy.answer(|_, _| 500);
    assert_eq!(ping().problem(), (502, "gateway-failed".to_owned()));
}

#[test]
fn a_paused_gateway_is_not_told_who_types() {
    let world = World::with(|config| {
        config.gateways[0].deliver.types = DeliveryType::ALL.to_vec();
    });
    world.begin();
    world.agent(Agent::Text("wait".to_owned(), Vec::new()));
    eventually("the consumer is known", || (world.toy.texts() == ["wait"]).then_some(()));
    assert_eq!(world.operations("POST", "/ops/v1/gateways/sms/pause").status, 200);
    world.agent(Agent::State("COMPOSING".to_owned()));
    world.agent(Agent::Text("later".to_owned(), Vec::new()));
    eventually("it waits", || {
        let lanes = world.operations("GET", "/ops/v1/lanes?kind=conversation").json();
        let lane = &lanes["items"][0];
        (lane["entries"] == 0 && lane["waiting"].as_u64() >= Some(1)).then_some(())
    });
    assert_eq!(world.operations("POST", "/ops/v1/gateways/sms/resume").status, 200);
    eventually("it goes on", || (world.toy.texts() == ["wait", "later"]).then_some(()));
    assert!(world.toy.got("typing.changed").is_empty());
}

#[test]
fn a_forgotten_consumer_may_use_an_id_again() {
    let world = World::new();
    world.begin();
    eventually("it is sent", || (consumer(&world)["recent"][0]["status"] == "sent").then_some(()));
    assert_eq!(Ask::with_token(TOKEN).send("DELETE", &world.url(ADA_QUERY)).status, 202);
    eventually("it is forgotten", || (consumer(&world)["recent"] == json!([])).then_some(()));
    let other = json!({"id": "first", "consumer": ADA, "text": "Me again"});
    let answer = world.post("/v1/messages", &other);
    assert_eq!((answer.status, &answer.json()["repeated"]), (202, &json!(false)));
}
