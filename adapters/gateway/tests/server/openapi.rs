//! The interface as OpenAPI, against the router and what is really sent.

use std::collections::BTreeSet;

use lp_connector_gateway::problem::ProblemKind;
use lp_connector_gateway::request::{
    Rules, parse_close, parse_message, parse_receipts, parse_typing,
};
use lp_connector_sandbox::Agent;
use serde_json::{Value, json};

use crate::schema::errors;
use crate::world::{ADA, Ask, TOKEN, World, eventually};

const METHODS: &[&str] = &["get", "head", "post", "put", "patch", "delete"];

fn api() -> Value {
    serde_json::from_slice(include_bytes!("../../openapi.json")).unwrap()
}

/// Whether a value fits a schema of the interface.
fn fits(api: &Value, schema: &str, value: &Value) {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    assert_eq!(errors(api, &schema, value), Vec::<String>::new(), "{value}");
}

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_path_and_method_is_served_and_no_other() {
    let world = World::new();
    let api = api();
    for (path, item) in api["paths"].as_object().unwrap() {
        let concrete = path.replace("{file}", "f_0");
        for method in METHODS {
            let ask = Ask::with_token(TOKEN);
            let answer = ask.send(&method.to_uppercase(), &world.url(&concrete));
            let is_documented = item.get(*method).is_some();
            // Axum serves HEAD wherever it serves GET.
            let is_head = *method == "head" && item.get("get").is_some();
            assert_eq!(answer.status != 405, is_documented || is_head, "{method} {path}");
            if is_documented {
                let status = answer.status.to_string();
                let responses = item[*method]["responses"].as_object().unwrap();
                assert!(responses.contains_key(&status), "{method} {path}: {status}");
            }
        }
    }
    let served = Ask::default().send("GET", &world.url("/v1/openapi.json"));
    assert_eq!(served.json(), api);
}

#[test]
fn every_problem_of_the_gateways_calls_is_documented() {
    let api = api();
    let mut documented = BTreeSet::new();
    for item in api["paths"].as_object().unwrap().values() {
        for method in METHODS.iter().filter_map(|method| item.get(*method)) {
            documented.extend(method["responses"].as_object().unwrap().keys().cloned());
            for needed in ["403", "405", "500"] {
                assert!(method["responses"].get(needed).is_some(), "{method}");
            }
        }
    }
    // What is dead is a matter of operations.
    for kind in ProblemKind::ALL.iter().filter(|kind| **kind != ProblemKind::NotDead) {
        let problem = lp_connector_gateway::problem::Problem::new(*kind, "");
        let status = problem.status().to_string();
        assert!(documented.contains(&status), "{kind:?}");
        let named = api["components"]["responses"].to_string();
        assert!(named.contains(problem.slug()), "{kind:?}");
        fits(&api, "Problem", &serde_json::from_str(&problem.to_json("r1")).unwrap());
    }
}

#[test]
fn each_golden_call_is_read_and_fits_its_schema() {
    let api = api();
    let rules = Rules::new("sms:");
    for (name, path) in [
        ("call_text", "/v1/messages"),
        ("call_media", "/v1/messages"),
        ("call_answer", "/v1/messages"),
        ("call_receipts", "/v1/receipts"),
        ("call_typing", "/v1/typing"),
        ("call_close", "/v1/close"),
    ] {
        let bytes = golden(name);
        let read = match path {
            "/v1/messages" => parse_message(&bytes, &rules).map(drop),
            "/v1/receipts" => parse_receipts(&bytes, &rules).map(drop),
            "/v1/typing" => parse_typing(&bytes, &rules).map(drop),
            _ => parse_close(&bytes, &rules).map(drop),
        };
        assert_eq!(read, Ok(()), "{name}");
        let call: Value = serde_json::from_slice(&bytes).unwrap();
        let body = &api["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(errors(&api, &body["schema"], &call), Vec::<String>::new(), "{name}");
        let mut broken = call.clone();
        broken.as_object_mut().unwrap().remove("consumer");
        assert!(!errors(&api, &body["schema"], &broken).is_empty(), "{name}");
    }
}

#[test]
fn each_golden_delivery_fits_its_schema() {
    let api = api();
    let directory = format!("{}/tests/golden", env!("CARGO_MANIFEST_DIR"));
    let mut types = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let value: Value =
            serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let Some(kind) = value["type"].as_str().filter(|_| value.get("data").is_some()) else {
            continue;
        };
        let body = &api["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(errors(&api, &body["schema"], &value), Vec::<String>::new(), "{value}");
        types.insert(kind.to_owned());
    }
    let known: BTreeSet<String> = api["webhooks"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(types, known, "every type has a golden delivery");
}

#[test]
fn each_golden_answer_is_what_is_answered() {
    let world = World::new();
    let call = |name: &str| serde_json::from_slice::<Value>(&golden(name)).unwrap();
    let accepted = world.post("/v1/messages", &call("call_text"));
    assert_eq!((accepted.status, accepted.json()), (202, call("answer_accepted")));
    let repeated = world.post("/v1/messages", &call("call_text"));
    let mut expected = call("answer_accepted");
    expected["repeated"] = json!(true);
    assert_eq!(repeated.json(), expected);
    let receipts = world.post("/v1/receipts", &call("call_receipts"));
    assert_eq!((receipts.status, receipts.json()), (202, call("answer_done")));
    let typing = world.post("/v1/typing", &call("call_typing"));
    assert_eq!((typing.status, typing.bytes.len()), (204, 0));
    let mut both = call("call_answer");
    both["text"] = json!("and a text");
    let mut problem = world.post("/v1/messages", &both).json();
    problem["request"] = json!("5d1c0b3a-7");
    assert_eq!(problem, call("answer_problem"));
}

#[test]
fn what_is_answered_and_delivered_fits_the_schemas() {
    let world = World::new();
    let api = api();
    world.begin();
    let answer = |path: &str, body: &Value| world.post(path, body).json();
    let message = json!({"id": "2", "consumer": ADA, "text": "Coo?"});
    fits(&api, "Accepted", &answer("/v1/messages", &message));
    fits(&api, "Accepted", &answer("/v1/close", &json!({"id": "3", "consumer": "bob"})));
    world.agent(Agent::Text("Which?".to_owned(), vec!["One".to_owned(), "Two".to_owned()]));
    world.agent(Agent::Card("Which?".to_owned(), vec!["One".to_owned()]));
    world.agent(Agent::File("label.png".to_owned()));
    eventually("all are delivered", || (world.toy.texts().len() == 3).then_some(()));
    let id = world.toy.got("message.created").remove(0).id().to_owned();
    let receipts = json!({"consumer": ADA, "messages": [id], "status": "read"});
    fits(&api, "Done", &answer("/v1/receipts", &receipts));
    let shown =
        Ask::with_token(TOKEN).send("GET", &world.url("/v1/consumer?consumer=%2B41790000001"));
    fits(&api, "Consumer", &shown.json());
    fits(&api, "Pinged", &Ask::with_token(TOKEN).send("POST", &world.url("/v1/ping")).json());
    for (kind, schema) in [
        ("message.created", "MessageCreated"),
        ("message.status", "MessageStatus"),
        ("conversation.changed", "ConversationChanged"),
        ("ping", "Ping"),
    ] {
        let got = world.toy.got(kind);
        assert!(!got.is_empty(), "{kind}");
        got.iter().for_each(|one| fits(&api, schema, &one.body));
    }
}
