//! The sandbox against the documentation: each example, and each refusal.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::time::Duration;

use http::{Request, Response};
use lp_connector_sandbox::{Config, Endpoint, Sandbox, Transmission};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Duration = Duration::from_secs(1_711_000_000);
const CONVERSATION: &str = "/api/account/91827364/messaging/consumer/conversation?v=3";
const SEND: &str = "/api/account/91827364/messaging/consumer/conversation/send?v=3";

struct Cloud {
    sandbox: Sandbox,
    now: Duration,
}

impl Cloud {
    fn new() -> Self {
        Self { sandbox: Sandbox::new(Config::new("va.example.net", 1), 1), now: NOW }
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Vec::new()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    fn form(&mut self, path: &str, body: &str) -> (u16, Value) {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header("content-type", kind).body(body.into()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    fn post(&mut self, path: &str, tokens: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in tokens {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_string().into_bytes()).unwrap();
        read(self.sandbox.handle(self.now, &request))
    }

    fn credentials(&self) -> (String, String) {
        let app = self.sandbox.config().app().unwrap();
        (app.client_id().to_owned(), app.client_secret().to_owned())
    }

    fn app_jwt(&mut self) -> String {
        let (id, secret) = self.credentials();
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let (_, answer) = self.form("/sentinel/api/account/91827364/app/token?v=1.0", &body);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn consumer(&mut self, jwt: &str, consumer: &str) -> (u16, Value) {
        let body = json!({"ext_consumer_id": consumer});
        self.post("/api/account/91827364/consumer?v=1.0", &[("authorization", jwt)], &body)
    }

    /// Both tokens of a consumer.
    fn tokens(&mut self, consumer: &str) -> (String, String) {
        let jwt = self.app_jwt();
        let (_, answer) = self.consumer(&jwt, consumer);
        (jwt, answer["token"].as_str().unwrap().to_owned())
    }

    fn open(&mut self, (jwt, jws): &(String, String)) -> (u16, Value) {
        let body = json!([
            {"kind": "req", "id": "1,", "type": "userprofile.SetUserProfile", "body": {}},
            {"kind": "req", "id": 2, "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364", "channelType": "MESSAGING"}},
        ]);
        self.post(CONVERSATION, &[("authorization", jwt), ("x-lp-on-behalf", jws)], &body)
    }

    fn send(&mut self, (jwt, jws): &(String, String), kind: &str, body: Value) -> (u16, Value) {
        let body = json!({"kind": "req", "id": "c-17", "type": kind, "body": body});
        self.post(SEND, &[("authorization", jwt), ("x-lp-on-behalf", jws)], &body)
    }
}

fn read(answer: Response<Vec<u8>>) -> (u16, Value) {
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

fn text(id: &str, message: &str) -> Value {
    let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": message});
    json!({"dialogId": id, "conversationId": id, "event": event})
}

#[test]
fn one_service_is_an_object_and_all_are_a_wrapped_array() {
    let mut cloud = Cloud::new();
    let (status, one) =
        cloud.get("/api/account/91827364/service/sentinel/baseURI.json?version=1.0");
    let expected =
        json!({"service": "sentinel", "account": "91827364", "baseURI": "va.example.net"});
    assert_eq!((status, &one), (200, &expected));
    for path in ["api", "csdr"] {
        let all = format!("/{path}/account/91827364/service/baseURI.json?version=1.0");
        let (status, all) = cloud.get(&all);
        assert_eq!(status, 200);
        assert!(all["baseURIs"].as_array().unwrap().contains(&expected));
    }
}

#[test]
fn a_bad_site_is_401_and_bad_parameters_are_400() {
    let mut cloud = Cloud::new();
    for (path, status) in [
        ("/api/account/1/service/idp/baseURI.json?version=1.0", 401),
        ("/api/account/91827364/service/idp/baseURI.json", 400),
        ("/api/account/91827364/service/IDP/baseURI.json?version=1.0", 400),
        ("/somewhere/else", 404),
    ] {
        assert_eq!(cloud.get(path).0, status, "{path}");
    }
}

#[test]
fn credentials_are_accepted_in_all_three_places() {
    let mut cloud = Cloud::new();
    let (id, secret) = cloud.credentials();
    let (grant, app) =
        ("grant_type=client_credentials", format!("client_id={id}&client_secret={secret}"));
    let path = "/sentinel/api/account/91827364/app/token?v=1.0";
    for (query, body) in [
        (format!("&{grant}&{app}"), String::new()),
        (format!("&{grant}"), app.clone()),
        (String::new(), format!("{grant}&{app}")),
    ] {
        let (status, answer) = cloud.form(&format!("{path}{query}"), &body);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["token_type"], "Bearer");
        assert!(answer.get("expires_in").is_none());
    }
    let wrong = format!("{grant}&client_id={id}&client_secret=x");
    assert_eq!(cloud.form(path, &wrong).1["error"], "invalid_client");
    assert_eq!(cloud.form(path, grant).1["error"], "invalid_request");
}

#[test]
fn a_consumer_gets_a_token_for_a_valid_app_token_only() {
    let mut cloud = Cloud::new();
    let jwt = cloud.app_jwt();
    let (status, answer) = cloud.consumer(&jwt, "ring");
    assert_eq!(status, 201);
    assert!(answer["token"].as_str().unwrap().starts_with("eyJ"));
    assert_eq!(cloud.consumer("nonsense", "ring").1["body"]["errorCode"], 40102);
    assert_eq!(cloud.consumer(&jwt, "").0, 400);
    assert_eq!(cloud.consumer(&format!("Bearer {jwt}"), "ring").0, 201);
}

#[test]
fn a_token_expires_at_the_end_of_its_lifetime() {
    let mut cloud = Cloud::new();
    let jwt = cloud.app_jwt();
    cloud.now += Duration::from_secs(3599);
    assert_eq!(cloud.consumer(&jwt, "ring").0, 201);
    cloud.now += Duration::from_secs(1);
    assert_eq!(cloud.consumer(&jwt, "ring").1["body"]["errorCode"], 40102);
}

#[test]
fn a_second_conversation_is_refused_with_mixed_codes() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let (status, opened) = cloud.open(&tokens);
    assert_eq!(status, 200);
    assert_eq!((&opened[0]["reqId"], &opened[1]["reqId"]), (&"1,".into(), &"2".into()));
    let id = opened[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let (status, again) = cloud.open(&tokens);
    assert_eq!(status, 400);
    assert_eq!((&again[0]["code"], &again[1]["code"]), (&"OK".into(), &"BAD_REQUEST".into()));
    assert!(again[1]["body"]["msg"].as_str().unwrap().contains("already has open conversation"));
    let close = json!({"conversationId": id, "conversationField":
        [{"field": "ConversationStateField", "conversationState": "CLOSE"}]});
    assert_eq!(cloud.send(&tokens, "cm.UpdateConversationField", close).0, 200);
    assert_eq!(cloud.open(&tokens).0, 200);
}

#[test]
fn sequences_count_per_dialog_and_skip_chat_states() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    for sequence in 0..3 {
        let (_, sent) = cloud.send(&tokens, "ms.PublishEvent", text(&id, "Coo?"));
        assert_eq!(sent, json!({"code": "OK", "body": {"sequence": sequence}, "reqId": "c-17"}));
        let state = json!({"type": "ChatStateEvent", "chatState": "COMPOSING"});
        let state = json!({"dialogId": id, "event": state});
        assert_eq!(cloud.send(&tokens, "ms.PublishEvent", state).1["body"]["sequence"], 0);
    }
    let numbered = cloud.sandbox.messages().iter().filter(|one| one.sequence.is_some());
    assert_eq!(numbered.count(), 3);
}

#[test]
fn undocumented_requests_are_refused() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
    let other = cloud.tokens("another");
    let publish = "ms.PublishEvent";
    assert_eq!(cloud.send(&other, publish, text(&id, "x")).0, 401);
    assert_eq!(cloud.send(&tokens, "cqm.SubscribeExConversations", json!({})).0, 400);
    assert_eq!(cloud.send(&tokens, publish, text(&id, &"x".repeat(5000))).0, 400);
    let odd = json!({"dialogId": id, "event": {"type": "ChatStateEvent", "ChatState": "ACTIVE"}});
    assert_eq!(cloud.send(&tokens, publish, odd).0, 400);
    assert_eq!(cloud.send(&tokens, publish, text("no-such", "x")).0, 400);
    let close = json!({"conversationId": id,
        "conversationField": {"field": "Stage", "conversationState": "CLOSE"}});
    cloud.send(&tokens, "cm.UpdateConversationField", close);
    let (status, closed) = cloud.send(&tokens, publish, text(&id, "x"));
    assert_eq!(status, 400);
    assert_eq!(closed["body"]["msg"], "Bad Request, Conversation is close");
}

#[test]
fn each_credential_error_has_its_own_code() {
    let mut cloud = Cloud::new();
    let (jwt, jws) = cloud.tokens("ring");
    let body = json!([]);
    for (tokens, code) in [
        (&[][..], 40105),
        (&[("authorization", "x"), ("x-lp-on-behalf", &*jws)], 40102),
        (&[("authorization", &*jwt)], 40104),
        (&[("authorization", &*jwt), ("x-lp-on-behalf", "x")], 40103),
    ] {
        let (status, answer) = cloud.post(CONVERSATION, tokens, &body);
        assert_eq!((status, &answer["body"]["errorCode"]), (401, &code.into()));
        assert_eq!(answer["kind"], "resp");
    }
}

#[test]
fn a_dropped_request_has_no_effect_a_dropped_response_has() {
    for (fault, kept) in [("send:1=drop", 0), ("send:1=drop-after", 1)] {
        let mut cloud = Cloud::new();
        let tokens = cloud.tokens("ring");
        let id = cloud.open(&tokens).1[1]["body"]["conversationId"].as_str().unwrap().to_owned();
        cloud.sandbox.fault(fault.parse().unwrap());
        let body =
            json!({"kind": "req", "id": "1", "type": "ms.PublishEvent", "body": text(&id, "x")});
        let request = Request::post(SEND)
            .header("content-type", "application/json")
            .header("authorization", &tokens.0)
            .header("x-lp-on-behalf", &tokens.1)
            .body(body.to_string().into_bytes())
            .unwrap();
        assert_eq!(cloud.sandbox.reply(NOW, &request).transmission, Transmission::Dropped);
        assert_eq!(cloud.sandbox.messages().len(), kept);
        assert_eq!(cloud.sandbox.requests(Endpoint::Send), 1);
    }
}

#[test]
fn the_state_shows_counts_and_no_secret() {
    let mut cloud = Cloud::new();
    let tokens = cloud.tokens("ring");
    cloud.open(&tokens);
    let (status, state) = cloud.get("/_sandbox/state");
    assert_eq!((status, &state["requests"]["conversation"]), (200, &1.into()));
    let shown = format!("{state}{:?}", cloud.sandbox.config());
    assert!(!shown.contains("eyJ") && !shown.contains(&cloud.credentials().1));
}

proptest! {
    #[test]
    fn no_request_panics(
        method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        path in prop_oneof![
            Just(CONVERSATION.to_owned()), Just(SEND.to_owned()),
            Just("/sentinel/api/account/91827364/app/token?v=1.0".to_owned()),
            "/[a-z/%+?=.]{0,60}",
        ],
        body in prop::collection::vec(any::<u8>(), 0..200),
        json in "[\\[\\]{}\":,a-z0-9]{0,60}",
        properties: String,
    ) {
        let mut cloud = Cloud::new();
        let (jwt, jws) = cloud.tokens("ring");
        for body in [body, json.into_bytes()] {
            let request = Request::builder()
                .method(method).uri(&path)
                .header("content-type", "application/json")
                .header("authorization", &jwt).header("x-lp-on-behalf", &jws);
            let request = match http::HeaderValue::from_str(&properties) {
                Ok(properties) => request.header("client-properties", properties),
                Err(_) => request,
            };
            if let Ok(request) = request.body(body) {
                let _ = cloud.sandbox.reply(NOW, &request);
            }
        }
    }
}
