//! Who may ask, and how refusals look.

use serde_json::{Value, json};

use crate::world::{ADA, Ask, OPERATIONS, TOKEN, World, eventually};

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
fn bodies_that_take_all_the_memory_are_refused_for_now() {
    use std::io::{Read as _, Write as _};
    let world = World::new();
    let address = world.addresses().gateways;
    // The head of a request with the largest body, which does not come.
    let begin = || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: 4718592\r\n\r\n"
        )
        .unwrap();
        stream
    };
    // There is room for 14 of them.
    let mut all: Vec<_> = (0..15).map(|_| begin()).collect();
    all.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let refused = eventually("one is refused", || {
        let mut answer = vec![0; 4096];
        let length = all.iter_mut().find_map(|stream| stream.read(&mut answer).ok())?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    });
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n") && refused.contains("#too-many"), "{refused}");
    drop(all);
    let accepted = || (world.post("/v1/messages", &message()).status == 202).then_some(());
    eventually("there is room again", accepted);
}
