//! What other clients send and the documents do not have: taken with a warning, or refused if strict.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod cloud;

use cloud::{CONVERSATION, Cloud, NOW, SEND, text};
use http::Request;
use serde_json::{Value, json};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A client with an open conversation.
struct Client {
    cloud: Cloud,
    tokens: (String, String),
    conversation: String,
}

impl Client {
    fn new(strict: bool) -> Self {
        let mut cloud = Cloud::with(|config| config.strict(strict));
        let tokens = cloud.tokens("ring");
        let opened = cloud.open(&tokens).1;
        let conversation = opened[1]["body"]["conversationId"].as_str().unwrap().to_owned();
        Self { cloud, tokens, conversation }
    }

    /// The status of the response to a request with both tokens, and its warnings.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Vec<&'static str>) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", &self.tokens.0)
            .header("x-lp-on-behalf", &self.tokens.1);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_bytes().to_vec()).unwrap();
        let reply = self.cloud.sandbox.reply(NOW, &request);
        (reply.response.status().as_u16(), reply.warnings)
    }

    fn send(
        &mut self,
        headers: &[(&str, &str)],
        kind: &str,
        body: &Value,
    ) -> (u16, Vec<&'static str>) {
        let body = json!({"kind": "req", "id": "1", "type": kind, "body": body});
        self.ask("POST", SEND, &[&[JSON], headers].concat(), &body.to_string())
    }
}

/// A request, by a client with an open conversation.
type Ask = fn(&mut Client) -> (u16, Vec<&'static str>);

fn login_free(client: &Client) -> String {
    let (id, secret) = client.cloud.credentials();
    format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
}

/// Each deviation, and a word of its warning.
const DEVIATIONS: [(&str, Ask); 24] = [
    ("no .json", |client| {
        client.ask("GET", "/api/account/91827364/service/idp/baseURI?version=1.0", &[], "")
    }),
    ("no .json", |client| {
        client.ask("GET", "/csdr/account/91827364/service/baseURI?version=1.0", &[], "")
    }),
    ("/csdr", |client| {
        client.ask("GET", "/csdr/account/91827364/service/idp/baseURI.json?version=1.0", &[], "")
    }),
    ("v=1.0", |client| {
        let who = r#"{"ext_consumer_id":"ring"}"#;
        client.ask("POST", "/api/account/91827364/consumer", &[JSON], who)
    }),
    ("content type", |client| {
        let query = login_free(client);
        let path = format!("/sentinel/api/account/91827364/app/token?v=1.0&{query}");
        client.ask("POST", &path, &[], "")
    }),
    ("content type", |client| {
        let form = login_free(client);
        let path = "/sentinel/api/account/91827364/app/token?v=1.0";
        client.ask("POST", path, &[JSON], &form)
    }),
    ("content type", |client| {
        let (id, secret) = client.cloud.credentials();
        let body = json!({"grant_type": "client_credentials", "client_id": id,
            "client_secret": secret});
        let path = "/sentinel/api/account/91827364/app/token?v=1.0";
        client.ask("POST", path, &[JSON], &body.to_string())
    }),
    ("v=1.0", |client| {
        let form = login_free(client);
        client.ask("POST", "/sentinel/api/account/91827364/app/token", &[FORM], &form)
    }),
    ("version=1.0", |client| {
        client.ask("GET", "/api/account/91827364/service/idp/baseURI.json", &[], "")
    }),
    ("version=1.0", |client| {
        client.ask("GET", "/api/account/91827364/service/baseURI.json", &[], "")
    }),
    ("v=3", |client| {
        let body = json!({"kind": "req", "id": "1", "type": "ms.PublishEvent",
            "body": text(&client.conversation, "x")});
        let path = SEND.split('?').next().unwrap();
        client.ask("POST", path, &[JSON], &body.to_string())
    }),
    ("v=3", |client| {
        client.tokens = client.cloud.tokens("another");
        let body = open(&json!({"brandId": "91827364"}), "cm.ConsumerRequestConversation");
        client.ask("POST", CONVERSATION.split('?').next().unwrap(), &[JSON], &body)
    }),
    ("v=1.0", |client| {
        let (app, _) = client.cloud.credentials();
        let path = format!("/api/account/91827364/app/{app}/engagement");
        let body = json!({"identities": [{"iss": "x", "acr": "0", "sub": "ring"}]});
        client.ask("POST", &path, &[JSON], &body.to_string())
    }),
    ("v=1.0", |client| {
        let (user, password) = client.cloud.sandbox.config().admin();
        let body = json!({"username": user, "password": password});
        let session = client.cloud.post("/api/account/91827364/login", &[], &body).1;
        client.tokens.0 = format!("Bearer {}", session["bearer"].as_str().unwrap());
        let path = "/api/account/91827364/configuration/app-install/installations";
        client.ask("GET", path, &[], "")
    }),
    ("Client-Properties", |client| {
        let properties = r#"{"type":"ClientProperties","features":[]}"#;
        let body = text(&client.conversation, "x");
        client.send(&[("client-properties", properties)], "ms.PublishEvent", &body)
    }),
    (".ams.", |client| {
        let body = text(&client.conversation, "x");
        client.send(&[], ".ams.ms.PublishEvent", &body)
    }),
    (".ams.", |client| {
        let close = json!({"conversationId": client.conversation,
            "conversationField": {"field": "ConversationStateField", "conversationState": "CLOSE"}});
        client.send(&[], ".ams.cm.UpdateConversationField", &close)
    }),
    ("hosted/file", |client| {
        let file = json!({"caption": "", "relativePath": "/v1/x", "fileType": "PNG"});
        let event = json!({"type": "ContentEvent", "contentType": "HostedFile", "message": file});
        let body = json!({"dialogId": client.conversation, "event": event});
        client.send(&[], "ms.PublishEvent", &body)
    }),
    ("Client-Properties", |client| {
        client.tokens = client.cloud.tokens("another");
        let properties = ("client-properties", r#"{"type":"ClientProperties"}"#);
        let body = open(&json!({"brandId": "91827364"}), "cm.ConsumerRequestConversation");
        client.ask("POST", CONVERSATION, &[JSON, properties], &body)
    }),
    (".ams.", |client| {
        client.tokens = client.cloud.tokens("another");
        let body = open(&json!({"brandId": "91827364"}), ".ams.cm.ConsumerRequestConversation");
        client.ask("POST", CONVERSATION, &[JSON], &body)
    }),
    ("CUSTOM", |client| {
        client.tokens = client.cloud.tokens("another");
        let body = json!({"brandId": "91827364", "ttrDefName": "CUSTOM"});
        let body = open(&body, "cm.ConsumerRequestConversation");
        client.ask("POST", CONVERSATION, &[JSON], &body)
    }),
    ("first message", |client| {
        client.tokens = client.cloud.tokens("another");
        let body = open(&json!({"brandId": "91827364"}), "cm.ConsumerRequestConversation");
        let mut body: Value = serde_json::from_str(&body).unwrap();
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": "x"});
        let first = json!({"kind": "req", "id": "3", "type": "ms.PublishEvent",
            "body": {"event": event}});
        body.as_array_mut().unwrap().push(first);
        client.ask("POST", CONVERSATION, &[JSON], &body.to_string())
    }),
    ("X-HTTP-Method-Override", |client| {
        let (user, password) = client.cloud.sandbox.config().admin();
        let body = json!({"username": user, "password": password});
        let session = client.cloud.post("/api/account/91827364/login", &[], &body).1;
        let bearer = format!("Bearer {}", session["bearer"].as_str().unwrap());
        let (id, _) = client.cloud.credentials();
        let path =
            format!("/api/account/91827364/configuration/app-install/installations/{id}?v=1.0");
        let record = json!({"client_name": "pigeon-post"}).to_string();
        let request = Request::post(path)
            .header("authorization", bearer)
            .header("if-match", "1")
            .header("x-http-method-override", "PUT")
            .body(record.into_bytes())
            .unwrap();
        let reply = client.cloud.sandbox.reply(NOW, &request);
        (reply.response.status().as_u16(), reply.warnings)
    }),
    ("//", |client| {
        let tokens = client.tokens.clone();
        let wanted = json!({"fileSize": "3", "fileType": "PNG"});
        let (_, url) = client.cloud.send(&tokens, "ms.GenerateURLForUploadFile", wanted);
        let query = &url["body"]["queryParams"];
        let path = format!(
            "/{}?temp_url_sig={}&temp_url_expires={}",
            url["body"]["relativePath"].as_str().unwrap(),
            query["temp_url_sig"].as_str().unwrap(),
            query["temp_url_expires"].as_str().unwrap()
        );
        let request = Request::put(path).body(vec![1, 2, 3]).unwrap();
        let reply = client.cloud.sandbox.reply(NOW, &request);
        (reply.response.status().as_u16(), reply.warnings)
    }),
];

fn open(body: &Value, kind: &str) -> String {
    json!([{"kind": "req", "id": "1", "type": "userprofile.SetUserProfile", "body": {}},
        {"kind": "req", "id": "2", "type": kind, "body": body}])
    .to_string()
}

#[test]
fn what_is_not_documented_is_taken_with_a_warning() {
    for (number, (word, ask)) in DEVIATIONS.into_iter().enumerate() {
        let (status, warnings) = ask(&mut Client::new(false));
        assert!((200..300).contains(&status), "{number}: {status}");
        assert_eq!(warnings.len(), 1, "{number}: {warnings:?}");
        assert!(warnings[0].contains(word), "{number}: {warnings:?}");
    }
}

#[test]
fn a_strict_sandbox_refuses_it() {
    for (number, (word, ask)) in DEVIATIONS.into_iter().enumerate() {
        let (status, warnings) = ask(&mut Client::new(true));
        assert!((400..500).contains(&status), "{number}, {word}: {status}");
        assert_eq!(warnings, [""; 0], "{number}");
    }
}

#[test]
fn a_warning_is_of_its_own_request_alone() {
    let mut client = Client::new(false);
    let who = r#"{"ext_consumer_id":"ring"}"#;
    assert_eq!(client.ask("POST", "/api/account/91827364/consumer", &[JSON], who).1.len(), 1);
    let path = "/api/account/91827364/consumer?v=1.0";
    assert_eq!(client.ask("POST", path, &[JSON], who), (201, vec![]));
    // Not even a tolerant one takes a wrong version, or a body of another type.
    assert_eq!(client.ask("POST", "/api/account/91827364/consumer?v=2.0", &[JSON], who).0, 400);
    let form = login_free(&client);
    let path = "/sentinel/api/account/91827364/app/token?v=1.0";
    assert_eq!(client.ask("POST", path, &[("content-type", "text/plain")], &form).0, 400);
    assert_eq!(client.ask("POST", path, &[FORM], &form), (200, vec![]));
}

#[test]
fn a_wrong_version_is_refused_on_every_path() {
    let mut client = Client::new(false);
    let (app, _) = client.cloud.credentials();
    let at = |rest: &str| format!("/api/account/91827364/{rest}");
    for (path, kind) in [
        (at("service/idp/baseURI.json?version=2.0"), "GET"),
        ("/sentinel/api/account/91827364/app/token?v=2.0".to_owned(), "POST"),
        (at("consumer?v=2.0"), "POST"),
        (at("messaging/consumer/conversation?v=2"), "POST"),
        (at("messaging/consumer/conversation/send?v=2"), "POST"),
        (at(&format!("app/{app}/engagement?v=2.0")), "POST"),
    ] {
        let headers = if path.contains("sentinel") { FORM } else { JSON };
        assert_eq!(client.ask(kind, &path, &[headers], "{}"), (400, vec![]), "{path}");
    }
}

#[test]
fn a_404_names_every_endpoint() {
    let request = Request::get("/nowhere").body(Vec::new()).unwrap();
    let answer = Client::new(false).cloud.sandbox.handle(NOW, &request);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    for one in lp_connector_sandbox::Endpoint::ALL {
        let is_named = body["there_is"].as_str().unwrap().contains(one.name());
        assert_eq!(is_named, one.name() != "webhook", "{one}");
    }
}
