//! What operators see and decide.

use lp_connector_gateway::server::{GatewayConfig, ServerConfig};
use lp_connector_sandbox::Agent;
use serde_json::{Value, json};

use crate::world::{
    ADA, Answer, Ask, OPERATIONS, OTHER_TOKEN, SECRET, TOKEN, World, eventually, secret,
};

fn text(text: &str) -> Agent {
    Agent::Text(text.to_owned(), Vec::new())
}

/// A world in which the gateway refuses each of these at once, and has a dead letter of each.
fn with_dead_letters(texts: &[&str]) -> World {
    let world = World::with(|config| config.gateways[0].deliver.refused_tries = 1);
    world.begin();
    world.toy.answer(|body, _| if body["type"] == "message.created" { 422 } else { 204 });
    texts.iter().for_each(|one| world.agent(text(one)));
    eventually("all are dead", || (letters(&world, "").len() == texts.len()).then_some(()));
    world
}

fn letters(world: &World, query: &str) -> Vec<Value> {
    let answer = world.operations("GET", &format!("/ops/v1/dead-letters{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

fn post(world: &World, path: &str, body: &Value) -> Answer {
    let url = format!("http://{}{path}", world.addresses().operations);
    Ask::with_token(OPERATIONS).json(body).send("POST", &url)
}

#[test]
fn only_an_operators_token_opens_operations() {
    let world = World::new();
    let paths = [
        ("GET", "/ops/v1/status"),
        ("GET", "/ops/v1/lanes"),
        ("GET", "/ops/v1/instances"),
        ("GET", "/ops/v1/dead-letters"),
        ("GET", "/ops/v1/dead-letters/x"),
        ("DELETE", "/ops/v1/dead-letters/x"),
        ("POST", "/ops/v1/dead-letters/x/replay"),
        ("POST", "/ops/v1/dead-letters/replay"),
        ("GET", "/ops/v1/consumer?consumer=a"),
        ("DELETE", "/ops/v1/consumer?consumer=a"),
        ("POST", "/ops/v1/settle"),
        ("POST", "/ops/v1/adopt"),
        ("POST", "/ops/v1/gateways/sms/pause"),
        ("POST", "/ops/v1/gateways/sms/resume"),
    ];
    for (method, path) in paths {
        let url = format!("http://{}{path}", world.addresses().operations);
        let send = |ask: Ask| ask.send(method, &url).problem();
        assert_eq!(send(Ask::default()), (401, "unauthorized".to_owned()), "{path}");
        assert_eq!(send(Ask::with_token(TOKEN)), (403, "forbidden".to_owned()), "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let url = format!("http://{}{path}", world.addresses().operations);
        assert_eq!(Ask::default().send("GET", &url).status, 200, "{path}");
    }
}

#[test]
fn a_dead_letter_is_shown_and_replayed_once() {
    let world = with_dead_letters(&["bad"]);
    let letter = letters(&world, "").remove(0);
    assert_eq!((&letter["reason"], &letter["gateway"]), (&json!("refused"), &json!("sms")));
    assert_eq!((&letter["consumer"], &letter["replayable"]), (&json!(ADA), &json!(true)));
    assert!(letter.get("body").is_none());
    let id = letter["id"].as_str().unwrap();
    let path = format!("/ops/v1/dead-letters/{id}");
    let with_body = world.operations("GET", &format!("{path}?body=true")).json();
    assert!(with_body["body"].as_str().unwrap().contains("bad"));
    world.toy.answer(|_, _| 204);
    assert_eq!(world.operations("POST", &format!("{path}/replay")).status, 202);
    eventually("it is delivered", || (world.toy.texts() == ["bad"]).then_some(()));
    let delivery = world.toy.got("message.created").pop().unwrap();
    assert_eq!((delivery.id(), &delivery.body["replayed"]), (id, &json!(true)));
    for (method, path) in [("POST", format!("{path}/replay")), ("DELETE", path.clone())] {
        let again = world.operations(method, &path);
        assert_eq!(again.problem(), (409, "not-dead".to_owned()));
    }
    assert_eq!(world.operations("GET", &path).problem(), (404, "not-found".to_owned()));
    let total = "dead_letters_total{gateway=\"sms\",reason=\"refused\"}";
    assert_eq!(world.metric(total), 1.0);
}

#[test]
fn a_dead_letter_can_be_deleted() {
    let world = with_dead_letters(&["bad"]);
    let id = letters(&world, "").remove(0)["id"].as_str().unwrap().to_owned();
    let path = format!("/ops/v1/dead-letters/{id}");
    assert_eq!(world.operations("DELETE", &path).status, 202);
    eventually("it is gone", || letters(&world, "").is_empty().then_some(()));
    let replayed = world.operations("POST", &format!("{path}/replay"));
    assert_eq!(replayed.problem(), (409, "not-dead".to_owned()));
}

#[test]
fn letters_have_pages_and_filters() {
    let world = with_dead_letters(&["one", "two", "three"]);
    for (query, count) in [
        ("?gateway=sms", 3),
        ("?gateway=chat", 0),
        ("?reason=refused", 3),
        ("?reason=expired", 0),
        ("?consumer=%2B41790000001", 3),
        ("?consumer=bob", 0),
        ("?since=2020-01-01T00:00:00Z", 3),
        ("?until=2020-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(letters(&world, query).len(), count, "{query}");
    }
    let mut seen = Vec::new();
    let mut path = "/ops/v1/dead-letters?reason=refused&limit=2".to_owned();
    loop {
        let page = world.operations("GET", &path).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|one| one["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/ops/v1/dead-letters?reason=refused&limit=2&after={next}");
        let other = path.replace("reason=refused&", "");
        assert_eq!(world.operations("GET", &other).problem(), (422, "invalid".to_owned()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    let misspelt = world.operations("GET", "/ops/v1/dead-letters?gatway=sms");
    assert_eq!(misspelt.problem(), (422, "invalid".to_owned()));
}

#[test]
fn many_letters_are_replayed_the_oldest_first() {
    let world = with_dead_letters(&["one", "two", "three"]);
    world.toy.answer(|_, _| 204);
    let none = post(&world, "/ops/v1/dead-letters/replay", &json!({"reason": "expired"}));
    assert_eq!(none.json(), json!({"replayed": 0, "next": null}));
    let body = json!({"gateway": "sms", "reason": "refused", "limit": 1});
    let first = post(&world, "/ops/v1/dead-letters/replay", &body);
    assert_eq!((first.status, &first.json()["replayed"]), (202, &json!(1)));
    assert!(first.json()["next"].is_string());
    eventually("the oldest is delivered", || (world.toy.texts() == ["one"]).then_some(()));
    let mut rest = body;
    (rest["after"], rest["limit"]) = (first.json()["next"].clone(), json!(2));
    let second = post(&world, "/ops/v1/dead-letters/replay", &rest);
    assert_eq!(second.json(), json!({"replayed": 2, "next": null}));
    eventually("all are delivered", || (world.toy.texts().len() == 3).then_some(()));
    assert_eq!(world.toy.texts(), ["one", "two", "three"]);
}

#[test]
fn a_pause_outlives_a_restart_and_loses_nothing() {
    let mut world = World::new();
    world.begin();
    let paused = world.operations("POST", "/ops/v1/gateways/sms/pause");
    assert_eq!(paused.json(), json!({"gateway": "sms", "paused": true}));
    assert_eq!(world.metric("gateway_paused{gateway=\"sms\"}"), 1.0);
    world.agent(text("Coo?"));
    world.start(|_| {});
    let status = world.operations("GET", "/ops/v1/status").json();
    assert_eq!(status["gateways"][0]["paused"], true);
    // The store has the message, and its lane was worked on.
    let waits = || {
        let lanes = world.operations("GET", "/ops/v1/lanes?kind=conversation").json();
        let lane = lanes["items"][0].clone();
        (lane["entries"] == 0 && lane["held"] == false && lane["due_in"].is_number()).then_some(())
    };
    eventually("it waits", waits);
    assert!(world.toy.texts().is_empty());
    assert_eq!(world.operations("POST", "/ops/v1/gateways/sms/resume").status, 200);
    eventually("it is delivered", || (world.toy.texts() == ["Coo?"]).then_some(()));
    let nobody = world.operations("POST", "/ops/v1/gateways/fax/pause");
    assert_eq!(nobody.problem(), (404, "not-found".to_owned()));
    assert_eq!(world.store.lives_of("pause:"), [None, None], "it does not end by itself");
}

#[test]
fn lanes_are_listed_with_filters() {
    let world = World::new();
    world.begin();
    let items = |query: &str| {
        let answer = world.operations("GET", &format!("/ops/v1/lanes{query}"));
        answer.json()["items"].as_array().unwrap().clone()
    };
    let consumers = items("?kind=consumer&gateway=sms&consumer=%2B41790000001");
    assert_eq!(consumers.len(), 1);
    assert_eq!(consumers[0]["key"], format!("sms:{ADA}"));
    assert!(items("?kind=consumer&gateway=chat").is_empty());
    let wrong = world.operations("GET", "/ops/v1/lanes?kind=pigeons");
    assert_eq!(wrong.problem(), (422, "invalid".to_owned()));
    // More than the store is asked for at a time.
    for n in 1..210 {
        let body = json!({"id": "1", "consumer": format!("consumer {n}"), "text": "Hello"});
        assert_eq!(world.post("/v1/messages", &body).status, 202);
    }
    let mut keys = Vec::new();
    let mut path = "/ops/v1/lanes?kind=consumer&limit=50".to_owned();
    loop {
        let page = world.operations("GET", &path).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 50, "a page has {} lanes", items.len());
        keys.extend(items.iter().map(|one| one["key"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/ops/v1/lanes?kind=consumer&limit=50&after={next}");
    }
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!((unique.len(), keys.len()), (210, 210));
    let of_all = items("?limit=1000").into_iter().filter(|one| one["kind"] == "consumer").count();
    assert_eq!(of_all, 210);
}

#[test]
fn what_an_operator_decides_is_stored() {
    let world = World::new();
    world.begin();
    for (path, body, status) in [
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "first", "as": "sent"}), 202),
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "first", "as": "resend"}), 202),
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "first", "as": "drop"}), 202),
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "first", "as": "burn"}), 422),
        (
            "/ops/v1/settle",
            json!({"gateway": "fax", "consumer": ADA, "message": "a", "as": "drop"}),
            422,
        ),
        ("/ops/v1/adopt", json!({"consumer": ADA, "conversation": "5f0c"}), 202),
        ("/ops/v1/adopt", json!({"consumer": ADA}), 422),
    ] {
        assert_eq!(post(&world, path, &body).status, status, "{path} {body}");
    }
}

#[test]
fn a_gateway_that_keeps_failing_is_probed_and_then_gets_all() {
    let world = World::new();
    let consumers: Vec<String> = (0..12).map(|n| format!("consumer {n}")).collect();
    world.toy.answer(|_, _| 503);
    for consumer in &consumers {
        let body = json!({"id": "1", "consumer": consumer, "text": "Hello"});
        assert_eq!(world.post("/v1/messages", &body).status, 202);
    }
    let is_open =
        || world.operations("GET", "/ops/v1/status").json()["gateways"][0]["circuit_open"] == true;
    eventually("its circuit opens", || is_open().then_some(()));
    assert_eq!(world.metric("gateway_up{gateway=\"sms\"}"), 0.0);
    world.toy.answer(|_, _| 204);
    let told = || {
        let taken = world.toy.got("message.status").into_iter().filter(|one| one.status == 204);
        let told: std::collections::BTreeSet<String> =
            taken.map(|one| one.body["consumer"].to_string()).collect();
        (told.len() == consumers.len()).then_some(())
    };
    eventually("everybody is told", told);
    assert_eq!(world.metric("gateway_up{gateway=\"sms\"}"), 1.0);
    assert!(!is_open());
}

#[test]
fn what_waits_is_counted() {
    let world = with_dead_letters(&["bad"]);
    // The next count may be some seconds away.
    let counted = || (world.metric("dead_letters{reason=\"refused\"}") > 0.0).then_some(());
    eventually("the letter is counted", counted);
    assert!(world.metric("counted_timestamp_seconds") > 1.7e9);
    assert!(world.metric("store_facts_timestamp_seconds") > 1.7e9);
    let status = world.operations("GET", "/ops/v1/status").json();
    assert_eq!(status["dead_letters"], json!({"refused": 1}));
    assert_eq!(
        (&status["store"]["kind"], &status["store"]["up"]),
        (&json!("unknown"), &json!(true))
    );
    assert!(status["store"]["facts"]["due_lanes"].is_u64(), "{status}");
    assert_eq!(world.metric("messages_total{gateway=\"sms\",outcome=\"sent\"}"), 1.0);
    assert_eq!(world.metric("conversations_total{event=\"opened\"}"), 1.0);
    assert!(world.metric("webhooks_total{result=\"stored\"}") > 0.0);
    assert_eq!(world.metric("store_up"), 1.0);
    assert!(world.metric("store_requests_total{verb=\"claim\",result=\"ok\"}") > 0.0);
    assert_eq!(world.metric("api_requests_total{operation=\"send_text\",outcome=\"2xx\"}"), 1.0);
    assert_eq!(world.metric("api_requests_total{operation=\"app_jwt\",outcome=\"2xx\"}"), 1.0);
    assert_eq!(world.metric("token_renewals_total{result=\"renewed\"}"), 2.0);
}

#[test]
fn each_program_on_the_store_is_an_instance() {
    let world = World::new();
    let own = || {
        let page = world.operations("GET", "/ops/v1/instances").json();
        page["items"].as_array().unwrap().iter().find(|one| one["asked"] == true).cloned()
    };
    let own = eventually("it writes itself down", own);
    assert_eq!(own["version"], env!("CARGO_PKG_VERSION"));
    assert!(own["up"].is_f64() && own["lanes"].is_u64() && own["silent"].is_f64(), "{own}");
    eventually("it is counted", || (world.metric("instances") == 1.0).then_some(()));
    assert_eq!(world.operations("GET", "/ops/v1/status").json()["instances"], 1);
    let wrong = world.operations("GET", "/ops/v1/instances?version=1");
    assert_eq!(wrong.problem(), (422, "invalid".to_owned()));
}

#[test]
fn a_store_that_hangs_holds_up_no_scrape() {
    let world = World::new();
    world.metric("due_lanes");
    let before = world.store.asked();
    world.store.fall_silent();
    // Whoever looks sees what was before; the store is asked once.
    eventually("it is asked", || {
        world.metric("due_lanes");
        (world.store.asked() > before).then_some(())
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(world.metric("store_facts_timestamp_seconds") > 1.7e9));
            scope.spawn(|| assert_eq!(world.operations("GET", "/ops/v1/status").status, 200));
        }
    });
    assert_eq!(world.store.asked(), before + 1);
}

#[test]
fn a_store_that_gives_no_answer_is_waited_for_five_seconds() {
    let world = World::new();
    world.store.fall_silent();
    let receipts = json!({"consumer": ADA, "messages": ["5f0c:5f0c:7"], "status": "read"});
    let calls: &[(&str, Value)] = &[
        ("/v1/messages", json!({"id": "1", "consumer": ADA, "text": "Hello"})),
        ("/v1/close", json!({"id": "2", "consumer": ADA})),
        ("/v1/receipts", receipts),
    ];
    let decisions: &[(&str, Value)] = &[
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "1", "as": "sent"})),
        ("/ops/v1/adopt", json!({"consumer": ADA, "conversation": "5f0c"})),
    ];
    let consumer = "/v1/consumer?consumer=%2B41790000001";
    // All at once: each takes the whole time.
    std::thread::scope(|scope| {
        let world = &world;
        for (path, body) in calls {
            scope.spawn(move || assert_unanswered(path, &world.post(path, body)));
        }
        for (path, body) in decisions {
            scope.spawn(move || assert_unanswered(path, &post(world, path, body)));
        }
        for method in ["GET", "DELETE"] {
            scope.spawn(move || {
                let answer = Ask::with_token(TOKEN).send(method, &world.url(consumer));
                assert_unanswered(method, &answer);
            });
        }
    });
}

fn assert_unanswered(what: &str, answer: &Answer) {
    assert_eq!(answer.problem(), (503, "store-unavailable".to_owned()), "{what}");
    assert_eq!(answer.headers["retry-after"], "1", "{what}");
}

#[test]
fn a_misspelt_filter_replays_and_decides_nothing() {
    let world = with_dead_letters(&["one"]);
    let replay = "/ops/v1/dead-letters/replay";
    let settle = json!({"consumer": ADA, "message": "1", "as": "sent", "gatway": "sms"});
    let adopt = json!({"consumer": ADA, "conversation": "5f0c", "gatway": "sms"});
    for (path, body, near) in [
        (replay, json!({"gatway": "chat"}), "gateway"),
        (replay, json!({"untill": "2026-01-01T00:00:00Z"}), "until"),
        (replay, json!({"Consumer": "bob"}), "consumer"),
        ("/ops/v1/settle", settle, "gateway"),
        ("/ops/v1/adopt", adopt, "gateway"),
    ] {
        let refused = post(&world, path, &body);
        assert_eq!(refused.problem(), (422, "invalid".to_owned()), "{body}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("perhaps {near} is meant")), "{detail}");
    }
    let query = post(&world, &format!("{replay}?gateway=chat"), &json!({}));
    assert_eq!(query.problem(), (422, "invalid".to_owned()));
    let listed = world.operations("GET", "/ops/v1/dead-letters?gatway=chat");
    assert_eq!(listed.problem(), (422, "invalid".to_owned()));
    assert_eq!(letters(&world, "").len(), 1);
}

#[test]
fn what_waits_inside_records_is_shown() {
    let world = World::new();
    world.begin();
    eventually("it is told", || (world.toy.statuses("first") == ["sent"]).then_some(()));
    let paused = post(&world, "/ops/v1/gateways/sms/pause", &json!({}));
    assert_eq!(paused.status, 200, "{paused:?}");
    for n in 0..7 {
        world.agent(text(&format!("answer {n}")));
    }
    let lanes = |query: &str| {
        let answer = world.operations("GET", &format!("/ops/v1/lanes{query}"));
        answer.json()["items"].as_array().unwrap().clone()
    };
    let waiting = || {
        let lanes = lanes("?kind=conversation&gateway=sms");
        lanes.iter().filter_map(|lane| lane["waiting"].as_u64()).sum::<u64>()
    };
    eventually("all are taken in", || {
        let taken_in = lanes("?kind=conversation").iter().all(|lane| lane["entries"] == 0);
        // What the agent said, and perhaps that they came in.
        (taken_in && waiting() >= 7).then_some(())
    });
    assert!(lanes("?kind=conversation")[0]["waiting_since"].is_string());
    let series = "waiting{kind=\"conversation\"}";
    eventually("they are counted", || (world.metric(series) >= 7.0).then_some(()));
    let oldest = "oldest_waiting_timestamp_seconds{kind=\"conversation\"}";
    assert!(world.metric(oldest) > 1e9);
    post(&world, "/ops/v1/gateways/sms/resume", &json!({}));
    eventually("none waits", || (world.toy.texts().len() == 7 && waiting() == 0).then_some(()));
}

#[test]
fn a_pause_that_is_not_stored_is_not_told_of_as_done() {
    let world = World::new();
    world.store.contend();
    for what in ["pause", "resume"] {
        let answer = world.operations("POST", &format!("/ops/v1/gateways/sms/{what}"));
        assert_eq!(answer.problem(), (503, "store-unavailable".to_owned()), "{what}");
    }
    let status = world.operations("GET", "/ops/v1/status").json();
    assert_eq!(status["gateways"][0]["paused"], false);
}

#[test]
fn a_path_that_is_no_text_names_nothing() {
    let world = World::new();
    for (method, path) in [
        ("GET", "/ops/v1/dead-letters/%FF"),
        ("DELETE", "/ops/v1/dead-letters/%FF"),
        ("POST", "/ops/v1/dead-letters/%FF/replay"),
        ("POST", "/ops/v1/gateways/%FF/pause"),
        ("POST", "/ops/v1/gateways/%FF/resume"),
    ] {
        let answer = world.operations(method, path);
        assert_eq!(answer.problem(), (404, "not-found".to_owned()), "{method} {path}");
    }
    let file = Ask::with_token(TOKEN).send("GET", &world.url("/v1/files/%FF"));
    assert_eq!(file.problem(), (404, "not-found".to_owned()));
}

/// Adds a second gateway, `chat`.
fn with_chat(config: &mut ServerConfig) {
    let mut chat = GatewayConfig::new("chat", "http://127.0.0.1:1/");
    chat.tokens.push(secret(OTHER_TOKEN));
    chat.deliver.secrets.push(secret(SECRET));
    config.gateways.push(chat);
}

#[test]
fn of_several_gateways_an_operator_names_one() {
    let world = World::with(with_chat);
    for (path, body) in [
        ("/ops/v1/settle", json!({"consumer": ADA, "message": "1", "as": "drop"})),
        ("/ops/v1/adopt", json!({"consumer": ADA, "conversation": "5f0c"})),
    ] {
        assert_eq!(post(&world, path, &body).problem(), (422, "invalid".to_owned()), "{path}");
    }
    for method in ["GET", "DELETE"] {
        let answer = world.operations(method, "/ops/v1/consumer?consumer=ada");
        assert_eq!(answer.problem(), (422, "invalid".to_owned()), "{method}");
    }
}

#[test]
fn a_pause_is_that_of_one_gateway() {
    let mut world = World::with(with_chat);
    assert_eq!(world.operations("POST", "/ops/v1/gateways/sms/pause").status, 200);
    world.start(with_chat);
    let gateways = world.operations("GET", "/ops/v1/status").json()["gateways"].clone();
    assert_eq!((&gateways[0]["name"], &gateways[0]["paused"]), (&json!("sms"), &json!(true)));
    assert_eq!((&gateways[1]["name"], &gateways[1]["paused"]), (&json!("chat"), &json!(false)));
}

#[test]
fn letters_of_another_account_are_not_replayed() {
    let world = with_dead_letters(&["one"]);
    let other = post(&world, "/ops/v1/dead-letters/replay", &json!({"account": "11111111"}));
    assert_eq!(other.json(), json!({"replayed": 0, "next": null}));
    assert_eq!(letters(&world, "").len(), 1);
}
