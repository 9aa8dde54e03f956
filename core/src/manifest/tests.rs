use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PROTOCOL: &str = include_str!("../../protocol.md");

/// The manifest of [protocol.md 3.4](crate::protocol#3.4).
fn documented() -> Value {
    let (_, rest) = PROTOCOL.split_once("\n### 3.4 ").unwrap();
    let (_, rest) = rest.split_once("```json\n").unwrap();
    serde_json::from_str(rest.split("```").next().unwrap()).unwrap()
}

fn errors(manifest: &Value) -> Vec<String> {
    let all = check(manifest);
    let errors = all.iter().filter(|one| one.severity() == Severity::Error);
    errors.map(|one| one.path().to_owned()).collect()
}

#[test]
fn the_documented_manifest_is_valid_and_round_trips() {
    let manifest = documented();
    assert_eq!(errors(&manifest), Vec::<String>::new());
    // It sets both retry modes, and has no endpoint for two of the event types with sequences.
    let content = EventType::Content.name();
    let expected = [
        format!("{content}.max_retries"),
        EventType::RichContent.name().to_owned(),
        EventType::AcceptStatus.name().to_owned(),
    ];
    let found: Vec<_> = check(&manifest).iter().map(|one| one.path().to_owned()).collect();
    assert_eq!(found, expected.map(|path| format!("capabilities.webhooks.{path}")));
    let read: Manifest = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest);
}

/// The server's record of [protocol.md 13.3](crate::protocol#13.3).
#[test]
fn unknown_members_are_kept() {
    let record = json!({"id": "0a1b", "client_secret": "k7", "deleted": false,
        "client_name": "pigeon-post", "response_types": "code", "capabilities": {
            "broadcast": {"enabled": true}, "webhooks": {
                "cqm.ExConversationChangeNotification": {"endpoint": "https://x.example", "new": 1}}}});
    let read: Manifest = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), record);
    assert_eq!(read.more["id"], "0a1b");
}

#[test]
fn every_fault_is_reported_at_once_with_its_path() {
    let manifest = json!({
        "client_name": "", "description": "x".repeat(257), "enabled": "yes",
        "grant_types": ["password"], "scope": 7, "capabilities": {
        "webhooks": {
            "retry": {"retention_time": 259_201},
            "ms.MessagingEventNotification.ContentEvent": {"endpoint": "http://x.example"},
            "ms.MessagingEventNotification.ChatStateEvent": {"endpoint": "https://x.example",
                "max_retries": 6, "headers": [{"header_name": "a b", "header_value": "c\nd"}]},
            "ms.MessagingEventNotification.ExConversationChangeNotification": {},
        },
        "engagement": {"design_engagement": false, "design_window": false, "entry_point": [],
            "visitor_behavior": ["flow", "flow"], "target_audience": "ip", "goal": ["fame"],
            "consumer_identity": ["auth", "unauth"]}}});
    let mut found = errors(&manifest);
    found.sort();
    let hooks = "capabilities.webhooks.";
    let content = "ms.MessagingEventNotification.ContentEvent";
    let state = "ms.MessagingEventNotification.ChatStateEvent";
    let mut expected = [
        "client_name".to_owned(),
        "description".to_owned(),
        "enabled".to_owned(),
        "grant_types[0]".to_owned(),
        "scope".to_owned(),
        format!("{hooks}retry.retention_time"),
        format!("{hooks}{content}.endpoint"),
        format!("{hooks}{state}.max_retries"),
        format!("{hooks}{state}.headers[0].header_name"),
        format!("{hooks}{state}.headers[0].header_value"),
        format!("{hooks}ms.MessagingEventNotification.ExConversationChangeNotification"),
        "capabilities.engagement.language_selection".to_owned(),
        "capabilities.engagement.entry_point".to_owned(),
        "capabilities.engagement.visitor_behavior[1]".to_owned(),
        "capabilities.engagement.target_audience".to_owned(),
        "capabilities.engagement.goal[0]".to_owned(),
        "capabilities.engagement.consumer_identity".to_owned(),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let lines = Violations(check(&manifest)).to_string();
    assert!(
        lines.contains(
            "description: it has 257 characters; at most 256 are allowed: shorten it by 1"
        )
    );
    assert!(!lines.contains("c\nd"));
    let odd = json!({"capabilities": {"webhooks": {"a\u{1b}[31m\nb": {"endpoint": 7}}}});
    let lines: Vec<_> = check(&odd).iter().map(ToString::to_string).collect();
    assert!(lines.iter().any(|line| line.contains(".a [31m b: ")), "{lines:?}");
}

#[test]
fn an_endpoint_is_an_https_url_with_a_host() {
    for (url, good) in [
        ("https://hooks.pigeon.example/lp?kind=content", true),
        ("https://hooks.pigeon.example:8443", true),
        ("https://10.0.0.1/", true),
        ("https://[2001:db8::1]/", true),
        ("HTTPS://x.example", false),
        ("http://x.example", false),
        ("https://", false),
        ("https://-x.example", false),
        ("https://x.example-/", false),
        ("https://user:pw@x.example", false),
        ("https://a b", false),
        ("https://x.example/a b", false),
        ("https://x.example\\@evil.example/", false),
        ("https:///x.example/", false),
        ("https://x.example:+443/", false),
        ("https://0x7f.1/", false),
        ("https://b\u{fc}cher.example/", false),
        ("https://xn--bcher-kva.example/", true),
        ("https://X.example:443/", true),
        ("ftp://x.example", false),
        ("", false),
    ] {
        let built = Manifest::connector("x").endpoint(url).build();
        assert_eq!(built.is_ok(), good, "{url}");
    }
}

#[test]
fn a_user_or_a_password_in_an_endpoint_is_the_problem() {
    for url in
        ["https://pigeon@x.example", "https://:s3cr3t@x.example", "https://pigeon:s3cr3t@x.example"]
    {
        let builder = Manifest::connector("x").endpoint_for(EventType::Content, url);
        let refused = builder.build().unwrap_err();
        let problems: Vec<_> = refused.all().iter().map(Violation::problem).collect();
        assert_eq!(problems, ["it contains a user name"], "{url}");
    }
}

#[test]
fn a_refusal_has_a_line_for_every_error() {
    let builder = Manifest::connector("").endpoint_for(EventType::Content, "http://x.example");
    let refused = builder.build().unwrap_err();
    let endpoint = "capabilities.webhooks.ms.MessagingEventNotification.ContentEvent.endpoint";
    let paths: Vec<_> = refused.all().iter().map(Violation::path).collect();
    assert_eq!(paths, ["client_name", endpoint]);
    assert_eq!(
        refused.to_string(),
        format!(
            "client_name: it is empty; give the app a name\n{endpoint}: it does not begin with \
             https://; it must begin with https:// and a host"
        )
    );
}

#[test]
fn a_problem_names_the_type_of_the_value() {
    for (manifest, problem) in [
        (json!(null), "it is null"),
        (json!(true), "it is a boolean"),
        (json!(7), "it is a number"),
        (json!("pigeon-post"), "it is a string"),
        (json!(["pigeon-post"]), "it is an array"),
        (json!({"client_name": {"en": "pigeon-post"}}), "it is an object"),
    ] {
        assert_eq!(check(&manifest)[0].problem(), problem, "{manifest}");
    }
}

#[test]
fn an_app_that_can_be_no_connector_is_warned_of() {
    let scope = json!("msg.consumer");
    let grants = json!(["client_credentials"]);
    let other = json!(["authorization_code"]);
    for (manifest, paths) in [
        (json!({}), &["capabilities", "scope", "grant_types"][..]),
        (
            json!({"capabilities": null, "scope": null, "grant_types": null}),
            &["capabilities", "scope", "grant_types"],
        ),
        (json!({"scope": scope}), &["capabilities", "grant_types"]),
        (json!({"scope": "agent", "grant_types": grants}), &["capabilities", "scope"]),
        (json!({"scope": scope, "grant_types": "client_credentials"}), &["capabilities"]),
        (
            json!({"scope": scope, "grant_types": grants, "capabilities": {}}),
            &["capabilities.webhooks"],
        ),
        (
            json!({"scope": scope, "grant_types": grants, "capabilities": {"webhooks": null}}),
            &["capabilities.webhooks"],
        ),
        (
            json!({"scope": scope, "grant_types": grants, "capabilities": {"webhooks": {}}}),
            &["capabilities.webhooks"],
        ),
        // An app of another purpose, unless something says otherwise.
        (json!({"grant_types": other}), &[]),
        (json!({"grant_types": other, "scope": "profile"}), &[]),
        (json!({"grant_types": other, "scope": scope}), &["capabilities", "grant_types"]),
        (
            json!({"grant_types": other, "capabilities": {"webhooks": {}}}),
            &["capabilities.webhooks", "scope", "grant_types"],
        ),
    ] {
        let mut manifest = manifest;
        manifest["client_name"] = json!("pigeon-post");
        let found = check(&manifest);
        assert!(found.iter().all(|one| one.severity() == Severity::Warning), "{manifest}");
        let found: Vec<_> = found.iter().map(Violation::path).collect();
        assert_eq!(found, paths, "{manifest}");
    }
}

#[test]
fn two_retry_modes_at_once_are_a_warning() {
    let both = |times| {
        let seconds = std::time::Duration::from_secs(60);
        let built = Manifest::connector("x").endpoint("https://x.example").retention(seconds);
        built.max_retries(times).build().unwrap().check()
    };
    assert_eq!((both(0).len(), both(3).len()), (5, 5));
    assert!(both(0)[0].problem().contains("exempts this endpoint from retries"));
    assert!(both(3)[0].problem().contains("takes precedence over it"));
    assert!(both(3).iter().all(|one| one.severity() == Severity::Warning));
}

#[test]
fn every_limit_allows_its_value_and_not_the_next() {
    let text = |name: &str, length: usize| {
        let mut manifest = documented();
        manifest[name] = "x".repeat(length).into();
        errors(&manifest).is_empty()
    };
    for (name, max) in [
        ("client_name", 128),
        ("display_name", 128),
        ("description", 256),
        ("scope", 128),
        ("logo_uri", 1024),
        ("entry_uri", 1024),
    ] {
        assert!(text(name, max) && !text(name, max + 1), "{name}");
    }
    let number = |pointer: &str, value: i64| {
        let mut manifest = documented();
        set(&mut manifest, pointer, value.into());
        errors(&manifest).is_empty()
    };
    let retention = "/capabilities/webhooks/retry/retention_time";
    for (pointer, min, max) in [(retention, 2, 259_200), ("EVENT/max_retries", 0, 5)] {
        assert!(number(pointer, min) && number(pointer, max), "{pointer}");
        assert!(!number(pointer, min - 1) && !number(pointer, max + 1), "{pointer}");
    }
}

#[test]
fn a_redirect_uri_has_at_most_128_characters() {
    let found = |characters: usize| {
        let mut manifest = documented();
        manifest["redirect_uris"] = json!(["https://x.example", "é".repeat(characters)]);
        errors(&manifest)
    };
    assert_eq!(found(128), Vec::<String>::new());
    assert_eq!(found(129), ["redirect_uris[1]"]);
}

#[test]
fn every_field_is_explained_by_its_path() {
    for field in FIELDS {
        assert!(explain(field.path).any(|found| found == field));
    }
    assert_eq!(explain("endpoint").count(), 1);
    assert_eq!(explain("point").count(), 0, "part of a name is not a name");
}

/// The place of each value in a document.
fn places(value: &Value, place: &str, all: &mut Vec<String>) {
    let members = value.as_object().into_iter().flatten();
    let members = members.map(|(name, value)| (name.clone(), value));
    let elements = value.as_array().into_iter().flatten().enumerate();
    for (name, value) in members.chain(elements.map(|(n, value)| (n.to_string(), value))) {
        let place = format!("{place}/{name}");
        places(value, &place, all);
        all.push(place);
    }
}

#[test]
fn null_anywhere_parses_or_is_a_fault() {
    let complete = json!({
        "client_name": "x", "display_name": "x", "description": "x", "enabled": true,
        "grant_types": ["client_credentials"], "response_types": ["code"],
        "redirect_uris": ["https://x.example"], "scope": "msg.consumer", "logo_uri": "",
        "quick_launch_enabled": false, "entry_uri": "", "capabilities": {
            "webhooks": {"retry": {"retention_time": 60},
                "cqm.ExConversationChangeNotification": {"endpoint": "https://x.example",
                    "max_retries": 1, "headers": [{"header_name": "a", "header_value": "b"}]}},
            "engagement": {"design_engagement": false, "design_window": false,
                "language_selection": false, "entry_point": ["section"],
                "visitor_behavior": ["flow"], "target_audience": ["ip"], "goal": ["url"],
                "consumer_identity": ["auth"]}}});
    let mut all = Vec::new();
    places(&complete, "", &mut all);
    assert!(all.len() > 30);
    for place in all {
        let mut manifest = complete.clone();
        *manifest.pointer_mut(&place).unwrap() = Value::Null;
        let parses = serde_json::from_value::<Manifest>(manifest.clone()).is_ok();
        assert!(parses || !errors(&manifest).is_empty(), "{place}");
    }
}

#[test]
fn debug_hides_the_value_of_a_header() {
    let manifest = Manifest::connector("x").endpoint("https://x.example").header("x-key", "s3cr3t");
    assert!(!format!("{:?} {:?}", manifest, manifest.clone().build()).contains("s3cr3t"));
}

/// A change that makes a valid manifest invalid, and the path of the fault.
fn fault() -> impl Strategy<Value = (&'static str, Value, &'static str)> {
    let long = |n: usize| Value::from("x".repeat(n));
    prop::sample::select(vec![
        ("/client_name", json!(""), "client_name"),
        ("/client_name", long(129), "client_name"),
        ("/client_name", json!(7), "client_name"),
        ("/display_name", long(129), "display_name"),
        ("/description", long(257), "description"),
        ("/scope", long(129), "scope"),
        ("/logo_uri", long(1025), "logo_uri"),
        ("/entry_uri", long(1025), "entry_uri"),
        ("/enabled", json!("true"), "enabled"),
        ("/quick_launch_enabled", json!(1), "quick_launch_enabled"),
        ("/grant_types", json!(["password"]), "grant_types[0]"),
        ("/response_types", json!("tokens"), "response_types"),
        ("/redirect_uris", json!([7]), "redirect_uris[0]"),
        ("/capabilities", json!([]), "capabilities"),
        ("/capabilities/webhooks", json!([]), "capabilities.webhooks"),
        ("/capabilities/webhooks/x", json!({}), "capabilities.webhooks.x"),
        ("/capabilities/webhooks/retry", json!({}), "capabilities.webhooks.retry.retention_time"),
        ("/capabilities/webhooks/retry", json!(3600), "capabilities.webhooks.retry"),
        (
            "/capabilities/webhooks/retry",
            json!({"retention_time": 2.5}),
            "capabilities.webhooks.retry.retention_time",
        ),
        ("EVENT/endpoint", json!("http://x.example"), "EVENT.endpoint"),
        ("EVENT/endpoint", json!(7), "EVENT.endpoint"),
        ("EVENT/max_retries", json!(6), "EVENT.max_retries"),
        ("EVENT/max_retries", json!(-1), "EVENT.max_retries"),
        ("EVENT/headers", json!({}), "EVENT.headers"),
        ("EVENT/headers", json!([{"header_value": "x"}]), "EVENT.headers[0].header_name"),
        ("/capabilities/engagement/goal", json!(["fame"]), "capabilities.engagement.goal[0]"),
        ("/capabilities/engagement/entry_point", json!([]), "capabilities.engagement.entry_point"),
        (
            "/capabilities/engagement/design_window",
            json!(0),
            "capabilities.engagement.design_window",
        ),
    ])
}

/// Sets the value at a JSON pointer, whose last step may be new.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let pointer = pointer
        .replace("EVENT", "/capabilities/webhooks/ms.MessagingEventNotification.ContentEvent");
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
}

fn built() -> impl Strategy<Value = Manifest> {
    let name = "[a-zA-Z][a-zA-Z0-9 -]{0,100}";
    let description = prop::option::of(".{0,256}");
    (name, description, prop::option::of(2u64..=259_200), prop::option::of(0u64..=5)).prop_map(
        |(name, description, retention, retries)| {
            let mut builder = Manifest::connector(name).endpoint("https://hooks.pigeon.example/lp");
            if let Some(description) = description {
                builder = builder.description(description);
            }
            if let Some(seconds) = retention {
                builder = builder.retention(std::time::Duration::from_secs(seconds));
            }
            if let Some(times) = retries {
                builder = builder.max_retries(times);
            }
            builder.build().unwrap()
        },
    )
}

proptest! {
    #[test]
    fn a_built_manifest_is_valid_and_each_fault_is_found(
        manifest in built(), (place, value, path) in fault(),
    ) {
        let mut json = serde_json::to_value(&manifest).unwrap();
        prop_assert_eq!(errors(&json), Vec::<String>::new());
        set(&mut json, place, value);
        let path = path.replace(
            "EVENT",
            "capabilities.webhooks.ms.MessagingEventNotification.ContentEvent",
        );
        prop_assert_eq!(errors(&json), vec![path]);
    }

    #[test]
    fn no_json_panics(text in ".{0,64}", manifest in built(), cut in 0usize..600) {
        let json = serde_json::to_string(&manifest).unwrap();
        for text in [text, json.chars().take(cut).collect()] {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = check(&value);
            }
        }
    }
}

#[test]
fn an_event_type_may_have_an_endpoint_of_its_own() {
    let (all, own) = ("https://all.example", "https://own.example");
    let endpoints = |builder: ManifestBuilder| {
        let webhooks = builder.build().unwrap().capabilities.unwrap().webhooks.unwrap();
        EventType::ALL.map(|event| webhooks.endpoints[event.name()].endpoint.clone())
    };
    let built = Manifest::connector("x").endpoint(all).endpoint_for(EventType::Content, own);
    assert_eq!(endpoints(built.clone()), [own, all, all, all, all]);
    // The last one counts.
    assert_eq!(endpoints(built.endpoint(all)), [all; 5]);
}
