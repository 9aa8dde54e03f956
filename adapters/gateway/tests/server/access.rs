//! Who may ask, and how refusals look.

use std::io::Write as _;
use std::net::TcpStream;

use lp_connector_gateway::server::{AccountConfig, GatewayConfig, ServerConfig};
use lp_connector_sandbox::Agent;
use serde_json::{Value, json};

use crate::world::{
    ADA, Ask, OPERATIONS, OTHER_TOKEN, SECRET, TOKEN, World, account, eventually, secret, sent_to,
};

fn message() -> Value {
    json!({"id": "SM1", "consumer": ADA, "text": "Where is my parcel?"})
}

#[test]
fn only_a_gateways_token_opens_its_calls() {
    let world = World::new();
    for path in ["/v1/messages", "/v1/receipts", "/v1/close"] {
        let send = |ask: Ask| ask.json(&message()).send("POST", &world.url(path));
        let unknown = send(Ask::with_token("lpb_unknown-unknown-unknown-unknown"));
        assert_eq!(unknown.problem(), (401, "unauthorized".to_owned()));
        assert_eq!(unknown.headers["www-authenticate"], "Bearer");
        assert_eq!(send(Ask::default()).problem(), (401, "unauthorized".to_owned()));
        let operations = send(Ask::with_token(OPERATIONS));
        assert_eq!(operations.problem(), (403, "forbidden".to_owned()));
    }
    let unauthorized =
        "accepts_total{gateway=\"unknown\",kind=\"message\",result=\"unauthorized\"}";
    assert_eq!(world.metric(unauthorized), 3.0);
    assert!(world.sent().is_empty());
}

#[test]
fn a_foreign_host_is_refused_on_loopback() {
    let world = World::new();
    let ask = || Ask::with_token(TOKEN).json(&message());
    let foreign = ask().header("host", "evil.example").send("POST", &world.url("/v1/messages"));
    assert_eq!(foreign.problem(), (403, "host".to_owned()));
    let own = ask().header("host", "localhost:1").send("POST", &world.url("/v1/messages"));
    assert_eq!(own.status, 202);
    let probe = format!("http://{}/livez", world.addresses().operations);
    let foreign = Ask::default().header("host", "evil.example").send("GET", &probe);
    assert_eq!(foreign.problem(), (403, "host".to_owned()));
}

#[test]
fn each_refusal_is_a_problem_with_its_type() {
    let world = World::new();
    let ask = || Ask::with_token(TOKEN);
    let typed = |content_type: &str, body: &[u8]| {
        let mut ask = ask().header("content-type", content_type);
        ask.body = Some(body.to_vec());
        ask.send("POST", &world.url("/v1/messages")).problem()
    };
    let json = "application/json; charset=utf-8";
    for (content_type, body, status, slug) in [
        (json, &b"{"[..], 400, "malformed"),
        (json, br#"{"id":"1","id":"2","consumer":"a","text":"b"}"#, 400, "malformed"),
        ("text/plain", b"{}", 415, "content-type"),
        (json, b"{}", 422, "invalid"),
        (json, &vec![b' '; 9_000_000], 413, "too-large"),
    ] {
        assert_eq!(typed(content_type, body), (status, slug.to_owned()));
    }
    let long = json!({"id": "1", "consumer": ADA, "text": "x".repeat(5001)});
    assert_eq!(world.post("/v1/messages", &long).problem(), (422, "text-too-long".to_owned()));
    let nowhere = ask().send("GET", &world.url("/v1/nowhere"));
    assert_eq!(nowhere.problem(), (404, "not-found".to_owned()));
    let other = ask().send("GET", &world.url("/v1/messages"));
    assert_eq!(other.problem(), (405, "method".to_owned()));
    assert_eq!(other.headers["allow"], "POST");
    let invalid = "accepts_total{gateway=\"sms\",kind=\"message\",result=\"invalid\"}";
    assert_eq!(world.metric(invalid), 6.0);
}

#[test]
fn a_plain_request_id_comes_back() {
    let world = World::new();
    let send = |id: &str| {
        let ask = Ask::default().header("x-request-id", id);
        let answer = ask.send("POST", &world.url("/v1/messages"));
        answer.problem();
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(send("req-1.a:b_C"), "req-1.a:b_C");
    for id in ["a b", "<script>", &"x".repeat(65), ""] {
        assert_ne!(send(id), id);
    }
    assert_ne!(send(""), send(""));
}

#[test]
fn the_bodies_of_one_gateway_take_no_memory_of_another() {
    let world = World::with(|config| {
        let mut chat = GatewayConfig::new("chat", "http://127.0.0.1:1/");
        chat.tokens.push(secret(OTHER_TOKEN));
        chat.deliver.secrets.push(secret(SECRET));
        config.gateways.push(chat);
    });
    let address = world.addresses().gateways;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: 4700001\r\n\r\n"
    );
    let blanks = vec![b' '; 4_700_000];
    // Each lacks its last byte.
    let begin = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&blanks).unwrap();
        stream
    };
    let under_way: Vec<TcpStream> = (0..7).map(|_| begin()).collect();
    let text =
        json!({"id": "1", "consumer": ADA, "text": "x".repeat(4000), "more": "x".repeat(700_000)});
    eventually("its share is taken", || {
        let answer = world.post("/v1/messages", &text);
        (answer.status == 429).then(|| {
            assert_eq!(answer.problem().1, "too-many");
            assert_eq!(answer.headers["retry-after"], "1");
        })
    });
    let other = Ask::with_token(OTHER_TOKEN).json(&text).send("POST", &world.url("/v1/messages"));
    assert_eq!(other.status, 202);
    drop(under_way);
    let accepted = || (world.post("/v1/messages", &text).status == 202).then_some(());
    eventually("there is room again", accepted);
}

#[test]
fn what_verifies_notifications_is_read_again() {
    let world = World::new();
    world.begin();
    let reload = |secrets: &[String]| {
        let mut config = world.config();
        config.accounts[0].webhook_secrets = secrets.iter().map(|one| secret(one)).collect();
        world.server().reload_secrets(&config).unwrap();
    };
    let (new, old) = ("another".to_owned(), world.cloud.client_secret());
    reload(std::slice::from_ref(&new));
    world.agent(Agent::Text("Hello.".to_owned(), Vec::new()));
    eventually("its signature is not known", || {
        (world.metric("webhooks_total{result=\"bad_signature\"}") > 0.0).then_some(())
    });
    reload(&[new, old]);
    eventually("it is delivered", || (world.toy.texts() == ["Hello."]).then_some(()));
}

#[test]
fn what_logs_in_is_read_again() {
    let wrong = |config: &ServerConfig, app: Option<&str>| {
        let client = config.accounts[0].client.clone();
        let app =
            app.map_or_else(|| client.client_id().cloned().unwrap(), |app| app.parse().unwrap());
        client.credentials(app, secret("wr0ng"))
    };
    let world = World::with(|config| config.accounts[0].client = wrong(config, None));
    assert_eq!(world.post("/v1/messages", &message()).status, 202);
    eventually("the login is refused", || {
        let status = world.operations("GET", "/ops/v1/status").json();
        (status["failing"][0]["status"] == 401).then_some(())
    });
    let mut config = world.config();
    config.accounts[0] = account(&world.cloud);
    world.server().reload_secrets(&config).unwrap();
    eventually("the message is sent", || (sent_to(&world.cloud).len() == 1).then_some(()));
    config.accounts[0].client = wrong(&config, Some("another-app"));
    let error = world.server().reload_secrets(&config).unwrap_err();
    assert_eq!(error.setting, "liveperson.client_id");
}

#[test]
fn a_gateway_that_is_removed_has_no_token_any_more() {
    let world = World::new();
    let mut config = world.config();
    config.gateways.clear();
    world.server().reload_secrets(&config).unwrap();
    assert_eq!(world.post("/v1/messages", &message()).problem(), (401, "unauthorized".to_owned()));
    world.server().reload_secrets(&world.config()).unwrap();
    assert_eq!(world.post("/v1/messages", &message()).status, 202);
    let mut other = world.config();
    let client = "0a1b2c3d".parse().unwrap();
    other.accounts.push(AccountConfig::new("12345678".parse().unwrap(), client, secret("n3v3r")));
    let error = world.server().reload_secrets(&other).unwrap_err();
    assert_eq!(error.setting, "liveperson.account");
}

#[test]
fn the_tokens_of_operators_are_read_again() {
    let world = World::new();
    let mut config = world.config();
    config.operations_tokens = vec![secret(OTHER_TOKEN)];
    world.server().reload_secrets(&config).unwrap();
    let url = format!("http://{}/ops/v1/status", world.addresses().operations);
    let status = |token: &str| Ask::with_token(token).send("GET", &url).status;
    assert_eq!((status(OPERATIONS), status(OTHER_TOKEN)), (401, 200));
}
