//! What the vendor's own client reads, and what the cloud refuses it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod cloud;

use std::time::Duration;

use cloud::{CONVERSATION, Cloud, text};
use http::Request;
use lp_connector_sandbox::{Agent, AppState, NextPost, Webhooks};
use serde_json::{Value, json};

const RECEIPT: &str = "AcceptStatusEvent";

fn opened(cloud: &mut Cloud, tokens: &(String, String)) -> String {
    cloud.open(tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned()
}

#[test]
fn a_login_names_the_hosts_and_the_user() {
    let mut cloud = Cloud::new();
    let (user, password) = cloud.sandbox.config().admin();
    let body = json!({"username": user, "password": password});
    let (status, session) = cloud.post("/api/account/91827364/login", &[], &body);
    assert_eq!(status, 200);
    assert!(!session["config"]["userId"].as_str().unwrap().is_empty());
    let all = cloud.get("/api/account/91827364/service/baseURI.json?version=1.0").1;
    assert_eq!(session["csdsCollectionResponse"], all);
    let services: Vec<_> = all["baseURIs"].as_array().unwrap().iter().collect();
    for service in ["accountConfigReadWrite", "sentinel", "idp", "asyncMessagingEnt", "swift"] {
        assert!(services.iter().any(|one| one["service"] == service), "{service}");
    }
    // In the same session.
    let bearer = format!("Bearer {}", session["bearer"].as_str().unwrap());
    let path = "/api/account/91827364/configuration/app-install/installations?v=1.0";
    let key = "cqm.ExConversationChangeNotification";
    let manifest = json!({"client_name": "pigeon-post",
        "capabilities": {"webhooks": {key: {"endpoint": "https://hooks.example/"}}}});
    let (status, app) = cloud.post(path, &[("authorization", &bearer)], &manifest);
    assert_eq!(status, 201);
    assert_eq!(app["client_id_issued_at"], 1_711_000_000);
    assert_eq!(app["client_secret_expires_at"], 0);
    assert_eq!(app["capabilities"]["webhooks"][key]["headers"], json!([]));
}

#[test]
fn a_receipt_is_for_messages_that_exist() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = opened(&mut cloud, &tokens);
    let action = Agent::Text("Good morning".to_owned(), Vec::new());
    cloud.sandbox.agent(cloud.now, &id, action).unwrap();
    for (conversation, dialog, list, status) in [
        (&*id, &*id, json!([0]), 200),
        (&id, &id, json!([]), 200),
        (&id, &id, json!([0, 1]), 200), // 1 is the receipt
        (&id, &id, json!([99]), 400),
        (&id, &id, json!([0, 99]), 400),
        (&id, &id, json!([-1]), 400),
        (&id, &id, json!([0.5]), 400),
        (&id, &id, json!(["0"]), 400),
        (&id, &id, json!("0"), 400),
        (&id, "no-such-dialog", json!([0]), 400),
        (&id, "no-such-dialog", json!([]), 400),
        ("no-such-conversation", &id, json!([0]), 400),
        ("no-such-conversation", "no-such-conversation", json!([0]), 400),
    ] {
        for kind in ["ACCEPT", "READ", "ACCESS", "NACK", "ACTION"] {
            let event = json!({"type": RECEIPT, "status": kind, "sequenceList": list});
            let body = json!({"conversationId": conversation, "dialogId": dialog, "event": event});
            let (found, answer) = cloud.send(&tokens, "ms.PublishEvent", body);
            assert_eq!(found, status, "{conversation} {dialog} {list} {kind}: {answer}");
        }
    }
}

#[test]
fn nothing_is_sent_to_a_dialog_that_does_not_exist() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = opened(&mut cloud, &tokens);
    let mut elsewhere = text(&id, "x");
    elsewhere["dialogId"] = json!("no-such-dialog");
    let (status, refused) = cloud.send(&tokens, "ms.PublishEvent", elsewhere);
    assert_eq!((status, &refused["body"]["msg"]), (400, &"no such dialog".into()));
    let close = json!({"conversationId": id, "conversationField": {"field": "DialogChange",
        "type": "UPDATE", "dialog": {"dialogId": "no-such-dialog", "state": "CLOSE"}}});
    assert_eq!(cloud.send(&tokens, "cm.UpdateConversationField", close).0, 400);
    assert_eq!(cloud.send(&tokens, "ms.PublishEvent", text(&id, "x")).0, 200);
}

/// The dialogs of the last notification, after a survey has begun.
fn dialogs(main_first: bool) -> Vec<Value> {
    let mut cloud = Cloud::with(|config| config.main_dialog_first(main_first));
    cloud.sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/"));
    let (jwt, jws) = cloud.tokens("ring");
    let properties = r#"{"type":".ClientProperties","features":["MULTI_DIALOG"]}"#;
    let headers =
        [("authorization", &*jwt), ("x-lp-on-behalf", &*jws), ("client-properties", properties)];
    let open = json!([
        {"kind": "req", "id": "1", "type": "userprofile.SetUserProfile", "body": {}},
        {"kind": "req", "id": "2", "type": "cm.ConsumerRequestConversation",
         "body": {"brandId": "91827364"}}]);
    let opened = cloud.post(CONVERSATION, &headers, &open).1;
    let id = opened[1]["body"]["conversationId"].as_str().unwrap();
    cloud.sandbox.agent(cloud.now, id, Agent::Join).unwrap();
    cloud.sandbox.agent(cloud.now, id, Agent::Close).unwrap();
    let mut last = Vec::new();
    while let NextPost::Post(post) = cloud.sandbox.next_post(cloud.now) {
        let body: Value = serde_json::from_slice(post.request.body()).unwrap();
        let result = &body["body"]["changes"][0]["result"];
        if let Some(all) = result["conversationDetails"]["dialogs"].as_array() {
            last.clone_from(all);
        }
        cloud.sandbox.complete_post(cloud.now, post.id, Some(200));
    }
    last
}

#[test]
fn the_order_of_dialogs_is_an_option() {
    for (main_first, order) in [(false, ["POST_SURVEY", "MAIN"]), (true, ["MAIN", "POST_SURVEY"])] {
        let kinds: Vec<_> = dialogs(main_first);
        let kinds: Vec<_> = kinds.iter().map(|dialog| dialog["dialogType"].clone()).collect();
        assert_eq!(kinds, order);
    }
}

#[test]
fn the_sandbox_says_when_it_posts_again() {
    let mut cloud = Cloud::new();
    let retention = Duration::from_secs(3600);
    cloud.sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/").retention(retention));
    assert_eq!(cloud.sandbox.next_try(), None);
    let tokens = cloud.tokens("ring");
    opened(&mut cloud, &tokens);
    for pause in [2, 4, 8] {
        let NextPost::Post(post) = cloud.sandbox.next_post(cloud.now) else { panic!("no post") };
        cloud.sandbox.complete_post(cloud.now, post.id, None);
        let next = cloud.now + Duration::from_secs(pause);
        assert_eq!(cloud.sandbox.next_try(), Some(next));
        assert_eq!(cloud.sandbox.app_state(), AppState::Failed);
        assert_eq!(cloud.sandbox.notifications_waiting(), 1);
        cloud.now = next;
    }
    let NextPost::Post(post) = cloud.sandbox.next_post(cloud.now) else { panic!("no post") };
    cloud.sandbox.complete_post(cloud.now, post.id, Some(200));
    assert_eq!(cloud.sandbox.app_state(), AppState::Up);
    assert_eq!(cloud.sandbox.next_try(), None);
}

#[test]
fn a_login_sets_the_cookie_of_the_session() {
    let mut cloud = Cloud::new();
    let (user, password) = cloud.sandbox.config().admin();
    let body = json!({"username": user, "password": password}).to_string().into_bytes();
    let request = Request::post("/api/account/91827364/login?v=1.3")
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    let response = cloud.sandbox.handle(cloud.now, &request);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("session_id="), "{cookie}");
}
