//! Dead letters with one id in two accounts.

use lp_connector_bridge::store::{
    Answer as Stored, Entry, LaneId, LaneKind, Listed, Request, Store as _,
};
use lp_connector_sandbox::{self as sandbox, Agent};
use serde_json::{Value, json};

use crate::world::{Ask, OPERATIONS, World, account, eventually};

/// The other account.
const OTHER: &str = "12345678";

/// A world with a dead letter of the sandbox's account, and its like in the other one, as conversations of two sandboxes
/// with one seed have the same ids; the other one's sandbox; and the id.
fn with_one_id_in_two_accounts() -> (World, sandbox::Server, String) {
    let other = sandbox::ServerConfig::new().seed(2).sandbox(|cloud| cloud.account(OTHER));
    let other = sandbox::Server::start(other).unwrap();
    let world = World::with(|config| {
        config.accounts.push(account(&other));
        config.gateways[0].deliver.refused_tries = 1;
    });
    world.begin();
    world.toy.answer(|body, _| if body["type"] == "message.created" { 422 } else { 204 });
    world.agent(Agent::Text("bad".to_owned(), Vec::new()));
    let id = eventually("it is dead", || {
        let letters = letters(&world);
        letters.first().map(|letter| letter["id"].as_str().unwrap().to_owned())
    });
    copy(&world, &id);
    eventually("both are there", || (letters(&world).len() == 2).then_some(()));
    world.toy.answer(|_, _| 204);
    (world, other, id)
}

fn letters(world: &World) -> Vec<Value> {
    let answer = world.operations("GET", "/ops/v1/dead-letters");
    answer.json()["items"].as_array().unwrap().clone()
}

/// Writes the letter to the other account too.
fn copy(world: &World, id: &str) {
    let own = world.cloud.account_id().parse().unwrap();
    let what = Listed::Lane(LaneId::new(own, LaneKind::DeadLetter, id));
    let listed = world.store.perform(Request::List { what, after: None, limit: 1 });
    let Ok(Stored::Listed(lanes)) = listed else { panic!("the store has no list") };
    let record = lanes[0].record.as_ref().unwrap();
    let mut letter: Value = serde_json::from_slice(&record.body).unwrap();
    letter["t"] = json!("letter");
    let lane = LaneId::new(OTHER.parse().unwrap(), LaneKind::DeadLetter, id);
    let entry = Entry { lane, body: letter.to_string().into_bytes() };
    world.store.perform(Request::Append(vec![entry])).unwrap();
}

#[test]
fn of_two_letters_with_one_id_the_account_says_which() {
    let (world, _other, id) = with_one_id_in_two_accounts();
    let path = format!("/ops/v1/dead-letters/{id}");
    let replay = format!("{path}/replay");
    for (method, path) in [("GET", &path), ("POST", &replay), ("DELETE", &path)] {
        let unnamed = world.operations(method, path);
        assert_eq!(unnamed.problem(), (422, "invalid".to_owned()), "{method}");
    }
    let own = world.cloud.account_id();
    for account in [own.as_str(), OTHER] {
        let shown = world.operations("GET", &format!("{path}?account={account}")).json();
        assert_eq!(shown["account"], account);
    }
    let of_other = format!("{path}?account={OTHER}");
    assert_eq!(world.operations("DELETE", &of_other).status, 202);
    eventually("it is gone", || (world.operations("GET", &of_other).status == 404).then_some(()));
    let left = letters(&world);
    assert_eq!((left.len(), &left[0]["account"]), (1, &json!(own)));
    for (query, status, kind) in
        [("account=12345678", 409, "not-dead"), ("acount=1", 422, "invalid")]
    {
        let refused = world.operations("POST", &format!("{replay}?{query}"));
        assert_eq!(refused.problem(), (status, kind.to_owned()), "{query}");
    }
    // It is the only one now.
    assert_eq!(world.operations("POST", &replay).status, 202);
    eventually("it is delivered", || (world.toy.texts() == ["bad"]).then_some(()));
}

#[test]
fn letters_with_one_id_and_time_are_all_replayed() {
    let (world, _other, _) = with_one_id_in_two_accounts();
    let url = format!("http://{}/ops/v1/dead-letters/replay", world.addresses().operations);
    let replay = |after: &Value| {
        let body = json!({"reason": "refused", "limit": 1, "after": after});
        Ask::with_token(OPERATIONS).json(&body).send("POST", &url).json()
    };
    let first = replay(&Value::Null);
    assert_eq!(first["replayed"], 1);
    assert!(first["next"].is_string(), "{first}");
    assert_eq!(replay(&first["next"]), json!({"replayed": 1, "next": null}));
    eventually("one is delivered", || (world.toy.texts() == ["bad"]).then_some(()));
}
