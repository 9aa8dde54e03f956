//! Each event of the stream beside its description.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Request;
use lp_connector_sandbox::Webhooks;
use lp_connector_sandbox::control::StreamEvent;
use lp_connector_sandbox::control::v1::Event;
use serde_json::{Value, json};

use crate::schema::{description, faults, named};
use crate::world::{World, wait_for};

/// The described events: name, schema and example.
fn described(description: &Value) -> Vec<(String, &Value, &Value)> {
    let all = named(description, "Event")["oneOf"].as_array().unwrap();
    all.iter()
        .map(|one| {
            let name = one["properties"]["event"]["const"].as_str().unwrap().to_owned();
            let examples = one["examples"].as_array().unwrap();
            assert_eq!(examples.len(), 1, "{name}");
            (name, one, &examples[0])
        })
        .collect()
}

/// An event's document, as it is written back after it was read.
fn written(event: Event) -> Value {
    match event {
        Event::Hello(data) => json!(data),
        Event::Conversation(data) => json!(data),
        Event::Message(data) => json!(data),
        Event::Wire(data) => json!(data),
        Event::Notification(data) => json!(data),
        Event::Faults(data) => json!(data),
        Event::Tokens(data) => json!(data),
        Event::Webhooks(data) => json!(data),
        Event::Installs(data) => json!(data),
        Event::Files(data) => json!(data),
        Event::LeftOut(data) => json!(data),
        Event::Reset(data) => json!(data),
        Event::Bye(data) => json!(data),
        other => panic!("{other:?} is no known event"),
    }
}

#[test]
fn each_event_is_described_with_an_example() {
    let description = description();
    let described = described(&description);
    let names: Vec<&str> = described.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, Event::NAMES);
    for (name, schema, example) in &described {
        assert_eq!(faults(&description, schema, example), Vec::<String>::new(), "{name}");
        assert_eq!(example["event"], **name);
        let event = Event::from_json(name, example["data"].clone()).unwrap();
        assert_eq!(written(event), example["data"], "{name}");
        for wrong in [json!(null), json!([]), json!("x")] {
            assert!(Event::from_json(name, wrong).is_err(), "{name}");
        }
    }
}

#[test]
fn every_example_of_an_operation_fits_its_schema() {
    let description = description();
    let mut examples = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let contents = responses.values().map(|response| &response["content"]);
            for content in contents.chain([&operation["requestBody"]["content"]]) {
                let json = &content["application/json"];
                if json.is_object() {
                    let wrong = faults(&description, &json["schema"], &json["example"]);
                    assert_eq!(wrong, Vec::<String>::new(), "{method} {path}");
                    examples += 1;
                }
            }
        }
    }
    assert!(examples >= 40, "{examples}");
}

/// Events that came, by name.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<Value>>);

impl Seen {
    /// Checks an event, and keeps it.
    fn add(&mut self, description: &Value, event: &StreamEvent) {
        let document = json!({"event": event.name, "data": event.data});
        let wrong = faults(description, named(description, "Event"), &document);
        assert_eq!(wrong, Vec::<String>::new(), "{event:?}");
        let read = event.event().unwrap();
        assert_eq!(written(read), event.data, "{event:?}");
        self.0.entry(event.name.clone()).or_default().push(event.data.clone());
    }
}

/// Makes an app install at the cloud, as the admin does.
fn install(world: &World) {
    let (user, password) = world.server.with(|sandbox| {
        let (user, password) = sandbox.config().admin();
        (user.to_owned(), password.to_owned())
    });
    let login = json!({"username": user, "password": password});
    let (_, session) = world.post("/api/account/91827364/login?v=1.3", &login);
    let request =
        Request::post("/api/account/91827364/configuration/app-install/installations?v=1.0")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", session["bearer"].as_str().unwrap()))
            .body(json!({"client_name": "mine", "enabled": true}).to_string().into_bytes())
            .unwrap();
    let reply = world.server.with(|sandbox| sandbox.reply(crate::world::now(), &request));
    assert_eq!(reply.response.status(), 201, "{:?}", reply.response);
}

#[test]
fn every_event_that_happens_is_as_described() {
    let description = description();
    let mut seen = Seen::default();
    let world = World::new();
    let webhooks = Webhooks::all_at("http://127.0.0.1:1/").retention(Duration::from_secs(600));
    let mut stream = world.control.events(None).unwrap();
    let mut until = |stream: &mut _, names: &[&str]| {
        let mut missing: BTreeSet<&str> = names.iter().copied().collect();
        while !missing.is_empty() {
            let event = wait_for(stream, |_| true);
            seen.add(&description, &event);
            missing.remove(event.name.as_str());
        }
    };
    until(&mut stream, &["hello"]);
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    world.control.add_fault("send:1=503").unwrap();
    assert_eq!((world.say("refused"), world.say("taken")), (503, 200));
    world.control.trigger("card", &json!({})).unwrap();
    world.control.trigger("closed", &json!({})).unwrap();
    world.control.trigger("text", &json!({"consumer": "bob"})).unwrap();
    world.control.send_file("latest", None, "x.png", "image/png", b"x").unwrap();
    world.control.revoke_token(1).unwrap();
    install(&world);
    until(&mut stream, &Event::NAMES[1..10]);
    // More in one frame than it may have.
    let at = world.control.snapshot().unwrap().at;
    world.server.with(|sandbox| {
        for number in 0..300 {
            let request = Request::get("/nothing").body(Vec::new()).unwrap();
            sandbox.reply(crate::world::now(), &request);
            let text = lp_connector_sandbox::Agent::Text(number.to_string(), Vec::new());
            let id = sandbox.conversations().find(|one| one.open).unwrap().id.clone();
            sandbox.agent(crate::world::now(), &id, text).unwrap();
        }
    });
    let mut late = world.control.events(Some(&at)).unwrap();
    until(&mut late, &["left_out"]);
    world.control.reset().unwrap();
    until(&mut late, &["reset"]);
    let mut lost = world.control.events(Some("e0-1")).unwrap();
    until(&mut lost, &["reset", "hello"]);
    drop(world.server);
    until(&mut late, &["bye"]);
    let names: BTreeSet<&str> = seen.0.keys().map(String::as_str).collect();
    assert_eq!(names, Event::NAMES.into_iter().collect());
    let has = |name: &str, wanted: &dyn Fn(&Value) -> bool| seen.0[name].iter().any(wanted);
    assert!(
        has("wire", &|data| data["left_out"] != 0 && data["rows"].as_array().unwrap().len() == 200)
    );
    assert!(has("left_out", &|data| !data["messages"].as_object().unwrap().is_empty()));
    assert!(has("webhooks", &|data| data["held"] != 0));
    assert!(has("wire", &|data| data["rows"]
        .as_array()
        .unwrap()
        .iter()
        .any(|row| row["status"] == 503)));
}
