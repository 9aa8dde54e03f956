//! One message id, several times.

use lp_connector_sandbox::Agent;
use serde_json::{Value, json};

use crate::world::{ADA, World, eventually};

fn message(id: &str, text: &str) -> Value {
    json!({"id": id, "consumer": ADA, "text": text})
}

/// Waits until everything before this was sent.
fn settle(world: &World) {
    world.says("last", "last");
    eventually("all is sent", || world.sent().contains(&"last".to_owned()).then_some(()));
}

#[test]
fn a_repeat_is_accepted_and_sent_once() {
    let world = World::new();
    let first = world.post("/v1/messages", &message("SM1", "once"));
    let second = world.post("/v1/messages", &message("SM1", "once"));
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(
        (&first.json()["repeated"], &second.json()["repeated"]),
        (&json!(false), &json!(true))
    );
    settle(&world);
    assert_eq!(world.sent(), ["once", "last"]);
    let count = |result| {
        world.metric(&format!(
            "accepts_total{{gateway=\"sms\",kind=\"message\",result=\"{result}\"}}"
        ))
    };
    assert_eq!((count("accepted"), count("repeated")), (2.0, 1.0));
}

#[test]
fn another_message_with_the_id_is_refused() {
    let mut world = World::new();
    world.post("/v1/messages", &message("SM1", "first"));
    eventually("the first one is sent", || (world.sent() == ["first"]).then_some(()));
    let other = world.post("/v1/messages", &message("SM1", "second"));
    assert_eq!(other.problem(), (422, "id-reused".to_owned()));
    // An instance that did not take the first one finds out later, and says so.
    world.start(|_| {});
    let other = world.post("/v1/messages", &message("SM1", "third"));
    assert_eq!(other.status, 202);
    let failed = || {
        let all = world.toy.got("message.status").into_iter();
        let mut failed = all.filter(|one| one.body["data"]["status"] == "failed");
        failed.next().map(|one| one.body["data"]["reason"].clone())
    };
    assert_eq!(eventually("its failure is told", failed), "id_reused");
    settle(&world);
    assert_eq!(world.sent(), ["first", "last"]);
}

#[test]
fn two_at_once_are_one_message() {
    let world = World::new();
    std::thread::scope(|scope| {
        let post = || world.post("/v1/messages", &message("SM1", "once")).status;
        let both = [scope.spawn(post), scope.spawn(post)];
        assert_eq!(both.map(|one| one.join().unwrap()), [202, 202]);
    });
    settle(&world);
    assert_eq!(world.sent(), ["once", "last"]);
}

#[test]
fn a_status_never_falls() {
    let world = World::new();
    world.begin();
    world.agent(Agent::Read);
    let read =
        || (world.toy.statuses("first").last().map(String::as_str) == Some("read")).then_some(());
    eventually("it is read", read);
    let sequence = world.cloud.with(|cloud| {
        let first = cloud.messages().iter().find(|one| one.event["message"] == "Hello").unwrap();
        first.sequence.unwrap()
    });
    world.agent(Agent::Raw(json!({
        "type": "AcceptStatusEvent", "status": "ACCEPT", "sequenceList": [sequence]
    })));
    world.agent(Agent::Text("after it".to_owned(), Vec::new()));
    eventually("it is delivered", || (world.toy.texts() == ["after it"]).then_some(()));
    world.says("second", "Bye");
    let told = || (!world.toy.statuses("second").is_empty()).then_some(());
    eventually("the statuses after it are told", told);
    let rank = |status: &String| match status.as_str() {
        "sent" => 2,
        "delivered" => 3,
        "read" => 4,
        _ => 9,
    };
    let ranks: Vec<_> = world.toy.statuses("first").iter().map(rank).collect();
    assert!(ranks.windows(2).all(|two| two[0] < two[1]), "{ranks:?}");
}
