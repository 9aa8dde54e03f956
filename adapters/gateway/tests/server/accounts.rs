//! Several accounts and several gateways in one server.

use lp_connector_gateway::server::{AccountConfig, GatewayConfig};
use lp_connector_sandbox::{self as sandbox, Agent, Webhooks};
use serde_json::json;

use crate::world::{
    ADA, Ask, OTHER_TOKEN, SECRET, TOKEN, World, account, agent_of, eventually, secret, sent_to,
};

fn chat(url: &str) -> GatewayConfig {
    let mut chat = GatewayConfig::new("chat", url);
    chat.tokens.push(secret(OTHER_TOKEN));
    chat.deliver.secrets.push(secret(SECRET));
    chat
}

#[test]
fn each_account_has_its_gateway_and_its_secret() {
    let other = sandbox::ServerConfig::new().seed(2).sandbox(|cloud| cloud.account("12345678"));
    let other = sandbox::Server::start(other).unwrap();
    let other_account: AccountConfig = account(&other);
    let world = World::with(|config| {
        config.accounts.push(other_account.clone());
        let mut chat = chat(&config.gateways[0].deliver.url);
        chat.account = Some("12345678".parse().unwrap());
        config.gateways.push(chat);
    });
    let lp = format!("http://{}/lp", world.addresses().webhooks);
    other.with(|cloud| cloud.set_webhooks(Webhooks::all_at(lp)));
    world.says("1", "from sms");
    let body = json!({"id": "1", "consumer": ADA, "text": "from chat"});
    let posted = Ask::with_token(OTHER_TOKEN).json(&body).send("POST", &world.url("/v1/messages"));
    assert_eq!(posted.status, 202);
    eventually("both are sent", || {
        (world.sent() == ["from sms"] && sent_to(&other) == ["from chat"]).then_some(())
    });
    world.agent(Agent::Text("to sms".to_owned(), Vec::new()));
    agent_of(&other, Agent::Text("to chat".to_owned(), Vec::new()));
    eventually("both are answered", || (world.toy.texts().len() == 2).then_some(()));
    for delivery in world.toy.got("message.created") {
        let gateway = delivery.body["gateway"].as_str().unwrap();
        assert_eq!(delivery.body["data"]["text"], format!("to {gateway}"));
        assert_eq!(delivery.body["consumer"], ADA);
    }
}

#[test]
fn two_gateways_may_have_the_same_consumer_and_the_same_ids() {
    let world = World::with(|config| {
        let chat = chat(&config.gateways[0].deliver.url);
        config.gateways.push(chat);
    });
    for (token, text) in [(TOKEN, "from sms"), (OTHER_TOKEN, "from chat")] {
        let body = json!({"id": "1", "consumer": ADA, "text": text});
        let answer = Ask::with_token(token).json(&body).send("POST", &world.url("/v1/messages"));
        assert_eq!((answer.status, &answer.json()["repeated"]), (202, &json!(false)));
    }
    let both = || {
        let mut sent = world.sent();
        sent.sort();
        (sent == ["from chat", "from sms"]).then_some(())
    };
    eventually("both are sent", both);
    let statuses = || {
        let all = world.toy.got("message.status");
        let of = |name: &str| all.iter().any(|one| one.body["gateway"] == name);
        (of("sms") && of("chat")).then_some(all.clone())
    };
    let statuses = eventually("both are told", statuses);
    let ids: std::collections::BTreeSet<&str> = statuses.iter().map(|one| one.id()).collect();
    assert!(ids.len() >= 2, "a status's id is of one consumer: {ids:?}");
}

#[test]
fn a_gateway_that_hangs_holds_up_no_other() {
    let world = World::with(|config| {
        let mut slow = chat(&config.gateways[0].deliver.url.replace("/bridge", "/slow"));
        slow.deliver.concurrency = 1;
        slow.deliver.timeout = std::time::Duration::from_secs(60);
        config.gateways[0].deliver.concurrency = 1;
        config.gateways.push(slow);
    });
    let send = |token: &str, consumer: &str| {
        let body = json!({"id": "1", "consumer": consumer, "text": "Hello"});
        let answer = Ask::with_token(token).json(&body).send("POST", &world.url("/v1/messages"));
        assert_eq!(answer.status, 202);
    };
    // More than all deliveries and requests that may be under way.
    let crowd: Vec<String> = (0..150).map(|n| format!("consumer {n}")).collect();
    crowd.iter().for_each(|consumer| send(OTHER_TOKEN, consumer));
    eventually("all are sent", || (world.sent().len() == crowd.len()).then_some(()));
    send(TOKEN, ADA);
    let told = || world.toy.got("message.status").pop();
    let told = eventually("the other one is served", told);
    assert_eq!(told.body["gateway"], "sms", "the first that anybody answered");
    world.toy.gate.add_permits(1000);
}
