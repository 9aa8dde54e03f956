//! The description of the control API beside the router and the types, both ways.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::BTreeSet;

use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::control::v1::{self, ROUTES};
use lp_connector_sandbox::{Server, ServerConfig, Webhooks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

/// The operations: method, path, operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    all
}

/// Keys of an object.
fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

/// Every type of the API, with what a test of it needs.
macro_rules! types {
    ($($name:ident),+ $(,)?) => {
        /// Reads an example of a type, and writes it back.
        fn round_trip(name: &str, example: &Value) -> Value {
            fn of<T: Serialize + DeserializeOwned>(example: &Value) -> Value {
                let read: T = serde_json::from_value(example.clone()).unwrap();
                serde_json::to_value(read).unwrap()
            }
            match name {
                $(stringify!($name) => of::<v1::$name>(example),)+
                other => panic!("the type {other} is described, and not one of the API"),
            }
        }

        /// The members of each type.
        fn members() -> Vec<(&'static str, BTreeSet<String>)> {
            vec![$((stringify!($name), keys(&serde_json::to_value(v1::$name::default()).unwrap())),)+]
        }
    };
}

types!(
    About,
    Acted,
    Bye,
    Conversation,
    Conversations,
    Counts,
    Dialog,
    ExchangeDetail,
    FaultList,
    Faults,
    File,
    FileList,
    Half,
    Hello,
    Install,
    InstallList,
    LastLine,
    LeftOut,
    Links,
    Message,
    Messages,
    Notification,
    NotificationDetail,
    Notifications,
    NumberedFault,
    Parameter,
    Posted,
    Preset,
    Problem,
    Reset,
    Retried,
    Row,
    Rows,
    Snapshot,
    Token,
    TokenList,
    Trigger,
    Triggered,
    WebhookEndpoint,
    Webhooks,
    WireRows,
);

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routes: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, routes);
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<&str> = parameters
            .iter()
            .filter(|one| one["in"] == "path")
            .filter_map(|one| one["name"].as_str())
            .collect();
        let parts = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(in_path, parts.collect(), "{method} {path}");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{method} {path}");
        assert_eq!(operation["requestBody"].is_object(), method != "GET", "{method} {path}");
        // A write says that it is JSON, even if it says nothing else.
        assert_eq!(
            operation["requestBody"]["required"] == true,
            method != "GET",
            "{method} {path}"
        );
    }
}

#[test]
fn every_type_is_described_with_its_members() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let types = members();
    let names = types.iter().map(|(name, _)| (*name).to_owned());
    // One of several, which the tests of the event stream read.
    let names: BTreeSet<String> = names.chain(["Event".to_owned()]).collect();
    assert_eq!(keys(schemas), names);
    for (name, mut members) in types {
        // What is always there is so described.
        let required = schemas[name]["required"].as_array().unwrap();
        let required = required.iter().map(|member| member.as_str().unwrap().to_owned());
        assert_eq!(required.collect::<BTreeSet<_>>(), members, "{name}");
        if name == "Problem" {
            // Left out where there is none.
            members.insert("detail".to_owned());
        }
        assert_eq!(keys(&schemas[name]["properties"]), members, "{name}");
    }
}

/// Checks an example against the schema that it stands beside.
fn check(schema: &Value, example: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        assert_eq!(keys(&round_trip(name, example)), keys(example), "{place}: {name}");
        let written = round_trip(name, example);
        assert_eq!(&written, example, "{place}: {name}");
        return;
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return check(&any[0], example, place);
    }
    for (name, value) in example.as_object().into_iter().flatten() {
        let described = &schema["properties"][name];
        if schema["properties"].is_object() {
            assert!(described.is_object(), "{place}: {name} is not described");
        }
        if let (Some(items), Some(values)) = (described.get("items"), value.as_array()) {
            values.iter().for_each(|value| check(items, value, place));
        }
    }
}

#[test]
fn every_example_is_read_and_written_back() {
    let document = document();
    let mut examples = 0;
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        let contents = responses.values().map(|response| &response["content"]);
        for content in contents.chain([&operation["requestBody"]["content"]]) {
            let json = &content["application/json"];
            if json.is_object() {
                check(&json["schema"], &json["example"], &place);
                examples += 1;
            }
        }
    }
    assert!(examples >= 40, "{examples}");
    let problem =
        &document["components"]["responses"]["Problem"]["content"]["application/problem+json"];
    check(&problem["schema"], &problem["example"], "Problem");
}

/// The members that a response of an operation has, by its description.
fn described_members(document: &Value, schema: &Value) -> BTreeSet<String> {
    match schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        Some(name) => keys(&document["components"]["schemas"][name]["properties"]),
        None if schema["anyOf"].is_array() => described_members(document, &schema["anyOf"][0]),
        None => keys(&schema["properties"]),
    }
}

#[test]
fn every_operation_answers_as_described() {
    let document = document();
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", endpoint.local_addr().unwrap());
    drop(endpoint);
    for (method, path, operation) in operations(&document) {
        if path == "/v1/events" {
            continue;
        }
        let config = ServerConfig::new().control(([127, 0, 0, 1], 0).into());
        let server = Server::start(config).unwrap();
        // The first seven faults are there, and one of everything else.
        server.with(|sandbox| {
            (0..7).for_each(|_| sandbox.fault("monitoring=503".parse().unwrap()));
            sandbox.set_webhooks(Webhooks::all_at(&url));
            let request = http::Request::post("/sentinel/api/account/91827364/app/token?v=1.0")
                .header("content-type", "application/x-www-form-urlencoded");
            let app = sandbox.config().app().unwrap().clone();
            let form = format!(
                "grant_type=client_credentials&client_id={}&client_secret={}",
                app.client_id(),
                app.client_secret()
            );
            let request = request.body(form.into_bytes()).unwrap();
            sandbox.handle(std::time::Duration::from_secs(1_711_000_000), &request);
        });
        let control = Control::at(&server.control_url().unwrap()).unwrap();
        control.trigger("text", &json!({})).unwrap();
        let png = operation["requestBody"]["content"]["image/png"].is_object();
        let sent = control.send_file("latest", None, "x.png", "image/png", b"x").unwrap();
        assert_eq!(sent.file, Some(1));
        if png {
            continue;
        }
        let name = if path.contains("presets") { "slow" } else { "text" };
        let path = path.replace("{id}", "latest").replace("{n}", "1").replace("{name}", name);
        let mut body = operation["requestBody"]["content"]["application/json"]["example"].clone();
        for member in ["url", "endpoint"] {
            if body.get(member).is_some() {
                body[member] = json!(url);
            }
        }
        let answer = control.request(&method, &path, Some(&body)).unwrap_or_else(|error| {
            panic!("{method} {path}: {error}");
        });
        let responses = operation["responses"].as_object().unwrap();
        let (_, success) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        let json = &success["content"]["application/json"];
        if json.is_object() {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let expected = described_members(&document, &json["schema"]);
            let found = keys(&answer);
            let is_partial = json["schema"]["$ref"].is_null();
            let fits = if is_partial { found.is_subset(&expected) } else { found == expected };
            assert!(fits, "{method} {path}: {found:?} {expected:?}");
        }
    }
}
