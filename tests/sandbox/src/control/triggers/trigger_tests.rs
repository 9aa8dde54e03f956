//! Every trigger makes something happen.

use super::*;
use crate::{Config, Limits, NextPost, Signature, Webhooks};

const NOW: Duration = Duration::from_secs(1_711_000_000);

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
    sandbox.record("e1", Limits::default());
    sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/"));
    sandbox
}

fn parameters(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// What is posted within a minute.
fn posts(sandbox: &mut Sandbox) -> Vec<http::Request<Vec<u8>>> {
    let (mut posts, mut now) = (Vec::new(), NOW);
    loop {
        match sandbox.next_post(now) {
            NextPost::Post(post) => {
                sandbox.complete_post(now, post.id, Some(200));
                posts.push(post.request);
            }
            NextPost::Wait(until) if until < NOW + Duration::from_secs(60) => now = until,
            _ => return posts,
        }
    }
}

#[test]
fn every_trigger_ends_in_a_signed_notification() {
    assert!(TRIGGERS.len() >= 20);
    for spec in TRIGGERS {
        let mut sandbox = sandbox();
        let secret = sandbox.config().app().unwrap().client_secret().to_owned();
        let done = run(&mut sandbox, NOW, spec.name, Map::new())
            .unwrap_or_else(|problem| panic!("{}: {problem}", spec.name));
        assert!(!done.notifications.is_empty(), "{}", spec.name);
        let posts = posts(&mut sandbox);
        assert!(!posts.is_empty(), "{}", spec.name);
        for post in posts {
            let signature = Signature::Sha1Base64.of(&secret, post.body());
            assert_eq!(post.headers()["x-liveperson-signature"], signature, "{}", spec.name);
        }
    }
}

#[test]
fn any_trigger_works_after_any_other() {
    for first in TRIGGERS {
        for second in TRIGGERS {
            let mut sandbox = sandbox();
            run(&mut sandbox, NOW, first.name, Map::new()).unwrap();
            let done = run(&mut sandbox, NOW, second.name, Map::new());
            assert!(done.is_ok(), "{} after {}: {:?}", second.name, first.name, done.err());
        }
    }
}

#[test]
fn a_trigger_that_fails_leaves_no_fault() {
    let ada = || parameters(json!({"consumer": "ada"}));
    for spec in TRIGGERS {
        let mut sandbox = sandbox();
        run(&mut sandbox, NOW, "survey", ada()).unwrap();
        let before = sandbox.faults().len();
        if let Err(problem) = run(&mut sandbox, NOW, spec.name, ada()) {
            assert_eq!(sandbox.faults().len(), before, "{}: {problem}", spec.name);
        }
    }
}

#[test]
fn every_kind_of_notification_and_trouble_has_a_trigger() {
    let mut sandbox = sandbox();
    for spec in TRIGGERS {
        // A conversation of its own, for some close theirs.
        let consumer = parameters(json!({"consumer": format!("of {}", spec.name)}));
        run(&mut sandbox, NOW, spec.name, consumer).unwrap();
    }
    let journal = sandbox.journal.as_ref().unwrap();
    for key in crate::webhook::EVENT_KEYS {
        assert!(journal.notifications.before(u64::MAX).any(|one| one.key == key), "{key}");
    }
    for what in [
        "503",
        "429",
        "drop",
        "drop-after",
        "html",
        "garbage",
        "truncated",
        "delay:",
        "duplicate",
        "reorder",
    ] {
        let has = |fault: &crate::ActiveFault| fault.fault.kind().to_string().starts_with(what);
        assert!(sandbox.faults().iter().any(has), "{what}");
    }
}

#[test]
fn every_parameter_can_be_given() {
    for spec in TRIGGERS {
        let mut sandbox = sandbox();
        let mut given = Map::new();
        for parameter in spec.parameters() {
            let value: Value = serde_json::from_str(parameter.default).unwrap();
            given.insert(parameter.name.to_owned(), value);
        }
        run(&mut sandbox, NOW, spec.name, given.clone())
            .unwrap_or_else(|problem| panic!("{}: {problem}", spec.name));
        // As a command line has it: every value is text.
        let as_text = given.into_iter().filter(|(_, value)| !value.is_null());
        let as_text = as_text.map(|(name, value)| match value {
            Value::String(_) => (name, value),
            Value::Array(all) => {
                let all: Vec<_> = all.iter().filter_map(Value::as_str).collect();
                (name, Value::from(all.join(" | ")))
            }
            other => (name, Value::from(other.to_string())),
        });
        let mut sandbox = self::sandbox();
        run(&mut sandbox, NOW, spec.name, as_text.collect())
            .unwrap_or_else(|problem| panic!("{}: {problem}", spec.name));
    }
}

#[test]
fn a_wrong_parameter_is_refused_with_a_reason() {
    for (name, given, why) in [
        ("text", json!({"txt": "x"}), "text has no parameter \"txt\""),
        ("text", json!({"text": {}}), "text must be text"),
        ("burst", json!({"count": 0}), "count must be a number from 1 to 1000"),
        ("burst", json!({"count": "1001"}), "count must be"),
        ("card", json!({"buttons": [1]}), "buttons must be a list of texts"),
        ("urgency", json!({"urgency": "SOON"}), "urgency must be URGENT"),
        ("text", json!({"conversation": "nowhere"}), "no such conversation"),
        ("text", json!({"consumer": ""}), "consumer must not be empty"),
        ("raw", json!({"event": "{"}), "event: "),
        ("text", json!({"as": ""}), "an agent's id has"),
    ] {
        let problem = run(&mut sandbox(), NOW, name, parameters(given)).unwrap_err();
        assert!(problem.title.contains(why), "{name}: {problem}");
        assert_eq!(problem.status, 400);
    }
    assert_eq!(run(&mut sandbox(), NOW, "no-such", Map::new()).unwrap_err().status, 404);
}

#[test]
fn a_named_consumer_gets_a_conversation_of_their_own() {
    let mut sandbox = sandbox();
    let first = run(&mut sandbox, NOW, "text", Map::new()).unwrap();
    let own = run(&mut sandbox, NOW, "text", parameters(json!({"consumer": "bob"}))).unwrap();
    assert_ne!(first.conversation, own.conversation);
    let again = run(&mut sandbox, NOW, "note", parameters(json!({"consumer": "bob"}))).unwrap();
    assert_eq!(own.conversation, again.conversation);
    let latest = run(&mut sandbox, NOW, "text", Map::new()).unwrap();
    assert_eq!(latest.conversation, own.conversation);
}
